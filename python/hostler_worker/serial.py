"""Calls one after the other, on the main thread; batches where the app takes them.

Answers of several quick calls leave in one write, but nobody's answer waits for another's computation."""

from __future__ import annotations

import time

from . import answers, frames, replies
from .app import Call
from .replies import PLAIN
from .wire import DESCRIPTOR, FLAGS, KIND, NUMBER, SLOT, Lost

_QUICK = 50e-6  # seconds a call may take that is no computation worth telling of
_HELD = 100e-6  # no answer is held longer than this when the next call begins
_ENOUGH = 32  # quick calls in a row before answers are held back at all

_clock = time.perf_counter


def serve(worker):
    """Runs until STOP."""
    (Batches if worker.app.batch else Serial)(worker).serve()


class Serial:
    def __init__(self, worker):
        self.worker = worker
        self.app = worker.app
        self.wire = worker.wire
        self.replies = worker.replies
        self._held_since = 0.0
        self._quick = 0
        self._enough = _ENOUGH

    def serve(self):
        wire, waiting, run = self.wire, self.wire.frames, self.run
        while True:
            frame = wire.next()
            kind = frame[KIND]
            if kind == frames.CALL:
                if wire.pending:
                    self._before_call()
                started = _clock()
                run(frame)
                if waiting:
                    self._after_call(_clock() - started)
            elif kind == frames.STOP:
                wire.flush()
                return

    def _before_call(self):
        if self._quick < self._enough or _clock() - self._held_since > _HELD:
            self.wire.flush()

    def _after_call(self, took):
        pending = len(self.wire.pending)
        if pending == 1:
            self._held_since = _clock()
        if took < _QUICK:
            self._quick += 1
            return
        if self._quick >= self._enough and pending > 1:
            self._enough = min(self._enough * 4, 1 << 20)  # an answer has waited for this call: believe less easily
        self._quick = 0

    def run(self, frame):
        """One call, answered."""
        wire = self.wire
        if wire.gone and frame[NUMBER] in wire.gone:
            self.skip(frame)
            return
        call = None
        try:
            call = self.worker.call_of(frame)
            result = self.app.call(call.handler, call)
            if type(result) in PLAIN and call.tensors is None and call.reader is None:
                wire.answer(call.number, call.slot, answers.json_bytes(result))
                return
            if hasattr(result, "__await__"):
                result = self.worker.wait_for(result)
            stream = replies.items_of(result)
            if stream is not None:
                result = None
                self._stream(call, *stream)
                return
            reply = self.replies.encode(call, result)
            result = None  # views of the input may be among it
        except SystemExit:
            self.worker.leave()
            raise
        except (Lost, frames.BrokenFrame):
            raise
        except BaseException as error:
            result = None
            self.replies.fault(call or _bare(frame), error)
            return
        self.replies.send(call, reply)

    def skip(self, frame):
        """Nobody waits for this call any more, and it has not begun."""
        if frame[DESCRIPTOR] is not None:
            self.worker.slots.replace(frame[SLOT], frame[DESCRIPTOR])
        self.wire.gone.discard(frame[NUMBER])
        self.replies.cancelled(_bare(frame))

    def _stream(self, call, items, response):
        """Pumps a generator; between its items the socket is looked at, so that one that nobody reads is closed."""
        raw = response is not None
        gathered = None if raw or call.stream else []
        if hasattr(items, "__anext__"):
            items = self._steps(items)
        headed = not raw
        try:
            for item in items:
                if not headed:  # not before: a fault until here is a plain error
                    self.replies.head(call, response)
                    headed = True
                if gathered is None:
                    self.replies.chunk(call, item, raw)
                else:
                    gathered.append(item)
                if call.cancelled():
                    self.replies.cancelled(call)
                    return
        finally:
            if hasattr(items, "close"):
                items.close()
        if not headed:
            self.replies.head(call, response)
        if gathered is None:
            self.replies.end(call)
        else:
            self.replies.send(call, self.replies.encode(call, replies.gathered(gathered)))

    def _steps(self, items):
        """An asynchronous generator, step by step."""
        try:
            while True:
                try:
                    yield self.worker.wait_for(items.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            if hasattr(items, "aclose"):
                self.worker.wait_for(items.aclose())


class Batches(Serial):
    """For apps with run_batch."""

    def run(self, frame):
        """Gathers the calls of one batch and runs them together."""
        batch = [frame]
        while frame[FLAGS] & frames.MORE:
            frame = self.wire.next()
            if frame[KIND] == frames.CALL:
                batch.append(frame)
        calls = []
        for frame in batch:
            if frame[NUMBER] in self.wire.gone:
                self.skip(frame)
                continue
            try:
                calls.append(self.worker.call_of(frame))
            except frames.BrokenFrame:
                raise
            except Exception as error:
                self.replies.fault(_bare(frame), error)
        if calls:
            self._answer(calls)

    def _answer(self, calls):
        try:
            results = self._results(calls)
        except SystemExit:
            self.worker.leave()
            raise
        except (Lost, frames.BrokenFrame):
            raise
        except BaseException as error:
            self._failed(calls, error)
            return
        results.reverse()
        for call in calls:
            result = results.pop()  # nothing else refers to it: views of the input may be among it
            try:
                if isinstance(result, Exception):
                    raise result
                reply = self.replies.encode(call, result)
            except Exception as error:
                self.replies.fault(call, error)
                continue
            finally:
                result = None
            self.replies.send(call, reply)

    def _failed(self, calls, error):
        if len(calls) > 1 and replies.is_about_input(error):
            # One row's fault is not its neighbours': which one it is only shows when each runs alone.
            for call in calls:
                self._answer([call])
            return
        replies.log_fault(error, calls[0].id)
        for call in calls:
            self.replies.fault(call, error, logged=True)

    def _results(self, calls):
        results = self.app.run_batch(calls)
        if hasattr(results, "__await__"):
            results = self.worker.wait_for(results)
        if not hasattr(results, "__len__") or len(results) != len(calls):
            raise answers.wrong_count(results, len(calls))
        return list(results)


def _bare(frame):
    """The call of a frame that is answered without being read."""
    return Call(b"", frame[NUMBER], frame[SLOT])
