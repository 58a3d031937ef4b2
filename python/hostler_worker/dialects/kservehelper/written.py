"""Which class model.py serves, read without running it."""

from __future__ import annotations

import ast

from ...folder import LoadFault, classes, imported, methods

_ENTRIES = {"predict", "generate", "preprocess"}
_OF_SERVE = ("name", "model_class", "num_replicas")


class Served:
    """A class by name, and the keyword arguments it is constructed with, as expressions."""

    def __init__(self, name, arguments=()):
        self.name = name
        self.arguments = dict(arguments)

    def values(self, module, file):
        """The arguments' values, with the names that the module has once it is imported."""
        found = {}
        for name, node in self.arguments.items():
            try:
                found[name] = eval(compile(ast.Expression(node), file, "eval"), vars(module))
            except Exception as error:
                raise LoadFault("%s, line %d: the argument %s of KServeModel.serve cannot be had outside its own block (%s); "
                                "compute it at module level" % (file, node.lineno, name, error)) from error
        return found


def served(tree):
    """The class given to KServeModel.serve, else the class Model, else the only one that can predict; None for other files."""
    if "kservehelper" not in imported(tree):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_serve(node.func):
            given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
            given.update(zip(_OF_SERVE, node.args))
            if isinstance(given.get("model_class"), ast.Name):
                return Served(given["model_class"].id, [(name, value) for name, value in given.items() if name not in _OF_SERVE])
    can = [name for name, node in classes(tree).items() if _ENTRIES & set(methods(node))]
    if "Model" in can:
        return Served("Model")
    return Served(can[0]) if len(can) == 1 else None


def _is_serve(node):
    """KServeModel.serve, also as kservehelper.KServeModel.serve."""
    return isinstance(node, ast.Attribute) and node.attr == "serve" and "KServeModel" in (
        getattr(node.value, "id", None), getattr(node.value, "attr", None))
