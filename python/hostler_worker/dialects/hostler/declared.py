"""What a class Pipeline declares, from its syntax tree and from the class itself."""

from __future__ import annotations

import ast
import inspect
import typing

from ... import schema, tensors
from ...folder import LoadFault

FILE = "pipeline.py"
CLASS = "Pipeline"


def assigned(node, name):
    """The value that the class body gives to `name`, as a syntax tree."""
    for item in node.body:
        if isinstance(item, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in item.targets):
            return item.value
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == name:
            return item.value
    return None


def yields(function):
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def literal(node, name):
    value = assigned(node, name)
    try:
        return ast.literal_eval(value) if value is not None else None
    except ValueError:
        return None


def entries_of(declared):
    """The class's declaration as DESCRIBE.md's list; `LoadFault` where it is none."""
    entries = []
    for name, one in declared.items():
        if not (isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[0], str) and isinstance(one[1], (tuple, list))):
            raise LoadFault('pipeline.py: tensor %s is declared as %r; write ("FP32", [None, 3]): dtype, shape with None for a free '
                            "dimension" % (name, one))
        dtype, shape = one
        if dtype not in tensors.DTYPES and dtype != tensors.BYTES:
            raise LoadFault("pipeline.py: tensor %s has no dtype %s; use one of %s" % (name, dtype, ", ".join([*tensors.DTYPES, tensors.BYTES])))
        entries.append({"name": name, "dtype": dtype, "shape": [None if size in (None, -1) else int(size) for size in shape]})
    return entries


def signature_of(kind):
    """(inputs, outputs) as lists of entries where the class declares tensors, else None. `kind`: the class, or its literals."""
    inputs, outputs = (getattr(kind, name, None) for name in ("inputs", "outputs"))
    if inputs is None and outputs is None:
        return None
    if not isinstance(inputs, dict) or not isinstance(outputs, dict) or not inputs or not outputs:
        raise LoadFault("pipeline.py: a Pipeline of tensors declares both inputs and outputs, each a dict of name to "
                        '("FP32", [None, 3])')
    return entries_of(inputs), entries_of(outputs)


def class_of(folder):
    kind = getattr(folder.load(FILE), CLASS, None)
    if not isinstance(kind, type):
        raise LoadFault("pipeline.py has no class Pipeline once it has run")
    return kind


def has(kind, name):
    """Whether a class has a method; `hasattr` finds the `__call__` that every class has as an object."""
    return any(name in base.__dict__ for base in kind.__mro__)


def takes_fields(function):
    """Whether the request is an object whose fields are the parameters, rather than the value of the only one."""
    parameters = schema.parameters_of(function)
    return len(parameters) > 1 or parameters[0].kind is parameters[0].KEYWORD_ONLY


def item_hint(function):
    """The hint of one row of `run_batch(self, values: List[ROW])`."""
    parameters = schema.parameters_of(function)
    hint = schema.hints_of(function).get(parameters[0].name) if parameters else None
    arguments = typing.get_args(hint)
    return arguments[0] if arguments else typing.Any


def only_hint(function):
    parameter = schema.parameters_of(function)[0]
    return schema.hints_of(function).get(parameter.name, typing.Any)


def is_async(function):
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
