-- wrk: each request is a status update by REST: PUT to the next id of a file, again from its beginning under another name.
-- Arguments: the CRM's token, the file of ids, the round, which is part of the updates' names. The last line printed is what measure.py
-- reads.
local token, round, ids, count = nil, 0, {}, 0

function init(arguments)
   token, round = arguments[1], arguments[3]
   for line in io.lines(arguments[2]) do ids[#ids + 1] = line end
end

function request()
   local id, pass = ids[count % #ids + 1], math.floor(count / #ids)
   count = count + 1
   return wrk.format("PUT", "/v1/service-requests/" .. id .. "/updates/rest-" .. round .. "-" .. pass,
      { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" },
      '{"status":"IN_PROCESS","status_notes":"Une équipe passera demain matin"}')
end

function done(summary, latency, requests)
   io.write(string.format('{"requests": %d, "seconds": %.4f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, ' ..
      '"refused": %d, "broken": %d}\n', summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
      latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
