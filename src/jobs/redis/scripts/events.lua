-- id, after. Gives: whether nothing more will come, whether the story is told from its beginning, events
local id, after = ARGV[1], tonumber(ARGV[2])
local was = call('HMGET', P .. 'job:' .. id, 'status', 'events')
if not was[1] then
  return {1, 0, {}}
end
-- A number that was never given comes from data that were lost.
if after > tonumber(was[2]) then
  after = 0
end
local found = call('XRANGE', P .. 'events:' .. id, string.format('(%d-0', after), '+', 'COUNT', EVENTS)
local over = was[1] ~= 'queued' and was[1] ~= 'running'
return {over and 1 or 0, after == 0 and 1 or 0, found}
