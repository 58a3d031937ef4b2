"""Potassium's dialect: the author folders of tests/python, and what they do not show."""

import ast
import http.server
import importlib.util
import json
import pickle
import threading
import time
import unittest

from hostler_worker.dialects.potassium import normalised, written
from hostler_worker.store import here
from tests.parent import Author, Fault, Parent, describe
from tests.store_server import ServerStore

REAL = importlib.util.find_spec("potassium") is not None
"""The published package is installed: its own store and messages are not ours to test."""
APP = "from potassium import Potassium, Request, Response\napp = Potassium('test')\n"


class Replica(Parent):
    """A replica of a Potassium app, whose handlers are asked by path."""

    def __init__(self, folder, **hello):
        self.handlers = {route["path"]: route["handler"] for route in describe(folder)[0]["routes"]}
        super().__init__(folder, "potassium", **hello)

    def ask_at(self, path, value=None, headers=(), **more):
        """(status, headers as a dict, body) of one whole answer."""
        frame = self.answer(self.post(value if value is not None else {}, handler=self.handlers[path], headers=list(headers), **more))
        return frame.meta["status"], dict(frame.meta["headers"], **{"Content-Type": frame.meta["media"]}), frame.body

    def json_at(self, path, value=None, **more):
        status, _, body = self.ask_at(path, value, **more)
        return json.loads(body)


