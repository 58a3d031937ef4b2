-- job
local rows = {}
for _, id in ipairs(call('LRANGE', P .. 'deliveries:' .. ARGV[1], 0, -1)) do
  local found = delivery_row(id, -1)
  if found then
    rows[#rows + 1] = found
  end
end
return rows
