-- Sends prepared requests, one after the other, over all connections.
-- Defined before this: `paths`, and the `length` of ranges, if any.

local requests, at = {}, 0

function init()
  for i = 1, #paths, 2 do
    local first, headers = paths[i + 1], nil
    if length then
      headers = { Range = string.format("bytes=%d-%d", first, first + length - 1) }
    end
    requests[#requests + 1] = wrk.format("GET", paths[i], headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"bytes":%d,"duration":%d,"p50":%d,"p99":%d,"p999":%d,'
      .. '"failed":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}',
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout
  ))
end
