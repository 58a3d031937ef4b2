-- Milliseconds until a delivery is due; -1 when none is under way.
local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')
if not first[1] then
  return -1
end
return math.max(0, tonumber(first[2]) - now_ms())
