-- lease in ms, and of each delivery that is under way: its job, its id, the posts that were made before
local till = now_ms() + tonumber(ARGV[1])
for i = 2, #ARGV, 3 do
  local job, id = ARGV[i], ARGV[i + 1]
  local attempts = call('HGET', P .. 'delivery:' .. id, 'attempts')
  -- One post more: it was settled since, and waits for its next one.
  if attempts == ARGV[i + 2] and call('LINDEX', P .. 'outbox:' .. job, 0) == id then
    call('ZADD', P .. 'due', 'XX', till, job)
  end
end
return 0
