"""Potassium: `app.py` with `app = Potassium(…)`, `@app.init`, `@app.handler(path)` and `@app.background(path)`.

Runs on the published package, 0.1 to 0.5, where it is installed, else on compat/potassium. The package's own server
is never started: its handlers are called from here."""

from __future__ import annotations

import ast

from .. import route
from ... import compat
from ...folder import LoadFault, first_paragraph
from . import package, written

NAME = "potassium"
FILE = "app.py"


def recognise(folder):
    tree = folder.tree(FILE)
    name = written.app_name(tree) if tree is not None else None
    return "%s makes the Potassium app %s" % (FILE, name) if name else None


def describe(folder):
    tree = folder.tree(FILE)
    endpoints = written.endpoints(tree)
    if endpoints is None:
        endpoints = package.endpoints(_app(folder))
    return {
        "file": FILE,
        "description": first_paragraph(ast.get_docstring(tree)),
        "batch": False,
        "concurrent": False,
        "routes": [_route(index, one) for index, one in enumerate(_checked(endpoints))],
    }


def load(folder, hello):
    app = _app(folder)
    return package.PotassiumApp(app, package.init(app))


def _app(folder):
    """The app object, with the author's file imported; nothing of it has been called."""
    compat.provide("potassium")
    package.never_serve()
    module = folder.load(FILE)
    app = getattr(module, written.app_name(folder.tree(FILE)), None)
    if not hasattr(app, "_endpoints"):
        raise LoadFault("%s makes a Potassium app, but its name holds something else in the end; give that another name" % FILE)
    return app


def _checked(endpoints):
    if not endpoints:
        raise LoadFault("%s has no handler; put @app.handler() over a function (context, request) -> Response" % FILE)
    taken = {}
    for one in endpoints:
        path = normalised(one.route)
        if path in taken:
            both = (FILE, path, taken[path], one.function)
            raise LoadFault("%s has two handlers on %s (%s and %s); give each its own route" % both)
        taken[path] = one.function
    return endpoints


def normalised(route):
    """One slash in front, none at the end, none doubled: `classify/` is /classify."""
    return "/" + "/".join(part for part in route.split("/") if part)


def _route(index, endpoint):
    return route(
        normalised(endpoint.route), handler=index, headers=True, background=endpoint.background, head=not endpoint.background,
        summary=first_paragraph(endpoint.doc))
