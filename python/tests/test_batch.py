"""run_batch: calls with MORE run together, and one row's fault is its own."""

import json
import unittest

from hostler_worker import frames

from .parent import Author, Fault, Parent

APP = """
import asyncio

class Pipeline:
    async def run_batch(self, values):
        await asyncio.sleep(0)
        if "short" in values:
            return values[1:]
        if "broken" in values:
            raise RuntimeError("broken")
        return [KeyError(value) if value == "key" else [value, len(values)] for value in values]
"""


def batch(parent, *values):
    numbers = [parent.post(body=value if isinstance(value, bytes) else json.dumps(value).encode(), slot=slot,
                           flags=frames.MORE if slot < len(values) - 1 else 0) for slot, value in enumerate(values)]
    answers = []
    for number in numbers:
        try:
            answers.append(json.loads(parent.answer(number).body))
        except Fault as fault:
            answers.append((fault.kind, fault.message))
    return answers


class Batches(unittest.TestCase):
    def test_a_batch_runs_together(self):
        with Parent("hostler_batch", max_batch_size=4) as parent:
            self.assertEqual(batch(parent, "a", "bb", "ccc"), [{"length": n, "batch": 3} for n in (1, 2, 3)])
            self.assertEqual(parent.ask("a"), {"length": 1, "batch": 1})

    def test_what_cannot_be_read_leaves_the_batch(self):
        with Parent("hostler_batch", max_batch_size=4) as parent:
            self.assertEqual(batch(parent, "a", b"{", 3, "bb"), [
                {"length": 1, "batch": 2}, ("malformed", "the body is no JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
                ("invalid_input", "body: expected a string, got a number"), {"length": 2, "batch": 2}])

    def test_a_fault_of_one_row_s_input_is_its_own(self):
        with Parent("hostler_batch", max_batch_size=4) as parent:
            self.assertEqual(batch(parent, "a", "", "bb"), [
                {"length": 1, "batch": 1}, ("invalid_input", "a text is not empty"), {"length": 2, "batch": 1}])

    def test_any_other_fault_is_the_batch_s(self):
        with Author(pipeline=APP) as folder, Parent(folder, max_batch_size=4) as parent:
            self.assertEqual(batch(parent, "a", "broken"), [("pipeline_failed", "RuntimeError: broken")] * 2)
            self.assertEqual(batch(parent, "a", "key"), [["a", 2], ("pipeline_failed", "KeyError: 'key'")])
            short = ("pipeline_failed", "run_batch got a list of 2 and answered 1 results; it answers a list of as many")
            self.assertEqual(batch(parent, "a", "short"), [short] * 2)

    def test_more_means_nothing_where_calls_run_alone(self):
        with Parent("hostler_echo") as parent:
            self.assertEqual(batch(parent, 1, 2), [1, 2])
