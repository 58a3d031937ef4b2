"""What the core and the dialects say to each other: Hello, Call and App.

A dialect makes an `App` from a folder and a `Hello`; the worker hands it a `Call` at a time and encodes what comes back."""

from __future__ import annotations

import json

from . import frames
from .answers import Malformed

_scan = json.JSONDecoder(parse_constant=lambda name: _no_constant(name)).scan_once


def _no_constant(name):
    raise ValueError("%s is no JSON" % name)


def json_of(data):
    """JSON that a program wrote, as the server's metas are."""
    text = str(data, "utf-8")
    value, end = _scan(text, 0)
    return value if end == len(text) else json.loads(text)


class Hello:
    """What the server tells a replica about itself: the attributes are the keys of HELLO's meta."""

    version = frames.VERSION
    model = "model"
    replica = 0
    folder = "."
    dialect = None
    device = "cpu"
    threads = None
    cache_dir = None
    max_batch_size = 1
    window = 1

    def __init__(self, meta=None, **more):
        self.__dict__.update(meta or {}, **more)


class Call:
    """One request: its number and slot on the wire, its body, and what the server said of it.

    The attributes stand on the class where a call without meta, the common one, leaves them as they are."""

    handler = 0
    id = ""
    stream = False
    headers = ()
    content_type = "application/json"
    accept = ()
    tensors = None
    """name -> ndarray, for calls that carry tensors; views over the slot's memory, valid until the answer is sent"""
    query = ""
    watch = None
    wire = None
    reader = None
    """who reads its progress"""

    def __init__(self, body=b"", number=0, slot=0, wire=None):
        self.body = body
        self.number = number
        self.slot = slot
        self.wire = wire

    def json(self):
        """The body, parsed; raises `answers.Malformed` where it is no JSON."""
        try:
            text = str(self.body, "utf-8")
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError, RecursionError):
            pass
        return self._json_with_care()

    def _json_with_care(self):
        # White space around the value, a byte order mark, or a fault that is to be named.
        try:
            return json.loads(str(self.body, "utf-8-sig"), parse_constant=_no_constant)
        except UnicodeDecodeError:
            raise Malformed("the body is no UTF-8 text; send JSON in UTF-8") from None
        except json.JSONDecodeError as error:
            at = "line %d, column %d" % (error.lineno, error.colno)
            raise Malformed("the body is no JSON: %s at %s" % (error.msg, at)) from None
        except RecursionError:
            raise Malformed("the body is JSON nested too deeply to be read") from None
        except ValueError as error:
            raise Malformed("the body is no JSON: %s" % error) from None

    def cancelled(self):
        """Whether nobody waits for the answer any more; looks at the socket without waiting."""
        return self.wire is not None and self.wire.cancelled(self.number)


class App:
    """A loaded model. Subclassed by each dialect."""

    concurrent = False
    """call() may return awaitables, and several calls may be under way"""
    batch = False
    """calls come together, through run_batch()"""

    def compile(self):
        """What has to happen once before the first call."""

    def call(self, handler, call):
        """The answer to one call: a JSON value, something of `answers`, a generator, or an awaitable."""
        raise NotImplementedError

    def run_batch(self, calls):
        """One result per call, in order; a result that is an exception fails its own call only."""
        raise NotImplementedError

    def close(self):
        """The replica ends."""
