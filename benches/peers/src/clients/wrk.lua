-- Makes prepared requests, one after the other, over all connections.
-- Before this come `asked`, the `length` of ranges if they are any, and, for an audit, `response`.

local requests, at = {}, 0
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init()
  for i = 1, #asked, 2 do
    local first, headers = asked[i + 1], nil
    if length then
      headers = { Range = string.format("bytes=%d-%d", first, first + length - 1) }
    end
    requests[#requests + 1] = wrk.format("GET", asked[i], headers)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do
    wrong = wrong + (thread:get("wrong") or 0)
  end
  local errors = summary.errors
  print(string.format(
    "counts requests=%d bytes=%d duration=%d p50=%d p99=%d p999=%d wrong=%d"
      .. " connect=%d read=%d write=%d status=%d timeout=%d",
    summary.requests, summary.bytes, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), wrong,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout
  ))
end
