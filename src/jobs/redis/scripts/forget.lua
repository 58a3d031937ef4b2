-- before which µs, most. Gives how many jobs were looked at, and how many of them forgotten
local ids = call('ZRANGE', P .. 'ended', '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
local forgotten = 0
for _, id in ipairs(ids) do
  if call('LLEN', P .. 'outbox:' .. id) > 0 then
    -- Somebody is still to be told of it, which may take longer than it is kept: looked at again in an hour.
    call('ZADD', P .. 'ended', string.format('%.0f', tonumber(ARGV[1]) + 3.6e9), id)
  else
    forgotten = forgotten + 1
    local job = P .. 'job:' .. id
    local was = call('HMGET', job, 'model', 'status', 'key')
    if was[1] then
      call('ZREM', index(was[2], was[1]), id)
    end
    if was[3] then
      local key = P .. 'key:' .. was[3]
      local held = call('GET', key)
      if held and string.sub(held, 65) == id then
        call('DEL', key)
      end
    end
    for _, delivery in ipairs(call('LRANGE', P .. 'deliveries:' .. id, 0, -1)) do
      call('UNLINK', P .. 'delivery:' .. delivery)
      call('ZREM', P .. 'dead', delivery)
    end
    call('ZREM', P .. 'due', id)
    call('UNLINK', job, P .. 'events:' .. id, P .. 'deliveries:' .. id, P .. 'outbox:' .. id)
    call('ZREM', P .. 'ended', id)
  end
end
return {#ids, forgotten}
