"""The life of a worker process, and what happens to calls in it."""

import json
import os
import signal
import subprocess
import time
import unittest

from hostler_worker import frames

from .parent import Author, Died, Fault, Parent
from .processes import alive, eventually


def banana(body, before=""):
    """app.py whose inference has the given body."""
    lines = "\n".join("    " + line for line in body.strip("\n").splitlines())
    return Author(app="%s\ndef init():\n    pass\n\ndef inference(model_inputs):\n%s\n" % (before, lines))


class Life(unittest.TestCase):
    def test_the_banana_exercise(self):
        started = time.monotonic()
        with Parent("banana_hello") as parent:
            self.assertGreaterEqual(time.monotonic() - started, 0.2)
            calls = [parent.post({"number": number}, slot=number) for number in range(5)]
            answers = [parent.answer(number) for number in calls]
            self.assertEqual([json.loads(one.body) for one in answers], [{"greeting": "hello world"}] * 5)
            self.assertEqual([one.slot for one in answers], list(range(5)))
            self.assertEqual(parent.stop(), 0)
            self.assertEqual(parent.output(), "hello\n" + "hello world\n" * 5)
            self.assertEqual(parent.errors(), "")

    def test_loaded_says_who_it_is(self):
        with Parent("banana_hello", start=False) as parent:
            loaded = parent.ready()
            self.assertEqual(loaded["version"], frames.VERSION)
            self.assertEqual(loaded["pid"], parent.process.pid)
            self.assertRegex(loaded["python"], r"^3\.\d+\.\d+$")

    def test_calls_sent_before_it_is_ready_are_answered_after(self):
        with Parent("banana_hello", start=False) as parent:
            parent.send(frames.HELLO, meta=parent.hello)
            parent.post({})
            self.assertEqual([parent.receive().kind for _ in range(3)], [frames.LOADED, frames.READY, frames.ANSWER])

    def test_stop_answers_what_came_before(self):
        with Parent("banana_hello") as parent:
            number = parent.post({})
            self.assertEqual(parent.stop(), 0)
            self.assertEqual(parent.answer(number).body, b'{"greeting":"hello world"}')
            with self.assertRaises(Died):
                parent.receive()

    def test_a_fault_while_loading(self):
        for body, part in (
            ("import no_such_module\n", "app.py, line 1 needs the module no_such_module, which Python "),
            ("def init(:\n", "app.py, line 1: invalid syntax"),
            ("def init():\n    raise RuntimeError('no device')\ndef inference(m): pass\n", "app.py, line 2: RuntimeError: no device"),
            ("def init():\n    open(__file__ + '.missing')\ndef inference(m): pass\n", "No such file or directory: 'app.py.missing'"),
            ("import sys\ndef init():\n    sys.exit(3)\ndef inference(m): pass\n", "sys.exit(3)"),
        ):
            with self.subTest(part), Author(app=body) as folder, Parent(folder, "banana", start=False) as parent:
                parent.send(frames.HELLO, meta=parent.hello)
                failed = parent.receive()
                self.assertEqual(failed.kind, frames.FAILED)
                self.assertIn(part, failed.meta["message"])
                self.assertNotIn(folder, failed.meta["message"])
                self.assertEqual(parent.process.wait(5), 1)
                self.assertIn("Error" if "exit" not in part else "SystemExit", parent.errors())

    def test_another_version_of_the_wire_is_refused(self):
        with Parent("banana_hello", start=False, version=frames.VERSION + 1) as parent:
            parent.send(frames.HELLO, meta=parent.hello)
            self.assertIn("version %d of the wire, the server %d" % (frames.VERSION, frames.VERSION + 1), parent.receive().meta["message"])
            self.assertEqual(parent.process.wait(5), 1)

    def test_it_ends_with_all_it_started_when_the_server_is_gone(self):
        with Author(app="import subprocess\nhelper = None\ndef init():\n    global helper\n    helper = subprocess.Popen(['sleep', '60'])\n"
                        "def inference(m):\n    return helper.pid\n") as folder, Parent(folder) as parent:
            helper = parent.ask({})
            self.assertTrue(alive(helper))
            parent.socket.close()
            self.assertEqual(parent.process.wait(5), -signal.SIGKILL)
            self.assertTrue(eventually(lambda: not alive(helper)))

    def test_it_leaves_when_its_parent_is_another(self):
        with Parent("banana_hello", start=False, environment={"HOSTLER_PARENT": "1"}) as parent:
            self.assertEqual(parent.process.wait(5), 1)

    def test_a_broken_wire_ends_it(self):
        with Parent("banana_hello") as parent:
            parent.socket.sendall(frames.HEADER.pack(4, frames.CALL, 0, 0, 1, 5) + b"abcd")
            self.assertEqual(parent.process.wait(5), -signal.SIGKILL)
            self.assertIn("the wire is broken: a frame's meta (5 bytes)", parent.errors())

    def test_it_works_in_its_folder(self):
        with Author(app="import os\ndef init(): pass\ndef inference(m): return os.path.exists('app.py')\n") as folder:
            with Parent(folder) as parent:
                self.assertIs(parent.ask({}), True)

    def test_a_terminal_s_interrupt_is_not_its_own(self):
        with Parent("banana_hello") as parent:
            parent.process.send_signal(signal.SIGINT)
            self.assertEqual(parent.ask({}), {"greeting": "hello world"})
            parent.process.send_signal(signal.SIGTERM)
            self.assertEqual(parent.process.wait(5), -signal.SIGTERM)

    def test_the_folder_s_modules_do_not_replace_the_workers(self):
        with Author(app="import helper\ndef init(): pass\ndef inference(m): return helper.NAME\n", helper="NAME = 'h'\n",
                    json="raise RuntimeError('imported')\n", frames="raise RuntimeError('imported')\n") as folder:
            with Parent(folder, "banana") as parent:
                self.assertEqual(parent.ask({}), "h")