class Readme(unittest.TestCase):
    def test_init_then_handler(self):
        with Replica("potassium_readme") as replica:
            status, headers, body = replica.ask_at("/", {"prompt": "a [MASK] day"})
            self.assertEqual((status, headers), (200, {"Content-Type": "application/json"}))
            self.assertEqual(json.loads(body)["outputs"][0], {"score": 0.5, "token_str": "sunny", "sequence": "a sunny day"})
            with self.assertRaises(Fault) as raised:
                replica.ask_at("/", {"prompt": "no mask"})
            self.assertEqual((raised.exception.kind, raised.exception.message), ("invalid_input", "the prompt has no [MASK]"))
            self.assertEqual(replica.output().count("loading the model"), 1)


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.replica = Replica("potassium_routes")

    @classmethod
    def tearDownClass(cls):
        cls.replica.close()

    def test_paths(self):
        self.assertEqual(self.replica.json_at("/"), {"place": "/"})
        self.assertEqual(self.replica.json_at("/weather"), {"place": "/weather"})
        self.assertEqual(self.replica.json_at("/weather/today"), {"place": "/weather/today"})

    def test_any_json_is_handed_over(self):
        for value in ({"a": [1, None]}, [1, 2], "text", 3):
            self.assertEqual(self.replica.json_at("/echo", value), {"json": value})

    def test_bytes_with_their_media_type(self):
        status, headers, body = self.replica.ask_at("/binary")
        self.assertEqual((status, headers), (200, {"Content-Type": "application/octet-stream"}))
        self.assertEqual(body, bytes(range(256)))

    def test_a_byte_stream_has_a_head_and_comes_in_chunks(self):
        head, *chunks, end = self.replica.stream({"n": 3}, handler=self.replica.handlers["/byte_stream"], headers=[])
        self.assertEqual(head.meta, {"head": {"status": 206, "headers": [["X-Chunks", "yes"]], "media": "text/plain"}})
        self.assertEqual([(one.meta, one.body) for one in chunks],
                         [({"bytes": True}, b"chunk %d\n" % index) for index in range(3)])
        self.assertEqual(end.meta, {"chunks": True})

    def test_a_stream_of_text_is_utf_8(self):
        _, *chunks, _ = self.replica.stream({}, handler=self.replica.handlers["/text_stream"], headers=[])
        self.assertEqual(b"".join(one.body for one in chunks).decode(), "gr\u00fc\u00dfe\nfrom\na\nstream\n")

    def test_headers_both_ways_and_the_id(self):
        sent = [["colour", "blue"], ["COUNT", "two"], ["x-banana-request-id", "123"]]
        status, headers, body = self.replica.ask_at("/headers", headers=sent, id="of the server")
        self.assertEqual((status, json.loads(body)), (201, {"id": "123"}))
        self.assertEqual(headers, {"Colour": "blue", "Count": "two", "X-Banana-Request-Id": "123", "Content-Type": "application/json"})

    def test_without_the_header_the_id_is_the_servers(self):
        self.assertEqual(self.replica.json_at("/id", id="abc"), {"id": "abc"})

    def test_the_context_is_shared_by_handlers_and_background_tasks(self):
        before = self.replica.json_at("/count")["calls"]
        frame = self.replica.answer(self.replica.post({"job": "one"}, handler=self.replica.handlers["/background"], headers=[]))
        self.assertEqual((frame.meta, frame.body), (None, b"null"))
        after = self.replica.json_at("/jobs")
        self.assertIn("one", after["jobs"])
        self.assertEqual(after["calls"], before + 1)

    def test_a_background_task_that_fails(self):
        with self.assertRaises(Fault) as raised:
            self.replica.ask_at("/background", {"job": "fails"})
        self.assertEqual(raised.exception.kind, "pipeline_failed")
        self.assertIn("the job failed", self.replica.errors())

    def test_a_status_of_the_authors(self):
        status, _, body = self.replica.ask_at("/teapot")
        self.assertEqual((status, json.loads(body)), (418, {"error": "short and stout"}))

    def test_what_a_handler_raises_is_the_answer_without_its_traceback(self):
        with self.assertRaises(Fault) as raised:
            self.replica.ask_at("/raises", {})
        self.assertEqual((raised.exception.kind, raised.exception.message), ("pipeline_failed", "KeyError: 'missing'"))
        self.assertIn("Traceback", self.replica.errors())

    @unittest.skipIf(REAL, "the published package is installed")
    def test_a_handler_has_to_return_a_response(self):
        for path, said in (("/no_response", "a handler returns a potassium.Response, not dict"), ("/empty", "neither json nor body")):
            with self.assertRaises(Fault) as raised:
                self.replica.ask_at(path)
            self.assertEqual(raised.exception.kind, "pipeline_failed")
            self.assertIn(said, raised.exception.message)

    def test_a_body_that_is_no_json(self):
        for path in ("/", "/background"):
            with self.assertRaises(Fault) as raised:
                self.replica.answer(self.replica.post(body=b'{"key": unquoted}', handler=self.replica.handlers[path], headers=[]))
            self.assertEqual(raised.exception.kind, "malformed")

    def test_a_webhook_is_posted(self):
        received = []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(500)
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            url = "http://127.0.0.1:%d/hook" % server.server_port
            self.replica.answer(self.replica.post({"job": "two", "url": url}, handler=self.replica.handlers["/background"], headers=[]))
        self.assertEqual(received, [("/hook", "application/json", {"job": "two", "outputs": ["done"]})])

    def test_a_webhook_nobody_takes_does_not_fail_the_task(self):
        frame = self.replica.answer(self.replica.post({"job": "three", "url": "http://127.0.0.1:1/"},
                                                      handler=self.replica.handlers["/background"], headers=[]))
        self.assertEqual(frame.body, b"null")
        self.assertIn("three", self.replica.json_at("/jobs")["jobs"])


@unittest.skipIf(REAL, "the published package is installed")
class LocalStore(unittest.TestCase):
    def setUp(self):
        self.server = ServerStore()
        self.addCleanup(self.server.close)

    def replica(self):
        replica = Replica("potassium_store", store=self.server)
        self.addCleanup(replica.close)
        return replica

    def test_values_are_shared_by_replicas_and_outlive_them(self):
        one, two = self.replica(), self.replica()
        value = {"text": "gr\u00fc\u00dfe", "numbers": [1, 2.5, None, True]}
        one.json_at("/set", {"key": "k", "value": value})
        self.assertEqual(two.json_at("/get", {"key": "k"}), {"value": value})
        self.assertEqual(two.json_at("/get", {"key": "other"}), {"value": None})
        one.stop(), two.stop()
        self.assertEqual(self.replica().json_at("/get", {"key": "k"}), {"value": value})

    def test_time_to_live(self):
        replica = self.replica()
        replica.json_at("/set", {"key": "short", "value": 1, "ttl": 0.2})
        replica.json_at("/set", {"key": "long", "value": 2})
        self.assertEqual(replica.json_at("/get", {"key": "short"}), {"value": 1})
        time.sleep(0.25)
        self.assertEqual(replica.json_at("/get", {"key": "short"}), {"value": None})
        self.assertEqual(replica.json_at("/get", {"key": "long"}), {"value": 2})

    def test_it_is_the_servers_where_values_are_pickles(self):
        self.replica().json_at("/set", {"key": "k", "value": {"a": [1]}})
        (form, body, end), = self.server.entries.values()
        self.assertEqual((form, pickle.loads(body)), ("bytes", {"a": [1]}))
        self.assertAlmostEqual(end - time.monotonic(), 600, delta=30)

    def test_a_store_that_is_away(self):
        replica = self.replica()
        self.server.away = "the store cannot be reached"
        with self.assertRaises(Fault) as raised:
            replica.json_at("/get", {"key": "k"})
        self.assertEqual((raised.exception.kind, raised.exception.message), ("not_ready", "the store cannot be reached"))


