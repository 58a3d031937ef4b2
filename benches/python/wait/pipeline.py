"""Waits for as long as it is told, for the benchmark: a run that takes time and hardly any of a core."""

import time


class Pipeline:
    def __call__(self, seconds: float, text: str) -> str:
        time.sleep(seconds)
        return text
