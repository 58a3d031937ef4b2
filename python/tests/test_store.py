"""The server's store, as the author's code has it."""

import base64
import copy
import json
import os
import pickle
import threading
import time
import unittest

from hostler_worker import store
from hostler_worker.store import Store, StoreAway, StoreError, StoreRefused

from .parent import Author, Fault, Parent
from .processes import eventually
from .store_server import ServerStore


class Clients(unittest.TestCase):
    """The client alone, in this process."""

    def setUp(self):
        self.server = ServerStore()
        self.addCleanup(self.server.close)
        self.store = self.client()

    def client(self):
        client = Store()
        client.connect(self.server.line().detach())
        return client

    def test_json_comes_back_as_it_was(self):
        for value in (None, True, 0, -1.5, 0.1 + 0.2, "gr\u00fc\u00dfe \U0001f600 \0", [1, [], {}], {"": {"a": [None]}}, (1 << 64) - 1, -(1 << 63),
                      "1" * 30, 1e300):
            with self.subTest(value):
                self.store.set("key", value)
                self.assertEqual(self.store.get("key"), value)
                self.assertEqual(type(self.store.get("key")), type(value))
        self.store.set("key", (1, 2))
        self.assertEqual(self.store.get("key"), [1, 2])

    def test_bytes_stay_bytes(self):
        for value in (b"", b"\x00\xff", b'{"a":1}', os.urandom(300000)):
            self.store.set("key", value)
            self.assertEqual(self.store.get("key"), value)
        for value in (bytearray(b"ab"), memoryview(b"ab"), memoryview(b"aXbX")[::2]):
            self.store.set("key", value)
            self.assertEqual(self.store.get("key"), b"ab")

    def test_what_is_not_there(self):
        self.assertIsNone(self.store.get("key"))
        self.assertEqual(self.store.get("key", 3), 3)
        self.store.set("key", None)
        self.assertIsNone(self.store.get("key", 3))
        self.assertTrue(self.store.delete("key"))
        self.assertFalse(self.store.delete("key"))

    def test_time_to_live(self):
        self.store.set("key", 1, ttl=30)
        self.assertEqual(self.store.get("key"), 1)
        self.store.set("key", 1, ttl=0.05)
        self.assertTrue(eventually(lambda: self.store.get("key") is None))
        for ttl in (0, -1, float("nan"), float("inf")):
            with self.assertRaisesRegex(ValueError, "seconds above 0"):
                self.store.set("key", 1, ttl=ttl)

    def test_incr(self):
        self.assertEqual([self.store.incr("n"), self.store.incr("n", 5), self.store.incr("n", -7)], [1, 6, -1])
        self.store.set("n", "text")
        with self.assertRaisesRegex(StoreRefused, "no integer"):
            self.store.incr("n")
        with self.assertRaises(StoreRefused):
            self.store.incr("n", 1 << 63)
        with self.assertRaises(TypeError):
            self.store.incr("n", 0.5)

    def test_compare_and_set(self):
        swap = self.store.compare_and_set
        self.assertTrue(swap("key", None, {"v": 1}))
        self.assertFalse(swap("key", None, {"v": 2}))
        self.assertFalse(swap("key", b'{"v":1}', {"v": 2}))
        self.assertTrue(swap("key", {"v": 1}, b"bytes", ttl=30))
        self.assertTrue(swap("key", b"bytes", b""))
        self.assertTrue(swap("key", b"", None))
        self.assertIsNone(self.store.get("key"))
        self.assertTrue(swap("key", None, None))

    def test_what_cannot_be_kept(self):
        for value, said in ((object(), "the value holds a value of type object"), (float("nan"), "the value holds nan, which JSON does not have; keep None or a number"),
                            ({"a": b""}, "the value holds bytes at a"), ({1, 2}, None)):
            with self.subTest(value):
                if said is None:
                    self.store.set("key", value)  # a set becomes a list, as in an answer
                else:
                    with self.assertRaisesRegex(TypeError, said):
                        self.store.set("key", value)
        for value in (1 << 64, {"a": [-(1 << 63) - 1]}, 10 ** 100):
            with self.assertRaisesRegex(StoreRefused, "64 bits"):
                self.store.set("key", value)
        with self.assertRaisesRegex(StoreRefused, "up to 67108864 bytes"):
            self.store.set("key", bytes(store.LARGEST + 1))

    def test_keys(self):
        for key in (1, None, b"key"):
            with self.assertRaisesRegex(TypeError, "a key of the store is text"):
                self.store.get(key)
        for key in ("", "k" * 1025, "\ud800"):
            with self.assertRaises(StoreRefused):
                self.store.get(key)
        self.store.set("\u2603 \0/:", 1)
        self.assertEqual(self.store.get("\u2603 \0/:"), 1)

    def test_a_fault_is_the_server_s_sentence(self):
        self.server.away = "the store cannot be reached"
        with self.assertRaisesRegex(self.store.Away, "^the store cannot be reached$"):
            self.store.get("key")
        self.assertTrue(issubclass(StoreAway, StoreError) and issubclass(StoreRefused, ValueError))
        self.server.away = None
        self.assertIsNone(self.store.get("key"))

    def test_many_threads_have_requests_under_way_together(self):
        self.server.pause = 0.1
        found, threads = {}, []
        for number in range(20):
            def work(number=number):
                self.store.set(str(number), [number] * 1000 * number)
                found[number] = self.store.get(str(number))
            threads.append(threading.Thread(target=work))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertGreater(self.server.most, 1)
        self.assertEqual(found, {number: [number] * 1000 * number for number in range(20)})

    def test_no_update_is_lost(self):
        clients = [self.store, self.client()]

        def work(client):
            for _ in range(100):
                client.incr("n")

        threads = [threading.Thread(target=work, args=(client,)) for client in clients * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.store.get("n"), 800)

    def test_a_request_that_was_given_up_does_not_answer_the_next(self):
        import signal

        class Late(Exception):
            pass

        def late(*_):
            raise Late

        self.store.set("a", 1)
        before = signal.signal(signal.SIGALRM, late)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        self.server.pause = 0.2
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with self.assertRaises(Late):
            self.store.get("a")
        self.server.pause = 0
        self.assertIsNone(self.store.get("b"))
        time.sleep(0.3)
        self.assertEqual([self.store.get("b"), self.store.get("a")], [None, 1])
        self.assertEqual(self.store._line._answers, {})

    def test_a_server_that_is_gone(self):
        self.server.pause = 0.2
        threading.Timer(0.05, self.server.close).start()
        with self.assertRaisesRegex(StoreAway, "closed its store"):
            self.store.get("key")
        with self.assertRaises(StoreAway):
            self.store.set("key", 1)

    def test_where_there_is_none(self):
        with self.assertRaisesRegex(StoreError, "there is no store here"):
            Store().get("key")

    def test_copies_are_itself(self):
        self.assertIs(copy.deepcopy(store.here), store.here)
        self.assertIs(pickle.loads(pickle.dumps(store.here)), store.here)


