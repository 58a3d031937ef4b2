"""Modules that a file will want and this Python does not have, told before anything is started.

Only imports that run whenever the file is loaded are looked at: those at module level, outside of `try` and `if`. Nothing is
imported, so a module that is there and broken is found out later."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys


def check(folder, file, dialect):
    """`LoadFault` for the first module that is not there."""
    tree = folder.tree(file)
    for node in tree.body if tree else ():
        for name in _roots(node):
            if not _is_there(name, folder, dialect):
                raise folder.missing("%s, line %d" % (file, node.lineno), name)


def _roots(node):
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module.partition(".")[0]]
    return []


def _is_there(name, folder, dialect):
    compat = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compat", dialect)
    for place in (folder.path, compat):
        if os.path.isdir(os.path.join(place, name)) or os.path.isfile(os.path.join(place, name + ".py")):
            return True
    if name in sys.modules or name in sys.builtin_module_names:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a finder of somebody's own, or a module without a spec
        return True
