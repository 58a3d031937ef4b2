-- id, what came of it, at, ms until it is due again, HTTP status ('' for none), error ('' for none)
local id, what = ARGV[1], ARGV[2]
local delivery = P .. 'delivery:' .. id
local was = call('HMGET', delivery, 'job', 'state', 'terminal')
if was[2] ~= 'pending' then
  return 0
end
local outbox = P .. 'outbox:' .. was[1]
call('HINCRBY', delivery, 'attempts', 1)
call('HSET', delivery, 'at', ARGV[3])
for i, field in ipairs({'status', 'error'}) do
  if ARGV[4 + i] == '' then
    call('HDEL', delivery, field)
  else
    call('HSET', delivery, field, ARGV[4 + i])
  end
end
if what == 'again' then
  if call('LINDEX', outbox, 0) == id then
    call('ZADD', P .. 'due', now_ms() + tonumber(ARGV[4]), was[1])
  end
  return 1
end
call('HSET', delivery, 'state', what)
if what == 'dead' and was[3] == '1' then
  call('ZADD', P .. 'dead', 0, id)
end
call('LREM', outbox, 1, id)
if call('LLEN', outbox) == 0 then
  call('ZREM', P .. 'due', was[1])
else
  call('ZADD', P .. 'due', now_ms(), was[1])
  call('PUBLISH', P .. 'wake:due', '')
end
return 1
