"""Tells how far it is while it works."""

import contextvars
import threading
import time


class Pipeline:
    def __init__(self):
        self.progress("nobody listens here")

    def compile(self):
        self.progress("nor here")

    def __call__(self, steps: int, pause: float = 0.0, thread: bool = False):
        """Works step by step; in a thread of its own, where that is asked for."""
        if thread:
            context = contextvars.copy_context()
            worker = threading.Thread(target=context.run, args=(self.work, steps, pause))
            worker.start()
            worker.join()
        else:
            self.work(steps, pause)
        return {"steps": steps}

    def work(self, steps, pause):
        for step in range(1, steps + 1):
            time.sleep(pause)
            self.progress({"step": step, "of": steps})
