-- id, at
local id = ARGV[1]
if call('ZREM', P .. 'dead', id) == 0 then
  return 0
end
local delivery = P .. 'delivery:' .. id
local job = call('HGET', delivery, 'job')
if not job then
  return 0
end
-- Its posts are counted anew, or the first fault would be its last again.
call('HSET', delivery, 'state', 'pending', 'at', ARGV[2], 'attempts', 0)
if call('RPUSH', P .. 'outbox:' .. job, id) == 1 then
  call('ZADD', P .. 'due', now_ms(), job)
end
call('PUBLISH', P .. 'wake:due', '')
return 1
