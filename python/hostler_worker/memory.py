"""Memory shared with the server: one memfd per slot and direction, mapped, never copied by the wire.

What comes in is made by the server and only mapped here; what goes out is made here and passed with the first frame that
uses it. Knows no tensors: offsets and sizes only."""

from __future__ import annotations

import mmap
import os

from .frames import BrokenFrame

_SMALLEST = 1 << 20  # untouched pages cost nothing, a grown mapping costs a system call on both sides


class Incoming:
    """The server's memory for one slot."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.map = None

    def view(self, end):
        """A new writable view, at least up to `end`; the mapping lasts as long as any part of a view is kept."""
        if self.map is None or len(self.map) < end:
            size = os.fstat(self.descriptor).st_size
            if size < end:
                raise BrokenFrame("a slot's memory holds %d bytes, the frame speaks of %d" % (size, end))
            # The old mapping goes when the last view of it does.
            self.map = mmap.mmap(self.descriptor, size)
        return memoryview(self.map)

    def close(self):
        self.map = None
        os.close(self.descriptor)


class Outgoing:
    """This replica's memory for one slot. `passed`: the server has its descriptor."""

    def __init__(self):
        self.descriptor = os.memfd_create("hostler-slot", os.MFD_CLOEXEC)
        self.map = None
        self.passed = False

    def reserve(self, size):
        """The mapping, at least `size` bytes long; grown where it is shorter, which the server sees by itself."""
        if self.map is None or len(self.map) < size:
            capacity = _SMALLEST
            while capacity < size:
                capacity *= 2
            os.ftruncate(self.descriptor, capacity)
            self.map = mmap.mmap(self.descriptor, capacity)
        return self.map


class Slots:
    """The memory of all slots, both directions."""

    def __init__(self):
        self._incoming = {}
        self._outgoing = {}

    def replace(self, slot, descriptor):
        """The server passed new memory for `slot`."""
        self.drop(slot)
        self._incoming[slot] = Incoming(descriptor)

    def drop(self, slot):
        """Lets go of the slot's input: the author keeps it, or the server sent another."""
        old = self._incoming.pop(slot, None)
        if old is not None:
            old.close()

    def view(self, slot, end):
        incoming = self._incoming.get(slot)
        if incoming is None:
            raise BrokenFrame("slot %d has no memory yet" % slot)
        return incoming.view(end)

    def outgoing(self, slot):
        if slot not in self._outgoing:
            self._outgoing[slot] = Outgoing()
        return self._outgoing[slot]
