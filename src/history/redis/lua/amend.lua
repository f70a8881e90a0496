-- Changes an exchange after it finished: what was heard of it, or its answer, if that is still the
-- one that the change was made from.

local meta, wrong = fenced()
if not meta then return wrong end
local row, position = answered(given.turn)
if not row then return { 'turn' } end
if given.heard then row.heard = given.heard end
if given.answer then
    if row.answer ~= given.former then return { 'other', row.answer } end
    row.answer = given.answer
end
put_exchange(position, row)
return { 'done' }
