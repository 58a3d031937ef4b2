"""What app.py says of its handlers without being run.

Where the file does more with its app than put decorators with plain routes over functions, only running it can tell."""

from __future__ import annotations

import ast
from typing import NamedTuple, Optional

DECORATORS = {"handler": False, "background": True}
"""decorator -> whether it makes a background task"""
_NO_ROUTES = {"init", "serve", "name"}


class Endpoint(NamedTuple):
    route: str
    background: bool
    function: str
    doc: Optional[str]


def app_name(tree):
    """The variable that holds the app: `app` in `app = Potassium("…")` at module level, or None."""
    classes, modules = _imported_as(tree)
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        made = getattr(node, "value", None)
        if isinstance(made, ast.Call) and isinstance(targets[0], ast.Name) and _is_class(made.func, classes, modules):
            return targets[0].id
    return None


def _imported_as(tree):
    """The names in the file for the class Potassium, and for the module potassium."""
    classes, modules = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "potassium" and not node.level:
            for alias in node.names:
                if alias.name in ("Potassium", "*"):
                    classes.add(alias.asname or "Potassium")
        elif isinstance(node, ast.Import):
            modules.update(alias.asname or alias.name for alias in node.names if alias.name == "potassium")
    return classes, modules


def _is_class(node, classes, modules):
    if isinstance(node, ast.Attribute):
        return node.attr == "Potassium" and isinstance(node.value, ast.Name) and node.value.id in modules
    return isinstance(node, ast.Name) and node.id in classes


def endpoints(tree):
    """The endpoints in the order in which they are registered, or None where the file has to be run to know them."""
    name = app_name(tree)
    found = []
    understood = 1  # the name's own assignment
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in reversed(node.decorator_list):  # the one next to the function comes first
            attribute = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not _is_of(attribute, name):
                continue
            if attribute.attr in DECORATORS:
                route = _route(decorator)
                if route is None:
                    return None
                found.append(Endpoint(route, DECORATORS[attribute.attr], node.name, ast.get_docstring(node)))
                understood += 1
    harmless = sum(_is_of(node, name) and node.attr in _NO_ROUTES for node in ast.walk(tree))
    mentions = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    return found if mentions == understood + harmless else None


def _is_of(node, name):
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name


def _route(decorator):
    """The literal route of `@app.handler("/x")`, `@app.handler(route="/x")`, `@app.handler()`; None for anything else."""
    if not isinstance(decorator, ast.Call) or len(decorator.args) + len(decorator.keywords) > 1:
        return None
    if decorator.keywords and decorator.keywords[0].arg != "route":
        return None
    given = decorator.args + [keyword.value for keyword in decorator.keywords]
    if not given:
        return "/"
    return given[0].value if isinstance(given[0], ast.Constant) and isinstance(given[0].value, str) else None
