"""JSON values into what type hints promise: dataclasses, TypedDicts, pydantic models, enums, dates, containers of these.

`converter(hint)` is built once per hint; None means that a value goes through as it is. Every fault of a body is gathered
before `InvalidInput` is raised, each with its place, as pydantic tells them."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing

from . import schema
from .answers import InvalidInput, is_validation, kind_of, validation_detail

_MISSING = dataclasses.MISSING


def checked(convert, value, at=("body",)):
    """`value` converted, or `InvalidInput` with all faults."""
    faults = []
    converted = convert(value, at, faults)
    if faults:
        raise invalid(faults)
    return converted


def invalid(faults):
    message = "; ".join("%s: %s" % (".".join(map(str, fault["loc"][1:])) or fault["loc"][0], fault["msg"]) for fault in faults)
    return InvalidInput(message, faults)


def fault(at, message, kind):
    return {"loc": list(at), "msg": message, "type": kind}


def arguments(function):
    """A converter from a JSON object to keyword arguments for a function of several named parameters."""
    hints = schema.hints_of(function)
    fields = []
    for parameter in schema.parameters_of(function):
        default = _MISSING if parameter.default is inspect.Parameter.empty else parameter.default
        fields.append((parameter.name, converter(hints.get(parameter.name)), default is _MISSING))
    return _object(dict, fields)


def converter(hint):
    """A function (value, place, faults) -> converted value, or None where the hint asks for nothing."""
    if hint is None or hint in (inspect.Parameter.empty, typing.Any, object):
        return None
    if isinstance(hint, typing.TypeVar):
        return converter(hint.__bound__)
    origin = typing.get_origin(hint)
    if origin is not None:
        return _generic(origin, typing.get_args(hint), hint)
    if hasattr(hint, "__supertype__"):
        return converter(hint.__supertype__)
    if not isinstance(hint, type):
        return None
    if hint in _SCALARS:
        return _SCALARS[hint]
    if schema.is_pydantic(hint):
        return _pydantic(hint)
    if issubclass(hint, enum.Enum):
        return _enum(hint)
    if dataclasses.is_dataclass(hint):
        return _late(lambda: _dataclass(hint))
    if schema.is_typed_dict(hint):
        return _late(lambda: _typed_dict(hint))
    return _dated(hint)


def _late(build):
    """Built at the first use: a type may hold itself."""
    built = []

    def convert(value, at, faults):
        if not built:
            built.append(build())
        return built[0](value, at, faults)

    return convert


def _scalar(name, kind, accepted, make=None):
    def convert(value, at, faults):
        if type(value) in accepted:
            return make(value) if make else value
        faults.append(fault(at, "expected %s, got %s" % (name, kind_of(value)), kind))
        return None

    return convert


def _integer(value, at, faults):
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    faults.append(fault(at, "expected an integer, got %s" % kind_of(value), "int_type"))
    return None


def _null(value, at, faults):
    if value is not None:
        faults.append(fault(at, "expected null, got %s" % kind_of(value), "none_required"))


_SCALARS = {
    str: _scalar("a string", "string_type", (str,)),
    int: _integer,
    float: _scalar("a number", "float_type", (int, float), float),
    bool: _scalar("a boolean", "bool_type", (bool,)),
    list: _scalar("an array", "list_type", (list,)),
    tuple: _scalar("an array", "list_type", (list,), tuple),
    set: _scalar("an array", "list_type", (list,), set),
    frozenset: _scalar("an array", "list_type", (list,), frozenset),
    dict: _scalar("an object", "dict_type", (dict,)),
    type(None): _null,
}


def _generic(origin, arguments_, hint):
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        return _union(arguments_)
    if hasattr(hint, "__metadata__"):
        return converter(hint.__origin__)
    if origin is typing.Literal:
        return _literal(arguments_)
    if origin is tuple and not (len(arguments_) == 2 and arguments_[1] is Ellipsis):
        return _fixed(arguments_)
    if origin in (list, tuple, set, frozenset) or origin in schema.ARRAYS:
        make = origin if origin in (tuple, set, frozenset) else None
        return _array(converter(arguments_[0]) if arguments_ else None, make)
    if origin in schema.OBJECTS:
        return _mapping(converter(arguments_[1]) if len(arguments_) == 2 else None)
    if getattr(origin, "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        return converter(arguments_[0])
    return converter(origin) if isinstance(origin, type) else None


def _array(item, make):
    def convert(value, at, faults):
        if type(value) is not list:
            faults.append(fault(at, "expected an array, got %s" % kind_of(value), "list_type"))
            return None
        if item is not None:
            value = [item(one, at + (index,), faults) for index, one in enumerate(value)]
        return make(value) if make and not faults else value

    return convert


def _fixed(hints):
    converters = [converter(hint) for hint in hints if hint != ()]

    def convert(value, at, faults):
        if type(value) is not list or len(value) != len(converters):
            faults.append(fault(at, "expected an array of %d" % len(converters), "tuple_type"))
            return None
        return tuple(one(item, at + (index,), faults) if one else item
                     for index, (one, item) in enumerate(zip(converters, value)))

    return convert


def _mapping(item):
    def convert(value, at, faults):
        if type(value) is not dict:
            faults.append(fault(at, "expected an object, got %s" % kind_of(value), "dict_type"))
            return None
        if item is None:
            return value
        return {key: item(one, at + (key,), faults) for key, one in value.items()}

    return convert


def _union(hints):
    converters = [converter(hint) for hint in hints]

    def convert(value, at, faults):
        first = None
        for one in converters:
            mine = []
            converted = one(value, at, mine) if one else value
            if not mine:
                return converted
            # The variant that got furthest tells the most.
            if first is None or len(mine[0]["loc"]) > len(first[0]["loc"]):
                first = mine
        faults.extend(first or ())
        return None

    return convert


def _literal(values):
    values = {value.value if isinstance(value, enum.Enum) else value: value for value in values}
    expected = ", ".join(repr(value) for value in values)

    def convert(value, at, faults):
        if isinstance(value, (str, int, bool, type(None))) and value in values and type(value) in map(type, values):
            return values[value]
        faults.append(fault(at, "expected one of %s" % expected, "literal_error"))
        return None

    return convert


def _enum(kind):
    expected = ", ".join(repr(member.value) for member in kind)

    def convert(value, at, faults):
        try:
            return kind(value)
        except (ValueError, TypeError):
            faults.append(fault(at, "expected one of %s" % expected, "enum"))
            return None

    return convert


def _object(make, fields):
    """`fields`: (name, converter or None, required). Other fields are passed over, as pydantic does and as the schema says."""

    def convert(value, at, faults):
        if type(value) is not dict:
            faults.append(fault(at, "expected an object, got %s" % kind_of(value), "dict_type"))
            return None
        before = len(faults)
        given = {}
        for name, one, required in fields:
            if name in value:
                item = value[name]
                given[name] = one(item, at + (name,), faults) if one else item
            elif required:
                faults.append(fault(at + (name,), "field required", "missing"))
        return make(**given) if len(faults) == before else None

    return convert


def _dataclass(kind):
    hints = schema.hints_of_class(kind)
    fields = [
        (field.name, converter(hints.get(field.name)), field.default is _MISSING and field.default_factory is _MISSING)
        for field in dataclasses.fields(kind) if field.init
    ]
    return _object(kind, fields)


def _typed_dict(kind):
    hints = schema.hints_of_class(kind)
    required = schema.required_keys(kind, hints)
    return _object(dict, [(name, converter(hint), name in required) for name, hint in hints.items()])


def _pydantic(kind):
    validate = getattr(kind, "model_validate", None) or kind.parse_obj

    def convert(value, at, faults):
        try:
            return validate(value)
        except Exception as error:
            if not is_validation(error):
                raise
            faults.extend(validation_detail(error, at))
            return None

    return convert


def _dated(kind):
    """datetime's types and UUID, from their text; Python 3.8 knows no `Z` for UTC."""
    name = "%s.%s" % (kind.__module__, kind.__name__)
    if name == "uuid.UUID":
        make = kind
    elif name in ("datetime.datetime", "datetime.date", "datetime.time"):
        def make(text):
            return kind.fromisoformat(text[:-1] + "+00:00" if text[-1:] in "Zz" and text else text)
    elif name == "decimal.Decimal":
        return _scalar("a number", "decimal_type", (int, float, str), lambda value: kind(str(value)))
    else:
        return None

    def convert(value, at, faults):
        try:
            return make(value)
        except (TypeError, ValueError, AttributeError):
            faults.append(fault(at, "expected a %s as text" % kind.__name__, "%s_type" % kind.__name__.lower()))
            return None

    return convert
