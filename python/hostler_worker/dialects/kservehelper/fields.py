"""What a signature with Inputs says: its JSON Schema, which /docs show, and the check of a request against that same schema.

Inputs are those of compat/kservehelper, or pydantic's FieldInfo, 1 or 2, which is what the published package makes."""

from __future__ import annotations

import copy
import io
import json
import typing

from ... import schema
from ...answers import object_expected
from . import check, files

_BOUNDS = ("ge", "le", "min_length", "max_length", "min_items", "max_items", "regex", "pattern", "choices", "description")
_NONE = object()
"""no default: the field is required"""
_NOT_THE_MODELS = "upload_webhook"
"""the address that the original posts files to; uploads are the server's business"""


class Field(typing.NamedTuple):
    name: str
    schema: dict
    default: object
    passed: bool
    """whether the default is passed on, since the function's own is an Input"""


class Fields:
    """The parameters of one function."""

    def __init__(self, function):
        definitions = {}
        hints = schema.hints_of(function)
        self._fields = {}
        for parameter in schema.parameters_of(function):
            self._fields[parameter.name] = _field(parameter, hints.get(parameter.name), definitions)
        required = [field.name for field in self._fields.values() if field.default is _NONE]
        self.schema = schema.close(_object(self._fields.values(), required), definitions)

    def take(self, request):
        """The keyword arguments for a request; raises `InvalidInput` with every fault it has."""
        if type(request) is not dict:
            raise object_expected(request)
        fields = self._fields
        arguments = {}
        faults = []
        for name, value in request.items():
            field = fields.get(name)
            if field is None:
                if name != _NOT_THE_MODELS:
                    known = "is no field of this model; it has %s" % (", ".join(fields) or "none")
                    faults.append(check.fault(["body", name], known, "extra_forbidden"))
                continue
            faults.extend(check.faults(value, field.schema, ["body", name]))
            arguments[name] = _as_hinted(value, field.schema)
        for name, field in fields.items():
            if name not in arguments:
                if field.default is _NONE:
                    faults.append(check.fault(["body", name], "is required", "missing"))
                elif field.passed:
                    default = field.default
                    arguments[name] = copy.deepcopy(default) if isinstance(default, (list, dict)) else default
        if faults:
            raise check.invalid(faults)
        return arguments


def _field(parameter, hint, definitions):
    name, default = parameter.name, parameter.default
    if is_input(default):
        given = _given(default)
        return Field(name, _schema(name, hint, given, definitions), given["default"], True)
    if _is_rows(default):
        return Field(name, _rows(name, default[0], definitions), _NONE, False)
    given = {"default": _NONE if default is parameter.empty else default}
    return Field(name, _schema(name, hint, given, definitions), given["default"], False)


def is_input(value):
    """An Input(…) of either package."""
    return type(value).__name__ == "FieldInfo"


def _is_rows(default):
    """[{"prompt": Input(…), …}]: a list of objects with these fields."""
    if not isinstance(default, list) or len(default) != 1 or not isinstance(default[0], dict):
        return False
    return bool(default[0]) and all(map(is_input, default[0].values()))


def _given(info):
    """The bounds of an Input by their names there. pydantic 2 keeps them in `metadata`, and choices where extras go."""
    given = {}
    extra = getattr(info, "json_schema_extra", None) or getattr(info, "extra", None)
    for name in _BOUNDS:
        for source in (info, *getattr(info, "metadata", ())):
            value = getattr(source, name, None)
            if value is not None:
                given[name] = value
        if isinstance(extra, dict) and extra.get(name) is not None:
            given[name] = extra[name]
    undefined = info.default is ... or type(info.default).__name__ in ("PydanticUndefinedType", "UndefinedType")
    given["default"] = _NONE if undefined else info.default
    return given


def _schema(name, hint, given, definitions):
    found = {"title": _title(name)}
    if "description" in given:
        found["description"] = given["description"]
    found.update(schema.of(_as_sent(hint), definitions) if hint is not None else {})
    default = given["default"]
    if default is None:
        _allow_null(found)
    _bound(found, given)
    if default is not _NONE and _is_json(default):
        found["default"] = default
    return found


def _as_sent(hint):
    """A file in the input is text, a path or an address, and handed over as such: so the original does it."""
    return files.replaced(hint, lambda one: files.is_path(one) or (isinstance(one, type) and issubclass(one, io.IOBase)), str)


def _allow_null(found):
    """A default of None may be sent too."""
    if isinstance(found.get("type"), str) and found["type"] != "null":
        found["type"] = [found["type"], "null"]
    elif "anyOf" in found and {"type": "null"} not in found["anyOf"]:
        found["anyOf"] = found["anyOf"] + [{"type": "null"}]


def _bound(found, given):
    kinds = found.get("type", ())
    items = "items" in found or "array" in ((kinds,) if isinstance(kinds, str) else kinds)
    for name, keyword in (("ge", "minimum"), ("le", "maximum")):
        if isinstance(given.get(name), (int, float)):
            found[keyword] = given[name]
    for end in ("min", "max"):
        length = given.get(end + "_items")
        if length is None:
            length = given.get(end + "_length")
        if length is not None:
            found[end + ("Items" if items else "Length")] = length
    pattern = given.get("regex") or given.get("pattern")
    if pattern:
        found["pattern"] = getattr(pattern, "pattern", pattern)
    if given.get("choices"):
        found["enum"] = list(given["choices"]) + ([None] if given["default"] is None else [])


def _rows(name, inputs, definitions):
    fields = []
    for one, info in inputs.items():
        given = _given(info)
        fields.append(Field(one, _schema(one, None, given, definitions), given["default"], True))
    required = [field.name for field in fields if field.default is _NONE]
    row = dict(_object(fields, required), additionalProperties=False)
    return {"title": _title(name), "type": "array", "items": row}


def _title(name):
    return name.replace("_", " ").strip().capitalize()


def _object(fields, required):
    found = {"type": "object", "properties": {field.name: field.schema for field in fields}}
    if required:
        found["required"] = required
    return found


def _as_hinted(value, field):
    """2.0 is an integer in JSON, and in range() it is not; a row gets the defaults it has not."""
    if field.get("type") == "integer" and type(value) is float and value.is_integer():
        return int(value)
    items = field.get("items")
    if items and "properties" in items and type(value) is list:
        defaults = {name: one["default"] for name, one in items["properties"].items() if "default" in one}
        return [dict(defaults, **row) if type(row) is dict else row for row in value]
    return value


def _is_json(value):
    try:
        json.dumps(value)
        return True
    except (TypeError, ValueError):
        return False
