-- most, lease in ms, longest body, most bytes of all bodies
local now = now_ms()
local rows, bytes = {}, 0
for _, job in ipairs(call('ZRANGE', P .. 'due', '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  if bytes >= tonumber(ARGV[4]) then
    break
  end
  local outbox = P .. 'outbox:' .. job
  local found = false
  while not found do
    local id = call('LINDEX', outbox, 0)
    if not id then
      break
    end
    found = delivery_row(id, tonumber(ARGV[3]))
    if not found then
      call('LPOP', outbox)
    end
  end
  if found then
    rows[#rows + 1] = found
    bytes = bytes + found[12]
    -- Another server posts it when this one has not said by then what came of it.
    call('ZADD', P .. 'due', now + tonumber(ARGV[2]), job)
  else
    call('ZREM', P .. 'due', job)
  end
end
return rows
