"""Arrays in and out, through bodies and through shared memory. Needs numpy."""

import os
import struct
import unittest

from hostler_worker import frames

from .parent import FOLDERS, Author, Fault, Parent, describe

try:
    import numpy
except ImportError:
    numpy = None

KEEPS = """
import numpy
class Pipeline:
    inputs = {"x": ("FP32", [None])}
    outputs = {"y": ("FP32", [None])}
    def __init__(self):
        self.kept = []
    def __call__(self, x):
        x += 1
        if x[0] == 2:
            self.kept.append(x[:1])
        if x[0] == 3:
            raise RuntimeError("after " + str(x[0]))
        if x[0] == 4:
            return x.astype("complex64")
        if x[0] == 5:
            return x[::2].astype(">f8")
        return x if not self.kept else numpy.concatenate([x, *self.kept])
"""

KINDS = """
class Pipeline:
    inputs = {"t": ("BYTES", [None, None]), "b": ("BOOL", [None]), "h": ("FP16", []), "e": ("INT64", [0, 2])}
    outputs = {"t": ("BYTES", [None]), "b": ("BOOL", [None]), "h": ("FP16", []), "e": ("INT64", [0, 2])}
    def __call__(self, arrays):
        assert arrays["t"].shape == (1, 2), arrays
        texts = [item.decode().upper() for item in arrays["t"][0]]
        return ([[texts[0]]], ~arrays["b"], arrays["h"] * 2, arrays["e"])
"""


def floats(*values):
    return struct.pack("<%df" % len(values), *values)


