-- What the scripts of a session share.
--
-- KEYS are the session's meta, exchanges, turns and former fence; ARGV are names and values in turn.
-- Answers, tasks, options and settings are opaque here: they are JSON that only the service reads.
--
-- An exchange is three lines: `state asked_at turn others`, what was heard of it, the answer.
-- What was asked under an id is three lines: `position kind replaces waiting task_of`, the options,
-- the task. `*` stands for nothing; no id contains it.

local META, EXCHANGES, TURNS, FORMER = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local given = {}
for at = 1, #ARGV, 2 do given[ARGV[at]] = ARGV[at + 1] end

local FIELDS = {
    'title', 'created', 'updated', 'count', 'next', 'fence', 'settings',
    -- The attempt that the fence was given for.
    'turn', 'position', 'stands', 'begun', 'running', 'owner', 'lease',
}
local NUMBERS = { 'created', 'updated', 'count', 'next', 'fence', 'position', 'begun', 'lease' }

local function damaged(what) error('DAMAGED ' .. what, 0) end

-- A number as text; Lua's own way loses digits of a time.
local function digits(number) return string.format('%.0f', number) end

-- The time in microseconds, the same throughout a script.
local function clock()
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- What is known of the session, or nil.
local function load()
    local values, meta = redis.call('HMGET', META, unpack(FIELDS)), {}
    for at, field in ipairs(FIELDS) do meta[field] = values[at] end
    if not meta.fence and redis.call('EXISTS', META) == 0 then return nil end
    for _, field in ipairs(FIELDS) do
        if not meta[field] then damaged('a session without ' .. field) end
    end
    for _, field in ipairs(NUMBERS) do
        meta[field] = tonumber(meta[field]) or damaged('a session whose ' .. field .. ' is no number')
    end
    return meta
end

-- A session in which nothing has happened yet. Its fence goes on from that of a session that had
-- this id before.
local function fresh(now)
    return {
        title = '', created = now, updated = now - 1, count = 0, next = 0,
        fence = tonumber(redis.call('GET', FORMER) or 0), settings = given.settings,
        turn = '', position = 0, stands = 'place', begun = 0, running = '0', owner = '', lease = 0,
    }
end

local function store(meta)
    local values = {}
    for _, field in ipairs(FIELDS) do
        local value = meta[field]
        values[#values + 1] = field
        values[#values + 1] = type(value) == 'number' and digits(value) or value
    end
    redis.call('HSET', META, unpack(values))
end

-- Stores a session as used now.
local function store_used(meta, now)
    meta.updated = math.max(now, meta.updated + 1)
    store(meta)
    for _, key in ipairs({ META, EXCHANGES, TURNS }) do redis.call('EXPIRE', key, given.ttl) end
end

-- A fence greater than every earlier one of this session, whatever the clock does.
local function next_fence(meta, now) meta.fence = math.max(meta.fence + 1, now) end

-- What people see of a session.
local function record(meta)
    return { meta.title, digits(meta.created), digits(meta.updated), digits(meta.count), meta.settings }
end

local function exchange(position)
    local row = redis.call('HGET', EXCHANGES, position)
    if not row then damaged('exchange ' .. position .. ' is not there') end
    local state, asked, turn, others, heard, answer =
        string.match(row, '^(%l+) (%d+) (%S+) (%S+)\n([^\n]*)\n([^\n]*)$')
    if not state then damaged('exchange ' .. position) end
    return { state = state, asked = asked, turn = turn, others = others, heard = heard, answer = answer }
end

local function put_exchange(position, row)
    local line = table.concat({ row.state, row.asked, row.turn, row.others }, ' ')
    redis.call('HSET', EXCHANGES, position, table.concat({ line, row.heard, row.answer }, '\n'))
end

-- What was asked under an id, or nil.
local function asked_under(turn)
    local row = redis.call('HGET', TURNS, turn)
    if not row then return nil end
    local position, kind, replaces, waiting, task_of, options, task =
        string.match(row, '^(%d+) (%S+) (%l+) ([01]) (%S+)\n([^\n]*)\n([^\n]*)$')
    if not position then damaged('turn ' .. turn) end
    return {
        position = tonumber(position), kind = kind, replaces = replaces, waiting = waiting,
        task_of = task_of, options = options, task = task,
    }
end

local function put_asked(turn, row)
    local line = table.concat({ row.position, row.kind, row.replaces, row.waiting, row.task_of }, ' ')
    redis.call('HSET', TURNS, turn, table.concat({ line, row.options, row.task }, '\n'))
end

-- Who asked for the task of a turn first: itself, or the turn whose task it does again.
local function origin(asked)
    if asked.task_of == '*' then return asked end
    return asked_under(asked.task_of) or damaged('the task of ' .. asked.task_of .. ' is not there')
end

-- An exchange as it is told: what was answered, and what was asked.
local function joined(position, told)
    local asked = asked_under(told.turn) or damaged('turn ' .. told.turn .. ' is not there')
    return {
        position, told.turn, told.state, told.asked, told.heard, told.answer,
        asked.options, origin(asked).task,
    }
end

-- The newest exchanges before `before` that `wanted` takes, oldest first.
local function newest(meta, before, limit, wanted)
    local found, position = {}, math.min(before, meta.next) - 1
    while position >= meta.next - meta.count and #found < limit do
        local told = exchange(position)
        if wanted(told) then table.insert(found, 1, joined(position, told)) end
        position = position - 1
    end
    return found
end

-- How an answer ends an attempt: what the service decided of it, under names with this beginning.
local function ending(beginning)
    return {
        state = given[beginning .. 'state'], takes = given[beginning .. 'takes'] == '1',
        answer = given[beginning .. 'answer'], heard = given[beginning .. 'heard'],
    }
end

-- Ends the attempt of a session: its answer is kept, where it has one that may stand.
local function end_attempt(meta, ended)
    meta.running = '0'
    if meta.stands == 'beside' and not ended.takes then return end
    local row = exchange(meta.position)
    if meta.stands == 'beside' then
        local asked = asked_under(meta.turn) or damaged('turn ' .. meta.turn .. ' is not there')
        asked.waiting = '0'
        put_asked(meta.turn, asked)
        local others = { row.turn }
        for other in string.gmatch(row.others, '[^,*]+') do
            if other ~= meta.turn then others[#others + 1] = other end
        end
        row.others, row.turn, row.asked = table.concat(others, ','), meta.turn, digits(meta.begun)
        meta.stands = 'place'
    end
    row.state, row.answer, row.heard = ended.state, ended.answer, ended.heard
    put_exchange(meta.position, row)
end

-- The exchange of a turn that is not being answered, and where it is; or nil.
local function answered(turn)
    local asked = asked_under(turn)
    if not asked then return nil end
    local row = exchange(asked.position)
    if row.turn ~= turn or row.state == 'running' then return nil end
    return row, asked.position
end

-- The session, while the fence that is shown is valid; else nil and what is wrong.
local function fenced()
    local meta = load()
    if not meta then return nil, { 'session' } end
    if digits(meta.fence) ~= given.fence then return nil, { 'fenced' } end
    return meta
end
