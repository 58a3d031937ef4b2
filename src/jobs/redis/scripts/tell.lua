-- id, attempt, at, delivery: id, url, body, terminal
if not holds(ARGV[1], ARGV[2]) then
  return 0
end
deliver(ARGV[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[3])
return 1
