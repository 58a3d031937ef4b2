"""Where the Redis is that all replicas share."""

HOST = "localhost"
PORT = "6379"
