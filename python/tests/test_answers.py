"""Values to JSON, and exceptions to faults."""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import unittest
import uuid

from hostler_worker import answers
from hostler_worker.app import Call


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 2


@dataclasses.dataclass
class Point:
    x: float
    colour: Colour = Colour.RED


class Json(unittest.TestCase):
    def test_gaps_for_files_are_counted_in_bytes(self):
        one, two = answers.File("a", "image/png", b"a"), answers.File("b", "image/png", b"b")
        text, files = answers.json_with_files({"d\u00eda": [one, two, "\u2600\ud800"], "again": one})
        self.assertEqual(text.decode(), '{"d\u00eda":[,,"\u2600\\ud800"],"again":}')
        self.assertEqual(files, [(one, [9, len(text) - 1]), (two, [10])])
        self.assertEqual(answers.json_with_files([]), (b"[]", []))
        with self.assertRaisesRegex(answers.BadAnswer, r"bytes at b\[0\]"):
            answers.json_with_files({"a": one, "b": [b"x"]})

    def test_what_has_a_place_in_json(self):
        for value, expected in (
            ({"a": [1, 2.5, True, None, "é"]}, {"a": [1, 2.5, True, None, "é"]}),
            ((1, (2,)), [1, [2]]),
            (Point(1.0), {"x": 1.0, "colour": "red"}),
            ([Level.HIGH, Colour.RED], [2, "red"]),
            (datetime.date(2024, 2, 29), "2024-02-29"),
            (datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc), "2024-02-29T01:02:03+00:00"),
            (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
            (decimal.Decimal("1.5"), 1.5),
            (pathlib.Path("a/b"), "a/b"),
            (collections.OrderedDict(a=1), {"a": 1}),
            (collections.Counter("aa"), {"a": 2}),
            ({3}, [3]),
            ({1: "a", None: "b"}, {"1": "a", "null": "b"}),
            ("\ud800", "\ud800"),
        ):
            with self.subTest(value):
                self.assertEqual(answers.to_json(value), expected)

    def test_text_goes_out_as_utf_8(self):
        self.assertEqual(answers.json_bytes({"a": "é"}), '{"a":"é"}'.encode())

    def test_what_is_no_json_is_named_with_its_place(self):
        itself = []
        itself.append(itself)
        for value, part in (
            ({"results": [{"score": object()}]}, "a value of type object at results[0].score"),
            ({"a": b"x"}, "bytes at a"),
            ({"a": float("nan")}, "nan at a"),
            ([float("-inf")], "-inf at [0]"),
            ({("a", 1): 1}, "a key of type tuple"),
            (Point(object()), "a value of type object at x"),
            (itself, "holds itself"),
        ):
            with self.subTest(part):
                with self.assertRaisesRegex(answers.BadAnswer, part.replace("[", r"\[").replace("(", r"\(")):
                    answers.json_bytes(value)

    def test_a_failed_answer_does_not_spoil_the_next(self):
        inner = {"a": object()}
        for _ in range(2):
            with self.assertRaisesRegex(answers.BadAnswer, "type object"):
                answers.json_bytes([inner])
        del inner["a"]
        self.assertEqual(answers.json_bytes([inner]), b"[{}]")

    def test_numpy_when_there_is_one(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no numpy")
        value = {"a": numpy.arange(4.0).reshape(2, 2), "b": numpy.float32(0.5), "c": numpy.bool_(True), "d": numpy.int64(3)}
        self.assertEqual(answers.to_json(value), {"a": [[0, 1], [2, 3]], "b": 0.5, "c": True, "d": 3})


class Bodies(unittest.TestCase):
    def test_bodies(self):
        for body, expected in ((b'{"a":1}', {"a": 1}), (b' [1]\n', [1]), (b'\xef\xbb\xbf"x"', "x"), (b"null", None), ('"é"'.encode(), "é")):
            with self.subTest(body):
                self.assertEqual(Call(body).json(), expected)

    def test_malformed_bodies(self):
        for body, part in (
            (b"", "line 1, column 1"), (b"{", "line 1, column 2"), (b"{'a':1}", "line 1"), (b"[1] 2", "Extra data"), (b"NaN", "NaN"),
            (b'"\xff"', "UTF-8"), (b"[" * 100000, "nested too deeply"),
        ):
            with self.subTest(body[:10]), self.assertRaisesRegex(answers.Malformed, part):
                Call(body).json()


class ValidationError(ValueError):
    """As pydantic's."""

    def errors(self):
        return [{"loc": ("a", 0), "msg": "is wrong", "type": "wrong", "ctx": {"error": object()}}]


class Faults(unittest.TestCase):
    def test_kinds(self):
        detail = [{"loc": ["body", "a", 0], "msg": "is wrong", "type": "wrong"}]
        for error, expected in (
            (ValueError("no"), {"kind": "invalid_input", "message": "no"}),
            (ValueError(), {"kind": "invalid_input", "message": "ValueError"}),
            (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), {"kind": "invalid_input"}),
            (ValidationError("…"), {"kind": "invalid_input", "message": "a.0: is wrong", "detail": detail}),
            (answers.InvalidInput("no", detail), {"kind": "invalid_input", "message": "no", "detail": detail}),
            (answers.Malformed("no"), {"kind": "malformed", "message": "no"}),
            (answers.NotFound("no"), {"kind": "not_found", "message": "no"}),
            (answers.BadAnswer("no"), {"kind": "pipeline_failed", "message": "no"}),
            (ZeroDivisionError("division by zero"), {"kind": "pipeline_failed", "message": "ZeroDivisionError: division by zero"}),
            (KeyError("a"), {"kind": "pipeline_failed", "message": "KeyError: 'a'"}),
            (MemoryError(), {"kind": "pipeline_failed", "message": "MemoryError"}),
        ):
            with self.subTest(repr(error)):
                fault = answers.fault_of(error)
                json.dumps(fault)
                self.assertEqual({key: fault.get(key) for key in expected}, expected)

    def test_the_folder_is_cut_from_messages(self):
        error = FileNotFoundError(2, "No such file", "/models/a/weights.bin")
        self.assertNotIn("/models", answers.fault_of(error, "/models/a")["message"])
