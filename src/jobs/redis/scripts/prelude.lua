-- What the scripts of jobs share. KEYS[1] is the prefix of every key; each script is one transition, and Redis runs it
-- whole or not at all, so no server can die between two of its commands.
--
-- PREFIXjobs:MODEL          stream of jobs that are not over, read by the consumer group "hostler"
-- PREFIXjob:ID              hash: everything about a job
-- PREFIXindex:STATUS:MODEL  sorted set of ids, all of score 0: in the order of time, since ids are UUIDs of version 7
-- PREFIXmodels              set of models that have jobs
-- PREFIXended               sorted set of ids by the microsecond from which their time to live counts
-- PREFIXkey:KEY             digest and id of the job that an idempotency key brought
-- PREFIXevents:ID           stream of a job's events, numbered N-0, from the second on: the first is that it is queued;
--                           also the channel that tells of new ones
-- PREFIXdelivery:ID         hash: a delivery
-- PREFIXdeliveries:JOB      list of a job's deliveries, in order
-- PREFIXoutbox:JOB          list of those that are not settled
-- PREFIXdue                 sorted set of jobs by the millisecond at which the first of their outbox is due
-- PREFIXdead                sorted set of dead letters, all of score 0
-- PREFIXwake:jobs:MODEL     channel: there may be a job to claim
-- PREFIXwake:due            channel: there may be a delivery to make
local P = KEYS[1]
local call = redis.call
local GROUP = 'hostler'
-- Events that are kept of a job.
local EVENTS = 1000

local function index(status, model)
  return P .. 'index:' .. status .. ':' .. model
end

local function now_ms()
  local now = call('TIME')
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

-- A job as `row.rs` reads it. Bodies longer than `most` bytes are left out; their lengths are always told.
local function row(id, most)
  local job = P .. 'job:' .. id
  local r = call('HMGET', job, 'model', 'path', 'status', 'about', 'webhook', 'upload_webhook', 'created', 'started',
    'finished', 'attempts', 'losses', 'interruptions', 'progress', 'cancelling', 'answer_type', 'failure')
  if not r[1] then
    return false
  end
  local body, answer = call('HSTRLEN', job, 'body'), call('HSTRLEN', job, 'answer')
  r[17], r[18] = body, answer
  r[19] = body <= most and call('HGET', job, 'body')
  r[20] = answer <= most and call('HGET', job, 'answer')
  r[21] = id
  return r
end

local function event(id, text)
  local n = call('HINCRBY', P .. 'job:' .. id, 'events', 1)
  call('XADD', P .. 'events:' .. id, 'MAXLEN', '~', EVENTS, string.format('%d-0', n), 'event', text)
end

local function status_event(id, status)
  event(id, '{"event":"status","data":"' .. status .. '"}')
  call('PUBLISH', P .. 'events:' .. id, '')
end

local function set_status(id, model, from, to)
  call('HSET', P .. 'job:' .. id, 'status', to)
  call('ZREM', index(from, model), id)
  call('ZADD', index(to, model), 0, id)
  status_event(id, to)
end

-- Ends a job: nothing of it stays in the queue.
local function over(id, model, from, to, at, at_us)
  local job = P .. 'job:' .. id
  local entry = call('HGET', job, 'entry')
  if entry then
    call('XACK', P .. 'jobs:' .. model, GROUP, entry)
    call('XDEL', P .. 'jobs:' .. model, entry)
  end
  call('HSET', job, 'finished', at)
  call('HDEL', job, 'entry', 'cancelling')
  call('ZADD', P .. 'ended', at_us, id)
  set_status(id, model, from, to)
end

-- Whether a lease is the one that runs the job; its model too.
local function holds(id, attempt)
  local was = call('HMGET', P .. 'job:' .. id, 'status', 'attempts', 'model')
  return was[1] == 'running' and was[2] == attempt, was[3]
end

local function wake(model)
  call('PUBLISH', P .. 'wake:jobs:' .. model, '')
end

-- Adds a delivery, unless there is one of this id: a job that runs again tells again what was told.
local function deliver(job, id, url, body, terminal, at)
  local delivery = P .. 'delivery:' .. id
  if call('EXISTS', delivery) == 1 then
    return
  end
  call('HSET', delivery, 'job', job, 'url', url, 'body', body, 'created', at, 'at', at, 'state', 'pending',
    'attempts', 0, 'terminal', terminal)
  call('RPUSH', P .. 'deliveries:' .. job, id)
  if call('RPUSH', P .. 'outbox:' .. job, id) == 1 then
    call('ZADD', P .. 'due', now_ms(), job)
    call('PUBLISH', P .. 'wake:due', '')
  end
end

-- A delivery as `row.rs` reads it. A body longer than `most` bytes is left out; its length is always told.
local function delivery_row(id, most)
  local delivery = P .. 'delivery:' .. id
  local r = call('HMGET', delivery, 'job', 'url', 'created', 'state', 'attempts', 'at', 'error', 'status', 'terminal')
  if not r[1] then
    return false
  end
  local length = call('HSTRLEN', delivery, 'body')
  r[10] = length <= most and call('HGET', delivery, 'body')
  r[11] = id
  r[12] = length
  return r
end
