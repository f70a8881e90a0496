-- Changes the session's settings.

local meta = load()
if not meta then return { 'session' } end
meta.settings = given.settings
store_used(meta, clock())
return { 'record', record(meta) }
