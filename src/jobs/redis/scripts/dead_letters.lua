-- below which id ('' for none), limit
local below = ARGV[1] == '' and '+' or '(' .. ARGV[1]
local rows = {}
if tonumber(ARGV[2]) < 1 then
  return rows
end
for _, id in ipairs(call('ZRANGE', P .. 'dead', below, '-', 'BYLEX', 'REV', 'LIMIT', 0, ARGV[2])) do
  local found = delivery_row(id, -1)
  if found then
    rows[#rows + 1] = found
  end
end
return rows
