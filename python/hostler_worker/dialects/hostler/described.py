"""The form described: from the syntax tree alone where that says all, by import where hints say more."""

from __future__ import annotations

import ast
import inspect
import types
import typing

from ... import schema
from ...folder import classes, first_paragraph, methods
from .. import route
from .declared import CLASS, FILE, assigned, class_of, has, is_async, item_hint, literal, only_hint, signature_of, takes_fields, yields


def describe(folder):
    tree = folder.tree(FILE)
    node = classes(tree)[CLASS]
    own = methods(node)
    answer = {
        "file": FILE,
        "description": first_paragraph(ast.get_docstring(node) or ast.get_docstring(tree)),
        "batch": "run_batch" in own,
        "concurrent": isinstance(own.get("__call__"), ast.AsyncFunctionDef) and "run_batch" not in own,
    }
    only = route(streams="__call__" in own and "run_batch" not in own and yields(own["__call__"]))
    declared = {name: literal(node, name) for name in ("inputs", "outputs") if assigned(node, name) is not None}
    if declared and None not in declared.values():
        _describe_tensors(types.SimpleNamespace(**declared), answer)
    elif declared or _typed(node):
        _describe_by_import(class_of(folder), answer, only)
    summary = own.get("run_batch") or own.get("__call__")
    only["summary"] = only["summary"] or (first_paragraph(ast.get_docstring(summary)) if summary else None)
    answer["routes"] = [only]
    return answer


def _describe_tensors(kind, answer):
    signature = signature_of(kind)
    if signature is not None:
        answer["inputs"], answer["outputs"] = signature
    return signature is not None


def _describe_by_import(kind, answer, only):
    answer["batch"] = has(kind, "run_batch")
    if _describe_tensors(kind, answer):
        return
    function = kind.run_batch if answer["batch"] else kind.__call__
    answer["concurrent"] = not answer["batch"] and is_async(function)
    only["summary"] = first_paragraph(inspect.getdoc(function)) if function.__doc__ else None
    if answer["batch"]:
        hint, given = item_hint(function), typing.get_args(schema.hints_of(function).get("return"))
        only["input"] = schema.whole(hint) or None
        only["output"] = schema.whole(given[0]) or None if given else None
        return
    only["output"], only["streams"] = schema.answer(function)
    if takes_fields(function):
        only["input"] = schema.signature(function)[0]
    else:
        only["input"] = schema.whole(only_hint(function)) or None
    if schema.hints_of(function).get("return") is bytes:
        only["output"], only["media"] = None, ["application/octet-stream"]


def _typed(node):
    """Whether the hints say anything, so that the file has to be imported to be described."""
    for name in ("__call__", "run_batch"):
        function = methods(node).get(name)
        if function is not None:
            every = (getattr(function.args, "posonlyargs", []) + function.args.args)[1:] + function.args.kwonlyargs
            if len(every) > 1 or function.returns is not None or any(one.annotation for one in every):
                return True
    return not {"__call__", "run_batch"} & set(methods(node))  # inherited: the tree does not show it
