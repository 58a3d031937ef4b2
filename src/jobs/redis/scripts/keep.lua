-- this server, and of each lease: id, attempt. Gives of each: 0 lost, 1 kept, 2 kept, and its end is asked for
local kept = {}
for i = 2, #ARGV, 2 do
  local id = ARGV[i]
  local was = call('HMGET', P .. 'job:' .. id, 'status', 'attempts', 'model', 'entry', 'cancelling')
  if was[1] == 'running' and was[2] == ARGV[i + 1] then
    -- Claiming an entry anew starts its time anew. FORCE: the group may have been lost and made again.
    if was[4] then
      redis.pcall('XCLAIM', P .. 'jobs:' .. was[3], GROUP, ARGV[1], 0, was[4], 'FORCE', 'JUSTID')
    end
    kept[#kept + 1] = was[5] == '1' and 2 or 1
  else
    kept[#kept + 1] = 0
  end
end
return kept