@unittest.skipIf(REAL, "the published package is installed")
class Modules(unittest.TestCase):
    """compat/potassium, taken alone."""

    @classmethod
    def setUpClass(cls):
        from hostler_worker import compat
        compat.provide("potassium")
        import potassium
        cls.potassium = potassium

    def test_a_response_is_json_or_body(self):
        response = self.potassium.Response(body=b"text")
        self.assertIsNone(response.json)
        self.assertNotIn("Content-Type", response.headers)
        response.json = {"a": 1}
        self.assertEqual((response.json, response.headers), ({"a": 1}, {"Content-Type": "application/json"}))
        with self.assertRaises(AssertionError):
            self.potassium.Response(json={}, body=b"")

    def test_a_response_keeps_what_its_value_was(self):
        value = {"a": 1}
        response = self.potassium.Response(json=value)
        value.clear()
        self.assertEqual(response.json, {"a": 1})

    def test_headers_know_no_case(self):
        headers = self.potassium.RequestHeaders({"x-banana-request-id": "1"})
        self.assertEqual(headers["X_Banana-Request-ID"], "1")
        self.assertIsNone(headers.get("other"))
        with self.assertRaises(KeyError):
            headers[0]

    def test_a_route_is_taken_once(self):
        for one, other in (("/", ""), ("/a", "a")):
            app = self.potassium.Potassium("app")
            app.handler(one)(lambda context, request: None)
            with self.assertRaises(self.potassium.RouteAlreadyInUseException):
                app.background(other)

    def test_settings_of_the_store(self):
        with self.assertRaises(ValueError):
            self.potassium.Store("redis")
        with self.assertRaises(ValueError):
            self.potassium.Store("file")
        with self.assertRaises(ValueError):
            self.potassium.RedisConfig("localhost", 6379, encoding="xml")

    def test_a_local_store_is_the_servers(self):
        store = self.potassium.Store("local")
        with self.assertRaisesRegex(Exception, "there is no store here"):
            store.get("key")
        server, before = ServerStore(), here._line
        self.addCleanup(server.close)
        self.addCleanup(setattr, here, "_line", before)
        here.connect(server.line().detach())
        store.set(b"key", {1, 2}, ttl=None)
        self.assertEqual(store.get("key"), {1, 2})
        for key, value in ((7, None), ("text", "gr\u00fc\u00dfe")):
            written = self.potassium.Store("local", self.potassium.RedisConfig("", 0, encoding="json"))
            written.set(key, value)
            self.assertEqual(written.get(key), value)
        with self.assertRaises(ValueError):
            store.set("key", 1, ttl=0)


