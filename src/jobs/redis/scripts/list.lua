-- limit, below which id ('' for none), model ('' for all), status ('' for all)
local limit = tonumber(ARGV[1])
local below = ARGV[2] == '' and '+' or '(' .. ARGV[2]
local models = ARGV[3] == '' and call('SMEMBERS', P .. 'models') or {ARGV[3]}
local statuses = ARGV[4] == '' and {'queued', 'running', 'succeeded', 'failed', 'cancelled'} or {ARGV[4]}
local ids = {}
if limit < 1 then
  return ids
end
for _, model in ipairs(models) do
  for _, status in ipairs(statuses) do
    local page = call('ZRANGE', index(status, model), below, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit)
    for _, id in ipairs(page) do
      ids[#ids + 1] = id
    end
  end
end
table.sort(ids, function(a, b) return a > b end)
local rows = {}
for _, id in ipairs(ids) do
  if #rows == limit then
    break
  end
  local found = row(id, -1)
  if found then
    rows[#rows + 1] = found
  end
end
return rows
