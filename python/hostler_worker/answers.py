"""What an app may give back beside plain values, what it may raise, and JSON for both.

Knows no socket: `replies.py` turns these into frames. Dialects import from here."""

from __future__ import annotations

import json
import sys

__all__ = [
    "BadAnswer", "File", "InvalidInput", "Malformed", "Media", "NotFound", "Response", "Stream", "Tensors", "Unsupported",
    "WithFiles", "fault_of", "is_validation", "json_bytes", "json_with_files", "kind_of", "named", "object_expected", "to_json",
    "validation_detail", "wrong_count",
]


class Media:
    """A file: its bytes and its media type."""

    __slots__ = ("data", "media")

    def __init__(self, data, media="application/octet-stream"):
        self.data = data
        self.media = media


class File:
    """A file with its name: a whole answer, or part of a JSON value in `WithFiles`."""

    __slots__ = ("name", "media", "data")

    def __init__(self, name, media, data):
        self.name = name
        self.media = media
        self.data = data


class WithFiles:
    """A JSON value in which a `File` stands here and there. The server decides what the client gets in its place."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Response:
    """A whole response of the author's. The body is bytes, text, an iterator of either, or a JSON value."""

    __slots__ = ("status", "headers", "body", "media")

    def __init__(self, status=200, headers=None, body=b"", media=None):
        self.status = status
        self.headers = headers or []
        self.body = body
        self.media = media


class Stream:
    """Items one after the other: JSON values, or bytes. Takes an iterator or an asynchronous one."""

    __slots__ = ("items",)

    def __init__(self, items):
        self.items = items


class Tensors:
    """Named arrays, as the answer to a call that carried tensors."""

    __slots__ = ("arrays",)

    def __init__(self, arrays):
        self.arrays = arrays


class Fault(Exception):
    """A fault with a kind of the wire's own."""

    kind = "pipeline_failed"
    detail = None


class InvalidInput(Fault):
    """The contract was broken. `detail`: [{"loc": ["body", …], "msg": TEXT, "type": TEXT}, …]."""

    kind = "invalid_input"

    def __init__(self, message, detail=None):
        super().__init__(message)
        self.detail = detail


class Malformed(Fault):
    """The body cannot be read at all."""

    kind = "malformed"


class NotFound(Fault):
    kind = "not_found"


class Unsupported(Fault):
    kind = "unsupported"


def object_expected(value):
    """The fault of a body that is JSON, but no object."""
    message = "the body is %s; send a JSON object" % kind_of(value)
    return InvalidInput(message, [{"loc": ["body"], "msg": "expected an object", "type": "dict_type"}])


_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number",
          type(None): "null"}


def kind_of(value):
    """JSON's word for a parsed value."""
    return _KINDS.get(type(value), type(value).__name__)


class BadAnswer(Fault):
    """The author's answer cannot be sent; the message says what to return instead."""


def wrong_count(results, expected):
    """The fault of a run_batch whose answer does not fit its batch."""
    what = "%d results" % len(results) if hasattr(results, "__len__") else type(results).__name__
    return BadAnswer("run_batch got a list of %d and answered %s; it answers a list of as many" % (expected, what))