class Calls(unittest.TestCase):
    def test_any_json_value_is_an_answer(self):
        with Parent("hostler_echo") as parent:
            for value in (None, True, 0, -1.5, "", "é☀", [], [[1]], {}, {"a": {"b": [None]}}, "x" * 200000):
                with self.subTest(str(value)[:20]):
                    self.assertEqual(parent.ask(value), value)

    def test_faults(self):
        body = """
            kind = model_inputs.get('kind')
            if kind == 'value': raise ValueError('n is too large')
            if kind == 'zero': return 1 / 0
            if kind == 'interrupt': raise KeyboardInterrupt()
            if kind == 'file': return open(__file__ + '.missing')
            return object()
        """
        body = "\n".join(line.strip() for line in body.strip().splitlines())
        with banana(body) as folder, Parent(folder) as parent:
            for value, kind, message in (
                ({"kind": "value"}, "invalid_input", "n is too large"),
                ({"kind": "zero"}, "pipeline_failed", "ZeroDivisionError: division by zero"),
                ({"kind": "interrupt"}, "pipeline_failed", "KeyboardInterrupt"),
                ({"kind": "file"}, "pipeline_failed", "FileNotFoundError: [Errno 2] No such file or directory: 'app.py.missing'"),
                ({}, "pipeline_failed", "the answer holds a value of type object, which JSON does not have; return text, numbers, True, "
                 "False, None, lists, dicts, dataclasses or pydantic models"),
                ([], "invalid_input", "the body is an array; send a JSON object"),
                (None, "invalid_input", "the body is null; send a JSON object"),
            ):
                with self.subTest(value), self.assertRaises(Fault) as raised:
                    parent.ask(value)
                self.assertEqual((raised.exception.kind, raised.exception.message), (kind, message))
            with self.assertRaises(Fault) as raised:
                parent.answer(parent.post(body=b'{"kind": '))
            self.assertEqual(raised.exception.kind, "malformed")
            errors = parent.errors()
            self.assertIn("ZeroDivisionError: division by zero", errors)
            self.assertIn('line 8, in inference', errors)
            self.assertNotIn("hostler_worker/", errors)

    def test_the_log_names_the_request(self):
        with banana("1 / 0") as folder, Parent(folder) as parent:
            with self.assertRaises(Fault):
                parent.ask({}, id="r-17")
            self.assertTrue(parent.errors().startswith("request r-17 failed\nTraceback"))

    def test_sys_exit_ends_the_process_and_keeps_what_was_answered(self):
        with banana("import sys\nif model_inputs:\n    sys.exit(7)\nreturn 1") as folder, Parent(folder) as parent:
            calls = [frames.encode(frames.CALL, body, call=number) for number, body in enumerate((b"{}", b'{"end":1}', b"{}"), 1)]
            parent.socket.sendall(b"".join(calls))
            self.assertEqual(parent.answer(1).body, b"1")
            with self.assertRaises(Died):
                parent.receive()
            self.assertEqual(parent.process.wait(5), 7)

    def test_output_and_input_of_the_author_stay_off_the_wire(self):
        body = "import os, sys\nos.write(1, b'noise')\nsys.stdout.write('more')\nprint()\nos.system('cat; echo shell')\nreturn sys.stdin.read()"
        with banana(body) as folder, Parent(folder) as parent:
            self.assertEqual([parent.ask({}), parent.ask({})], ["", ""])
            parent.stop()
            self.assertEqual(parent.output().count("shell"), 2)

    def test_a_child_that_forks_does_not_break_the_wire(self):
        body = """
import os, sys, time
child = os.fork()
if child:
    _, status = os.waitpid(child, 0)
    return os.WEXITSTATUS(status)
if model_inputs["way"] == "return":
    return "from the child"
if model_inputs["way"] == "exit":
    sys.exit(5)
raise RuntimeError("in the child")
"""
        with banana(body) as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"way": "exit"}), 5)
            self.assertEqual(parent.ask({"way": "return"}), 1)
            self.assertEqual(parent.ask({"way": "raise"}), 1)
            self.assertTrue(parent.quiet())
            self.assertEqual(parent.stop(), 0)

    def test_multiprocessing_of_every_kind(self):
        body = """
import multiprocessing
with multiprocessing.get_context(model_inputs["way"]).Pool(1) as pool:
    return pool.map(abs, [-1, 2])
"""
        with banana(body) as folder, Parent(folder) as parent:
            for way in ("fork", "spawn"):
                self.assertEqual(parent.ask({"way": way}), [1, 2])
            self.assertEqual(parent.stop(), 0)

    def test_a_cancelled_call_that_waits_is_not_run(self):
        with banana("import time\ntime.sleep(model_inputs.get('s', 0))\nprint('ran', model_inputs)\nreturn 1") as folder:
            with Parent(folder) as parent:
                first = parent.post({"s": 0.2})
                time.sleep(0.05)
                second, third = parent.post({"n": 2}), parent.post({"n": 3})
                parent.send(frames.CANCEL, call=second)
                parent.answer(first)
                with self.assertRaises(Fault) as raised:
                    parent.answer(second)
                self.assertEqual(raised.exception.kind, "cancelled")
                parent.answer(third)
                parent.send(frames.CANCEL, call=first)  # too late, no harm
                self.assertEqual(parent.ask({}), 1)
                self.assertNotIn("'n': 2", parent.output())

    def test_an_answer_does_not_wait_for_the_next_call(self):
        with banana("import time\ntime.sleep(model_inputs.get('s', 0))\nreturn 1") as folder, Parent(folder) as parent:
            first, second = parent.post({}), parent.post({"s": 0.5})
            started = time.monotonic()
            parent.answer(first)
            self.assertLess(time.monotonic() - started, 0.3)
            parent.answer(second)

    def test_many_calls_in_flight(self):
        with Parent("hostler_echo") as parent:
            sent = [frames.encode(frames.CALL, b'{"n":%d}' % number, call=number, slot=number % 16) for number in range(1, 2001)]
            for start in range(0, 2000, 100):
                parent.socket.sendall(b"".join(sent[start:start + 100]))
                for number in range(start + 1, start + 101):
                    self.assertEqual(parent.answer(number).body, b'{"n":%d}' % number)

    def test_a_coroutine_of_a_plain_dialect_is_awaited(self):
        with Author(app="import asyncio\ndef init(): pass\nasync def inference(m):\n    await asyncio.sleep(0)\n    return 'late'\n") as folder:
            with Parent(folder, "banana") as parent:
                self.assertEqual([parent.ask({}), parent.ask({})], ["late", "late"])

    def test_a_worker_that_is_killed_is_seen_at_once(self):
        with banana("import os\nos.kill(os.getpid(), 9)") as folder, Parent(folder) as parent:
            started = time.monotonic()
            with self.assertRaises(Died):
                parent.ask({})
            self.assertLess(time.monotonic() - started, 1)


class CommandLine(unittest.TestCase):
    def test_usage(self):
        from .parent import PYTHON
        done = subprocess.run([__import__("sys").executable, "-B", "-m", "hostler_worker"], env=dict(os.environ, PYTHONPATH=PYTHON),
                              stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"describe FOLDER", done.stderr)
