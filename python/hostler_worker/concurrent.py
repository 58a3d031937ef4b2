"""The loop for asynchronous apps: several calls under way, one thread, the socket as a reader of an asyncio loop.

Answers leave together at the end of each turn of the loop."""

from __future__ import annotations

import asyncio
import functools

from . import frames, replies
from .app import Call
from .wire import KIND, NUMBER, SLOT, Lost


def serve(worker):
    """Runs until STOP, then until the calls under way are answered."""
    worker.loop().run_until_complete(_Concurrent(worker).run())


class _Concurrent:
    def __init__(self, worker):
        self.worker = worker
        self.wire = worker.wire
        self.report = worker.wire.report
        self.replies = worker.replies
        self.tasks = {}
        self.loop = worker.loop()
        self.over = self.loop.create_future()
        self.leaving = False

    async def run(self):
        self.loop.add_reader(self.wire.socket.fileno(), self._readable)
        try:
            self._take()  # frames that came together with HELLO
            await self.over
        finally:
            if self.wire.socket.fileno() >= 0:
                self.loop.remove_reader(self.wire.socket.fileno())
        while self.tasks:
            await asyncio.wait(list(self.tasks.values()))
        self.wire.flush()

    def cancelled(self, number):
        """What `Call.cancelled` asks here: the reader takes frames from the socket, a call must not."""
        return number in self.wire.gone

    def _readable(self):
        try:
            self.wire.receive()
            self._take()
        except BaseException as error:
            self._end(error)

    def _end(self, error=None):
        if self.over.done():
            return
        if error is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(error)

    def _take(self):
        waiting = self.wire.frames
        while waiting:
            frame = waiting.popleft()
            kind = frame[KIND]
            if kind == frames.CALL:
                self._start(frame)
            elif kind == frames.CANCEL:
                task = self.tasks.get(frame[NUMBER])
                if task is None:
                    self.wire.gone.discard(frame[NUMBER])
                else:
                    task.cancel()
            elif kind == frames.STOP:
                self._end()
        self._flush_soon()

    def _flush_soon(self):
        if self.wire.pending and not self.leaving:
            self.leaving = True
            self.loop.call_soon(self._flush)

    def _flush(self):
        self.leaving = False
        try:
            self.wire.flush()
        except BaseException as error:
            self._end(error)

    def _start(self, frame):
        number = frame[NUMBER]
        call = Call(b"", number, frame[SLOT])
        try:
            call = self.worker.call_of(frame)
            call.wire = self
            result = self.worker.app.call(call.handler, call)
        except BaseException as error:
            self._failed(call, error)
            return
        if hasattr(result, "__await__") or replies.items_of(result) is not None:
            task = self.loop.create_task(self._finish(call, result))
            self.tasks[number] = task
            task.add_done_callback(functools.partial(self._done, call, result))
            return
        try:
            reply = self.replies.encode(call, result)
        except Exception as error:
            self._failed(call, error)
            return
        result = None  # views of the input may be among it
        self.replies.send(call, reply)

    def _failed(self, call, error):
        if isinstance(error, SystemExit):
            self.worker.leave()
            self._end(error)
        elif isinstance(error, (Lost, frames.BrokenFrame)):
            self._end(error)
        else:
            self.replies.fault(call, error)

    def _done(self, call, result, task):
        del self.tasks[call.number]
        self.wire.gone.discard(call.number)
        if task.cancelled():  # perhaps before it had begun: then nothing of `_finish` ran
            if hasattr(result, "close"):
                result.close()
            self.replies.cancelled(call)
        elif task.exception() is not None:
            self._end(task.exception())
        self._flush_soon()

    async def _finish(self, call, result):
        try:
            if hasattr(result, "__await__"):
                result = await result
            stream = replies.items_of(result)
            if stream is None:
                reply = self.replies.encode(call, result)
                del result
                self.replies.send(call, reply)
            else:
                del result
                await self._stream(call, *stream)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failed(call, error)

    async def _stream(self, call, items, response):
        raw = response is not None
        gathered = []
        headed = not raw
        try:
            async for item in _asynchronous(items):
                if not headed:  # not before: a fault until here is a plain error
                    self.replies.head(call, response)
                    headed = True
                if raw or call.stream:
                    self.replies.chunk(call, item, raw)
                else:
                    gathered.append(item)
        finally:
            if hasattr(items, "aclose"):
                await items.aclose()
            elif hasattr(items, "close"):
                items.close()
        if not headed:
            self.replies.head(call, response)
        if raw or call.stream:
            self.replies.end(call)
        else:
            self.replies.send(call, self.replies.encode(call, replies.gathered(gathered)))


async def _asynchronous(items):
    """Either kind of iterator; between the items of a plain one the other calls get their turn."""
    if hasattr(items, "__anext__"):
        async for item in items:
            yield item
        return
    for item in items:
        yield item
        await asyncio.sleep(0)
