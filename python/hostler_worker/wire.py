"""The replica's end of the socket: whole frames in, frames out, descriptors beside them.

Answers gather in `pending` and leave in one write; who blocks or runs long code flushes before. One thread reads and answers;
progress may be reported by any. Knows no model."""

from __future__ import annotations

import array
import collections
import os
import socket
import threading

from . import frames

_BUFFER = 256 * 1024
_KEPT_BUFFER = 8 << 20  # what a large frame made necessary is kept up to here
_RIGHTS = socket.CMSG_SPACE(64 * 4)
_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)  # plain numbers: an enum's `|` costs as much as the system call
_TRUNCATED = int(socket.MSG_CTRUNC)
_NO_WAIT = int(socket.MSG_DONTWAIT)
_LARGE = 64 * 1024  # from here on a write of its own is cheaper than a copy into a joint one

_PROGRESS = b'{"progress":true}'

_unpack = frames.HEADER.unpack_from
_pack = frames.HEADER.pack
_HEADER = frames.HEADER_SIZE


KIND, FLAGS, SLOT, NUMBER, META, BODY, DESCRIPTOR = range(7)
"""places in a received frame, which is a plain tuple: a named one costs as much as all the rest of reading it"""


class Lost(Exception):
    """The other end is gone."""


class Wire:
    """Frames come out of `next()` as (kind, flags, slot, call, meta bytes or None, body, descriptor or None)."""

    def __init__(self, sock):
        self.socket = sock
        self.frames = collections.deque()
        self.gone = set()
        """numbers of calls that nobody waits for any more"""
        self.pending = []
        self._descriptors = collections.deque()
        self._writing = threading.Lock()
        self._view = memoryview(bytearray(_BUFFER))
        self._start = 0
        self._end = 0
        # A forked child of the author's must neither answer in our name nor hold the socket open after our death.
        os.register_at_fork(after_in_child=self._forked)

    @classmethod
    def from_stdin(cls):
        """Takes the socket from standard input, and leaves nothing there that the author could read."""
        descriptor = os.dup(0)  # close-on-exec, and above 2 since 1 and 2 are open
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(True)
        return cls(sock)

    def close(self):
        """The server reads its end behind what was sent, though the guardian has the socket too; that sees only the server's own end."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the author's code has closed it
        self.socket.close()

    def _forked(self):
        self.pending.clear()
        self._writing = threading.Lock()  # a thread that is not in this process may hold it
        self.socket.close()

    # Receiving

    def next(self):
        """The next frame; what is pending leaves before waiting for one. Raises `Lost`."""
        waiting = self.frames
        while not waiting:
            if self.pending:
                self.flush()
            self.gone.clear()  # nothing is under way: what was cancelled has been answered
            self.receive()
        return waiting.popleft()

    def cancelled(self, number):
        """Whether nobody waits for call `number` any more; looks without waiting."""
        self.receive(_NO_WAIT)
        return number in self.gone

    def receive(self, flags=0):
        """Reads once and puts whole frames into `frames`, CANCELs into `gone` as well."""
        try:
            count, ancillary, how, _ = self.socket.recvmsg_into(
                [self._view[self._end:]], _RIGHTS, flags | _CLOEXEC)
        except BlockingIOError:
            return
        except OSError as error:
            raise Lost(str(error)) from None
        if not count:
            raise Lost("the server closed the socket")
        if ancillary:
            self._keep(ancillary)
        if how & _TRUNCATED:
            raise frames.BrokenFrame("descriptors were lost on the way")
        self._end += count
        self._parse()

    def _keep(self, ancillary):
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i")
                descriptors.frombytes(data[:len(data) - len(data) % descriptors.itemsize])
                self._descriptors.extend(descriptors)

    def _parse(self):
        view, start, end = self._view, self._start, self._end
        while end - start >= _HEADER:
            size, kind, flags, slot, call, meta_size = _unpack(view, start)
            body_at = start + _HEADER + meta_size
            stop = start + _HEADER + size
            if size > frames.MAX_SIZE or meta_size > size:
                frames.check(size, meta_size)
            if stop > end:
                self._start = start
                self._make_room(stop - start)
                return
            meta = bytes(view[start + _HEADER:body_at]) if meta_size else None
            descriptor = self._descriptors.popleft() if flags & frames.FD else None
            if kind == frames.CANCEL:
                self.gone.add(call)
            self.frames.append((kind, flags, slot, call, meta, bytes(view[body_at:stop]), descriptor))
            start = stop
        self._start = start
        self._make_room(_HEADER)

    def _make_room(self, wanted):
        """Room for a frame of `wanted` bytes that begins at `_start`."""
        have = self._end - self._start
        capacity = len(self._view)
        if wanted > capacity or not have and capacity > _KEPT_BUFFER:
            larger = memoryview(bytearray(max(_BUFFER, wanted)))
            larger[:have] = self._view[self._start:self._end]
            self._view = larger
        elif self._start + wanted > capacity:
            self._view[:have] = self._view[self._start:self._end]
        elif have:
            return
        self._start, self._end = 0, have

    # Sending

    def answer(self, call, slot, body):
        """Queues a plain JSON answer: the one frame that has to be cheap."""
        self.pending.append(_pack(len(body), frames.ANSWER, 0, slot, call, 0) + body)

    def send(self, kind, body=b"", meta=None, *, flags=0, slot=0, call=0, descriptor=None):
        """Queues a frame; one that is large or carries a descriptor leaves at once, behind those before it."""
        if descriptor is None and len(body) < _LARGE:
            self.pending.append(frames.encode(kind, body, meta, flags=flags, slot=slot, call=call))
            return
        head = frames.head(kind, len(body), meta, flags=flags | (frames.FD if descriptor is not None else 0),
                           slot=slot, call=call)
        self.flush()
        with self._writing:
            try:
                if descriptor is not None:
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
                    sent = self.socket.sendmsg([head], rights)
                    head = head[sent:]
                if head:
                    self.socket.sendall(head)
                if body:
                    self.socket.sendall(body)
            except OSError as error:
                raise Lost(str(error)) from None

    def flush(self):
        """Writes everything that is pending; waits where the server is slow to read."""
        pending = self.pending
        if not pending:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._write(data)

    def report(self, call, slot, body):
        """Progress of a call, from any thread and at once: somebody watches. What is pending stays where it is."""
        try:
            self._write(frames.encode(frames.CHUNK, body, _PROGRESS, slot=slot, call=call))
        except Lost:
            pass  # who reads the next call finds out

    def _write(self, data):
        with self._writing:
            try:
                self.socket.sendall(data)
            except OSError as error:
                raise Lost(str(error)) from None
