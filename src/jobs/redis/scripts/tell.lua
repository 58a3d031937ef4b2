-- id, attempt, at, delivery: id, url, body, terminal, whether it is left out while another one of the job waits
if not holds(ARGV[1], ARGV[2]) then
  return 0
end
if ARGV[8] == '1' and call('LLEN', P .. 'outbox:' .. ARGV[1]) > 0 then
  return 0
end
deliver(ARGV[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[3])
return 1
