"""Requests with answers over a socket of their own, from any thread of the process.

A thread sends its request, and then waits until another thread has read the answer, or reads itself, for all who wait.
Knows frames, and not what is asked."""

from __future__ import annotations

import itertools
import os
import socket
import threading

from . import frames

_CHUNK = 256 * 1024
_LARGE = 64 * 1024  # from here on a write of its own is cheaper than a copy into a joint one
_NUMBERS = (1 << 32) - 1


class Lost(Exception):
    """The other end is gone."""


class Forked(Exception):
    """This process is a copy of the one that the line belongs to."""


class Line:
    def __init__(self, descriptor):
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(True)
        self._numbers = itertools.count(1)
        self._answers = {}
        """number -> (meta or None, body), None until it is there; what is not here nobody waits for any more"""
        self._input = bytearray()
        self._open = True
        self._mine = True
        self._make_locks()
        # What a copy of this process sent would be answered to nobody, and its locks may be held by threads it does not have.
        os.register_at_fork(after_in_child=self._forked)

    def _make_locks(self):
        self._sending = threading.Lock()
        self._changed = threading.Condition()
        self._reading = False

    def _forked(self):
        self._mine = self._open = False
        self._make_locks()
        self._socket.close()

    def ask(self, kind, meta, body=b""):
        """The (meta, body) of the answer. Raises `Lost` or `Forked`."""
        if not self._mine:
            raise Forked
        number = next(self._numbers) & _NUMBERS
        self._answers[number] = None
        try:
            self._send(frames.head(kind, len(body), meta, call=number), body)
            return self._answer(number)
        finally:
            self._answers.pop(number, None)

    def _send(self, head, body):
        with self._sending:
            try:
                if len(body) < _LARGE:
                    self._socket.sendall(head + body)
                else:
                    self._socket.sendall(head)
                    self._socket.sendall(body)
            except OSError as error:
                self._end()
                raise Lost(str(error)) from None
            except BaseException:  # a signal handler of the author's: half a frame may have left
                self._end()
                raise

    def _answer(self, number):
        reading = False
        while True:
            try:
                with self._changed:
                    while self._answers[number] is None:
                        if not self._open:
                            raise Lost("the server closed the socket")
                        if not self._reading:
                            reading = self._reading = True
                            break
                        self._changed.wait()
                    else:
                        return self._answers[number]
                self._read()
            finally:
                if reading:  # also where a signal handler of the author's has raised: nobody else would read
                    with self._changed:
                        reading = self._reading = False
                        self._changed.notify_all()

    def _read(self):
        """Reads once, and puts whole frames where they are waited for."""
        try:
            data = self._socket.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        have = self._input
        have += data
        start = 0
        while len(have) - start >= frames.HEADER_SIZE:
            size, _, _, _, number, meta_size = frames.HEADER.unpack_from(have, start)
            body_at = start + frames.HEADER_SIZE + meta_size
            end = start + frames.HEADER_SIZE + size
            if end > len(have):
                break
            if number in self._answers:
                self._answers[number] = (bytes(have[body_at - meta_size:body_at]) or None, bytes(have[body_at:end]))
            start = end
        del have[:start]

    def _end(self):
        """Wakes the server's side and whoever reads; the descriptor stays, since a reader may be about to use it."""
        self._open = False
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
