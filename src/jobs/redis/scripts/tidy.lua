-- idle time in ms after which a server that holds no job is taken for gone
for _, model in ipairs(call('SMEMBERS', P .. 'models')) do
  local stream = P .. 'jobs:' .. model
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, GROUP)
  if not consumers.err then
    for _, fields in ipairs(consumers) do
      local about = {}
      for i = 1, #fields, 2 do
        about[fields[i]] = fields[i + 1]
      end
      if about.pending == 0 and about.idle > tonumber(ARGV[1]) then
        call('XGROUP', 'DELCONSUMER', stream, GROUP, about.name)
      end
    end
  end
  local left = 0
  for _, status in ipairs({'queued', 'running', 'succeeded', 'failed', 'cancelled'}) do
    left = left + call('ZCARD', index(status, model))
  end
  if left == 0 then
    call('SREM', P .. 'models', model)
    call('UNLINK', stream)
  end
end
return 0
