"""A Redis of a test's own: Debian's redis-server on a loopback port, with nothing on disk that outlives it."""

import shutil
import socket
import subprocess
import tempfile
import time

_START = 10.0
"""Seconds; it takes some milliseconds."""


class RedisServer:
    """A running one, until `close()`.

        with RedisServer() as redis:
            redis.port
    """

    host = "127.0.0.1"

    def __init__(self):
        program = shutil.which("redis-server")
        if program is None:
            raise FileNotFoundError("redis-server was not found, which tests of Potassium's Store need; apt-get install redis-server")
        self.folder = tempfile.TemporaryDirectory()
        for _ in range(5):  # another process may take the port that was free a moment ago
            self.port = _free_port()
            self.process = subprocess.Popen(
                [program, "--bind", self.host, "--port", str(self.port), "--dir", self.folder.name, "--save", "", "--appendonly", "no",
                 "--loglevel", "warning"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if self._answers():
                return
        said = self.process.stdout.read().decode(errors="replace")
        self.close()
        raise RuntimeError("redis-server ended at once:\n" + said)

    def _answers(self):
        """Whether it is this one that answers there."""
        own = b"\r\nprocess_id:%d\r\n" % self.process.pid
        until = time.monotonic() + _START
        while self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), 1) as connection:
                    connection.sendall(b"INFO server\r\n")
                    if own in connection.recv(8192):
                        return True
            except OSError:
                pass
            if time.monotonic() > until:
                self.process.kill()
            time.sleep(0.005)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


def _free_port():
    with socket.socket() as probe:
        probe.bind((RedisServer.host, 0))
        return probe.getsockname()[1]
