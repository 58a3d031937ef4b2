"""Takes its time, and says of each run that it was this one."""

import time
import uuid


class Pipeline:
    def __call__(self, row: int, seconds: float = 0.0) -> dict:
        time.sleep(seconds)
        return {"row": row, "run": uuid.uuid4().hex}
