"""The dialects: forms of Python model folders that run as their authors wrote them.

One module each, with NAME, recognise(folder), describe(folder) and load(folder, hello). Imported by name when it is needed:
a replica runs one dialect only."""

from __future__ import annotations

import importlib

from ..folder import LoadFault

# In the order of recognition. An app.py of a known form is a folder's way in by its nature, while pipeline.py and model.py
# may be its helpers. Hostler's own form comes before Graphcore's, which takes every other class Pipeline.
ORDER = ("potassium", "banana", "hostler", "graphcore", "kservehelper")

FORMS = (
    "app.py with Potassium's app or with init() and inference(), pipeline.py with a class Pipeline or a callable named pipe, "
    "or model.py with a class Model that has load() and predict()"
)


def named(name):
    """The dialect's module."""
    if name not in ORDER:
        raise LoadFault("there is no dialect %s; the dialects are %s" % (name, ", ".join(ORDER)))
    return importlib.import_module("." + name, __name__)


def recognise(folder):
    """(dialect's module, why) of the first dialect that knows the folder; `LoadFault` where none does."""
    for name in ORDER:
        dialect = named(name)
        why = dialect.recognise(folder)
        if why:
            return dialect, why
    raise LoadFault("%s has no Python that can be served; expected is %s" % (folder.name, FORMS))


def route(path="/", **keys):
    """One route of DESCRIBE.md with its defaults."""
    made = {
        "path": path, "absolute": False, "methods": ["POST"], "handler": 0, "headers": False, "background": False,
        "raw": False, "head": False, "streams": False, "media": [], "summary": None, "input": None, "output": None,
        "defaults": False,
    }
    unknown = set(keys) - set(made)
    if unknown:
        raise KeyError("a route has no %s" % ", ".join(sorted(unknown)))
    made.update(keys)
    return made
