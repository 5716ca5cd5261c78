-- parole: after a term one message is let through, whoever asks first.
--
-- KEYS[1]: addr:<address>. ARGV: the end of the term, now, how long a token lasts, how far
-- clocks may be apart, who asks, a new revision, and "take" or "give-back". Returns 1 when
-- the message may pass, 0 when another one is out, 2 when the entry is another one now. The
-- revision changes with the entry: a reader that read it before reads it again.

local term, now, lasts, slack, who = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local e = redis.call('HMGET', KEYS[1], 'until', 'parole', 'parole-by')
if e[1] ~= term then return 2 end
local taken = tonumber(e[2] or 0) or 0
local mine = who ~= '' and e[3] == who
if ARGV[7] == 'give-back' then
  if mine then
    redis.call('HDEL', KEYS[1], 'parole', 'parole-by')
    redis.call('HSET', KEYS[1], 'revision', ARGV[6])
  end
  return 1
end
if taken > 0 and taken <= now + slack and now < taken + lasts then return mine and 1 or 0 end
redis.call('HSET', KEYS[1], 'parole', ARGV[2], 'parole-by', who, 'revision', ARGV[6])
return 1
