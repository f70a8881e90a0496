-- Opens a turn, or tells what is known of it.

-- Ends what is running and notes what was heard, before another turn is opened.
local function settle(meta)
    local valid = given.settled_fence == '*' or given.settled_fence == digits(meta.fence)
    local settled = valid and given.settled or '*'
    if meta.running == '1' then
        if settled == meta.turn and given.settled_running == '1' then
            return end_attempt(meta, ending('settled_'))
        end
        end_attempt(meta, ending('nothing_'))
    end
    local row, position = answered(settled)
    if row and row.state == 'finished' then
        row.heard = given.settled_heard
        put_exchange(position, row)
    end
end

local function attempt(meta, position, stands, now)
    meta.turn, meta.position, meta.stands = given.turn, position, stands
    meta.begun, meta.running = now, '1'
    meta.owner, meta.lease = given.owner, now + given.lease
end

local function new_asked(position, waiting, task_of)
    put_asked(given.turn, {
        position = position, kind = given.kind, replaces = given.replaces, waiting = waiting,
        task_of = task_of, options = given.options, task = given.task,
    })
end

local function put_running(position, asked, others)
    put_exchange(position, {
        state = 'running', asked = asked, turn = given.turn, others = others,
        heard = given.nothing_heard, answer = given.nothing_answer,
    })
end

-- Drops the oldest exchanges, and the ids that belong to them; the newest stays.
local function trim(meta)
    while meta.count > math.max(tonumber(given.max_exchanges), 1) do
        local oldest = meta.next - meta.count
        local row = exchange(oldest)
        redis.call('HDEL', EXCHANGES, oldest)
        redis.call('HDEL', TURNS, row.turn)
        for other in string.gmatch(row.others, '[^,*]+') do redis.call('HDEL', TURNS, other) end
        meta.count = meta.count - 1
    end
end

-- Gives the turn the next position.
local function open_in_place(meta, now)
    local position = meta.next
    meta.next, meta.count = position + 1, meta.count + 1
    new_asked(position, '0', '*')
    put_running(position, digits(now), '*')
    attempt(meta, position, 'place', now)
    trim(meta)
end

-- Lets the turn wait beside the last exchange.
local function open_beside(meta, now)
    local position = meta.next - 1
    local last = exchange(position)
    local task_of = '*'
    if given.kind == '*' then
        local asked = asked_under(last.turn) or damaged('turn ' .. last.turn .. ' is not there')
        task_of = asked.task_of ~= '*' and asked.task_of or last.turn
    end
    new_asked(position, '1', task_of)
    last.others = last.others == '*' and given.turn or last.others .. ',' .. given.turn
    put_exchange(position, last)
    attempt(meta, position, 'beside', now)
end

-- Opens a turn that was not answered again, in its old position.
local function reopen(meta, asked, now)
    local row = exchange(asked.position)
    if row.turn == given.turn then
        put_running(asked.position, row.asked, row.others)
        return attempt(meta, asked.position, 'place', now)
    end
    -- Another answer may have taken the place a moment ago, as it was settled.
    asked.waiting = '1'
    put_asked(given.turn, asked)
    attempt(meta, asked.position, 'beside', now)
end

-- Whether a new turn has words of its own, or others' to answer again.
local function has_something_to_do(meta)
    if given.replaces == 'nothing' then return given.kind ~= '*' end
    if not meta or meta.count == 0 then return false end
    local last = exchange(meta.next - 1)
    local asked = asked_under(last.turn) or damaged('turn ' .. last.turn .. ' is not there')
    return origin(asked).kind == 'answer'
end

-- Makes earlier fences void, stores the session, and tells what the turn needs.
local function opened(meta, now)
    if meta.title == '' then meta.title = given.title end
    next_fence(meta, now)
    store_used(meta, now)
    local function finished(told) return told.state == 'finished' end
    return {
        'new', meta.position, origin(asked_under(given.turn)).task, meta.settings,
        digits(meta.fence), digits(meta.updated),
        newest(meta, meta.position, tonumber(given.recent), finished),
    }
end

local meta, now = load(), clock()
local asked = meta and asked_under(given.turn)
if not asked then
    if not has_something_to_do(meta) then return { 'nothing' } end
    meta = meta or fresh(now)
    settle(meta)
    if given.replaces == 'nothing' then open_in_place(meta, now) else open_beside(meta, now) end
    return opened(meta, now)
end

if asked.kind ~= given.kind or asked.task ~= given.task or asked.options ~= given.options
    or asked.replaces ~= given.replaces then
    return { 'conflict' }
end
if meta.running == '1' and meta.turn == given.turn then
    if meta.owner ~= given.owner then
        if meta.lease > now then
            return { 'elsewhere', math.ceil((meta.lease - now) / 1000) }
        end
    elseif given.here == '1' then
        return { 'running' }
    end
end
if asked.waiting == '0' then
    local row = exchange(asked.position)
    if row.state == 'finished' then return { 'replay', joined(asked.position, row) } end
end
settle(meta)
reopen(meta, asked, now)
return opened(meta, now)
