"""The life of a replica: HELLO, load, compile, then calls until STOP or the end of the socket.

How calls are run stands in `serial.py` and `concurrent.py`; both use what is here to turn frames into calls."""

from __future__ import annotations

import gc
import json
import os
import sys

from . import dialects, frames, replies, store, tensors
from .app import Call, Hello, json_of
from .folder import Folder, LoadFault
from .memory import Slots
from .replies import Replies


class Worker:
    """One replica on one wire."""

    def __init__(self, wire):
        self.wire = wire
        self.slots = Slots()
        self.app = None
        self.replies = None
        self._loop = None

    def run(self):
        """The whole life; returns the exit code."""
        kind, _, _, _, meta, _, descriptor = self.wire.next()
        if kind == frames.STOP:
            return 0
        if kind != frames.HELLO:
            raise frames.BrokenFrame("the first frame is HELLO, not kind %d" % kind)
        hello = Hello(json.loads(meta or b"{}"))
        if hello.version != frames.VERSION:
            return self._failed("this worker speaks version %d of the wire, the server %s; "
                                "install both from one release" % (frames.VERSION, hello.version))
        if descriptor is not None:
            store.here.connect(descriptor)
        folder = Folder(hello.folder)
        self.replies = Replies(self.wire, self.slots, folder.path)
        if not self._prepare(folder, hello):
            return 1
        # The model's objects stay: no later collection has to walk over them.
        gc.collect()
        gc.freeze()
        self._tell(frames.READY)
        if self.app.concurrent:
            from .concurrent import serve
        else:
            from .serial import serve
        serve(self)
        self.app.close()
        return 0

    def _prepare(self, folder, hello):
        """Loads and compiles; False where the author's code failed at it, which has been said."""
        try:
            os.chdir(folder.path)
            dialect = dialects.named(hello.dialect) if hello.dialect else dialects.recognise(folder)[0]
            self.app = dialect.load(folder, hello)
            self._tell(frames.LOADED, {"version": frames.VERSION, "python": "%d.%d.%d" % sys.version_info[:3], "pid": os.getpid()})
            compiled = self.app.compile()
            if hasattr(compiled, "__await__"):
                self.wait_for(compiled)
            return True
        except (Exception, SystemExit) as error:
            replies.log(error.__cause__ if isinstance(error, LoadFault) and error.__cause__ else error)
            self._failed(folder.failure(error, "loaded"))
            return False

    def _tell(self, kind, meta=None):
        self.wire.send(kind, b"", meta)
        self.wire.flush()

    def _failed(self, message):
        self._tell(frames.FAILED, {"message": message})
        return 1

    def loop(self):
        """The event loop of this replica; made when something asynchronous is there to run."""
        if self._loop is None:
            import asyncio
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop

    def wait_for(self, awaitable):
        """The result of an awaitable, where calls run one after the other."""
        async def wait():
            return await awaitable
        return self.loop().run_until_complete(wait())

    def leave(self):
        """sys.exit in a call: what has been answered still counts, and the server knows at once, whatever else exiting waits for."""
        self.wire.flush()
        self.wire.close()

    def call_of(self, frame):
        """A frame as a Call; tensors become arrays here."""
        _, flags, slot, number, meta, body, descriptor = frame
        call = Call(body, number, slot, self.wire)
        if descriptor is not None:
            self.slots.replace(slot, descriptor)
        if meta is not None:
            values = call.__dict__
            values.update(json_of(meta))
            entries = values.pop("tensors", None)
            if entries is not None:
                self._read_tensors(call, entries, flags)
        return call

    def _read_tensors(self, call, entries, flags):
        if flags & frames.SLOT:
            call.tensors, call.watch = tensors.read(entries, self.slots.view(call.slot, tensors.end_of(entries)))
        else:
            call.tensors, _ = tensors.read(entries, memoryview(bytearray(call.body)))
