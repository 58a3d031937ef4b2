"""Ends its own process where a request asks for it."""

import os
import signal
import time


class Pipeline:
    def __call__(self, row: int, seconds: float = 0.01) -> dict:
        time.sleep(seconds)
        if row < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"row": row}