class Described(unittest.TestCase):
    def test_routes_read_without_running(self):
        described, _ = describe("potassium_routes")
        routes = {route["path"]: route for route in described["routes"]}
        self.assertEqual(described["dialect"], "potassium")
        self.assertEqual([route["handler"] for route in described["routes"]], list(range(len(routes))))
        self.assertEqual(routes["/weather"]["summary"], "A path without its slash.")
        self.assertTrue(routes["/background"]["background"])
        self.assertTrue(routes["/echo"]["head"] and routes["/echo"]["headers"])

    def test_names_of_the_app(self):
        for text, name in (
            ("from potassium import Potassium\napp = Potassium('x')", "app"),
            ("from potassium import Potassium as P\nserver: P = P('x')", "server"),
            ("import potassium\na = potassium.Potassium('x')", "a"),
            ("import potassium as k\na = k.Potassium('x')", "a"),
            ("from potassium import *\na = Potassium('x')", "a"),
            ("from flask import Flask\napp = Flask('x')", None),
            ("from mine import Potassium\napp = Potassium('x')", None),
            ("from potassium import Potassium\ndef make():\n    app = Potassium('x')", None),
        ):
            self.assertEqual(written.app_name(ast.parse(text)), name, text)

    def test_what_only_running_can_tell(self):
        plain = "@app.handler('/a')\ndef a(c, r): pass\n"
        guard = "if __name__ == '__main__':\n    app.serve()\n"
        self.assertEqual([one.route for one in written.endpoints(ast.parse(APP + plain + guard))], ["/a"])
        for text in (
            "@app.handler('/' + 'b')\ndef b(c, r): pass\n",
            "@app.handler(NAME)\ndef b(c, r): pass\n",
            "for p in 'ab':\n    @app.handler(p)\n    def b(c, r): pass\n",
            "app.handler('/b')(print)\n",
            "register(app)\n",
            "app = wrapped(app)\n",
        ):
            self.assertIsNone(written.endpoints(ast.parse(APP + plain + text)), text)

    def test_two_decorators_are_registered_from_the_function_outwards(self):
        text = APP + "@app.handler('/a')\n@app.handler('/b')\ndef f(c, r):\n    return Response(json={})\n"
        self.assertEqual([one.route for one in written.endpoints(ast.parse(text))], ["/b", "/a"])
        with Author(app=text) as folder, Replica(folder) as replica:
            self.assertEqual([replica.json_at("/a"), replica.json_at("/b")], [{}, {}])

    def test_routes_made_in_a_loop(self):
        text = APP + ("def make(n):\n    def f(context, request):\n        '''Answers its number.'''\n"
                      "        return Response(json={'n': n})\n    return f\n"
                      "for n in range(3):\n    app.handler('/n/%d' % n)(make(n))\napp.serve()\n")
        with Author(app=text) as folder, Replica(folder) as replica:
            self.assertEqual(describe(folder)[0]["routes"][1]["summary"], "Answers its number.")
            self.assertEqual([replica.json_at("/n/%d" % n)["n"] for n in range(3)], [0, 1, 2])

    def test_paths_are_normalised(self):
        self.assertEqual([normalised(route) for route in ("/", "", "a", "/a/", "//a//b")], ["/", "/", "/a", "/a", "/a/b"])
        text = APP + "@app.handler('/a')\ndef f(c, r): pass\n@app.handler('/a/')\ndef g(c, r): pass\n"
        with Author(app=text) as folder:
            self.assertIn("two handlers on /a (f and g)", describe(folder)[0]["error"])

    def test_faults_name_the_remedy(self):
        with Author(app=APP) as folder:
            self.assertIn("no handler", describe(folder)[0]["error"])
        with Author(app=APP + "app.handler('/')(print)\nimport not_there\n") as folder:
            described = describe(folder)[0]
            self.assertEqual(described["missing"], ["not_there"])

    def test_init_returns_a_dict_and_may_take_the_workers_number(self):
        handler = "@app.handler()\ndef f(context, request):\n    return Response(json=context)\n"
        with Author(app=APP + handler + "@app.init\ndef init():\n    return [1]\n") as folder:
            with self.assertRaisesRegex(RuntimeError, "has to return a dict"):
                Replica(folder)
        with Author(app=APP + handler + "@app.init\ndef init(worker):\n    return {'worker': worker}\n") as folder:
            with Replica(folder, replica=2) as replica:
                self.assertEqual(replica.json_at("/"), {"worker": 0})
        with Author(app=APP + handler) as folder, Replica(folder) as replica:
            self.assertEqual(replica.json_at("/"), {})


if __name__ == "__main__":
    unittest.main()
