-- model, this server, most, lease in ms, now, longest body, most bytes of all bodies
local model, me, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stream = P .. 'jobs:' .. model
local got, bytes = {}, 0

local function is_full()
  return #got >= most or bytes >= tonumber(ARGV[7])
end

local function take(entry, fields)
  local id = fields[2]
  local job = P .. 'job:' .. id
  local was = call('HMGET', job, 'status', 'entry')
  if was[2] ~= entry or (was[1] ~= 'queued' and was[1] ~= 'running') then
    -- Of a job that is over, forgotten, or lost with a part of the data.
    if not was[1] then
      call('ZREM', index('queued', model), id)
      call('ZREM', index('running', model), id)
    end
    call('XACK', stream, GROUP, entry)
    call('XDEL', stream, entry)
    return
  end
  call('HINCRBY', job, 'attempts', 1)
  call('HSET', job, 'started', ARGV[5])
  -- Progress is that of a run; this is another one.
  call('HDEL', job, 'progress')
  if was[1] == 'running' then
    call('HINCRBY', job, 'interruptions', 1)
    -- Readers learn that it begins anew, and its pieces with it.
    status_event(id, 'queued')
    status_event(id, 'running')
  else
    set_status(id, model, 'queued', 'running')
  end
  local one = row(id, tonumber(ARGV[6]))
  got[#got + 1] = one
  bytes = bytes + one[17]
end

if most < 1 or call('EXISTS', stream) == 0 then
  return got
end
-- Jobs of the dead and jobs put back come first: they stood before those that nobody has had yet.
-- XPENDING and XCLAIM do what XAUTOCLAIM does, without its look-up of every entry that is not claimed.
while not is_full() do
  local asked = most - #got
  local late = redis.pcall('XPENDING', stream, GROUP, 'IDLE', ARGV[4], '-', '+', asked)
  if late.err then
    if not string.find(late.err, 'NOGROUP', 1, true) then
      return late
    end
    call('XGROUP', 'CREATE', stream, GROUP, '0')
    break
  end
  for _, pending in ipairs(late) do
    if is_full() then
      break
    end
    for _, entry in ipairs(call('XCLAIM', stream, GROUP, me, ARGV[4], pending[1])) do
      take(entry[1], entry[2])
    end
  end
  if #late < asked then
    break
  end
end
while not is_full() do
  -- One at a time: what is read is claimed, however long its body is.
  local page = call('XREADGROUP', 'GROUP', GROUP, me, 'COUNT', 1, 'STREAMS', stream, '>')
  if not page then
    break
  end
  for _, entry in ipairs(page[1][2]) do
    take(entry[1], entry[2])
  end
end
return got
