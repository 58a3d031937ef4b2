"""Asynchronous apps: several calls under way on one loop."""

import json
import signal
import time
import unittest

from hostler_worker import frames

from .parent import Author, Died, Fault, Parent

APP = """
import asyncio, sys

class Pipeline:
    async def compile(self):
        self.ready = True

    async def __call__(self, value: object):
        assert self.ready
        way = value["way"]
        if way == "sleep":
            try:
                await asyncio.sleep(value["s"])
            except asyncio.CancelledError:
                print("cancelled", value["s"])
                raise
            return value["s"]
        if way == "fail":
            await asyncio.sleep(0)
            raise ValueError("no")
        if way == "exit":
            sys.exit(3)
        return object()
"""

STREAM = """
import asyncio

class Pipeline:
    async def __call__(self, count: int):
        try:
            for number in range(count):
                await asyncio.sleep(0.01)
                yield number
        finally:
            print("closed")
"""


class Concurrent(unittest.TestCase):
    def test_calls_are_under_way_together(self):
        with Parent("hostler_async") as parent:
            started = time.monotonic()
            for slot in range(5):
                parent.post(0.2, slot=slot)
            answers = [parent.answer() for _ in range(5)]
            self.assertLess(time.monotonic() - started, 0.6)
            self.assertEqual({json.loads(one.body)["together"] for one in answers}, {5, 4, 3, 2, 1})
            self.assertEqual({(one.call - 1, one.slot) for one in answers}, {(n, n) for n in range(5)})
            self.assertEqual(parent.stop(), 0)

    def test_the_quick_overtake_the_slow(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            slow, quick = parent.post({"way": "sleep", "s": 0.3}), parent.post({"way": "sleep", "s": 0.01})
            self.assertEqual([parent.answer().call, parent.answer().call], [quick, slow])

    def test_faults(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            for value, kind in (({"way": "fail"}, "invalid_input"), ({"way": "object"}, "pipeline_failed"), ({}, "pipeline_failed")):
                with self.assertRaises(Fault) as raised:
                    parent.ask(value)
                self.assertEqual(raised.exception.kind, kind)
            with self.assertRaises(Fault) as raised:
                parent.answer(parent.post(body=b"{"))
            self.assertEqual(raised.exception.kind, "malformed")

    def test_cancel(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            number = parent.post({"way": "sleep", "s": 30})
            parent.send(frames.CANCEL, call=number)
            with self.assertRaises(Fault) as raised:
                parent.answer(number)
            self.assertEqual(raised.exception.kind, "cancelled")
            parent.send(frames.CANCEL, call=number)
            self.assertEqual(parent.ask({"way": "sleep", "s": 0}), 0)

    def test_stop_waits_for_what_is_under_way(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            number = parent.post({"way": "sleep", "s": 0.2})
            parent.send(frames.STOP)
            self.assertEqual(parent.answer(number).body, b"0.2")
            self.assertEqual(parent.process.wait(5), 0)

    def test_sys_exit(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            parent.post({"way": "sleep", "s": 30})
            with self.assertRaises(Died):
                parent.ask({"way": "exit"})
            self.assertEqual(parent.process.wait(5), 3)

    def test_the_server_is_gone(self):
        with Author(pipeline=APP) as folder, Parent(folder) as parent:
            parent.post({"way": "sleep", "s": 30})
            parent.socket.close()
            self.assertEqual(parent.process.wait(5), -signal.SIGKILL)

    def test_streams_under_way_together(self):
        with Author(pipeline=STREAM) as folder, Parent(folder) as parent:
            for slot in range(2):
                parent.post(5, slot=slot, stream=True)
            got = [parent.receive() for _ in range(12)]
            self.assertEqual([one.body for one in got if one.call == 1], [b"0", b"1", b"2", b"3", b"4", b""])
            self.assertNotEqual([one.call for one in got], sorted(one.call for one in got))
            self.assertEqual(parent.ask(2), [0, 1])

    def test_a_stream_that_nobody_waits_for(self):
        with Author(pipeline=STREAM) as folder, Parent(folder) as parent:
            number = parent.post(10000, stream=True)
            parent.receive()
            parent.send(frames.CANCEL, call=number)
            frame = parent.receive()
            while frame.kind == frames.CHUNK:
                frame = parent.receive()
            self.assertEqual(frame.meta["error"]["kind"], "cancelled")
            parent.stop()
            self.assertEqual(parent.output(), "closed\n")
