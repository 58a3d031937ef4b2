"""Takes anything and gives nothing back, for the benchmark: behind it jobs pile up that another model is to run."""

import time
from typing import Any


class Pipeline:
    def __call__(self, value: Any) -> Any:
        time.sleep(3600)
