-- Keeps the answer of a turn.

local meta, wrong = fenced()
if not meta then return wrong end
if meta.turn ~= given.turn then return { 'turn' } end
end_attempt(meta, ending(''))
store_used(meta, clock())
return { 'done', digits(meta.updated) }
