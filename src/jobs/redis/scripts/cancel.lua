-- id, at, at in µs, longest body, and perhaps a delivery: id, url, body, terminal, skippable
local id = ARGV[1]
local job = P .. 'job:' .. id
local was = call('HMGET', job, 'status', 'model')
local what
if not was[1] then
  return {'unknown'}
elseif was[1] == 'queued' then
  over(id, was[2], 'queued', 'cancelled', ARGV[2], ARGV[3])
  if ARGV[5] then
    deliver(id, ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[2])
  end
  what = 'now'
elseif was[1] == 'running' then
  call('HSET', job, 'cancelling', 1)
  what = 'soon'
else
  what = 'over'
end
return {what, row(id, tonumber(ARGV[4]))}
