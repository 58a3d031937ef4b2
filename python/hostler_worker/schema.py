"""Type hints as JSON Schema 2020-12: dataclasses, TypedDicts, NamedTuples, pydantic models, containers, enums, literals.

`of` gives the schema of one hint, `signature` that of a function's parameters and of what it returns. Named types go into
`definitions`, referenced as `#/$defs/NAME`. A hint that says nothing about JSON becomes {} (any value)."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import inspect
import sys
import typing

ANY = {}

_SIMPLE = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    type(None): {"type": "null"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}

# By name, so that no module is imported for it.
_NAMED = {
    ("datetime", "datetime"): {"type": "string", "format": "date-time"},
    ("datetime", "date"): {"type": "string", "format": "date"},
    ("datetime", "time"): {"type": "string", "format": "time"},
    ("uuid", "UUID"): {"type": "string", "format": "uuid"},
    ("decimal", "Decimal"): {"type": "number"},
}

_EXTRAS = {"include_extras": True} if sys.version_info >= (3, 9) else {}

ARRAYS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection,
          collections.abc.Iterable, collections.deque)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping, collections.OrderedDict, collections.defaultdict)
_STREAMS = (collections.abc.Iterator, collections.abc.Generator, collections.abc.AsyncIterator,
            collections.abc.AsyncGenerator, collections.abc.AsyncIterable)


def of(annotation, definitions):
    """The JSON Schema of one type hint; named types are added to `definitions`."""
    if annotation is None or annotation in (inspect.Parameter.empty, typing.Any, object):
        return dict(ANY)
    if isinstance(annotation, typing.TypeVar):
        return of(annotation.__bound__, definitions) if annotation.__bound__ else dict(ANY)
    simple = _simple(annotation)
    if simple is not None:
        return simple
    origin = typing.get_origin(annotation)
    if origin is not None:
        return _generic(origin, typing.get_args(annotation), annotation, definitions)
    supertype = getattr(annotation, "__supertype__", None)  # NewType
    if supertype is not None:
        return of(supertype, definitions)
    if isinstance(annotation, type):
        return _named(annotation, definitions)
    return dict(ANY)


def whole(annotation):
    """The schema of one hint with its own `$defs`; a hint for one named type is written out at the top."""
    definitions = {}
    return close(of(annotation, definitions), definitions)


def close(schema, definitions):
    """`schema` with `definitions` under `$defs`; a bare reference is resolved unless it is referred to again."""
    definitions = dict(definitions)
    name = schema.get("$ref", "")[len("#/$defs/"):] if set(schema) == {"$ref"} else None
    if name in definitions:
        schema = dict(definitions[name])
        if not _refers(list(definitions.values()), name):
            del definitions[name]
    if definitions:
        schema = dict(schema, **{"$defs": definitions})
    return schema


def signature(function):
    """What a function takes and gives: (object schema of its parameters or None, schema of its answer or None, streams).

    Parameters in the order written; `self` and `cls` are left out. None: hints say nothing."""
    hints = hints_of(function)
    parameters = parameters_of(function)
    takes = None
    if parameters:
        definitions = {}
        properties = {}
        required = []
        for parameter in parameters:
            field = of(hints.get(parameter.name, parameter.annotation), definitions)
            _set_default(field, parameter.default)
            properties[parameter.name] = field
            if parameter.default is parameter.empty:
                required.append(parameter.name)
        takes = close(object_of(properties, required), definitions)
    gives, streams = answer(function)
    return takes, gives, streams


def answer(function):
    """(schema of one answer or of one item of a stream, or None; whether it streams)"""
    hint = hints_of(function).get("return", inspect.Signature.empty)
    streams = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if typing.get_origin(hint) in _STREAMS or hint in _STREAMS:
        streams = True
        arguments = typing.get_args(hint)
        hint = arguments[0] if arguments else inspect.Signature.empty
    return (whole(hint) or None) if hint is not inspect.Signature.empty else None, streams


def parameters_of(function):
    """The parameters a caller names: without `self`, `cls`, `*args` and `**kwargs`."""
    found = list(inspect.signature(function).parameters.values())
    if found and found[0].name in ("self", "cls"):
        found = found[1:]
    return [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def hints_of(function):
    """Resolved hints; where one cannot be resolved (a name only type checkers know), the others still count."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    try:
        return _with_extras(function)
    except Exception:
        pass
    hints = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        if isinstance(hint, str):
            try:
                hint = eval(hint, getattr(function, "__globals__", {}))  # as typing.get_type_hints does
            except Exception:
                hint = typing.Any
        hints[name] = hint
    return hints


