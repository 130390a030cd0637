-- One vendor's budget of requests, shared by every process.
-- KEYS[1]: hash of `tokens`, `at`, `blocked` (µs), and the next turn (µs) per urgency. Losing it costs one burst.
-- ARGV: rate per second, burst, longest wait (µs), cost (0: only look), block for (µs), farthest turn (µs),
--       tokens that must be left to others, name of the field that deals the turns
-- Answers {granted, wait in µs, tokens left, blocked for µs}.
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local longest, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local block, farthest = tonumber(ARGV[5]), tonumber(ARGV[6])
local left, turns = tonumber(ARGV[7]), ARGV[8]

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local row = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'blocked', turns)
local tokens = tonumber(row[1]) or burst
local at = tonumber(row[2]) or now
local blocked = tonumber(row[3]) or 0
local turn = tonumber(row[4]) or 0

tokens = math.min(burst, tokens + math.max(0, now - at) / 1000000 * rate)
if block > 0 then
  blocked = math.max(blocked, now + block)
end
local closed = math.max(0, blocked - now)

local granted, wait = 0, 0
if cost > 0 then
  -- the bucket may go below what must be left by what refills within the longest wait: whoever takes such a token waits for it
  local owed = math.max(0, cost + left - tokens) / rate * 1000000
  if closed == 0 and owed <= longest then
    tokens = tokens - cost
    granted, wait = 1, owed
  else
    -- those sent away get turns one after the other, so that they do not all come back at once
    local earliest = now + math.max(closed, owed)
    turn = math.max(turn, earliest) + cost / rate * 1000000
    if turn > earliest + farthest then
      turn = earliest + cost / rate * 1000000
    end
    wait = turn - now
  end
end

if cost > 0 or block > 0 then
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.0f', now),
    'blocked', string.format('%.0f', blocked), turns, string.format('%.0f', turn))
  redis.call('PEXPIRE', KEYS[1], 7200000)
end
return { granted, math.ceil(wait), math.floor(tokens), math.ceil(closed) }
