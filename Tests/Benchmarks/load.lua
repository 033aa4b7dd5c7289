-- wrk: GETs, or, given form fields, posts of service requests of about 700 bytes, each with its own text.
-- Arguments: form fields, milliseconds between two posts of one connection. The last line printed is what measure.py reads.
local count = 0

function init(arguments)
   if arguments[1] == nil then return end
   local fields, pause = arguments[1], tonumber(arguments[2] or 0)
   function request()
      count = count + 1
      local text = string.format("Lampadaire+%09d+", count) .. string.rep("%C3%A9teint+rue+du+Moulin+", 20)
      return wrk.format("POST", nil, { ["Content-Type"] = "application/x-www-form-urlencoded" },
         fields .. "&service_code=LAMP&lat=43.6&long=3.2&description=" .. text)
   end
   if pause > 0 then
      function delay() return pause end
   end
end

function done(summary, latency, requests)
   io.write(string.format('{"requests": %d, "seconds": %.4f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, ' ..
      '"refused": %d, "broken": %d}\n', summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
