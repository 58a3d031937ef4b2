"""A request's value against the JSON Schema that a signature makes: the keywords that `fields.py` writes, and no others.

The server checks too; but a replica must not crash on what somebody else should have stopped."""

from __future__ import annotations

import re

from ...answers import InvalidInput

_TYPES = {
    "string": ("a text", "string_type", lambda value: type(value) is str),
    "integer": ("a whole number", "int_type", lambda value: type(value) is int or (type(value) is float and value.is_integer())),
    "number": ("a number", "float_type", lambda value: type(value) in (int, float)),
    "boolean": ("true or false", "bool_type", lambda value: type(value) is bool),
    "array": ("a list", "list_type", lambda value: type(value) is list),
    "object": ("an object", "dict_type", lambda value: type(value) is dict),
    "null": ("null", "none_type", lambda value: value is None),
}


def fault(loc, message, kind):
    return {"loc": loc, "msg": message, "type": kind}


def invalid(faults):
    """The exception for a list of faults, its message naming the first ones."""
    said = ["%s: %s" % (".".join(str(part) for part in one["loc"][1:]), one["msg"]) for one in faults[:3]]
    more = " (and %d more)" % (len(faults) - 3) if len(faults) > 3 else ""
    return InvalidInput("; ".join(said) + more, faults)


def faults(value, schema, loc):
    """Every fault of `value`, with its place."""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind][2](value) for kind in kinds):
        return [fault(loc, "has to be " + " or ".join(_TYPES[kind][0] for kind in kinds), _TYPES[kinds[0]][1])]
    if "enum" in schema and value not in schema["enum"]:
        return [fault(loc, "has to be one of %s" % ", ".join(map(repr, schema["enum"])), "enum")]
    if "anyOf" in schema:
        found = [faults(value, one, loc) for one in schema["anyOf"]]
        if all(found):
            return found[0]
    if type(value) is str:
        return _of_text(value, schema, loc)
    if type(value) in (int, float):
        return _of_number(value, schema, loc)
    if type(value) is list:
        return _of_list(value, schema, loc)
    return _of_object(value, schema, loc) if type(value) is dict else []


def _of_text(value, schema, loc):
    found = []
    if len(value) < schema.get("minLength", 0):
        found.append(fault(loc, "has to have at least %d characters" % schema["minLength"], "string_too_short"))
    if len(value) > schema.get("maxLength", len(value)):
        found.append(fault(loc, "has to have at most %d characters" % schema["maxLength"], "string_too_long"))
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(fault(loc, "has to match the pattern %s" % schema["pattern"], "string_pattern_mismatch"))
    return found


def _of_number(value, schema, loc):
    if value < schema.get("minimum", value):
        return [fault(loc, "has to be at least %s" % schema["minimum"], "greater_than_equal")]
    if value > schema.get("maximum", value):
        return [fault(loc, "has to be at most %s" % schema["maximum"], "less_than_equal")]
    return []


def _of_list(value, schema, loc):
    found = []
    if len(value) < schema.get("minItems", 0):
        found.append(fault(loc, "has to have at least %d items" % schema["minItems"], "too_short"))
    if len(value) > schema.get("maxItems", len(value)):
        found.append(fault(loc, "has to have at most %d items" % schema["maxItems"], "too_long"))
    items = schema.get("items")
    if isinstance(items, dict) and items:
        for index, item in enumerate(value):
            found.extend(faults(item, items, loc + [index]))
    return found


def _of_object(value, schema, loc):
    found = [fault(loc + [name], "is required", "missing") for name in schema.get("required", ()) if name not in value]
    properties = schema.get("properties", {})
    for name, item in value.items():
        if name in properties:
            found.extend(faults(item, properties[name], loc + [name]))
        elif schema.get("additionalProperties") is False:
            found.append(fault(loc + [name], "is no field here; there are %s" % ", ".join(properties), "extra_forbidden"))
    return found
