"""Tensors of the wire as numpy arrays and back. The only module that imports numpy, and only once tensors are in play.

Arrays that come in are writable views over the slot's memory where they lie there, copies where they came in the body."""

from __future__ import annotations

import struct
import weakref

from .answers import BadAnswer, Unsupported
from .frames import BrokenFrame

IN_BODY = 64 * 1024
"""tensors that are smaller together travel in the body"""

_ALIGNMENT = 64
_LENGTH = struct.Struct("<I")

# The wire's names, which are the Open Inference Protocol's, and numpy's.
DTYPES = {
    "BOOL": "|b1", "UINT8": "|u1", "INT8": "|i1", "UINT16": "<u2", "INT16": "<i2", "UINT32": "<u4", "INT32": "<i4",
    "UINT64": "<u8", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}
NAMES = {code: name for name, code in DTYPES.items()}
BYTES = "BYTES"

_numpy = None
_types = {}


def numpy():
    """The module, imported at the first use."""
    global _numpy
    if _numpy is None:
        try:
            import numpy as module
        except ImportError:
            raise Unsupported("tensors need the module numpy, which this Python does not have; pip install numpy "
                              "into the folder's .venv") from None
        _types.update((name, module.dtype(code)) for name, code in DTYPES.items())
        _numpy = module
    return _numpy


def dtype(name):
    """numpy's dtype for one of the wire's names; BYTES are objects."""
    module = numpy()
    if name == BYTES:
        return module.dtype(object)
    try:
        return _types[name]
    except KeyError:
        raise Unsupported("numpy has no %s; use one of %s" % (name, ", ".join([*DTYPES, BYTES]))) from None


def read(entries, buffer):
    """(name -> array, watch) for a frame's `tensors`; the arrays are views over `buffer`.

    `watch`: weak references that stay alive as long as any view of the buffer does, whoever made it."""
    module = numpy()
    arrays, watch = {}, []
    for entry in entries:
        shape, offset, size = entry["shape"], entry["offset"], entry["size"]
        if offset + size > len(buffer):
            raise BrokenFrame("tensor %s ends at %d, its memory at %d" % (entry["name"], offset + size, len(buffer)))
        if entry["dtype"] == BYTES:
            array = _texts(buffer[offset:offset + size], shape)
        elif size:
            kind = dtype(entry["dtype"])
            array = module.frombuffer(buffer, kind, size // kind.itemsize, offset)
            watch.append(weakref.ref(array.base))  # views of views refer to this array, and it to its base
            if len(shape) != 1:
                array = array.reshape(shape)
        else:
            array = module.empty(shape, dtype(entry["dtype"]))
        arrays[entry["name"]] = array
    return arrays, watch


def end_of(entries):
    """Where the last tensor of a frame ends."""
    return max((entry["offset"] + entry["size"] for entry in entries), default=0)


def _texts(data, shape):
    """BYTES: each element behind its length."""
    items, at = [], 0
    while at < len(data):
        size = _LENGTH.unpack_from(data, at)[0]
        at += _LENGTH.size + size
        items.append(bytes(data[at - size:at]))
    array = numpy().empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def _join_texts(array):
    parts = []
    for item in array.ravel().tolist():
        if isinstance(item, str):
            item = item.encode("utf-8")
        elif not isinstance(item, bytes):
            raise BadAnswer("an array of objects may hold bytes or text, not %s" % type(item).__name__)
        parts.append(_LENGTH.pack(len(item)))
        parts.append(item)
    return b"".join(parts)


def as_array(name, value):
    """What an author gave for an output, as an array."""
    try:
        return numpy().asanyarray(value)
    except (TypeError, ValueError) as error:  # ragged lists, tensors on a device
        raise BadAnswer("output %s is no array: %s" % (name, error)) from error


def plan(arrays):
    """Entries for a frame's `tensors` and the arrays or bytes behind them, laid out one after the other."""
    entries, sources, total = [], [], 0
    for name, array in arrays.items():
        array = as_array(name, array)
        kind = array.dtype
        if kind.kind in "OSU":
            shape, array, code = array.shape, _join_texts(array), BYTES
            size = len(array)
        else:
            if kind.byteorder == ">":
                array = array.astype(kind.newbyteorder("<"))
                kind = array.dtype
            code = NAMES.get(kind.str)
            if code is None:
                raise BadAnswer("output %s is an array of %s, which has no name on the wire; convert it with .astype()" % (name, kind))
            shape, size = array.shape, array.nbytes
        entries.append({"name": name, "dtype": code, "shape": list(shape), "offset": total, "size": size})
        sources.append(array)
        total += size
    return entries, sources, total


def as_body(sources):
    """The tensors' bytes, as `plan` laid them out."""
    return b"".join([source if isinstance(source, bytes) else source.tobytes() for source in sources])


def align(entries):
    """Moves the tensors to aligned offsets, as a slot's memory has room for; returns where the last ends."""
    at = 0
    for entry in entries:
        entry["offset"] = at
        end = at + entry["size"]
        at = -(-end // _ALIGNMENT) * _ALIGNMENT
    return end_of(entries)


def fill(target, entries, sources):
    """Writes the tensors into mapped memory: one copy, whatever their strides."""
    module = numpy()
    for entry, source in zip(entries, sources):
        offset, size = entry["offset"], entry["size"]
        if isinstance(source, bytes):
            target[offset:offset + size] = source
        elif size:
            place = module.frombuffer(target, source.dtype, source.size, offset)
            module.copyto(place.reshape(source.shape), source)
