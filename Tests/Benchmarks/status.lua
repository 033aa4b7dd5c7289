-- wrk: each request is a status update by REST: PUT to the next id of a file, once each.
-- Arguments: the CRM's token, the file of ids, the first line to take. The last line printed is what measure.py reads.
local token, ids, count = nil, {}, 0

function init(arguments)
   token = arguments[1]
   local first, number = tonumber(arguments[3]), 0
   for line in io.lines(arguments[2]) do
      number = number + 1
      if number >= first then ids[#ids + 1] = line end
   end
end

function request()
   count = count + 1
   local id = ids[count]
   -- More than there are: wrk has no way to stop by itself, and the figure is thrown away.
   if id == nil then return wrk.format("GET", "/exhausted") end
   return wrk.format("PUT", "/v1/service-requests/" .. id .. "/updates/rest-" .. id,
      { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" },
      '{"status":"IN_PROCESS","status_notes":"Une équipe passera demain matin"}')
end

function done(summary, latency, requests)
   io.write(string.format('{"requests": %d, "seconds": %.4f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, ' ..
      '"refused": %d, "broken": %d}\n', summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