@unittest.skipIf(numpy is None, "no numpy")
class Tensors(unittest.TestCase):
    def ask(self, parent, **more):
        return self.read(parent, parent.answer(parent.post_tensors(**more)))

    def read(self, parent, frame):
        return {name: numpy.frombuffer(data, {"FP32": "<f4", "INT64": "<i8", "FP16": "<f2", "BOOL": "?"}[dtype]).reshape(shape).tolist()
                if dtype != "BYTES" else (shape, data) for name, (dtype, shape, data) in parent.tensors(frame).items()}

    def test_in_the_body(self):
        with Parent("hostler_tensors") as parent:
            got = self.ask(parent, in_slot=False, x=("FP32", (2, 3), floats(3, 0, 4, 0, 0, 2)))
            self.assertEqual(got["length"], [5, 2])
            self.assertEqual(got["unit"][1], [0, 0, 1])

    def test_in_the_slot_in_and_out(self):
        with Parent("hostler_tensors") as parent:
            rows = numpy.arange(60000, dtype="<f4").reshape(-1, 3) + 1
            for slot in (0, 1, 0, 0):
                frame = parent.answer(parent.post_tensors(slot=slot, x=("FP32", rows.shape, rows.tobytes())))
                self.assertTrue(frame.flags & frames.SLOT)
                self.assertEqual(frame.body, b"")
                got = parent.tensors(frame)
                length = numpy.frombuffer(got["length"][2], "<f4")
                numpy.testing.assert_allclose(length, numpy.linalg.norm(rows, axis=1), rtol=1e-6)
                self.assertEqual(got["unit"][1], [20000, 3])

    def test_memory_grows_on_both_sides(self):
        with Parent("hostler_tensor_echo") as parent:
            first = None
            for count in (20000, 1, 300000, 2000000, 20000):
                data = numpy.arange(count, dtype="<f4").tobytes()
                frame = parent.answer(parent.post_tensors(x=("FP32", (count,), data)))
                self.assertEqual(parent.tensors(frame)["y"][2], data)
                self.assertEqual(bool(frame.flags & frames.SLOT), count >= 1 << 14)
                self.assertFalse(frame.flags & frames.KEPT)
                if frame.flags & frames.FD:
                    self.assertIsNone(first)  # passed once, then grown in place
                    first = count

    def test_the_slot_s_memory_may_be_replaced(self):
        with Parent("hostler_tensor_echo") as parent:
            for count in range(1, 4):
                data = numpy.full(40000, count, dtype="<f4").tobytes()
                frame = parent.answer(parent.post_tensors(fresh=True, x=("FP32", (40000,), data)))
                self.assertEqual(parent.tensors(frame)["y"][2], data)
            links = [os.readlink("/proc/%d/fd/%s" % (parent.process.pid, one)) for one in os.listdir("/proc/%d/fd" % parent.process.pid)]
            self.assertLessEqual(len([one for one in links if "memfd:test" in one]), 2)  # the last, and its mapping's

    def test_the_array_is_the_slot_and_a_kept_view_is_told(self):
        with Author(pipeline=KEEPS) as folder, Parent(folder) as parent:
            number = parent.post_tensors(x=("FP32", (3,), floats(7, 8, 9)))
            self.assertFalse(parent.answer(number).flags & frames.KEPT)
            self.assertEqual(os.pread(parent.memory[0], 12, 0), floats(8, 9, 10))  # written in place: no copy was made
            frame = parent.answer(parent.post_tensors(x=("FP32", (2,), floats(1, 5))))
            self.assertTrue(frame.flags & frames.KEPT)
            frame = parent.answer(parent.post_tensors(fresh=True, x=("FP32", (1,), floats(40))))
            self.assertEqual(self.read(parent, frame)["y"], [41, 2])  # what was kept is still what it was
            self.assertFalse(frame.flags & frames.KEPT)

    def test_faults(self):
        with Author(pipeline=KEEPS) as folder, Parent(folder) as parent:
            parent.post_tensors(x=("FP32", (1,), floats(2)))
            frame = parent.receive()
            self.assertEqual(frame.meta["error"]["message"], "RuntimeError: after 3.0")
            self.assertFalse(frame.flags & frames.KEPT)  # the traceback kept the array, and was let go
            with self.assertRaisesRegex(Fault, "declared is float32"):
                parent.answer(parent.post_tensors(x=("FP32", (1,), floats(3))))
            self.assertEqual(self.ask(parent, x=("FP32", (3,), floats(4, 5, 6))), {"y": [5, 7]})
            with self.assertRaisesRegex(Fault, "input x is missing") as raised:
                parent.answer(parent.post_tensors(in_slot=False, z=("FP32", (1,), floats(3))))
            self.assertEqual(raised.exception.kind, "invalid_input")
            with self.assertRaisesRegex(Fault, "numpy has no BF16") as raised:
                parent.answer(parent.post_tensors(in_slot=False, x=("BF16", (1,), b"\0\0")))
            self.assertEqual(raised.exception.kind, "unsupported")
            with self.assertRaisesRegex(Fault, "takes tensors: x"):
                parent.ask({"x": [1]})

    def test_every_kind_of_element(self):
        texts = b"".join(struct.pack("<I", len(one)) + one for one in (b"ab", b""))
        with Author(pipeline=KINDS) as folder, Parent(folder) as parent:
            for in_slot in (False, True):
                got = self.ask(parent, in_slot=in_slot, t=("BYTES", (1, 2), texts), b=("BOOL", (3,), b"\1\0\1"),
                               h=("FP16", (), struct.pack("<e", 1.5)), e=("INT64", (0, 2), b""))
                self.assertEqual(got, {"t": ([1, 1], b"\2\0\0\0AB"), "b": [False, True, False], "h": 3.0, "e": []})

    def test_which_arrays_are_handed_over(self):
        for parameters, expression in (("x", "x + 1"), ("y, x", "x + 1"), ("**arrays", "arrays['x'] + 1"), ("arrays", "arrays['x'] + 1"),
                                       ("x", "{'z': [n + 1 for n in x]}"), ("x", "(x + 1,)")):
            text = "class Pipeline:\n    inputs = {'x': ('FP32', [None]), 'y': ('FP32', [None])}\n    outputs = {'z': ('FP32', [None])}\n"
            text += "    def __call__(self, %s):\n        return %s\n" % (parameters, expression)
            with self.subTest(parameters), Author(pipeline=text) as folder, Parent(folder) as parent:
                got = self.ask(parent, x=("FP32", (1,), floats(1)), y=("FP32", (1,), floats(2)))
                self.assertIn(got["z"], ([2], [[2]]))

    def test_an_output_that_is_no_array(self):
        text = "class Pipeline:\n    inputs = outputs = {'x': ('FP32', [None])}\n    def __call__(self, x):\n        return [[1], [1, 2]]\n"
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            with self.assertRaises(Fault) as raised:
                parent.answer(parent.post_tensors(x=("FP32", (1,), floats(1))))
            self.assertEqual(raised.exception.kind, "pipeline_failed")

    def test_batches_of_tensors(self):
        text = """
class Pipeline:
    inputs = {"x": ("FP32", [None])}
    outputs = {"y": ("FP32", [None])}
    def run_batch(self, rows):
        return [row["x"] * len(rows) for row in rows]
"""
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            numbers = [parent.post_tensors(slot=slot, flags=flags, x=("FP32", (1,), floats(slot + 1)))
                       for slot, flags in ((0, frames.MORE), (1, 0))]
            frames_ = [parent.answer(number) for number in numbers]
            self.assertEqual([self.read(parent, one)["y"] for one in frames_], [[2], [4]])
            self.assertEqual([one.flags & frames.KEPT for one in frames_], [0, 0])


class Declared(unittest.TestCase):
    def test_described_without_importing(self):
        described, _ = describe("hostler_tensors")
        self.assertEqual(described["inputs"], [{"name": "x", "dtype": "FP32", "shape": [None, 3]}])
        self.assertEqual(described["outputs"][0], {"name": "length", "dtype": "FP32", "shape": [None]})

    def test_declarations_that_are_none(self):
        for text, part in (
            ("inputs = {'x': ('FP32', [1])}", "declares both inputs and outputs"),
            ("inputs = {'x': 'FP32'}\n    outputs = {'y': ('FP32', [1])}", "tensor x is declared as 'FP32'"),
            ("inputs = {'x': ('float', [1])}\n    outputs = {'y': ('FP32', [1])}", "no dtype float; use one of BOOL"),
        ):
            with self.subTest(text), Author(pipeline="class Pipeline:\n    %s\n    def __call__(self, x): return x\n" % text) as folder:
                self.assertIn(part, describe(folder)[0]["error"])

    def test_without_numpy(self):
        with open(os.path.join(FOLDERS, "hostler_tensor_echo", "pipeline.py"), encoding="utf-8") as file:
            text = file.read()
        absent = "raise ModuleNotFoundError('No module named numpy', name='numpy')\n"
        with Author(pipeline=text, numpy=absent) as folder, self.assertRaisesRegex(RuntimeError, "needs? the module numpy"):
            Parent(folder)
