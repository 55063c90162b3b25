-- For wrk: a POST whose body is in the file $LOAD_BODY, with the headers in $LOAD_HEADERS; the figures as JSON at the end.
local file = assert(io.open(os.getenv("LOAD_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
for name, value in string.gmatch(os.getenv("LOAD_HEADERS"), "([^\n:]+): ([^\n]*)") do
   wrk.headers[name] = value
end

-- Where the body says so, each request is another one.
local before, after = string.match(wrk.body, "^(.*)%(each request counts on here%)(.*)$")
if before then
   local count = 0
   request = function()
      count = count + 1
      return wrk.format(nil, nil, nil, before .. count .. after)
   end
end

done = function(summary, latency, requests)
   local failed = summary.errors
   print(string.format('{"requests":%d,"duration_us":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"failed":%d}',
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
