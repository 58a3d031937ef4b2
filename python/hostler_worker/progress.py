"""Progress of the call under way, told by the author's code wherever it is in it."""

from __future__ import annotations

import contextvars

from .answers import json_for

_readers = contextvars.ContextVar("hostler_progress", default=None)
"""those who read what is reported here; None outside of calls"""


class Reader:
    """Somebody who reads the progress of one call."""

    __slots__ = ("wire", "number", "slot", "over")

    def __init__(self, call):
        # Not the call itself: contexts live long, and a call has its body.
        self.wire = call.wire
        self.number = call.number
        self.slot = call.slot
        self.over = False


def begin(calls):
    """From here on this thread or task works on these calls; their clients are told of progress where they read streams."""
    readers = ()
    for call in calls:
        if call.stream and call.wire is not None:
            call.reader = Reader(call)
            readers += (call.reader,)
    _readers.set(readers)


def report(value):
    """Tells how far the call under way is: any JSON value, such as 0.5 or {"step": 3, "of": 10}. Goes to clients that read a stream
    and to jobs. Outside of a call, and after it has ended, it does nothing."""
    readers = _readers.get()
    if readers is None:
        return
    body = json_for("the progress", "report", value)
    for reader in readers:
        if not reader.over:
            reader.wire.report(reader.number, reader.slot, body)
