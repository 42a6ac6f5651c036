-- Sends one body again and again, and says in one line of JSON what came back.
-- Arguments: file with the body, then names and values of headers.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.method = "POST"
   wrk.body = file:read("*a")
   file:close()
   for index = 2, #args, 2 do
      wrk.headers[args[index]] = args[index + 1]
   end
   request_bytes = #wrk.format()
end

function done(summary, latency, requests)
   local errors = summary.errors
   print(string.format(
      '{"requests":%d,"microseconds":%d,"received_bytes":%d,"request_bytes":%d,"failed":%d,' ..
      '"p50_us":%d,"p95_us":%d,"p99_us":%d}',
      summary.requests, summary.duration, summary.bytes, threads[1]:get("request_bytes"),
      errors.status + errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
