"""Extracts answers from a text on Graphcore IPUs, through optimum.graphcore."""

import os
from typing import Dict

from optimum.graphcore import IPUConfig, pipeline

MODEL = "distilbert-base-cased-distilled-squad"
# Executables are compiled for one length, which every input is padded to.
LENGTH = 384


class Pipeline:
    def __init__(self):
        # Six layers over two IPUs: devices_per_replica = 2 in model.toml.
        layout = IPUConfig(layers_per_ipu=[3, 3], executable_cache_dir=os.environ.get("POPTORCH_CACHE_DIR", "exe_cache"))
        self.pipe = pipeline(
            "question-answering", model=MODEL, ipu_config=layout.to_dict(), padding="max_length", max_seq_len=LENGTH)

    def compile(self):
        # The first call compiles for minutes, or reads the cache.
        self({"question": "What is your name?", "context": "My name is Rob."})

    def __call__(self, inputs: Dict) -> Dict:
        return self.pipe(question=inputs["question"], context=inputs["context"])
