"""Length and direction of vectors."""

import numpy as np


class Pipeline:
    inputs = {"x": ("FP32", [None, 3])}
    outputs = {"length": ("FP32", [None]), "unit": ("FP32", [None, 3])}

    def __call__(self, x):
        length = np.sqrt((x * x).sum(axis=1))
        if not length.all():
            raise ValueError("a vector of length 0 has no direction")
        return {"length": length, "unit": x / length[:, None]}