def _with_extras(thing):
    return typing.get_type_hints(thing, **_EXTRAS)


def _simple(annotation):
    try:
        found = _SIMPLE.get(annotation)
    except TypeError:  # not hashable
        return None
    return dict(found) if found is not None else None


def _generic(origin, arguments, annotation, definitions):
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        return _union(arguments, definitions)
    if _is_annotated(annotation):
        return _annotated(annotation, definitions)
    if _is_literal(origin):
        return _literal(arguments)
    if type(origin).__name__ == "_SpecialForm" and getattr(origin, "_name", "") in ("Required", "NotRequired", "ReadOnly", "Final"):
        return of(arguments[0], definitions)
    if origin is tuple:
        return _tuple(arguments, definitions)
    if origin in _SETS:
        return dict(_array(arguments, definitions), uniqueItems=True)
    if origin in ARRAYS or origin in _STREAMS:
        return _array(arguments, definitions)
    if origin in OBJECTS:
        schema = {"type": "object"}
        value = of(arguments[1], definitions) if len(arguments) == 2 else {}
        if value:
            schema["additionalProperties"] = value
        return schema
    return _named(origin, definitions) if isinstance(origin, type) else dict(ANY)


def _array(arguments, definitions):
    items = of(arguments[0], definitions) if arguments else {}
    return {"type": "array", "items": items} if items else {"type": "array"}


def _tuple(arguments, definitions):
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _array(arguments[:1], definitions)
    arguments = [one for one in arguments if one != ()]
    return {"type": "array", "prefixItems": [of(one, definitions) for one in arguments], "items": False,
            "minItems": len(arguments), "maxItems": len(arguments)}


def _union(arguments, definitions):
    variants = []
    for argument in arguments:
        variant = of(argument, definitions)
        if not variant:
            return dict(ANY)
        if variant not in variants:
            variants.append(variant)
    if len(variants) == 1:
        return variants[0]
    if all(set(variant) == {"type"} for variant in variants):
        return {"type": [variant["type"] for variant in variants]}
    return {"anyOf": variants}


def _literal(values):
    values = [value.value if isinstance(value, enum.Enum) else value for value in values]
    schema = {"const": values[0]} if len(values) == 1 else {"enum": values}
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and kinds <= set(_SIMPLE):
        schema = dict(_SIMPLE[kinds.pop()], **schema)
    return schema


def _is_literal(origin):
    return origin is typing.Literal or getattr(origin, "_name", None) == "Literal"


def _is_annotated(annotation):
    return hasattr(annotation, "__metadata__")


def _annotated(annotation, definitions):
    """Annotated[T, …]: a text says what it is for; annotated-types' and pydantic's bounds are taken over by name."""
    schema = of(annotation.__origin__, definitions)
    for extra in annotation.__metadata__:
        if isinstance(extra, str):
            schema["description"] = extra
            continue
        for one in (extra, *(getattr(extra, "metadata", None) or ())):
            for attribute, keyword in _BOUNDS:
                bound = getattr(one, attribute, None)
                if isinstance(bound, (int, float, str)) and not isinstance(bound, bool):
                    schema[_for_type(keyword, schema)] = bound
        if isinstance(getattr(extra, "description", None), str):
            schema["description"] = extra.description
    return schema


