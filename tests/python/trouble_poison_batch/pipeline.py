"""Ends its own process, and all that is with it, where one request of a batch asks for it."""

import os
import time
from typing import List


class Pipeline:
    def run_batch(self, rows: List[int]) -> List[dict]:
        time.sleep(0.01)
        if min(rows) < 0:
            os._exit(3)
        return [{"row": row} for row in rows]
