"""KServeModel: the helpers that a model class calls."""

from __future__ import annotations

import json
import os
import tempfile
import uuid


class KServeModel:
    """The server's side of a model, in the original. Here only what a model uses of it."""

    @staticmethod
    def generate_filepath(filename: str) -> str:
        """A fresh path in the temporary folder that ends with `filename`. A file that is answered is removed afterwards."""
        return os.path.join(tempfile.gettempdir(), "%s-%s" % (uuid.uuid4(), filename))

    @staticmethod
    def wrap_generator(g):
        """The items that the function `g` yields as lines of JSON, numbered: what `predict` or `generate` returns to stream."""
        return _Lines(g)

    @staticmethod
    def serve(name, model_class, num_replicas=1, **kwargs):
        """Returns at once: Hostler serves the class."""


class _Lines:
    """Version 1 returns a function to be called for a generator, version 2 an asynchronous generator: this is both, and a plain one."""

    def __init__(self, g):
        self._generate = g

    def __call__(self):
        for index, data in enumerate(self._generate()):
            yield json.dumps({"id": index, "data": data}, ensure_ascii=False) + "\n"

    def __iter__(self):
        return self()

    async def __aiter__(self):
        for line in self():
            yield line
