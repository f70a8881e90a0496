-- Gives a session a name; that is not a use of it.

local meta = load()
if not meta then return { 'session' } end
meta.title = given.title
store(meta)
return { 'record', record(meta) }
