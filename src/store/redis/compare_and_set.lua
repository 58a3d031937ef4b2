-- KEYS[1] is the key. Whether it should hold something (0, 1), what; whether it is to hold something (0, 1), what, for
-- how many ms ('' for ever). Gives 1, or what it holds.
local held = redis.call('GET', KEYS[1])
if (ARGV[1] == '0' and held) or (ARGV[1] == '1' and held ~= ARGV[2]) then
  return held
end
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
elseif ARGV[5] == '' then
  redis.call('SET', KEYS[1], ARGV[4])
else
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
end
return 1
