-- apply: check everything, then change everything. The one script of nixie.
--
-- KEYS are named by the operations; ARGV is a flat list of operations, each
-- "<name> <index into KEYS> ...". Checks come before the first write, so that a
-- script that fails has changed nothing. Every effect is an absolute value or
-- has an id of its own: replaying the commands, in part or whole, from a torn
-- append-only file gives the same data (nixie-redis.7, "Exactly once").
--
-- Returns {"ok"}, {"moved", <stored position>} or {"conflict", <key>}.

-- arguments of each operation behind the key; "n" marks a count of field-value pairs
local argc = {
  at = 1,       -- token: the position is this one, or another reader was here
  rev = 1,      -- revision: the entry is the one that was read
  put = 'put',  -- expireat n (field value)*: replaces the whole hash
  set = 'put',  -- expireat n (field value)*: sets fields
  sum = 'put',  -- expireat n (field delta)*: adds to counters
  unset = 1,    -- field
  del = 0,
  zadd = 2,     -- score member
  zrem = 1,     -- member
  zput = 'put', -- expireat n (score member)*: replaces the whole sorted set
  top = 'top',  -- max expireat n (member delta)*: adds to scores; a member beyond max is counted as "*"
  first = 'top', -- max expireat n (field value)*: sets fields that are not there yet, up to max of them
  log = 'log',  -- maxlen expireat ms n (field value)*: appends to a stream at that time or later
  token = 1,    -- n: writes the id that the n-th `log` of this call got into field "token"
}
local kind = {
  at = 'hash', rev = 'hash', put = 'hash', set = 'hash', sum = 'hash', unset = 'hash', token = 'hash',
  zadd = 'zset', zrem = 'zset', zput = 'zset', top = 'zset', first = 'hash', log = 'stream',
}

-- ---- read the list, checking types on the way
local ops, seen, i = {}, {}, 1
while i <= #ARGV do
  local name, key = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
  local n = argc[name]
  if n == nil or key == nil then
    return redis.error_reply('ERR nixie: operation ' .. tostring(name) .. ' is unknown')
  end
  if n == 'put' then n = 2 + 2 * tonumber(ARGV[i + 3]) end
  if n == 'top' then n = 3 + 2 * tonumber(ARGV[i + 4]) end
  if n == 'log' then n = 4 + 2 * tonumber(ARGV[i + 5]) end
  local want = kind[name]
  if want and seen[key] == nil then
    local is = redis.call('TYPE', key)['ok']
    if is ~= 'none' and is ~= want then
      return redis.error_reply('WRONGTYPE nixie: key ' .. key .. ' holds a ' .. is .. ', not a ' .. want)
    end
    seen[key] = true
  end
  if name == 'at' then
    local stored = redis.call('HGET', key, 'at') or ''
    if stored ~= ARGV[i + 2] then return { 'moved', stored } end
  elseif name == 'rev' then
    local stored = redis.call('HGET', key, 'revision') or '0'
    if stored ~= ARGV[i + 2] then return { 'conflict', key } end
  else
    ops[#ops + 1] = { name, key, i + 2, n }
  end
  i = i + 2 + n
end

-- ---- write
local ids = {} -- of the entries appended by this call
local function pairs_from(first, n)
  local list = {}
  for j = first, first + 2 * n - 1 do list[#list + 1] = ARGV[j] end
  return list
end
local function expire(key, at)
  if tonumber(at) > 0 then redis.call('EXPIREAT', key, at) end
end

local write = {}
function write.set(key, a)
  redis.call('HSET', key, unpack(pairs_from(a + 2, tonumber(ARGV[a + 1]))))
  expire(key, ARGV[a])
end
function write.put(key, a)
  redis.call('DEL', key)
  write.set(key, a)
end
function write.sum(key, a)
  local n, names = tonumber(ARGV[a + 1]), {}
  for j = 0, n - 1 do names[j + 1] = ARGV[a + 2 + 2 * j] end
  local old, new = redis.call('HMGET', key, unpack(names)), {}
  for j = 1, n do
    new[2 * j - 1] = names[j]
    new[2 * j] = string.format('%.0f', (tonumber(old[j]) or 0) + tonumber(ARGV[a + 1 + 2 * j]))
  end
  redis.call('HSET', key, unpack(new))
  expire(key, ARGV[a])
end
function write.unset(key, a) redis.call('HDEL', key, ARGV[a]) end
function write.del(key) redis.call('DEL', key) end
function write.zadd(key, a) redis.call('ZADD', key, ARGV[a], ARGV[a + 1]) end
function write.zrem(key, a) redis.call('ZREM', key, ARGV[a]) end
function write.zput(key, a)
  redis.call('DEL', key)
  redis.call('ZADD', key, unpack(pairs_from(a + 2, tonumber(ARGV[a + 1]))))
  expire(key, ARGV[a])
end
function write.top(key, a)
  local max, size = tonumber(ARGV[a]), redis.call('ZCARD', key)
  for j = 0, tonumber(ARGV[a + 2]) - 1 do
    local member, delta = ARGV[a + 3 + 2 * j], tonumber(ARGV[a + 4 + 2 * j])
    local score = redis.call('ZSCORE', key, member)
    if not score and size >= max then
      member = '*'
      score = redis.call('ZSCORE', key, member)
    elseif not score then
      size = size + 1
    end
    redis.call('ZADD', key, (tonumber(score) or 0) + delta, member)
  end
  expire(key, ARGV[a + 1])
end
function write.first(key, a)
  local max, size = tonumber(ARGV[a]), redis.call('HLEN', key)
  for j = 0, tonumber(ARGV[a + 2]) - 1 do
    local field = ARGV[a + 3 + 2 * j]
    if size < max and redis.call('HEXISTS', key, field) == 0 then
      redis.call('HSET', key, field, ARGV[a + 4 + 2 * j])
      size = size + 1
    end
  end
  if size > 0 then expire(key, ARGV[a + 1]) end
end
function write.log(key, a)
  local ms, seq = tonumber(ARGV[a + 2]), 0
  if redis.call('EXISTS', key) == 1 then
    -- not the newest entry, which somebody may have deleted: XADD compares with the last id ever given
    local info, last = redis.call('XINFO', 'STREAM', key), '0-0'
    for j = 1, #info, 2 do
      if info[j] == 'last-generated-id' then last = info[j + 1] end
    end
    local m, s = string.match(last, '(%d+)-(%d+)')
    if tonumber(m) >= ms then ms, seq = tonumber(m), tonumber(s) + 1 end
  end
  local id = string.format('%.0f-%.0f', ms, seq)
  ids[#ids + 1] = id
  redis.call('XADD', key, 'MAXLEN', '~', ARGV[a], id, unpack(pairs_from(a + 4, tonumber(ARGV[a + 3]))))
  expire(key, ARGV[a + 1])
end
function write.token(key, a) redis.call('HSET', key, 'token', ids[tonumber(ARGV[a])]) end

for _, op in ipairs(ops) do write[op[1]](op[2], op[3]) end
return { 'ok' }
