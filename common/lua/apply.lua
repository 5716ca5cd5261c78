-- apply: check everything, then change everything. The one script of nixie.
--
-- KEYS are named by the operations; ARGV is a flat list of operations, each
-- "<name> <index into KEYS> ...". All checks and all reading come before the first
-- write, so that a script that fails has changed nothing; that the writing commands
-- are permitted is tried on keys of no meaning before (store_redis_write.c). Every effect is an absolute value or
-- has an id of its own: replaying the commands, in part or whole, from a torn
-- append-only file gives the same data (nixie-redis.7, "Exactly once").
--
-- Returns {"ok"}, {"moved", <stored position>} or {"conflict", <key>}.

-- arguments of each operation behind the key; "n" marks a count of field-value pairs
local argc = {
  at = 1,       -- token: the position is this one, or another reader was here
  rev = 1,      -- revision: the entry is the one that was read; "none": there is none
  put = 'put',  -- expireat n (field value)*: replaces the whole hash
  set = 'put',  -- expireat n (field value)*: sets fields
  sum = 'put',  -- expireat n (field delta)*: adds to counters
  unset = 1,    -- field
  del = 0,
  zadd = 2,     -- score member
  zrem = 1,     -- member
  zput = 'put', -- expireat n (score member)*: replaces the whole sorted set
  zmore = 'put', -- expireat n (score member)*: adds to it
  dim = 'dim',  -- max expireat n (value counter delta)*: adds to fields "<value>|<counter>"; a value that comes when there are max is counted as "*"
  roll = 'roll', -- maxlen ms n (index into KEYS)*: appends the sums of those hashes to a stream, at that time, once
  top = 'top',  -- max expireat n (member delta)*: adds to scores; a member beyond max is counted as "*"
  first = 'top', -- max expireat n (field value)*: sets fields that are not there yet, up to max of them
  log = 'log',  -- maxlen expireat ms n (field value)*: appends to a stream at that time or later
  token = 1,    -- n: writes the id that the n-th `log` of this call got into field "token"
  new = 'new',  -- several hashes at once that are not there yet, see below
}
local kind = {
  at = 'hash', rev = 'hash', put = 'hash', set = 'hash', sum = 'hash', dim = 'hash', unset = 'hash', token = 'hash',
  zadd = 'zset', zrem = 'zset', zput = 'zset', zmore = 'zset', top = 'zset', first = 'hash', log = 'stream', roll = 'stream',
}

-- new: the key is the first of them, the others follow in KEYS. All have the same fields; so has what is said of
-- each in the journal. expireat n skip (bytes of a key before the address) suppressed until journal (indices into
-- KEYS, 0: not there) maxlen ms, how many words of a hash, of a journal entry, and of both that are not the same
-- for all; then (field value)* of a hash, (field value)* of a journal entry, the places in those of the values that
-- differ, and for each hash those values. The address, the token and the members of the indices are made here.
local SUPPRESSED, UNTIL, JOURNAL, WORDS = 3, 4, 5, 11
local function new_n(a)
  local differ = tonumber(ARGV[a + 10])
  return WORDS + tonumber(ARGV[a + 8]) + tonumber(ARGV[a + 9]) + differ + tonumber(ARGV[a + 1]) * differ
end

-- ---- read the list, checking types on the way
local ops, seen, i = {}, {}, 1
local function wrong_type(key, want)
  if not want or not key or seen[key] then return nil end
  local is = redis.call('TYPE', key)['ok']
  seen[key] = true
  if is ~= 'none' and is ~= want then
    return redis.error_reply('WRONGTYPE nixie: key ' .. key .. ' holds a ' .. is .. ', not a ' .. want)
  end
