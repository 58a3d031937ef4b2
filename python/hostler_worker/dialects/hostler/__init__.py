"""Hostler's own form: pipeline.py with a class `Pipeline`, which says by its hints what it takes and gives.

    class Pipeline:
        def __init__(self): …                          # self.device, .replica, .cache_dir, .store, .progress are there already
        def compile(self): …                           # optional
        def __call__(self, value: Question) -> Answer  # one parameter: the whole body
        def __call__(self, text: str, top: int = 3)    # several: the fields of an object
        def run_batch(self, values: List[Question]) -> List[Answer]   # beside or instead of __call__
        inputs = {"x": ("FP32", [None, 3])}            # tensors: arrays come by name, or as a dict where one
        outputs = {"y": ("FP32", [None])}              # parameter has another name; arrays go out the same way

A generator streams, an async function lets several calls be under way. `Pipeline` is of this form, and not of Graphcore's,
which has the same file and class, where it has any of: run_batch; inputs or outputs; hints of another type than dict, or
several parameters, on __call__; a __call__ that is async or a generator. An endpoint.py beside it makes it Graphcore's."""

from __future__ import annotations

import ast

from ...folder import classes, methods
from .declared import CLASS, FILE, assigned, yields

NAME = "hostler"

_DICTS = ("dict", "Dict", "Mapping", "MutableMapping")


def recognise(folder):
    tree = folder.tree(FILE)
    node = classes(tree).get(CLASS) if tree is not None else None
    if node is None or folder.has("endpoint.py"):
        return None
    mark = _mark(node)
    return "pipeline.py has a class Pipeline with %s" % mark if mark else None


def _mark(node):
    """What makes the class one of this form, or None."""
    own = methods(node)
    if "run_batch" in own:
        return "run_batch()"
    for name in ("inputs", "outputs"):
        if assigned(node, name) is not None:
            return "declared %s" % name
    call = own.get("__call__")
    if call is None:
        return None
    if isinstance(call, ast.AsyncFunctionDef):
        return "an async __call__"
    if yields(call):
        return "a __call__ that is a generator"
    arguments = (getattr(call.args, "posonlyargs", []) + call.args.args)[1:] + call.args.kwonlyargs
    if len(arguments) > 1:
        return "a __call__ of several parameters"
    if arguments and not _says_dict(arguments[0].annotation):
        return "a typed __call__"
    return None


def _says_dict(annotation):
    if annotation is None:
        return True
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return _says_dict(ast.parse(annotation.value, mode="eval").body)
        except SyntaxError:
            return True
    if isinstance(annotation, ast.Subscript):
        return _says_dict(annotation.value)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", None)
    return name in _DICTS


def describe(folder):
    from . import described
    return described.describe(folder)


def load(folder, hello):
    from . import loaded
    return loaded.load(folder, hello)
