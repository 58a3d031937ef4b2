"""Generators, responses with a head of their own, and streams that nobody reads any more."""

import time
import unittest

from hostler_worker import frames

from .parent import Author, Fault, Parent


def app(body):
    """app.py of the Banana dialect, whose inference may return what only the core knows."""
    text = "from hostler_worker.answers import Media, Response, Stream\ndef init(): pass\ndef inference(model_inputs):\n"
    return Author(app=text + "\n".join("    " + line for line in body.strip("\n").splitlines()) + "\n")


def kinds(got):
    return [(one.kind, one.meta, one.body) for one in got]


class Streams(unittest.TestCase):
    def test_a_generator_streams_where_it_is_asked_to(self):
        with Parent("hostler_stream") as parent:
            self.assertEqual(kinds(parent.stream({"text": "one two", "times": 2})), [
                *[(frames.CHUNK, None, b'"one"'), (frames.CHUNK, None, b'"two"')] * 2, (frames.ANSWER, {"chunks": True}, b"")])

    def test_and_is_a_list_where_it_is_not(self):
        with Parent("hostler_stream") as parent:
            self.assertEqual(parent.ask({"text": "one two"}), ["one", "two"])

    def test_a_fault_in_the_middle(self):
        with Parent("hostler_stream") as parent:
            got = parent.stream({"text": "one fail two"})
            self.assertEqual(got[0].body, b'"one"')
            self.assertEqual(got[1].meta["error"], {"kind": "pipeline_failed", "message": "RuntimeError: a word that cannot be said"})
            self.assertIn("a word that cannot be said", parent.errors())
            with self.assertRaises(Fault):
                parent.ask({"text": "fail"})

    def test_an_item_that_is_no_json(self):
        with app("yield 1\nyield object()\nyield 2") as folder, Parent(folder) as parent:
            got = parent.stream({})
            self.assertEqual([one.kind for one in got], [frames.CHUNK, frames.ANSWER])
            self.assertIn("a value of type object", got[1].meta["error"]["message"])

    def test_items_leave_one_by_one(self):
        with app("import time\nyield 1\ntime.sleep(0.4)\nyield 2") as folder, Parent(folder) as parent:
            started = time.monotonic()
            parent.post({}, stream=True)
            self.assertEqual(parent.receive().body, b"1")
            self.assertLess(time.monotonic() - started, 0.3)
            self.assertEqual([parent.receive().kind for _ in range(2)], [frames.CHUNK, frames.ANSWER])

    def test_a_stream_that_nobody_waits_for_is_closed(self):
        body = """
import time
try:
    for number in range(1000):
        yield number
        time.sleep(0.01)
finally:
    print("closed at", number)
"""
        with app(body) as folder, Parent(folder) as parent:
            number = parent.post({}, stream=True)
            other = parent.post({}, stream=True)
            for _ in range(3):
                self.assertEqual(parent.receive().call, number)
            parent.send(frames.CANCEL, call=number)
            parent.send(frames.CANCEL, call=other)
            frame = parent.receive()
            while frame.kind == frames.CHUNK:
                frame = parent.receive()
            self.assertEqual((frame.call, frame.meta["error"]["kind"]), (number, "cancelled"))
            self.assertEqual(parent.receive().call, other)
            self.assertEqual(parent.stop(), 0)
            closed = [int(line.split()[-1]) for line in parent.output().splitlines()]
            self.assertEqual(len(closed), 1)  # the second never began
            self.assertLess(closed[0], 100)

    def test_calls_that_come_during_a_stream_are_answered_after_it(self):
        with app("if model_inputs:\n    return iter([1, 2, 3])\nreturn 0") as folder, Parent(folder) as parent:
            first, second = parent.post({"s": 1}, stream=True), parent.post({})
            got = [parent.receive() for _ in range(5)]
            self.assertEqual([(one.call, one.kind) for one in got], [(first, frames.CHUNK)] * 3 + [(first, frames.ANSWER), (second, frames.ANSWER)])

    def test_bytes_items(self):
        with app("yield b'\\x00a'\nyield bytearray(b'b')") as folder, Parent(folder) as parent:
            bytes_ = {"bytes": True}
            self.assertEqual(kinds(parent.stream({})), [
                (frames.CHUNK, bytes_, b"\x00a"), (frames.CHUNK, bytes_, b"b"), (frames.ANSWER, {"chunks": True}, b"")])
            answer = parent.answer(parent.post({}))
            self.assertEqual((answer.meta, answer.body), ({"media": "application/octet-stream"}, b"\x00ab"))

    def test_an_asynchronous_generator_of_a_plain_dialect(self):
        body = "async def items():\n    yield 1\n    yield 2\nreturn Stream(items())"
        with app(body) as folder, Parent(folder) as parent:
            self.assertEqual([one.body for one in parent.stream({})], [b"1", b"2", b""])


class Responses(unittest.TestCase):
    def test_whole_responses(self):
        for body, meta, content in (
            ("Response(201, [('X-A', 1), ('X-A', 2)], {'a': 'é'})",
             {"status": 201, "headers": [["X-A", "1"], ["X-A", "2"]], "media": "application/json"}, '{"a":"é"}'.encode()),
            ("Response(body='é')", {"status": 200, "headers": [], "media": "text/plain; charset=utf-8"}, "é".encode()),
            ("Response(404, {'Content-Type': 'text/html', 'B': 'c'}, '<p>')",
             {"status": 404, "headers": [["B", "c"]], "media": "text/html"}, b"<p>"),
            ("Response(body=b'x', media='image/png')", {"status": 200, "headers": [], "media": "image/png"}, b"x"),
            ("Media(b'x', 'image/png')", {"media": "image/png"}, b"x"),
            ("b'x' * 200000", {"media": "application/octet-stream"}, b"x" * 200000),
        ):
            with self.subTest(body), app("return " + body) as folder, Parent(folder) as parent:
                answer = parent.answer(parent.post({}))
                self.assertEqual((answer.meta, answer.body), (meta, content))

    def test_a_response_in_chunks_whatever_was_asked(self):
        body = "return Response(206, {'X-A': 'b'}, (part for part in ('é', b'\\x00')), 'audio/wav')"
        with app(body) as folder, Parent(folder) as parent:
            parent.post({})
            got = [parent.receive() for _ in range(4)]
            self.assertEqual(kinds(got), [
                (frames.CHUNK, {"head": {"status": 206, "headers": [["X-A", "b"]], "media": "audio/wav"}}, b""),
                (frames.CHUNK, {"bytes": True}, "é".encode()), (frames.CHUNK, {"bytes": True}, b"\x00"),
                (frames.ANSWER, {"chunks": True}, b"")])

    def test_a_response_s_body_gives_bytes_or_text(self):
        with app("return Response(body=iter([1]))") as folder, Parent(folder) as parent:
            parent.post({})
            parent.receive()
            with self.assertRaisesRegex(Fault, "bytes or text, not int"):
                parent.answer()