end
while i <= #ARGV do
  local name, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  local n = argc[name]
  if n == nil or key == nil then
    return redis.error_reply('ERR nixie: operation ' .. tostring(name) .. ' is unknown')
  end
  if n == 'put' then n = 2 + 2 * tonumber(ARGV[i + 3]) end
  if n == 'top' then n = 3 + 2 * tonumber(ARGV[i + 4]) end
  if n == 'log' then n = 4 + 2 * tonumber(ARGV[i + 5]) end
  if n == 'dim' then n = 3 + 3 * tonumber(ARGV[i + 4]) end
  if n == 'roll' then n = 3 + tonumber(ARGV[i + 4]) end
  local wrong = wrong_type(key, kind[name])
  if name == 'new' then
    local a, first = i + 2, tonumber(ARGV[i + 1])
    n = new_n(a)
    for j = SUPPRESSED, JOURNAL do
      wrong = wrong or wrong_type(KEYS[tonumber(ARGV[a + j])], j == JOURNAL and 'stream' or 'zset')
    end
    if redis.call('EXISTS', unpack(KEYS, first, first + tonumber(ARGV[a + 1]) - 1)) > 0 then return { 'conflict', key } end
  end
  if wrong then return wrong end
  if name == 'at' then
    local stored = redis.call('HGET', key, 'at') or ''
    if stored ~= ARGV[i + 2] then return { 'moved', stored } end
  elseif name == 'rev' and ARGV[i + 2] == 'none' then
    if redis.call('EXISTS', key) == 1 then return { 'conflict', key } end
  elseif name == 'rev' then
    local stored = redis.call('HGET', key, 'revision') or '0'
    if stored ~= ARGV[i + 2] then return { 'conflict', key } end
  else
    ops[#ops + 1] = { name, key, i + 2, tonumber(ARGV[i + 1]) }
  end
  i = i + 2 + n
end

-- ---- read: what is written is made up before the first write
local commands, deleted, last_id, ids = {}, {}, {}, {}
-- what counters of this call have become: a later operation on the same key goes on from there
local counted, sizes = {}, {}
local function counters_of(key, ask)
  local old, mine = redis.call(unpack(ask)), counted[key] or {}
  counted[key] = mine
  for j = 3, #ask do old[j - 2] = mine[ask[j]] or old[j - 2] end
  return old, mine
end
local function write(...) commands[#commands + 1] = { ... } end
local function pairs_from(list, first, n)
  for j = first, first + 2 * n - 1 do list[#list + 1] = ARGV[j] end
  return list
end
local function expire(key, at)
  if tonumber(at) > 0 then write('EXPIREAT', key, at) end
end

local plan = {}
function plan.set(key, a)
  commands[#commands + 1] = pairs_from({ 'HSET', key }, a + 2, tonumber(ARGV[a + 1]))
  expire(key, ARGV[a])
end
function plan.put(key, a)
  write('DEL', key)
  plan.set(key, a)
end
function plan.sum(key, a)
  local n, ask, new = tonumber(ARGV[a + 1]), { 'HMGET', key }, { 'HSET', key }
  for j = 0, n - 1 do ask[#ask + 1] = ARGV[a + 2 + 2 * j] end
  local old, mine = counters_of(key, ask)
  for j = 1, n do
    local sum = string.format('%.0f', (tonumber(old[j]) or 0) + tonumber(ARGV[a + 1 + 2 * j]))
    new[#new + 1] = ask[j + 2]
    new[#new + 1] = sum
    mine[ask[j + 2]] = sum
  end
  commands[#commands + 1] = new
  expire(key, ARGV[a])
end
-- the values of one are side by side, "attempts" first; who has that counter is there already
function plan.dim(key, a)
  local max, size, last = tonumber(ARGV[a]), sizes[key] or redis.call('HLEN', key), a + 3 * tonumber(ARGV[a + 2])
  local ask, value, known, rest = { 'HMGET', key }, nil, nil, {}
  for j = a + 3, last, 3 do ask[#ask + 1] = ARGV[j] .. '|' .. ARGV[j + 1] end
  local old, mine = counters_of(key, ask)
  local new = { 'HSET', key }
  local function put(name, was, delta)
    local sum = string.format('%.0f', (tonumber(was) or 0) + delta)
    new[#new + 1] = name
    new[#new + 1] = sum
    mine[name] = sum
  end
  for j = a + 3, last, 3 do
    local at, counter, delta = (j - a) / 3, ARGV[j + 1], tonumber(ARGV[j + 2])
    if ARGV[j] ~= value then
      value = ARGV[j]
      known = size < max or old[at] or redis.call('HEXISTS', key, value .. '|attempts') == 1
    end
    if known then
      if not old[at] then size = size + 1 end
      put(ask[at + 2], old[at], delta)
    else
      rest[counter] = (rest[counter] or 0) + delta
    end
  end
  for counter, delta in pairs(rest) do
    local name = '*|' .. counter
    local was = mine[name] or redis.call('HGET', key, name)
    if not was then size = size + 1 end
    put(name, was, delta)
  end
  sizes[key] = size
  commands[#commands + 1] = new
  expire(key, ARGV[a + 1])
end
function plan.unset(key, a) write('HDEL', key, ARGV[a]) end
function plan.del(key)
  write('DEL', key)
  deleted[key] = true
end
function plan.zadd(key, a) write('ZADD', key, ARGV[a], ARGV[a + 1]) end
function plan.zrem(key, a) write('ZREM', key, ARGV[a]) end
function plan.zmore(key, a)
  commands[#commands + 1] = pairs_from({ 'ZADD', key }, a + 2, tonumber(ARGV[a + 1]))
  expire(key, ARGV[a])
end
function plan.zput(key, a)
  write('DEL', key)
  plan.zmore(key, a)
end
function plan.top(key, a)
  local max, size, rest = tonumber(ARGV[a]), redis.call('ZCARD', key), 0
  for j = 0, tonumber(ARGV[a + 2]) - 1 do
    local member, delta = ARGV[a + 3 + 2 * j], tonumber(ARGV[a + 4 + 2 * j])
    local score = redis.call('ZSCORE', key, member)
    if not score and size >= max then
      rest = rest + delta
    else
      if not score then size = size + 1 end
      write('ZADD', key, (tonumber(score) or 0) + delta, member)
    end
  end
  if rest > 0 then write('ZADD', key, (tonumber(redis.call('ZSCORE', key, '*')) or 0) + rest, '*') end
  expire(key, ARGV[a + 1])
end
function plan.first(key, a)
  local max, size = tonumber(ARGV[a]), redis.call('HLEN', key)
  for j = 0, tonumber(ARGV[a + 2]) - 1 do
    local field = ARGV[a + 3 + 2 * j]
    if size < max and redis.call('HEXISTS', key, field) == 0 then
      write('HSET', key, field, ARGV[a + 4 + 2 * j])
      size = size + 1
    end
  end
  if size > 0 then expire(key, ARGV[a + 1]) end
end
-- Well over only: what an append-only file says of a trim is the length that was left, and
-- replayed from a torn one that must not be less than the maximum.
local length = {}
local function trim(key, max, n)
  length[key] = length[key] + n
  if length[key] > max * 1.1 then write('XTRIM', key, 'MAXLEN', '~', max) end
end
-- the last id ever given: not the newest entry's, which somebody may have deleted
local function last_id_of(key)
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err and not string.find(info.err, 'no such key', 1, true) then return nil, info end
  length[key] = 0
  if deleted[key] or info.err then return { -1, 0 } end
  for j = 1, #info, 2 do
    if info[j] == 'length' then length[key] = info[j + 1] end
  end
  for j = 1, #info, 2 do
    if info[j] == 'last-generated-id' then
      local m, s = string.match(info[j + 1], '(%d+)-(%d+)')
      return { tonumber(m), tonumber(s) }
    end
  end
end
-- the first of n ids at that time, or later
local function next_id(key, ms, n)
  local seq, last, failed = 0, last_id[key], nil
  if not last then last, failed = last_id_of(key) end
  if failed then return nil, nil, failed end
  -- beyond this a Lua number is not exact: somebody else wrote there
  if last[1] > 9e15 or last[2] > 9e15 then
    return nil, nil, redis.error_reply('ERR nixie: the last id of stream ' .. key .. ' is out of range; rename the key')
  end
  if last[1] >= ms then ms, seq = last[1], last[2] + 1 end
  last_id[key] = { ms, seq + n - 1 }
  return ms, seq
end
function plan.log(key, a)
  local ms, seq, failed = next_id(key, tonumber(ARGV[a + 2]), 1)
  if failed then return failed end
  local id = string.format('%.0f-%.0f', ms, seq)
  ids[#ids + 1] = id
  commands[#commands + 1] = pairs_from({ 'XADD', key, id }, a + 4, tonumber(ARGV[a + 3]))
  trim(key, tonumber(ARGV[a]), 1)
  expire(key, ARGV[a + 1])
end
-- a period that is closed; late lines are in the hashes, not here
function plan.roll(key, a)
  local ms, total, names = tonumber(ARGV[a + 1]), {}, {}
  local last, failed = last_id[key], nil
  if not last then last, failed = last_id_of(key) end
  if failed then return failed end
  if last[1] >= ms then return end
  local function add(name, n)
    if not total[name] then names[#names + 1] = name end
    total[name] = (total[name] or 0) + (tonumber(n) or 0)
  end
  for j = a + 3, a + 2 + tonumber(ARGV[a + 2]) do
    local hash = KEYS[tonumber(ARGV[j])]
    local h, mine = redis.call('HGETALL', hash), counted[hash] or {}
    for f = 1, #h, 2 do
      if not mine[h[f]] then add(h[f], h[f + 1]) end
    end
    for name, n in pairs(mine) do add(name, n) end -- of this batch
  end
  if #names == 0 then return end
  table.sort(names)
  local add = { 'XADD', key, string.format('%.0f-0', ms) }
  for _, name in ipairs(names) do
    add[#add + 1] = name
    add[#add + 1] = string.format('%.0f', total[name])
  end
  last_id[key] = { ms, 0 }
  commands[#commands + 1] = add
  trim(key, tonumber(ARGV[a]), 1)
end
-- with its partition, unless that is 0: ids are of the journal of one
local function partition_behind(key)
  local partition = string.match(key, '{(%d+)}')
  return partition == '0' and '' or '-' .. partition
end
function plan.token(key, a) write('HSET', key, 'token', ids[tonumber(ARGV[a])] .. partition_behind(key)) end

-- The words of one are written over those of the one before: a list of them all would cost more than Redis' own work.
local function write_new(a, first, hash, step, of_value, place, ms, seq)
  local call, unpack, sub, format, keys, argv = redis.call, unpack, string.sub, string.format, KEYS, ARGV
  local n, skip, expireat, differ = tonumber(argv[a + 1]), tonumber(argv[a + 2]) + 1, argv[a], #place
  local id, behind, token, at = format('%.0f-', ms), partition_behind(hash[2]), #hash, a + WORDS + #hash - 4 + #step - 5 + differ
  local members, scores = { {}, {} }, {}
  for j = 3, #hash, 2 do
    for i, name in ipairs({ 'since', 'until' }) do
      if hash[j] == name and keys[tonumber(argv[a + SUPPRESSED + i - 1])] then scores[i] = j + 1 end
    end
  end
  for e = 0, n - 1 do
    local key, number = keys[first + e], id .. format('%.0f', seq + e)
    local address = sub(key, skip)
    for j = 1, differ do of_value[j][place[j]] = argv[at + j - 1] end
    at = at + differ
    hash[2], hash[token] = key, number .. behind
    call(unpack(hash))
    if expireat ~= '0' then call('EXPIREAT', key, expireat) end
    step[3], step[5] = number, address
    call(unpack(step))
    for i, score in pairs(scores) do
      local list = members[i]
      list[2 * e + 1], list[2 * e + 2] = hash[score], address
    end
  end
  for i in pairs(scores) do call('ZADD', keys[tonumber(argv[a + SUPPRESSED + i - 1])], unpack(members[i])) end
end
function plan.new(key, a, first)
  local n, of_hash, of_step, journal = tonumber(ARGV[a + 1]), tonumber(ARGV[a + 8]), tonumber(ARGV[a + 9]), KEYS[tonumber(ARGV[a + JOURNAL])]
  local ms, seq, failed = next_id(journal, tonumber(ARGV[a + 7]), n)
  if failed then return failed end
  local hash = pairs_from({ 'HSET', key }, a + WORDS, of_hash / 2)
  local step = pairs_from({ 'XADD', journal, '', 'address', '' }, a + WORDS + of_hash, of_step / 2)
  local of_value, place = {}, {}
  for j = 1, tonumber(ARGV[a + 10]) do
    local at = tonumber(ARGV[a + WORDS + of_hash + of_step + j - 1])
    of_value[j] = at <= of_hash and hash or step
    place[j] = at <= of_hash and 2 + at or 5 + at - of_hash
  end
  hash[#hash + 1] = 'token'
  hash[#hash + 1] = ''
  commands[#commands + 1] = function() write_new(a, first, hash, step, of_value, place, ms, seq) end
  trim(journal, tonumber(ARGV[a + 6]), n)
end

for _, op in ipairs(ops) do
  local refused = plan[op[1]](op[2], op[3], op[4])
  if refused then return refused end
end

-- what cannot be unpacked would fail half-way
for _, command in ipairs(commands) do
  if type(command) == 'table' and #command > 7000 then
    return redis.error_reply('ERR nixie: ' .. #command .. ' words for ' .. command[2] .. ' are too many')
  end
end

-- ---- write
for _, command in ipairs(commands) do
  if type(command) == 'table' then redis.call(unpack(command)) else command() end
end
return { 'ok' }
