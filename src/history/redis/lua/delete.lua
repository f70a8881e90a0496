-- Forgets a session. Its fence is remembered for a while, so that a session that takes the id
-- again never meets a fence of this one, not even when the clock was set back meanwhile.

local meta = load()
if not meta then return { 'session' } end
redis.call('SET', FORMER, digits(meta.fence), 'EX', given.former_ttl)
redis.call('DEL', META, EXCHANGES, TURNS)
return { 'done' }
