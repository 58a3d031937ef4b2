"""Progress that the author's code reports."""

import json
import unittest

from hostler_worker import frames, progress

from .parent import Author, Fault, Parent


def split(got):
    """The progress that was told, and the other frames."""
    told = [json.loads(one.body) for one in got if one.meta == {"progress": True}]
    return told, [one for one in got if one.meta != {"progress": True}]


STEPS = [{"step": step, "of": 3} for step in (1, 2, 3)]


class Progress(unittest.TestCase):
    def test_a_stream_has_it_before_the_answer(self):
        with Parent("hostler_progress") as parent:
            for thread in (False, True):
                *told, answer = parent.stream({"steps": 3, "thread": thread})
                self.assertEqual(split(told), (STEPS, []))
                self.assertEqual((answer.kind, answer.meta, json.loads(answer.body)), (frames.ANSWER, None, {"steps": 3}))

    def test_at_once(self):
        with Parent("hostler_progress") as parent:
            parent.post({"steps": 2, "pause": 0.5}, stream=True)
            self.assertEqual(json.loads(parent.receive().body), {"step": 1, "of": 2})
            self.assertTrue(parent.quiet())
            self.assertEqual([parent.receive().kind for _ in range(2)], [frames.CHUNK, frames.ANSWER])

    def test_where_nobody_reads_a_stream_there_is_none(self):
        with Parent("hostler_progress") as parent:
            self.assertEqual(parent.ask({"steps": 3}), {"steps": 3})
            self.assertEqual(parent.ask({"steps": 3, "thread": True}), {"steps": 3})

    def test_beside_the_items_of_a_generator(self):
        text = ("class Pipeline:\n    def __call__(self, words: list):\n        for place, word in enumerate(words):\n"
                "            self.progress(place / len(words))\n            yield word\n        self.progress(1)\n")
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            got = [(one.meta, json.loads(one.body or b"null")) for one in parent.stream(["a", "b"])]
            bar = {"progress": True}
            self.assertEqual(got, [(bar, 0.0), (None, "a"), (bar, 0.5), (None, "b"), (bar, 1), ({"chunks": True}, None)])
            self.assertEqual(parent.ask(["a", "b"]), ["a", "b"])

    def test_calls_under_way_together_report_each_for_itself(self):
        text = ("import asyncio\nclass Pipeline:\n    async def __call__(self, name: str):\n        for step in range(3):\n"
                "            await asyncio.sleep(0.02)\n            self.progress([name, step])\n"
                "        loop = asyncio.get_running_loop()\n        await asyncio.gather(self.more(name), self.more(name))\n"
                "        return name\n    async def more(self, name):\n        await asyncio.sleep(0.01)\n        self.progress([name, 'more'])\n")
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            names = {parent.post(name, slot=slot, stream=name != "c"): name for slot, name in enumerate("abc")}
            got = []
            while sum(one.kind == frames.ANSWER for one in got) < 3:
                got.append(parent.receive())
            told, answers = split(got)
            self.assertEqual({json.loads(one.body) for one in answers}, {"a", "b", "c"})
            for number, name in names.items():
                own = [json.loads(one.body) for one in got if one.call == number and one.kind == frames.CHUNK]
                steps = [[name, step] for step in (0, 1, 2, "more", "more")]
                self.assertEqual(own, [] if name == "c" else steps)
            self.assertEqual(len(told), 10)

    def test_a_batch_reports_for_all_of_its_calls(self):
        text = ("class Pipeline:\n    def run_batch(self, values: list) -> list:\n        self.progress(len(values))\n        return values\n")
        with Author(pipeline=text) as folder, Parent(folder, max_batch_size=4) as parent:
            for slot, stream in enumerate((True, False, True)):
                parent.post(slot, slot=slot, flags=frames.MORE if slot < 2 else 0, stream=stream)
            got = [parent.receive() for _ in range(5)]
            self.assertEqual([(one.slot, json.loads(one.body)) for one in got if one.kind == frames.CHUNK], [(0, 3), (2, 3)])

    def test_what_is_no_json(self):
        text = ("class Pipeline:\n    def __init__(self):\n        self.progress(object())\n"
                "    def __call__(self, value: str):\n        self.progress({'a': object()})\n")
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            for stream in (True, False):
                with self.assertRaisesRegex(Fault, "the progress holds a value of type object at a"):
                    parent.answer(parent.post("", stream=stream))

    def test_after_the_answer_it_is_nobody_s(self):
        text = ("import contextvars, threading, time\nclass Pipeline:\n    def __call__(self, value: str):\n"
                "        context = contextvars.copy_context()\n        threading.Thread(target=context.run, args=(self.work,), daemon=True).start()\n"
                "        return value\n    def work(self):\n        time.sleep(0.05)\n        for step in range(100):\n            self.progress(step)\n"
                "            time.sleep(0.001)\n")
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            for _ in range(3):
                self.assertEqual([one.kind for one in parent.stream("a")], [frames.ANSWER])
            self.assertTrue(parent.quiet(0.3))

    def test_threads_that_report_and_the_one_that_answers_do_not_disturb_each_other(self):
        text = ("import contextvars, threading\nclass Pipeline:\n    def __call__(self, count: int):\n"
                "        threads = [threading.Thread(target=contextvars.copy_context().run, args=(self.work, name)) for name in 'abcd']\n"
                "        for thread in threads:\n            thread.start()\n        for number in range(count):\n            yield number\n"
                "        for thread in threads:\n            thread.join()\n"
                "    def work(self, name):\n        for step in range(200):\n            self.progress([name, step, 'x' * 300])\n")
        with Author(pipeline=text) as folder, Parent(folder) as parent:
            told, others = split(parent.stream(200))
            for name in "abcd":
                self.assertEqual([step for who, step, _ in told if who == name], list(range(200)))
            self.assertEqual([json.loads(one.body) for one in others[:-1]], list(range(200)))

    def test_outside_of_a_call(self):
        progress.report(1)
        progress.report(object())
