"""Does with its store what it is asked to, and says which process did it."""

import base64
import os
import threading
from typing import Any, Optional


class Pipeline:
    def __init__(self):
        self.background = None

    def __call__(self, op: str, key: str = "", value: Any = None, expected: Any = None, ttl: Optional[float] = None, times: int = 1):
        return {"result": shown(getattr(self, op)(key, plain(value), plain(expected), ttl, times)), "pid": os.getpid()}

    def get(self, key, value, expected, ttl, times):
        return self.store.get(key)

    def set(self, key, value, expected, ttl, times):
        return self.store.set(key, value, ttl)

    def delete(self, key, value, expected, ttl, times):
        return self.store.delete(key)

    def incr(self, key, value, expected, ttl, times):
        """From four threads at once."""
        def add():
            for _ in range(times):
                self.store.incr(key, value or 1)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.store.incr(key, 0)

    def compare_and_set(self, key, value, expected, ttl, times):
        return self.store.compare_and_set(key, expected, value, ttl)

    def append(self, key, value, expected, ttl, times):
        """Adds to a list as often as it takes, since others do the same."""
        for _ in range(times):
            while True:
                held = self.store.get(key)
                if self.store.compare_and_set(key, held, (held or []) + [value]):
                    break
        return self.store.get(key)

    def later(self, key, value, expected, ttl, times):
        """Sets the key when this call has been answered."""
        def work():
            self.answered.wait(10)
            self.store.set(key, value)

        self.answered = threading.Event()
        threading.Timer(0.2, self.answered.set).start()
        threading.Thread(target=work).start()

    def away(self, key, value, expected, ttl, times):
        try:
            return self.store.get(key)
        except self.store.Away as error:
            return "away: %s" % error

    def forked(self, key, value, expected, ttl, times):
        """What a process that was forked from this one gets of the store."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(theirs, str(self.store.get(key)).encode())
            except Exception as error:
                os.write(theirs, ("%s: %s" % (type(error).__name__, error)).encode())
            finally:
                os._exit(0)
        os.close(theirs)
        os.waitpid(child, 0)
        with open(ours) as pipe:
            return pipe.read()


def plain(value):
    """Bytes come as {"base64": TEXT}."""
    return base64.b64decode(value["base64"]) if isinstance(value, dict) and set(value) == {"base64"} else value


def shown(value):
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
