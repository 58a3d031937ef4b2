"""What the author's code gave back, or raised, as frames.

One ANSWER per call, always: whatever cannot be encoded is answered as a fault."""

from __future__ import annotations

import json
import sys
import traceback

from . import answers, frames, tensors
from .answers import BadAnswer, File, Media, Response, Stream, Tensors, WithFiles, json_bytes, json_with_files

PLAIN = frozenset((dict, list, str, int, float, bool, type(None), tuple))
_OCTETS = "application/octet-stream"
_BYTES = b'{"bytes":true}'
_END = b'{"chunks":true}'
_CANCELLED = {"kind": "cancelled", "message": "nobody waits for the answer any more"}
_PACKAGE = __name__.partition(".")[0]


class Replies:
    """Answers calls on one wire."""

    def __init__(self, wire, slots, folder=None):
        self.wire = wire
        self.slots = slots
        self.folder = folder
        """cut from messages"""

    def encode(self, call, result):
        """The answer's (body, meta, flags, descriptor). Whoever has it lets go of `result` before `send`, since views of
        the input may be among it. Streams are not for here: see `items_of`."""
        kind = type(result)
        if call.tensors is not None or kind is Tensors:
            return self._arrays(call, result)
        if kind in PLAIN:
            return json_bytes(result), None, 0, None
        if kind is Media:
            return result.data, {"media": result.media}, 0, None
        if kind is Response:
            body, media = _body_of(result)
            return body, _head_of(result, media), 0, None
        if kind is File:
            return result.data, {"files": [_told(result, [0])]}, 0, None
        if kind is WithFiles:
            text, files = json_with_files(result.value)
            body = b"".join([text, *(file.data for file, _ in files)])
            return body, {"files": [_told(file, places) for file, places in files]}, 0, None
        if kind in (bytes, bytearray, memoryview):
            return bytes(result), {"media": _OCTETS}, 0, None
        return json_bytes(result), None, 0, None

    def send(self, call, reply):
        """The last word on `call`."""
        body, meta, flags, descriptor = reply
        if call.reader is not None:
            call.reader.over = True
        if call.watch is not None and self._release(call):
            flags |= frames.KEPT
        self.wire.send(frames.ANSWER, body, meta, flags=flags, slot=call.slot, call=call.number, descriptor=descriptor)

    def _arrays(self, call, result):
        arrays = result.arrays if type(result) is Tensors else result
        if not isinstance(arrays, dict):
            raise BadAnswer("a call with tensors is answered by a dict of arrays, not by %s" % type(result).__name__)
        entries, sources, total = tensors.plan(arrays)
        if total < tensors.IN_BODY:
            return tensors.as_body(sources), {"tensors": entries}, 0, None
        memory = self.slots.outgoing(call.slot)
        tensors.fill(memory.reserve(tensors.align(entries)), entries, sources)
        descriptor, memory.passed = (None if memory.passed else memory.descriptor), True
        return b"", {"tensors": entries}, frames.SLOT, descriptor

    def _release(self, call):
        """Lets go of the input's memory before the answer leaves; True where the author keeps a view of it."""
        call.tensors = None
        watch, call.watch = call.watch, None
        if all(view() is None for view in watch):
            return False
        self.slots.drop(call.slot)
        return True

    # Faults

    def fault(self, call, error, logged=False):
        """Answers with the fault; the traceback goes to the log, never to the client."""
        if not logged:
            log_fault(error, call.id)
        self._fault(call, answers.fault_of(error, self.folder), error)

    def cancelled(self, call):
        self._fault(call, _CANCELLED)

    def _fault(self, call, fault, error=None):
        if call.watch is not None and error is not None:
            _forget_frames(error)
        meta = json.dumps({"error": fault}, separators=(",", ":"), default=str).encode("ascii")
        self.send(call, (b"", meta, 0, None))

    # Streams

    def head(self, call, response):
        """Before the chunks of a response with a head of its own."""
        head = _head_of(response)
        self.wire.send(frames.CHUNK, b"", {"head": head}, slot=call.slot, call=call.number)

    def chunk(self, call, item, raw):
        """One item, sent at once: somebody watches the stream."""
        kind = type(item)
        if raw:
            body, meta = _raw(item), _BYTES
        elif kind in (bytes, bytearray):
            body, meta = bytes(item), _BYTES
        else:
            body, meta = json_bytes(item), None
        self.wire.send(frames.CHUNK, body, meta, slot=call.slot, call=call.number)
        self.wire.flush()

    def end(self, call):
        """The end of a stream."""
        self.send(call, (b"", _END, 0, None))


def gathered(items):
    """The items of a generator as one answer, where the client asked for no stream."""
    if items and all(isinstance(item, (bytes, bytearray)) for item in items):
        return b"".join(items)
    return items


def items_of(result):
    """(iterator, response or None) where the result is a stream, else None. Asynchronous iterators too."""
    kind = type(result)
    if kind is Stream:
        return result.items, None
    if kind is Response:
        body = result.body
        if hasattr(body, "__anext__") or hasattr(body, "__next__"):
            return body, result
        return None
    if hasattr(kind, "__next__") or hasattr(kind, "__anext__"):
        return result, None
    return None


def _told(file, places):
    return {"name": file.name, "media": file.media, "size": len(file.data), "at": places}


def _raw(item):
    if isinstance(item, str):
        return item.encode("utf-8")
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    raise BadAnswer("the body of a response may give bytes or text, not %s" % type(item).__name__)


def _body_of(response):
    """The body as bytes, and the media type it has where the author names none."""
    body = response.body
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), _OCTETS
    if isinstance(body, str):
        return body.encode("utf-8"), "text/plain; charset=utf-8"
    return json_bytes(body), "application/json"


def _head_of(response, otherwise=_OCTETS):
    headers = response.headers
    media, pairs = response.media, []
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        if str(name).lower() == "content-type":
            media = media or str(value)
        else:
            pairs.append([str(name), str(value)])
    return {"status": int(response.status), "headers": pairs, "media": media or otherwise}


def is_about_input(error):
    """Whether the fault is the client's."""
    return answers.fault_of(error)["kind"] == "invalid_input"


def log_fault(error, request=""):
    """The traceback of a fault that is not told by its message already."""
    if not isinstance(error, answers.Fault):
        log(error, request)


def log(error, request=""):
    """The traceback on standard error, from the author's first line on: the worker's own frames above it tell nobody anything."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_globals.get("__name__", "").partition(".")[0] in (_PACKAGE, "importlib"):
        step = step.tb_next
    lines = traceback.format_exception(type(error), error, step or error.__traceback__)
    if request:
        lines.insert(0, "request %s failed\n" % request)
    try:
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
    except (OSError, ValueError):  # the author's code closed it: the answer goes out all the same
        pass


def _forget_frames(error):
    """A traceback keeps the author's local variables, views of the input among them."""
    while error is not None:
        if error.__traceback__ is not None:
            traceback.clear_frames(error.__traceback__)
            error.__traceback__ = None
        error = error.__cause__ or error.__context__
