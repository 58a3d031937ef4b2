-- model
return call('ZCARD', index('queued', ARGV[1])) + call('ZCARD', index('running', ARGV[1]))
