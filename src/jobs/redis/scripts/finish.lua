-- id, attempt, status, at, at in µs, media type of the answer, answer, failure, and perhaps a delivery: id, url, body,
-- terminal, skippable
local id = ARGV[1]
local holding, model = holds(id, ARGV[2])
if not holding then
  return 0
end
-- First what takes no memory: a Redis that is full refuses a script its first write, never a later one, and the end
-- of a job is what makes room.
over(id, model, 'running', ARGV[3], ARGV[4], ARGV[5])
local job = P .. 'job:' .. id
if ARGV[3] == 'succeeded' then
  call('HSET', job, 'answer_type', ARGV[6], 'answer', ARGV[7])
elseif ARGV[3] == 'failed' then
  call('HSET', job, 'failure', ARGV[8])
end
if ARGV[9] then
  deliver(id, ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[4])
end
return 1
