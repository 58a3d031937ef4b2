"""The life of a replica: HELLO, load, compile, then calls one after the other until STOP or the end of the socket.

The author's code runs on the main thread. Asynchronous apps hand over to `concurrent.py` once they are ready."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from . import answers, dialects, frames, replies, tensors
from .app import Call, Hello, json_of
from .folder import Folder, LoadFault
from .memory import Slots
from .replies import PLAIN, Replies
from .wire import Lost, Wire

_QUICK = 50e-6  # a call up to here may hold back the answer before it
_HELD = 100e-6  # no answer is held longer when the next call begins
_ENOUGH = 32  # quick calls in a row before answers are held back at all

_clock = time.perf_counter


class Worker:
    """One replica on one wire."""

    def __init__(self, wire):
        self.wire = wire
        self.slots = Slots()
        self.app = None
        self.replies = None
        self._loop = None
        self._held_since = 0.0
        self._quick = 0
        self._enough = _ENOUGH

    def run(self):
        """The whole life; returns the exit code."""
        kind, _, _, _, meta, _, _ = self.wire.next()
        if kind == frames.STOP:
            return 0
        if kind != frames.HELLO:
            raise frames.BrokenFrame("the first frame is HELLO, not kind %d" % kind)
        hello = Hello(json.loads(meta or b"{}"))
        if hello.version != frames.VERSION:
            return self._failed("this worker speaks version %d of the wire, the server %s; "
                                "install both from one release" % (frames.VERSION, hello.version))
        folder = Folder(hello.folder)
        self.replies = Replies(self.wire, self.slots, folder.path)
        if not self._prepare(folder, hello):
            return 1
        if self.app.concurrent:
            from .concurrent import serve
            serve(self)
        else:
            self._serve()
        self.app.close()
        return 0

    def _prepare(self, folder, hello):
        """Loads and compiles; False where the author's code failed at it, which has been said."""
        try:
            dialect = dialects.named(hello.dialect) if hello.dialect else dialects.recognise(folder)[0]
            self.app = dialect.load(folder, hello)
            self._tell(frames.LOADED, {"version": frames.VERSION, "python": "%d.%d.%d" % sys.version_info[:3], "pid": os.getpid()})
            compiled = self.app.compile()
            if hasattr(compiled, "__await__"):
                self.wait_for(compiled)
            self._tell(frames.READY)
            return True
        except (Exception, SystemExit) as error:
            replies.log(error.__cause__ if isinstance(error, LoadFault) and error.__cause__ else error)
            if isinstance(error, SystemExit):
                message = "the code ended its process with sys.exit(%s) while it was loaded" % (error.code or 0)
            else:
                message = str(folder.fault(folder.name, error))
            self._failed(message)
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
        async def wait():
            return await awaitable
        return self.loop().run_until_complete(wait())

    # Calls

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

    def _serve(self):
        wire, waiting, batch = self.wire, self.wire.frames, self.app.batch
        while True:
            frame = wire.next()
            kind = frame[0]
            if kind == frames.CALL:
                if wire.pending:
                    self._before_call()
                started = _clock()
                if batch:
                    self._run_batch(frame)
                else:
                    self._run(frame)
                if waiting:
                    self._after_call(_clock() - started)
            elif kind == frames.STOP:
                wire.flush()
                return

    def _before_call(self):
        """Answers wait for each other only while calls are quick: nobody's answer is to wait for another's computation."""
        if self._quick < self._enough or _clock() - self._held_since > _HELD:
            self.wire.flush()

    def _after_call(self, took):
        if len(self.wire.pending) == 1:
            self._held_since = _clock()
        if took < _QUICK:
            self._quick += 1
            return
        if self._quick >= self._enough and len(self.wire.pending) > 1:
            self._enough = min(self._enough * 4, 1 << 20)  # an answer has waited for this call: believe less easily
        self._quick = 0

    def _run(self, frame):
        wire = self.wire
        if wire.gone and frame[3] in wire.gone:
            return self._skip(frame)
        call = None
        try:
            call = self.call_of(frame)
            result = self.app.call(call.handler, call)
            if type(result) in PLAIN and call.tensors is None:
                wire.answer(call.number, call.slot, answers.json_bytes(result))
                return
            if hasattr(result, "__await__"):
                result = self.wait_for(result)
            stream = replies.items_of(result)
            if stream is not None:
                del result
                self._stream(call, *stream)
                return
            reply = self.replies.encode(call, result)
            del result
        except SystemExit:
            self._leave()
            raise
        except (Lost, frames.BrokenFrame):
            raise
        except BaseException as error:
            result = None  # it may hold views of the input
            self.replies.fault(call or Call(b"", frame[3], frame[2]), error)
            return
        self.replies.send(call, reply)

    def _skip(self, frame):
        if frame[6] is not None:
            self.slots.replace(frame[2], frame[6])
        self.wire.gone.discard(frame[3])
        self.replies.cancelled(Call(b"", frame[3], frame[2]))

    def _leave(self):
        """sys.exit in a call: what has been answered still counts, and the server knows at once, whatever else exiting waits for."""
        self.wire.flush()
        self.wire.close()

    def _stream(self, call, items, response):
        """Pumps a generator; between its items the socket is looked at, so that nobody's stream ends early."""
        raw = response is not None
        if hasattr(items, "__anext__"):
            items = self._steps(items)
        try:
            if raw:
                self.replies.head(call, response)
            elif not call.stream:
                result = replies.gathered(list(items))
                return self.replies.send(call, self.replies.encode(call, result))
            for item in items:
                self.replies.chunk(call, item, raw)
                if call.cancelled():
                    return self.replies.cancelled(call)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        self.replies.end(call)

    def _steps(self, items):
        """An asynchronous generator, step by step."""
        try:
            while True:
                try:
                    yield self.wait_for(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            if hasattr(items, "aclose"):
                self.wait_for(items.aclose())

    # Batches

    def _run_batch(self, frame):
        """Gathers the calls of one batch and runs them together."""
        batch = [frame]
        while frame[1] & frames.MORE:
            frame = self.wire.next()
            if frame[0] == frames.CALL:
                batch.append(frame)
        calls = []
        for frame in batch:
            if frame[3] in self.wire.gone:
                self._skip(frame)
                continue
            try:
                calls.append(self.call_of(frame))
            except frames.BrokenFrame:
                raise
            except Exception as error:
                self.replies.fault(Call(b"", frame[3], frame[2]), error)
        if calls:
            self._answer_batch(calls)

    def _answer_batch(self, calls):
        try:
            results = self._results(calls)
        except SystemExit:
            self._leave()
            raise
        except (Lost, frames.BrokenFrame):
            raise
        except BaseException as error:
            if len(calls) > 1 and replies.is_about_input(error):
                # One row's fault is not its neighbours': which one it is only shows when each runs alone.
                for call in calls:
                    self._answer_batch([call])
                return
            for call in calls:
                self.replies.fault(call, error)
            return
        results.reverse()
        for call in calls:
            result = results.pop()
            try:
                if isinstance(result, Exception):
                    raise result
                reply = self.replies.encode(call, result)
            except Exception as error:
                self.replies.fault(call, error)
                continue
            finally:
                del result
            self.replies.send(call, reply)

    def _results(self, calls):
        results = self.app.run_batch(calls)
        if hasattr(results, "__await__"):
            results = self.wait_for(results)
        if not hasattr(results, "__len__") or len(results) != len(calls):
            raise answers.wrong_count(results, len(calls))
        return list(results)


def serve():
    """`python -m hostler_worker serve`: the socket is standard input."""
    parent = os.environ.pop("HOSTLER_PARENT", None)
    if parent and parent != str(os.getppid()):
        return 1  # it died before this process could be told
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the server decides
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
    pid = os.getpid()
    wire = Wire.from_stdin()
    try:
        code = Worker(wire).run()
        wire.close()
        return code
    except Lost:
        _end(pid)
    except frames.BrokenFrame as error:
        sys.stderr.write("the wire is broken: %s\n" % error)
        sys.stderr.flush()
        _end(pid)


def _end(pid):
    """Nobody is there to answer to. What the author's code has started ends with it, where this process leads its group."""
    if os.getpid() != pid:
        os._exit(1)  # a child that the author's code forked and let return into the loop
    if os.getpgrp() == pid:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
