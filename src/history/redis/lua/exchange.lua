-- One exchange: that of a turn, however it stands; or, without one, that of the turn begun last, once
-- it has ended. With the fence that is valid.

local meta = load()
local turn = meta and (given.turn or meta.turn)
local asked = turn and asked_under(turn)
local row = asked and exchange(asked.position)
if not row or row.turn ~= turn or (not given.turn and row.state == 'running') then
    return { 'none' }
end
return { 'told', joined(asked.position, row), digits(meta.fence) }
