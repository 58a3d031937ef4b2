-- id, attempt, whether its replica died
local id = ARGV[1]
local holding, model = holds(id, ARGV[2])
if not holding then
  return 0
end
local job, stream = P .. 'job:' .. id, P .. 'jobs:' .. model
local entry = call('HGET', job, 'entry')
set_status(id, model, 'running', 'queued')
if ARGV[3] == '1' then
  -- What may have killed a replica makes way for the others.
  if entry then
    call('XACK', stream, GROUP, entry)
    call('XDEL', stream, entry)
  end
  call('HINCRBY', job, 'losses', 1)
  call('HSET', job, 'entry', call('XADD', stream, '*', 'job', id))
else
  call('HDEL', job, 'started')
  -- It keeps its place in the queue, as an entry whose holder is long gone: whoever claims next takes it first. A year
  -- is longer than any lease.
  if entry then
    call('XCLAIM', stream, GROUP, 'returned', 0, entry, 'IDLE', 31536000000, 'FORCE', 'JUSTID')
  end
end
wake(model)
return 1
