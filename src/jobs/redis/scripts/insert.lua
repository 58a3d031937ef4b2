-- id, model, path, body, about, webhook, upload webhook, created, most, and perhaps: idempotency key, digest
local id, model = ARGV[1], ARGV[2]
local job = P .. 'job:' .. id
local key = ARGV[10] and P .. 'key:' .. ARGV[10]
if key then
  local held = call('GET', key)
  local other = held and string.sub(held, 65)
  -- A key whose job is gone is free.
  if other and other ~= id and call('EXISTS', P .. 'job:' .. other) == 1 then
    if string.sub(held, 1, 64) ~= ARGV[11] then
      return {'conflict', string.sub(held, 1, 64)}
    end
    return {'known', row(other, 262144)}
  end
end
-- Sent again after a connection that was lost before the answer came.
if call('EXISTS', job) == 1 then
  return {'new'}
end
if call('ZCARD', index('queued', model)) + call('ZCARD', index('running', model)) >= tonumber(ARGV[9]) then
  return {'full'}
end
local entry = call('XADD', P .. 'jobs:' .. model, '*', 'job', id)
call('HSET', job, 'model', model, 'path', ARGV[3], 'status', 'queued', 'body', ARGV[4], 'about', ARGV[5], 'created',
  ARGV[8], 'attempts', 0, 'losses', 0, 'interruptions', 0, 'events', 1, 'entry', entry)
if ARGV[6] ~= '' then
  call('HSET', job, 'webhook', ARGV[6])
end
if ARGV[7] ~= '' then
  call('HSET', job, 'upload_webhook', ARGV[7])
end
if key then
  call('HSET', job, 'key', ARGV[10])
  call('SET', key, ARGV[11] .. id)
end
call('ZADD', index('queued', model), 0, id)
call('SADD', P .. 'models', model)
wake(model)
return {'new'}