class Replicas(unittest.TestCase):
    def setUp(self):
        self.server = ServerStore()
        self.addCleanup(self.server.close)

    def replica(self, folder="hostler_store", **more):
        parent = Parent(folder, store=self.server, **more)
        self.addCleanup(parent.close)
        return parent

    def test_values_are_shared_by_replicas_and_outlive_them(self):
        one, two = self.replica(), self.replica()
        one.ask({"op": "set", "key": "k", "value": {"a": [1, None]}})
        answer = two.ask({"op": "get", "key": "k"})
        self.assertEqual(answer["result"], {"a": [1, None]})
        self.assertEqual([one.stop(), two.stop()], [0, 0])
        self.assertEqual(self.replica().ask({"op": "get", "key": "k"})["result"], {"a": [1, None]})

    def test_bytes(self):
        replica, value = self.replica(), {"base64": base64.b64encode(bytes(range(256))).decode()}
        replica.ask({"op": "set", "key": "k", "value": value})
        self.assertEqual(replica.ask({"op": "get", "key": "k"})["result"], value)

    def test_replicas_add_up_and_take_turns(self):
        replicas = [self.replica(), self.replica()]
        for op, value in (("incr", 2), ("append", "x")):
            for replica in replicas:
                replica.post({"op": op, "key": op, "value": value, "times": 25})
            for replica in replicas:
                replica.answer()
        self.assertEqual(replicas[0].ask({"op": "get", "key": "incr"})["result"], 2 * 4 * 25 * 2)
        self.assertEqual(len(replicas[0].ask({"op": "get", "key": "append"})["result"]), 50)

    def test_after_the_call_ended_and_while_the_replica_waits_for_work(self):
        replica = self.replica()
        replica.ask({"op": "later", "key": "k", "value": 1})
        self.assertNotIn("k", self.server.entries)
        self.assertTrue(eventually(lambda: "k" in self.server.entries))

    def test_a_store_that_is_away_is_the_code_s_to_handle_else_the_answer(self):
        replica = self.replica()
        self.server.away = "the store's Redis cannot be reached"
        self.assertEqual(replica.ask({"op": "away", "key": "k"})["result"], "away: the store's Redis cannot be reached")
        with self.assertRaises(Fault) as raised:
            replica.ask({"op": "get", "key": "k"})
        self.assertEqual((raised.exception.kind, raised.exception.message), ("not_ready", "the store's Redis cannot be reached"))
        self.server.away = None
        self.assertIsNone(replica.ask({"op": "get", "key": "k"})["result"])
        with self.assertRaises(Fault) as raised:
            replica.ask({"op": "get", "key": ""})
        self.assertEqual(raised.exception.kind, "invalid_input")

    def test_a_forked_process_is_told(self):
        replica = self.replica()
        self.assertRegex(replica.ask({"op": "forked", "key": "k"})["result"], "^StoreError: this process was forked")
        self.assertIsNone(replica.ask({"op": "get", "key": "k"})["result"])
        self.assertEqual([meta["op"] for meta in self.server.seen], ["get"])

    def test_a_slow_store_holds_up_nobody_else_s_answer(self):
        text = ("import asyncio\nclass Pipeline:\n    async def __call__(self, key: str):\n        if not key:\n            return 0\n"
                "        loop = asyncio.get_running_loop()\n        return await loop.run_in_executor(None, self.store.get, key)\n")
        self.server.pause = 0.5
        with Author(pipeline=text) as folder:
            replica = self.replica(folder)
            slow, quick = replica.post("key", slot=0), replica.post("", slot=1)
            self.assertEqual(json.loads(replica.answer(quick).body), 0)
            self.assertIsNone(json.loads(replica.answer(slow).body))

    def test_while_it_loads_and_by_another_process_s_start(self):
        text = ("import multiprocessing\ndef work(pipeline, queue):\n    try:\n        queue.put(pipeline.store.get('k'))\n"
                "    except Exception as error:\n        queue.put(str(error))\n"
                "class Pipeline:\n    def __init__(self):\n        self.starts = self.store.incr('starts')\n"
                "    def compile(self):\n        self.store.set('compiled', self.starts)\n"
                "    def __call__(self, way: str):\n        context = multiprocessing.get_context(way)\n        queue = context.Queue()\n"
                "        process = context.Process(target=work, args=(self, queue))\n        process.start()\n"
                "        told = queue.get()\n        process.join()\n        return told\n")
        with Author(pipeline=text) as folder:
            for start in (1, 2):
                replica = self.replica(folder)
                self.assertEqual(self.server.entries["compiled"][1], b"%d" % start)
            self.assertIn("was forked", replica.ask("fork"))
            self.assertIn("there is no store here", replica.ask("spawn"))

    def test_a_server_without_a_store(self):
        with Parent("hostler_store") as replica:
            with self.assertRaisesRegex(Fault, "there is no store here"):
                replica.ask({"op": "get", "key": "k"})

    def test_what_the_author_calls_store_is_the_author_s(self):
        text = "class Pipeline:\n    store = {}\n    def progress(self):\n        return 7\n    def __call__(self, key: str):\n        return [self.store.get(key, 3), self.progress()]\n"
        with Author(pipeline=text) as folder:
            self.assertEqual(self.replica(folder).ask("key"), [3, 7])