_BOUNDS = (
    ("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum"), ("lt", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"), ("min_length", "minLength"), ("max_length", "maxLength"), ("pattern", "pattern"),
)


def _for_type(keyword, schema):
    if schema.get("type") == "array":
        return {"minLength": "minItems", "maxLength": "maxItems"}.get(keyword, keyword)
    return keyword


def _named(kind, definitions):
    for base in kind.__mro__:
        known = _NAMED.get((base.__module__, base.__name__))
        if known is not None:
            return dict(known)
    if issubclass(kind, enum.Enum):
        return _define(kind, definitions, lambda: _literal([member.value for member in kind]))
    if is_pydantic(kind):
        return _pydantic(kind, definitions)
    if dataclasses.is_dataclass(kind):
        return _define(kind, definitions, lambda: _dataclass(kind, definitions))
    if is_typed_dict(kind):
        return _define(kind, definitions, lambda: _typed_dict(kind, definitions))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = hints_of_class(kind)
        return _tuple([hints.get(name, typing.Any) for name in kind._fields], definitions)
    for base in kind.__mro__[1:]:  # class Name(str), class Scores(dict), …
        simple = _simple(base)
        if simple is not None:
            return simple
    return dict(ANY)


def is_pydantic(kind):
    """A model class of pydantic 1 or 2."""
    return isinstance(kind, type) and (hasattr(kind, "model_json_schema") or (hasattr(kind, "__fields__") and hasattr(kind, "schema")))


def is_typed_dict(kind):
    return isinstance(kind, type) and issubclass(kind, dict) and hasattr(kind, "__total__") and hasattr(kind, "__annotations__")


def _define(kind, definitions, build):
    """A reference to the named type; built once, and put in its place before it is built, so that it may hold itself."""
    name = kind.__name__
    reference = {"$ref": "#/$defs/" + name}
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = dict(build(), title=name)
        text = _docstring(kind)
        if text:
            definitions[name]["description"] = text
    return reference


def _docstring(kind):
    text = kind.__dict__.get("__doc__") or ""
    if text.startswith(kind.__name__ + "(") or issubclass(kind, enum.Enum) and text == "An enumeration.":
        return None  # made by dataclass and enum themselves
    return " ".join(text.strip().split("\n\n")[0].split()) or None


def hints_of_class(kind):
    try:
        return _with_extras(kind)
    except Exception:
        hints = {}
        for base in reversed(kind.__mro__):
            hints.update(base.__dict__.get("__annotations__", {}))
        return {name: typing.Any if isinstance(hint, str) else hint for name, hint in hints.items()}


def _dataclass(kind, definitions):
    hints = hints_of_class(kind)
    properties = {}
    required = []
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        schema = of(hints.get(field.name, typing.Any), definitions)
        description = field.metadata.get("description")
        if description:
            schema["description"] = description
        if field.default is not dataclasses.MISSING:
            _set_default(schema, field.default)
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = schema
    return object_of(properties, required)


def _typed_dict(kind, definitions):
    hints = hints_of_class(kind)
    required = required_keys(kind, hints)
    return object_of({name: of(hint, definitions) for name, hint in hints.items()}, [name for name in hints if name in required])


def required_keys(kind, hints):
    """Python 3.8 knows only whether the class is total."""
    keys = getattr(kind, "__required_keys__", None)
    if keys is None:
        keys = hints if kind.__total__ else ()
    marked = {name: getattr(typing.get_origin(hint), "_name", "") for name, hint in hints.items()}
    return {name for name in hints if marked[name] == "Required" or (name in keys and marked[name] != "NotRequired")}


def object_of(properties, required):
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema


def _set_default(schema, default):
    if isinstance(default, enum.Enum):
        default = default.value
    if isinstance(default, (str, int, float, bool)) or default is None:
        schema["default"] = default


def _pydantic(kind, definitions):
    template = "#/$defs/{model}"
    if hasattr(kind, "model_json_schema"):
        schema = kind.model_json_schema(ref_template=template)
    else:
        schema = _modern(kind.schema(ref_template=template))
    nested = {}
    for key in ("$defs", "definitions"):
        nested.update(schema.pop(key, {}))
    definitions.update(nested)
    if set(schema) == {"$ref"}:  # a model that holds itself
        return schema
    if list(schema) == ["allOf"] and len(schema["allOf"]) == 1:
        return schema["allOf"][0]
    definitions[kind.__name__] = schema
    return {"$ref": "#/$defs/" + kind.__name__}


def _modern(schema):
    """pydantic 1 writes draft 7: tuples as a list under `items`."""
    if isinstance(schema, list):
        return [_modern(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _modern(value) for key, value in schema.items()}
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        schema["items"] = False
    return schema


def _refers(node, name):
    if isinstance(node, dict):
        return node.get("$ref") == "#/$defs/" + name or any(_refers(value, name) for value in node.values())
    return isinstance(node, list) and any(_refers(value, name) for value in node)
