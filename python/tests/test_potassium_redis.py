"""Potassium's Store on a Redis of the author's, which others read and write too: plain keys, as the published package has them."""

import json
import os
import shutil
import tempfile
import time
import unittest
from unittest import mock

from hostler_worker import compat
from tests.parent import FOLDERS, Author
from tests.redis_server import RedisServer
from tests.test_potassium import REAL, Replica

try:
    import redis
except ImportError:
    raise ImportError("these tests need the Python package redis: run scripts/python.sh, and the tests with .tools/python/bin/python") from None

VALUES = ({"text": "gr\u00fc\u00dfe", "numbers": [1, 2.5, None, True]}, [], "", "text", 0, None)


class Stores(unittest.TestCase):
    """The module alone, beside a plain client."""

    @classmethod
    def setUpClass(cls):
        compat.provide("potassium")
        from potassium import store
        cls.module = store
        cls.server = RedisServer()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        self.client = self.enter(redis.Redis(self.server.host, self.server.port))
        self.client.flushall()
        # The package tries again by itself, with pauses of seconds.
        self.enter(mock.patch("redis.retry.sleep"))

    def enter(self, context):
        entered = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return entered

    def store(self, **config):
        # The port as text, which is how the environment has it.
        config = dict({"host": self.server.host, "port": str(self.server.port)}, **config)
        return self.module.Store(backend="redis", config=self.module.RedisConfig(**config))

    def test_what_is_set_is_under_its_own_key_as_json(self):
        store = self.store()
        for value in VALUES:
            store.set("of the author", value)
            self.assertEqual(self.client.keys(), [b"of the author"])
            self.assertEqual(self.client.get("of the author"), json.dumps(value).encode())
            self.assertEqual(store.get("of the author"), value)

    def test_what_others_have_set_is_read(self):
        self.client.set("theirs", '{"a": [1, "\u00fc"]}')
        self.assertEqual(self.store().get("theirs"), {"a": [1, "\u00fc"]})

    def test_pickle_keeps_any_object(self):
        store, value = self.store(encoding="pickle"), {(1, 2): {3}, "bytes": b"\0\xff"}
        store.set("k", value)
        self.assertEqual(store.get("k"), value)
        self.assertNotEqual(self.client.get("k")[:1], b"{")

    def test_a_key_that_is_not_there_is_none(self):
        for encoding in ("json", "pickle"):
            self.assertIsNone(self.store(encoding=encoding).get("missing"))

    def test_time_to_live(self):
        store = self.store()
        for options, seconds in (({}, 600), ({"ttl": 7}, 7), ({"ttl": None}, -1)):
            store.set("k", 1, **options)
            self.assertIn(self.client.ttl("k"), (seconds, seconds - 1))
        store.set("k", 1, ttl=1)
        self.assertEqual(store.get("k"), 1)
        time.sleep(1.1)
        self.assertIsNone(store.get("k"))

    def test_user_password_and_database(self):
        self.client.acl_setuser("author", enabled=True, passwords=["+secret"], keys="*", commands=["+@all"])
        self.store(username="author", password="secret", db=3).set("k", "in three")
        self.assertIsNone(self.client.get("k"))
        third = self.enter(redis.Redis(self.server.host, self.server.port, db=3))
        self.assertEqual(third.get("k"), b'"in three"')
        with self.assertRaisesRegex(redis.AuthenticationError, "invalid username-password pair"):
            self.store(username="author", password="guess").get("k")

    def test_a_redis_that_is_not_there(self):
        with RedisServer() as gone:
            port = gone.port
        store = self.store(port=port)  # nothing is asked before it is used
        for use in (lambda: store.get("k"), lambda: store.set("k", 1)):
            with self.assertRaisesRegex(redis.ConnectionError, "connecting to 127.0.0.1:%d. Connection refused" % port):
                use()


class Replicas(unittest.TestCase):
    """The folder potassium_redis, with settings that name the test's own."""

    def setUp(self):
        self.server = RedisServer()
        self.addCleanup(self.server.close)
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = os.path.join(os.path.realpath(place.name), "potassium_redis")
        shutil.copytree(os.path.join(FOLDERS, "potassium_redis"), self.folder)
        with open(os.path.join(self.folder, "settings.py"), "w") as file:
            file.write("HOST = %r\nPORT = %r\n" % (self.server.host, str(self.server.port)))

    def replica(self):
        replica = Replica(self.folder)
        self.addCleanup(replica.close)
        return replica

    def test_values_are_shared(self):
        one, two = self.replica(), self.replica()
        for value in VALUES:
            one.json_at("/set", {"key": "k", "value": value})
            read = two.json_at("/get", {"key": "k"})
            self.assertEqual((read["value"], read["pid"]), (value, two.process.pid))
        self.assertIsNone(two.json_at("/get", {"key": "other"})["value"])

    @unittest.skipIf(REAL, "the published package is installed")
    def test_without_the_package_it_says_what_to_do(self):
        with open(os.path.join(self.folder, "app.py")) as file:
            app = file.read()
        with Author(app="import sys\nsys.modules['redis'] = None\n" + app, settings="HOST, PORT = 'localhost', 1\n") as folder:
            with self.assertRaisesRegex(RuntimeError, "needs the package redis; pip install redis"):
                Replica(folder)


if __name__ == "__main__":
    unittest.main()