def _default(value):
    """A JSON value for what the encoder does not know; called by it once per such object."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {field.name: getattr(value, field.name) for field in sys.modules["dataclasses"].fields(value)}
    if hasattr(kind, "model_dump"):  # pydantic 2
        return value.model_dump(mode="json", by_alias=True)
    if hasattr(kind, "__fields__") and hasattr(kind, "dict"):  # pydantic 1
        return json.loads(value.json(by_alias=True))
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    for base in kind.__mro__:
        convert = _CONVERSIONS.get((base.__module__.partition(".")[0], base.__name__))
        if convert is not None:
            return convert(value)
    raise TypeError(kind)


# By name, so that a worker does not import modules that the author's code does not use.
_CONVERSIONS = {
    ("enum", "Enum"): lambda value: value.value,
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "time"): lambda value: value.isoformat(),
    ("datetime", "timedelta"): lambda value: value.total_seconds(),
    ("uuid", "UUID"): str,
    ("decimal", "Decimal"): float,
    ("pathlib", "PurePath"): str,
    ("builtins", "set"): list,
    ("builtins", "frozenset"): list,
    ("collections", "deque"): list,
}

_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_default)


def _one_shot():
    """The C encoder kept between calls: `JSONEncoder.encode` builds a new one each time, which costs more than a small answer.

    Its signature is no public one, so it is tried first."""
    try:
        from json.encoder import c_make_encoder, encode_basestring

        markers = {}
        encode = c_make_encoder(markers, _default, encode_basestring, None, ":", ",", False, False, False)
        if "".join(encode({"a": ["\u00e9", 1, None]}, 0)) != '{"a":["\u00e9",1,null]}':
            return _encoder.encode

        def one_shot(value):
            try:
                return "".join(encode(value, 0))
            except Exception:
                markers.clear()  # else the objects under way would look circular next time
                return _encoder.encode(value)  # says what is wrong, or that only another thread was in the way

        return one_shot
    except Exception:
        return _encoder.encode


_encode = _one_shot()


def json_bytes(value):
    """A value as JSON in UTF-8; raises `BadAnswer` where it holds what JSON does not have."""
    try:
        return _encode(value).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate: JSON has it as an escape only
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_default).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(_why_not_json(value, error)) from error


def json_with_files(value):
    """A value as JSON with gaps: (text, [(file, [offset of each of its gaps])])."""
    import os
    import re

    mark = os.urandom(16).hex()  # nobody else's text holds it
    files, numbers = [], {}

    def default(one):
        if type(one) is not File:
            return _default(one)
        if id(one) not in numbers:
            numbers[id(one)] = len(files)
            files.append((one, []))
        return "%s-%d" % (mark, numbers[id(one)])

    encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default)
    try:
        text = encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnswer(_why_not_json(value, error)) from error
    pieces = re.split('"%s-([0-9]+)"' % mark, text)
    try:
        plain = [piece.encode("utf-8") for piece in pieces[::2]]
    except UnicodeEncodeError:  # a lone surrogate: JSON has it as an escape only
        plain = [re.sub("[\ud800-\udfff]", lambda one: "\\u%04x" % ord(one[0]), piece).encode("utf-8") for piece in pieces[::2]]
    at = 0
    for before, number in zip(plain, pieces[1::2]):
        at += len(before)
        files[int(number)][1].append(at)
    return b"".join(plain), files


def to_json(value):
    """The plain JSON value (dict, list, str, …) that `value` is sent as."""
    return json.loads(json_bytes(value))


def json_for(what, verb, value):
    """As `json_bytes`, for what is no answer: "the value" to "keep". Raises TypeError."""
    try:
        return json_bytes(value)
    except BadAnswer as error:
        raise TypeError(str(error).replace("the answer", what, 1).replace("; return ", "; %s " % verb, 1)) from None


def _why_not_json(value, error):
    if isinstance(error, RecursionError) or "Circular" in str(error):
        return "the answer holds itself, so it is no JSON"
    where, culprit = _culprit(value, "", 0) or ("", value)
    at = " at %s" % where if where else ""
    if isinstance(culprit, float):
        return "the answer holds %r%s, which JSON does not have; return None or a number" % (culprit, at)
    if where.endswith(" (a key)"):
        at = " at %s" % where[:-8] if where[:-8] else ""
        return "the answer holds a key of type %s%s; keys are text" % (type(culprit).__name__, at)
    if isinstance(culprit, (bytes, bytearray, memoryview)):
        return "the answer holds bytes%s, which JSON does not have; encode them as text, base64 for one" % at
    advice = "return text, numbers, True, False, None, lists, dicts, dataclasses or pydantic models"
    return "the answer holds a value of type %s%s, which JSON does not have; %s" % (type(culprit).__name__, at, advice)


def _culprit(value, where, depth):
    """The first part of `value` that is no JSON, and its place, as in `results[0].score`."""
    if value is None or isinstance(value, (bool, int, str, File)) or depth > 100:
        return None
    if isinstance(value, float):
        return None if value - value == 0 else (where, value)
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int, float, bool, type(None))):
                return "%s (a key)" % where, key
            found = _culprit(item, "%s.%s" % (where, key) if where else str(key), depth + 1)
            if found:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found = _culprit(item, "%s[%d]" % (where, index), depth + 1)
            if found:
                return found
        return None
    try:
        return _culprit(_default(value), where, depth + 1)
    except Exception:
        return where, value


def named(error):
    """`TYPE: message`, as a client may see it."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return "%s: %s" % (type(error).__name__, text) if text else type(error).__name__


def fault_of(error, folder=None):
    """The wire's {"kind", "message", "detail"?} for an exception out of the author's code.

    `folder`: path that is cut from messages, since a message goes to clients."""
    if isinstance(error, Fault):
        kind, message, detail = error.kind, str(error), error.detail
    elif is_validation(error):
        detail = validation_detail(error)
        kind = "invalid_input"
        message = "; ".join("%s: %s" % (_dotted(one["loc"]), one["msg"]) for one in detail) or str(error)
    elif isinstance(error, ValueError):
        kind, message, detail = "invalid_input", str(error) or type(error).__name__, None
    else:
        kind, detail = "pipeline_failed", None
        message = named(error)
    if folder:
        message = message.replace(folder + "/", "").replace(folder, ".")
    fault = {"kind": kind, "message": message}
    if detail:
        fault["detail"] = detail
    return fault


def is_validation(error):
    """pydantic's ValidationError, of either version, whether it derives from ValueError or not."""
    return type(error).__name__ == "ValidationError" and callable(getattr(error, "errors", None))


def validation_detail(error, at=("body",)):
    """pydantic's faults as the wire's detail, each with its place below `at`."""
    detail = []
    for one in error.errors():
        loc = [part for part in one.get("loc", ()) if part != "__root__"]
        if loc[:len(at)] != list(at):
            loc = [*at, *loc]
        detail.append({"loc": loc, "msg": str(one.get("msg", "")), "type": str(one.get("type", "value_error"))})
    return detail


def _dotted(loc):
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])
