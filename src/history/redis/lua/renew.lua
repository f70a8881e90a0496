-- Says that a turn is still being answered.

local meta, wrong = fenced()
if not meta then return wrong end
redis.call('HSET', META, 'lease', digits(clock() + given.lease))
return { 'done' }
