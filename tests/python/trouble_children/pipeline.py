"""Starts processes, and does not care for them."""

import os
import subprocess
import sys
import time


class Pipeline:
    def __call__(self, start: str) -> dict:
        if start == "sleep":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            return {"pid": os.getpid(), "child": child.pid}
        if start == "fork":
            child = os.fork()
            if child == 0:
                print("a child that shares all its parent has")
                time.sleep(600)
            return {"pid": os.getpid(), "child": child}
        if start == "return":
            # The child goes on as if it were the replica.
            child = os.fork()
            return {"pid": os.getpid(), "child": child}
        return {"pid": os.getpid(), "child": None}
