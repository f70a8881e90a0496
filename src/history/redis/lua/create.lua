-- Creates a session, or leaves one that is there as it is.

local meta, now = load(), clock()
if not meta then
    meta = fresh(now)
    store_used(meta, now)
end
return { 'record', record(meta) }
