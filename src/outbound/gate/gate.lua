-- A gate: one value that says how its service is, and who is in. Losing both costs one round of failures or probes.
-- KEYS[1]: the state, JSON that Rust reads and writes; here only `open`, `blocked_until` and `limit` are looked at
-- KEYS[2]: sorted set of those who are in; score = until when that is believed (ms)
-- ARGV: what to do, who, for how long a place is believed (ms), most places, for how long all of it is kept (ms),
--       the longest block believed (ms), the state believed and the state wanted (`set` alone), then those whose places are free
-- Answers {now in ms, state, 1 if it was done, how many are in}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('GET', KEYS[1]) or ''
local what, who, believed, most, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local longest_block = tonumber(ARGV[6])
local done = 0

for gone = 9, #ARGV do
  redis.call('ZREM', KEYS[2], ARGV[gone])
end

local function take()
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + believed), who)
  redis.call('PEXPIRE', KEYS[2], kept)
  done = 1
end

if what == 'enter' then
  -- what another version wrote and this one cannot read is as good as lost
  local read, state = pcall(cjson.decode, held)
  if not read or type(state) ~= 'table' then
    state = {}
  end
  local blocked = (tonumber(state.blocked_until) or 0) - now
  if not state.open and (blocked <= 0 or blocked > longest_block) then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
    local bears = math.min(most, math.max(1, math.floor(tonumber(state.limit) or most)))
    if redis.call('ZCARD', KEYS[2]) < bears then
      take()
    end
  end
elseif what == 'stay' then
  take()
elseif what == 'leave' then
  redis.call('ZREM', KEYS[2], who)
elseif what == 'set' and held == ARGV[7] then
  redis.call('SET', KEYS[1], ARGV[8], 'PX', kept)
  held, done = ARGV[8], 1
end
return { now, held, done, redis.call('ZCOUNT', KEYS[2], '(' .. string.format('%.0f', now), '+inf') }
