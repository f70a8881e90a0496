-- The sessions that were used last, without those whose time is over.
-- KEYS: the index. ARGV: for how many seconds a session is kept, how many to skip and to tell.

local now = redis.call('TIME')
local oldest = (now[1] - ARGV[1]) * 1000000 + now[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', oldest))
return redis.call('ZREVRANGE', KEYS[1], ARGV[2], ARGV[2] + ARGV[3] - 1)
