-- Adds to what was used in a day, unless that was added already, and tells the sums.
-- KEYS: where they are. ARGV: who adds, the number of the addition, turns and tokens to add, for how many
-- seconds they are kept, and how many who add are known apart.

local key = KEYS[1]
local by, number = 'by:' .. ARGV[1], tonumber(ARGV[2])
local last = tonumber(redis.call('HGET', key, by) or '-1')
local adds = ARGV[3] ~= '0' or ARGV[4] ~= '0'

if adds and last < number then
  redis.call('HINCRBY', key, 'turns', ARGV[3])
  redis.call('HINCRBY', key, 'tokens', ARGV[4])
  redis.call('HSET', key, by, ARGV[2])
  redis.call('EXPIRE', key, ARGV[5])
  -- The two sums are in it, too.
  if redis.call('HLEN', key) > tonumber(ARGV[6]) + 2 then
    local fields = redis.call('HGETALL', key)
    local oldest, least
    for at = 1, #fields, 2 do
      local added = tonumber(fields[at + 1])
      if string.sub(fields[at], 1, 3) == 'by:' and (not least or added < least) then
        oldest, least = fields[at], added
      end
    end
    redis.call('HDEL', key, oldest)
  end
end

local function sum(name)
  return tonumber(redis.call('HGET', key, name) or '0')
end

return { sum('turns'), sum('tokens') }
