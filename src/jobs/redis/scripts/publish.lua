-- id, attempt, and of each event: its text, its progress ('' for none)
local id = ARGV[1]
if not holds(id, ARGV[2]) then
  return 0
end
local progress = ''
for i = 3, #ARGV, 2 do
  event(id, ARGV[i])
  if ARGV[i + 1] ~= '' then
    progress = ARGV[i + 1]
  end
end
if progress ~= '' then
  call('HSET', P .. 'job:' .. id, 'progress', progress)
end
call('PUBLISH', P .. 'events:' .. id, '')
return 1
