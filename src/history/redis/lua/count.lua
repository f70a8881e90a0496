-- Adds to what was used in a day, and tells the sums.
-- KEYS: where they are. ARGV: turns and tokens to add, and for how many seconds they are kept.

local turns = redis.call('HINCRBY', KEYS[1], 'turns', ARGV[1])
local tokens = redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return { turns, tokens }
