-- parole: after a term one message is let through, whoever asks first.
--
-- KEYS[1]: addr:<address>. ARGV: the end of the term, now, how long a token lasts,
-- who asks, a new revision. Returns 1 when the message may pass. The revision changes
-- with the entry: a reader that read it before reads it again.

local e = redis.call('HMGET', KEYS[1], 'until', 'parole', 'parole-by')
if e[1] ~= ARGV[1] then return 0 end
local taken = tonumber(e[2] or 0) or 0
if taken > 0 and tonumber(ARGV[2]) < taken + tonumber(ARGV[3]) then
  return ARGV[4] ~= '' and e[3] == ARGV[4] and 1 or 0
end
redis.call('HSET', KEYS[1], 'parole', ARGV[2], 'parole-by', ARGV[4], 'revision', ARGV[5])
return 1
