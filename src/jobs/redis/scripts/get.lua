-- id, longest body
return row(ARGV[1], tonumber(ARGV[2]))
