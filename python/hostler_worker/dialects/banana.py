"""Banana's serverless form: app.py with `init()`, run once, and `inference(model_inputs: dict) -> dict`, run per call.

The two share module globals. The answer is what inference returned, unwrapped. The file is never imported to be described:
its first lines may load the model."""

from __future__ import annotations

import ast

from .. import answers
from ..app import App
from ..folder import first_paragraph, functions
from . import route

NAME = "banana"
FILE = "app.py"


def recognise(folder):
    tree = folder.tree(FILE)
    if tree is not None and {"init", "inference"} <= set(functions(tree)):
        return "app.py defines init() and inference()"
    return None


def describe(folder):
    tree = folder.tree(FILE)
    summary = first_paragraph(ast.get_docstring(functions(tree)["inference"]))
    return {
        "file": FILE,
        "description": first_paragraph(ast.get_docstring(tree)),
        "batch": False,
        "concurrent": False,
        "routes": [route(summary=summary, input={"type": "object"})],
    }


def load(folder, hello):
    module = folder.load(FILE)
    module.init()
    return Banana(module)


class Banana(App):
    def __init__(self, module):
        self.module = module

    def call(self, handler, call):
        inputs = call.json()
        if type(inputs) is not dict:
            raise answers.object_expected(inputs)
        return self.module.inference(inputs)
