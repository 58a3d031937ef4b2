"""The frames of the wire, as bytes: one header of 16 bytes, JSON meta, body.

Pure: knows no socket and no model. The server reads the same fixtures (`python/fixtures/wire`) with its own codec."""

from __future__ import annotations

import json
import struct

VERSION = 2

HEADER = struct.Struct("<IBBHII")
"""size of what follows, kind, flags, slot, call, size of the meta"""

HEADER_SIZE = HEADER.size
MAX_SIZE = 1 << 30

# Kinds of frames to the child.
HELLO = 1
CALL = 2
CANCEL = 3
STOP = 4
STORED = 5
# Kinds of frames from the child.
LOADED = 16
READY = 17
FAILED = 18
ANSWER = 19
CHUNK = 20
STORE = 21

FD = 0x01
"""one descriptor came with the frame: the new memory of its slot in this direction; with HELLO, the socket of the store"""
SLOT = 0x02
"""the tensors' bytes lie in the slot's memory, not in the body"""
MORE = 0x04
"""another call of the same batch follows"""
KEPT = 0x08
"""the author kept a view of the input slot"""

_pack = HEADER.pack


class BrokenFrame(Exception):
    """The bytes are no frame: the two sides do not speak the same wire."""


def encode(kind, body=b"", meta=None, *, flags=0, slot=0, call=0):
    """A whole frame; `meta` is a dict, or the bytes of one already encoded."""
    return head(kind, len(body), meta, flags=flags, slot=slot, call=call) + body


def head(kind, body_size, meta=None, *, flags=0, slot=0, call=0):
    """The frame up to its body."""
    if meta is None:
        return _pack(body_size, kind, flags, slot, call, 0)
    if not isinstance(meta, bytes):
        meta = json.dumps(meta, separators=(",", ":")).encode("ascii")
    return _pack(len(meta) + body_size, kind, flags, slot, call, len(meta)) + meta


def check(size, meta_size):
    """Raises where a header promises what no frame may hold."""
    if size > MAX_SIZE:
        raise BrokenFrame("a frame of %d bytes is larger than the wire allows (%d)" % (size, MAX_SIZE))
    if meta_size > size:
        raise BrokenFrame("a frame's meta (%d bytes) is larger than the frame (%d bytes)" % (meta_size, size))


def decode(data):
    """One frame from its whole bytes: (kind, flags, slot, call, meta or None, body)."""
    if len(data) < HEADER_SIZE:
        raise BrokenFrame("a frame begins with %d bytes, got %d" % (HEADER_SIZE, len(data)))
    size, kind, flags, slot, call, meta_size = HEADER.unpack_from(data)
    check(size, meta_size)
    if len(data) != HEADER_SIZE + size:
        raise BrokenFrame("the header promises %d bytes, got %d" % (size, len(data) - HEADER_SIZE))
    body_at = HEADER_SIZE + meta_size
    meta = json.loads(bytes(data[HEADER_SIZE:body_at])) if meta_size else None
    return kind, flags, slot, call, meta, bytes(data[body_at:])
