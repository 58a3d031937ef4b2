"""Fails as each request tells it to."""

import os
import sys
import time


class Pipeline:
    def __init__(self):
        self.calls = 0

    def __call__(self, fault: str = "", seconds: float = 0.0) -> dict:
        self.calls += 1
        if fault == "raise":
            raise RuntimeError("the model has no opinion")
        if fault == "value":
            raise ValueError("a horse is no number")
        if fault == "exit":
            sys.exit(7)
        if fault == "abort":
            os.abort()
        if fault == "interrupt":
            raise KeyboardInterrupt
        if fault == "recurse":
            return self(fault)
        if fault == "answer":
            return {"answer": {1, 2}.__iter__()}
        time.sleep(seconds)
        return {"pid": os.getpid(), "calls": self.calls}
