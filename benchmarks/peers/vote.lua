-- One vote. ARGV: user, command id, "1" to agree or "0" to take it back.
-- The id is remembered with its answer, so that a repeat has no second effect. The vote, the tally,
-- the position and the log change together: a script runs alone, and Redis writes it to its
-- append-only file as one.
local user, id, stance = ARGV[1], ARGV[2], ARGV[3]
local key = user .. ' ' .. id
local known = redis.call('HGET', 'answers', key)
if known then
  return { known, 1 }
end
local agree
if redis.call('HGET', 'stances', user) == stance then
  agree = redis.call('HINCRBY', 'event', 'agree', 0)
else
  redis.call('HSET', 'stances', user, stance)
  agree = redis.call('HINCRBY', 'event', 'agree', stance == '1' and 1 or -1)
end
local seq = redis.call('HINCRBY', 'event', 'seq', 1)
local answer = seq .. ' ' .. agree
redis.call('HSET', 'answers', key, answer)
redis.call('XADD', 'journal', seq .. '-1', 'user', user, 'id', id, 'stance', stance)
return { answer, 0 }
