"""Is loud on every descriptor that it finds."""

import os
import sys


class Pipeline:
    def __call__(self, noise: str, size: int = 0) -> dict:
        if noise == "print":
            print("x" * size)
        elif noise == "lines":
            for number in range(size):
                print("line", number)
        elif noise == "error":
            sys.stderr.write("y" * size)
        elif noise == "raw":
            for descriptor in (1, 2):
                os.write(descriptor, bytes(range(256)) * (size // 256))
        elif noise == "read":
            return {"read": sys.stdin.read(), "raw": len(os.read(0, 10))}
        elif noise == "close":
            for descriptor in (0, 1, 2):
                os.close(descriptor)
        return {"noise": noise, "pid": os.getpid()}
