"""kserve-helper: `model.py` with a class that has `load`, `predict(…Input(…)…)`, maybe `generate`, `preprocess`, `postprocess`.

Runs on the published package where it is installed, else on compat/kservehelper. The package's own server is never
started: the class is constructed and called from here."""

from __future__ import annotations

import ast
import inspect

from .. import route
from ... import compat, schema
from ...folder import LoadFault, first_paragraph
from . import files, written
from .fields import Fields
from .model import KServeApp, Plan

NAME = "kservehelper"
FILE = "model.py"


def recognise(folder):
    tree = folder.tree(FILE)
    served = written.served(tree) if tree is not None else None
    return "%s imports kservehelper and serves the class %s" % (FILE, served.name) if served else None


def describe(folder):
    plan = Plan(_class(folder)[0])
    takes = Fields(plan.takes).schema
    return {
        "file": FILE,
        "description": first_paragraph(plan.doc) or first_paragraph(ast.get_docstring(folder.tree(FILE))),
        "batch": False,
        "concurrent": plan.concurrent,
        "routes": [_route(plan, index, path, takes) for path, index in plan.routes],
    }


def load(folder, hello):
    kind, arguments = _class(folder)
    plan = Plan(kind)
    model = kind(**arguments)
    if callable(getattr(model, "load", None)):
        model.load()
    return KServeApp(plan, model, Fields(plan.takes), folder.path)


def _class(folder):
    """The model's class, with the author's file imported, and the arguments it is to be made with."""
    compat.provide("kservehelper")
    _never_serve()
    module = folder.load(FILE)
    served = written.served(folder.tree(FILE))
    kind = getattr(module, served.name, None)
    if not inspect.isclass(kind):
        raise LoadFault("%s serves %s, which is no class at module level; define or import it there" % (FILE, served.name))
    return kind, served.values(module, FILE)


def _never_serve():
    """A model.py that calls KServeModel.serve() outside `if __name__ == "__main__"` would never come to an end."""
    from kservehelper.model import KServeModel

    KServeModel.serve = staticmethod(lambda *arguments, **more: None)


def _route(plan, index, path, takes):
    function = plan.answers(index)
    hint = schema.hints_of(function).get("return")
    streams = plan.streams(index)
    gives = None
    if hint is not None and not streams and not plan.after:
        gives = schema.whole(files.as_answered(hint)) or None
    return route(
        path, handler=index, streams=streams, media=["*/*"] if files.may_be_one(hint) and not plan.after else [],
        summary=first_paragraph(inspect.getdoc(function)), input=takes, output=gives)
