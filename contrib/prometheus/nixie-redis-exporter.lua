-- nixie for redis_exporter: totals and state, as redis_script_values{key="..."}.
--
--   prometheus-redis-exporter -redis.addr unix:///run/nixie-redis/redis.sock -script nixie-redis-exporter.lua
--
-- It reads, and writes nothing: nixie-redis(7) has what the keys mean. Names are
--   total.<counter>     of this year, UTC: what is on record of it only grows, and begins anew on 1 January
--   today.<counter>     of today, UTC
--   suppressed, scoped, alerts.<kind>, reader.<field>.<log>, door.<field>.<service>
-- where <counter> is a field of day:<yyyymmdd>: delivered, soft, hard, cat:mailbox.full ...
--
-- Of one server with all partitions (no Redis Cluster: there use nixie metrics). While it runs Redis answers nobody
-- else: that is some 30 microseconds for each day of the year and each partition.

local prefix = 'nixie'  -- redis.prefix of nixie.conf

local COUNTERS = { 'delivered', 'soft', 'hard', 'complaint', 'deferred', 'hard-as-soft', 'soft-to-hard', 'code:4', 'code:5' }
local READER = { 'updated', 'lag-s', 'lag-bytes', 'idle-s', 'lines', 'attempts', 'lost-lines', 'gaps' }
local DOOR = { 'updated', 'requests', 'rejected', 'deferred', 'store-failures', 'p50-us', 'p99-us' }
local READERS_MAX = 100  -- of what others may have written no more

local result = {}
local function tell(name, value)
    result[#result + 1] = name
    result[#result + 1] = tostring(value)
end

-- Year, month and day of a number of days since 1970 (the Gregorian calendar, its year begun in March)
local function civil(days)
    local z = days + 719468
    local era = math.floor(z / 146097)
    local doe = z - era * 146097
    local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
    local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
    local mp = math.floor((5 * doy + 2) / 153)
    local month = mp < 10 and mp + 3 or mp - 9
    return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - math.floor((153 * mp + 2) / 5) + 1
end

local now = redis.call('TIME')
local year, month, day = civil(math.floor(tonumber(now[1]) / 86400))
local today = string.format('%04d%02d%02d', year, month, day)
local partitions = tonumber(redis.call('HGET', prefix .. ':meta', 'partitions')) or 1

local sums = { total = {}, today = {} }
for _, kind in ipairs({ 'total', 'today' }) do
    for _, name in ipairs(COUNTERS) do
        sums[kind][name] = 0
    end
end
local suppressed, scoped = 0, 0
for p = 0, partitions - 1 do
    local base = prefix .. ':{' .. p .. '}:'
    suppressed = suppressed + redis.call('ZCARD', base .. 'suppressed')
    scoped = scoped + redis.call('ZCARD', base .. 'scoped')
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', base .. 'days', string.format('%04d0101', year), today)) do
        local fields = redis.call('HGETALL', base .. 'day:' .. name)
        for i = 1, #fields, 2 do
            local value = tonumber(fields[i + 1]) or 0
            sums.total[fields[i]] = (sums.total[fields[i]] or 0) + value
            if name == today then
                sums.today[fields[i]] = (sums.today[fields[i]] or 0) + value
            end
        end
    end
end
for kind, counters in pairs(sums) do
    for name, value in pairs(counters) do
        tell(kind .. '.' .. name, string.format('%.0f', value))
    end
end
tell('suppressed', suppressed)
tell('scoped', scoped)

local base = prefix .. ':{0}:'
local kinds = {}
for _, alert in ipairs(redis.call('HKEYS', base .. 'alerts')) do
    local kind = string.match(alert, '^[^/]+') or alert
    kinds[kind] = (kinds[kind] or 0) + 1
end
local open = 0
for kind, n in pairs(kinds) do
    open = open + n
    tell('alerts.' .. kind, n)
end
tell('alerts', open)

-- Only numbers, and names that a label may have
local function tell_hash(what, key, name, fields)
    local values = redis.call('HMGET', key, unpack(fields))
    for i, field in ipairs(fields) do
        if tonumber(values[i]) then
            tell(what .. '.' .. field .. '.' .. string.gsub(name, '[^ -~]', '?'), values[i])
        end
    end
end
for _, name in ipairs(redis.call('ZRANGE', base .. 'readers', -READERS_MAX, -1)) do
    tell_hash('reader', base .. 'reader:' .. name, name, READER)
end
for i, name in ipairs(redis.call('HKEYS', base .. 'doors')) do
    if i <= READERS_MAX then
        tell_hash('door', base .. 'door:' .. name, name, DOOR)
    end
end
return result
