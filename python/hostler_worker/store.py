"""The server's store: keys and values that the replicas of a model share and that outlive them.

`here` is this process's way to it. Methods may be called from any thread; each waits for the server's answer."""

from __future__ import annotations

import json
import math
import operator
import re

from . import frames
from .answers import Fault, json_for
from .line import Forked, Line, Lost

LARGEST = 64 << 20
"""the most bytes of a value"""

_NOWHERE = ("there is no store here: a replica of a running server has one, a process that its code has started has none, nor one "
            "that only looks at the folder")
_FORKED = "this process was forked from its replica and cannot use the store; ask it in the replica's own process"
_GONE = "the server has closed its store to this replica"
_INTEGERS = (-(1 << 63), (1 << 64) - 1)
_LONG = re.compile(rb"[0-9]{19}")


class StoreError(Fault):
    """The store could not do what was asked. Left to itself it is the answer to the call."""


class StoreAway(StoreError):
    """It cannot be had now; passes, or is mended outside. As the answer to a call: 503."""

    kind = "not_ready"


class StoreRefused(StoreError, ValueError):
    """What was asked cannot be: a key that is too long, a sum of what is no number."""

    kind = "invalid_input"


_ERRORS = {"not_ready": StoreAway, "invalid_input": StoreRefused}


class Store:
    """Keys are text of up to 1,024 bytes. Values are JSON, or bytes, which stay bytes."""

    Error = StoreError
    Away = StoreAway
    Refused = StoreRefused

    def __init__(self):
        self._line = None

    def connect(self, descriptor):
        self._line = Line(descriptor)

    def get(self, key, default=None):
        """What the key holds; `default` where it was never set, or its time is over."""
        meta, body = self._ask("get", key)
        form = meta.get("form")
        if form is None:
            return default
        return body if form == "bytes" else json.loads(body)

    def set(self, key, value, ttl=None):
        """Sets the key, for `ttl` seconds or for ever."""
        form, body = _written(value)
        self._ask("set", key, body, form=form, ttl=_seconds(ttl))

    def delete(self, key):
        """Deletes the key; whether there was one."""
        return json.loads(self._ask("delete", key)[1])

    def incr(self, key, by=1):
        """Adds to an integer, 0 where there is none, in one step whoever else does; returns the sum. Its time to live stays."""
        by = operator.index(by)
        if not -(1 << 63) <= by < 1 << 63:
            raise StoreRefused("incr adds an integer of 64 bits, not %d" % by)
        return json.loads(self._ask("increment", key, by=by)[1])

    def compare_and_set(self, key, expected, value, ttl=None):
        """Sets the key if it holds `expected`, in one step; whether it did. None stands for a key that is not there: as `expected`
        it sets what nobody has set, as `value` it deletes."""
        held, before = (None, b"") if expected is None else _written(expected)
        form, after = (None, b"") if value is None else _written(value)
        size = len(before) if held else None
        _, body = self._ask("compare_and_set", key, before + after, expected=held, expected_size=size, form=form, ttl=_seconds(ttl))
        return json.loads(body)

    def _ask(self, op, key, body=b"", **more):
        """The answer's meta, {} where there is none, and its body."""
        if self._line is None:
            raise StoreError(_NOWHERE)
        meta = {"op": op, "key": _key(key)}
        meta.update((name, value) for name, value in more.items() if value is not None)
        try:
            meta, body = self._line.ask(frames.STORE, meta, body)
        except Forked:
            raise StoreError(_FORKED) from None
        except Lost:
            raise StoreAway(_GONE) from None
        meta = json.loads(meta) if meta else {}
        error = meta.get("error")
        if error is not None:
            raise _ERRORS.get(error["kind"], StoreError)(error["message"])
        return meta, body

    def __repr__(self):
        return "<the server's store>"

    def __reduce__(self):
        return "here"  # copies are itself, and another process has its own, connected or not


here = Store()


def _key(key):
    if not isinstance(key, str):
        raise TypeError("a key of the store is text, not %s" % type(key).__name__)
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        raise StoreRefused("a key of the store is text that can be written in UTF-8, not %a" % key) from None
    return key


def _written(value):
    """(form, body) of a value."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        form, body = "bytes", bytes(value)
    else:
        form, body = "json", _json(value)
    if len(body) > LARGEST:
        raise StoreRefused("a value of the store has up to %d bytes, this one has %d" % (LARGEST, len(body)))
    return form, body


def _json(value):
    body = json_for("the value", "keep", value)
    if _LONG.search(body):
        json.loads(body, parse_int=_fitting)
    return body


def _fitting(text):
    """The server would make a fraction of a longer one."""
    if len(text) > 20 or not _INTEGERS[0] <= int(text) <= _INTEGERS[1]:
        raise StoreRefused("the value holds an integer of more than 64 bits; keep it as text")


def _seconds(ttl):
    if ttl is None:
        return None
    if not 0 < ttl < math.inf:
        raise StoreRefused("the ttl of a key is a number of seconds above 0, or None for ever, not %r" % (ttl,))
    return float(ttl)
