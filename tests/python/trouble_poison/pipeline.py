"""Ends its own process where a request asks for it."""

import os
import signal
import time


class Pipeline:
    def __call__(self, row: int) -> dict:
        time.sleep(0.01)
        if row < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"row": row}
