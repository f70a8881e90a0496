-- Forgets the exchanges of a session and keeps the session. Positions go on rising.

local meta, now = load(), clock()
if not meta then return { 'session' } end
redis.call('DEL', EXCHANGES, TURNS)
meta.count, meta.turn, meta.running = 0, '', '0'
next_fence(meta, now)
store_used(meta, now)
return { 'done', digits(meta.updated) }
