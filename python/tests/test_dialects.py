"""What is recognised as what, and the Banana, Graphcore and Hostler forms at work."""

import json
import unittest

from hostler_worker import dialects
from hostler_worker.folder import Folder, LoadFault

from .parent import Author, Fault, Parent, describe

CALL = "class Pipeline:\n    def __call__(self, %s):\n        return 1\n"

try:
    import pydantic
except ImportError:
    pydantic = None
try:
    import fastapi
except ImportError:
    fastapi = None


def recognised(**files):
    with Author(**files) as path:
        return dialects.recognise(Folder(path))


class Recognition(unittest.TestCase):
    def test_pipelines(self):
        for text, name in (
            (CALL % "inputs", "graphcore"),
            (CALL % "inputs: dict", "graphcore"),
            (CALL % "inputs: Dict[str, Any]", "graphcore"),
            (CALL % "inputs: typing.Dict", "graphcore"),
            (CALL % "inputs: 'Dict[str, int]'", "graphcore"),
            ("class Pipeline(Base):\n    pass\n", "graphcore"),
            ("class Other:\n    def __call__(self, i): pass\npipe = Other()\n", "graphcore"),
            ("if True:\n    pipe: object = print\n", "graphcore"),
            ("def pipe(inputs): pass\n", "graphcore"),
            (CALL % "text: str", "hostler"),
            (CALL % "value: Any", "hostler"),
            (CALL % "value: 'Question'", "hostler"),
            (CALL % "a, b=1", "hostler"),
            (CALL % "a, *, b", "hostler"),
            ("class Pipeline:\n    async def __call__(self, inputs): pass\n", "hostler"),
            ("class Pipeline:\n    def __call__(self, inputs):\n        for i in inputs:\n            yield i\n", "hostler"),
            ("class Pipeline:\n    def __call__(self, inputs):\n        def inner():\n            yield 1\n        return list(inner())\n", "graphcore"),
            ("class Pipeline:\n    inputs = {'x': ('FP32', [1])}\n    def __call__(self, x): pass\n", "hostler"),
            ("class Pipeline:\n    outputs: dict = {}\n    def __call__(self, x): pass\n", "hostler"),
            ("class Pipeline:\n    def run_batch(self, values): pass\n", "hostler"),
        ):
            with self.subTest(text):
                dialect, why = recognised(pipeline=text)
                self.assertEqual(dialect.NAME, name)
                self.assertTrue(why.startswith("pipeline.py "), why)

    def test_an_endpoint_makes_it_graphcore_s(self):
        self.assertEqual(recognised(pipeline=CALL % "text: str", endpoint="")[0].NAME, "graphcore")

    def test_banana(self):
        dialect, why = recognised(app="def init(): pass\nasync def inference(model_inputs): pass\n", pipeline=CALL % "i")
        self.assertEqual((dialect.NAME, why), ("banana", "app.py defines init() and inference()"))

    def test_what_is_none(self):
        for files in ({"app": "def init(): pass\n"}, {"pipeline": "class Other: pass\n"}, {"pipeline": "def f():\n    pipe = 1\n"}, {"main": ""}):
            with self.subTest(files), self.assertRaisesRegex(LoadFault, "no Python that can be served; expected is app.py"):
                recognised(**files)

    def test_a_file_that_is_no_python(self):
        with self.assertRaisesRegex(LoadFault, "pipeline.py, line 1: .* in `class Pipeline`"):
            recognised(pipeline="class Pipeline\n")


class Graphcore(unittest.TestCase):
    def test_constructed_compiled_called(self):
        with Parent("graphcore_pipeline") as parent:
            self.assertEqual(parent.ask({"text": "a rose is a rose", "top": 1}), {"results": {"words": 5, "top": [["a", 2]]}})
            with self.assertRaises(Fault) as raised:
                parent.ask(["a"])
            self.assertEqual(raised.exception.kind, "invalid_input")
            with self.assertRaisesRegex(Fault, "KeyError: 'text'"):
                parent.ask({})

    def test_who_is_called_and_how_it_is_compiled(self):
        kind = "class Pipeline:\n    def __init__(self, n='made'):\n        self.n = n\n    def __call__(self, inputs):\n        return self.n\n"
        for text, result in (
            (kind, "made"),
            (kind + "pipe = Pipeline('pipe')\n", "pipe"),
            (kind + "    def compile(self):\n        self.n += ' itself'\n", "made itself"),
            (kind + "    def compile(self, pipe):\n        pipe.n += ' given'\n", "made given"),
            (kind + "    def compile(self):\n        1 / 0\ndef compile(pipe):\n    pipe.n += ' by module'\n", "made by module"),
            ("import argparse\nclass Base(dict):\n    def compile(self): 1 / 0\n" + kind, "made"),
            ("def pipe(inputs): return 'function'\n", "function"),
        ):
            with self.subTest(text), Author(pipeline=text) as folder, Parent(folder) as parent:
                self.assertEqual(parent.ask({}), {"results": result})

    def test_a_library_s_compile_is_not_called(self):
        text = "from library import Module\nclass Pipeline(Module):\n    def __call__(self, inputs): return 1\n"
        with Author(module="class Module:\n    def compile(self): 1 / 0\n") as library:
            import os
            os.rename(os.path.join(library, "module.py"), os.path.join(library, "library.py"))
            with Author(pipeline=text) as folder:
                from .parent import PYTHON
                with Parent(folder, environment={"PYTHONPATH": PYTHON + os.pathsep + library}) as parent:
                    self.assertEqual(parent.ask({}), {"results": 1})

    def test_it_is_not_imported_to_be_described(self):
        described, errors = describe("graphcore_pipeline")
        self.assertEqual((described["dialect"], described["file"], errors), ("graphcore", "pipeline.py", ""))
        self.assertEqual(described["description"], "Counts the words of a text.")
        with Author(pipeline="raise RuntimeError('imported')\nclass Pipeline:\n    def __call__(self, inputs): pass\n") as folder:
            self.assertNotIn("error", describe(folder)[0])


@unittest.skipIf(pydantic is None, "no pydantic")
class Endpoints(unittest.TestCase):
    QUESTION = {"context": "The cat sleeps. The dog runs away.", "question": "who runs?"}

    def test_described(self):
        described, _ = describe("graphcore_endpoint")
        routes = described["routes"]
        self.assertEqual([(one["path"], one["methods"], one["absolute"], one["handler"]) for one in routes], [
            ("/qa", ["POST"], True, 0), ("/qa/latency", ["POST"], True, 1), ("/qa/other", ["POST"], True, 2), ("/qa/models", ["GET"], True, 3)])
        self.assertEqual(routes[0]["summary"], "Answers a question from a context.")
        self.assertEqual(routes[0]["input"]["required"], ["context", "question"])
        self.assertEqual(routes[0]["output"]["properties"]["score"]["type"], "number")
        self.assertEqual(routes[1]["output"]["required"], ["model_latency"])
        self.assertIsNone(routes[3]["input"])

    def test_called(self):
        with Parent("graphcore_endpoint", environment={"SERVER_MODELS": '[{"model":"graphcore_endpoint","replicas":"3"},{"model":"b"}]'}) as parent:
            self.assertEqual(parent.ask(self.QUESTION), {"results": "The dog runs away", "score": 1.0})
            self.assertEqual(parent.ask(dict(self.QUESTION, loud=True)), {"results": "THE DOG RUNS AWAY", "score": 1.0})
            self.assertEqual(list(parent.ask(self.QUESTION, handler=1)), ["model_latency"])
            self.assertEqual(parent.ask(body=b"", handler=3), {"models": ["graphcore_endpoint", "b"]})
            with self.assertRaisesRegex(Fault, "this replica runs the model graphcore_endpoint, not summarization"):
                parent.ask(self.QUESTION, handler=2)
            with self.assertRaisesRegex(Fault, "LookupError: no sentence has a word of the question"):
                parent.ask({"context": "A b.", "question": "c"})
            with self.assertRaises(Fault) as raised:
                parent.ask({"context": ""})
            self.assertEqual(raised.exception.kind, "invalid_input")
            self.assertEqual([one["loc"] for one in raised.exception.detail], [["body", "context"], ["body", "question"]])
            with self.assertRaises(Fault) as raised:
                parent.ask(self.QUESTION, handler=9)
            self.assertEqual(raised.exception.kind, "not_found")
            parent.stop()
            self.assertEqual(parent.output(), "compiled\n")

    def author(self, endpoint):
        pipeline = "class Pipeline:\n    def __call__(self, inputs):\n        if inputs.get('fail'): raise ValueError('no')\n        return dict(inputs)\n"
        return Author(pipeline=pipeline, endpoint="from typing import *\nfrom pydantic import BaseModel\n" + endpoint)

    def test_what_may_be_imported(self):
        text = """
from server import ipu_worker_group, models, router, w as same
from config import settings
assert same is w and ipu_worker_group is w and settings.server_models is models
assert "a" in models and "other" not in models and models[0].model == "a" and models[0]["model"] == "a" and models[0].replicas == 1

@router.api_route("//x/", methods=["put", "POST"], status_code=201, tags=["t"])
def put(body: Dict[str, int]):
    for value in (1, 2):
        w.workers["a"].feed(dict(body, n=value))
    return [w.workers["a"].get_result()["n"] for _ in range(2)]
"""
        with self.author(text) as folder, Parent(folder, model="a") as parent:
            answer = parent.answer(parent.post({"k": 1}))
            self.assertEqual((answer.meta["status"], answer.body), (201, b"[1,2]"))
            with self.assertRaises(Fault) as raised:
                parent.ask({"k": "a"})
            self.assertEqual(raised.exception.detail[0]["loc"], ["body", "k"])
        with self.author(text.split("\nassert")[0] + text[text.index("\n@router"):]) as folder:
            self.assertEqual([(one["path"], one["methods"]) for one in describe(folder)[0]["routes"]], [("/x", ["POST", "PUT"])])

    def test_a_fed_failure_surfaces_in_get_result_and_is_forgotten(self):
        text = """
@router.post("/x")
def x(body: dict):
    worker = list(w.workers.values())[0]
    if body.get("twice"):
        worker.feed({"left": 1})
    worker.feed(body)
    return {k: v for k, v in worker.get_result().items() if k != "model_latency"}
"""
        with self.author(text) as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"twice": 1}), {"left": 1})
            self.assertEqual(parent.ask({"a": 1}), {"a": 1})  # what was left over before is gone
            with self.assertRaisesRegex(Fault, "^no$"):
                parent.ask({"fail": 1})
            self.assertEqual(parent.ask({"a": 1}), {"a": 1})

    def test_several_parameters_queries_and_headers_of_plain_types(self):
        text = """
class A(BaseModel):
    n: int

@router.post("/x")
def x(a: A, b: A, many: List[A] = [], flag: bool = False, name: Optional[str] = None):
    return [a.n, b.n, len(many), flag, name]
"""
        with self.author(text) as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"a": {"n": 1}, "b": {"n": 2}}), [1, 2, 0, False, None])
            self.assertEqual(parent.ask({"a": {"n": 1}, "b": {"n": 2}, "many": [{"n": 1}]}, query="flag=true&name=x"), [1, 2, 1, True, "x"])
            with self.assertRaises(Fault) as raised:
                parent.ask({"a": {"n": "x"}}, query="flag=maybe")
            self.assertEqual([one["loc"] for one in raised.exception.detail], [["body", "a", "n"], ["body", "b"], ["query", "flag"]])
            self.assertTrue(describe(folder)[0]["routes"][0]["headers"])

    def test_an_answer_that_is_not_the_response_model(self):
        text = """
class R(BaseModel):
    n: int = 3
    m: Optional[int] = None

@router.post("/x", response_model=R, response_model_exclude_none=True)
def x(body: dict):
    return body

@router.post("/many", response_model=List[R])
def many(body: dict):
    return [R(**body)]
"""
        with self.author(text) as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"other": 1}), {"n": 3})
            self.assertEqual(parent.ask({"n": 1}, handler=1), [{"n": 1, "m": None}])
            with self.assertRaises(Fault) as raised:
                parent.ask({"n": "x"})
            self.assertEqual(raised.exception.kind, "pipeline_failed")
            self.assertIn("the answer is no R", raised.exception.message)

    def test_what_is_refused(self):
        for text, part in (
            ("", 'endpoint.py decorates no function; write @router.post("/'),
            ("@router.get('/x/{id}')\ndef x(id: int): pass\n", "the path /x/{id} has parameters"),
            ("import no_such_module\n", "endpoint.py, line 3 needs the module no_such_module"),
            ("w.workers[list(w.workers)[0]].feed({})\nw.workers[list(w.workers)[0]].get_result()\n", "is not loaded"),
        ):
            with self.subTest(part), self.author(text) as folder:
                self.assertIn(part, describe(folder)[0]["error"])

    @unittest.skipIf(fastapi is None, "no fastapi")
    def test_fastapi_s_own_router(self):
        text = """
from fastapi import APIRouter, Body, FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

app = FastAPI()
router = APIRouter(prefix="/v9", tags=["a"])

class A(BaseModel):
    n: int

@router.post("/json", include_in_schema="x" in models)
def json_(a: A):
    return JSONResponse(content={"n": a.n}, headers={"metrics-latency": "1"}, status_code=202)

@router.post("/bytes")
async def bytes_(a: A):
    return Response(content=b"x" * a.n, media_type="image/png")

@router.post("/refused")
def refused(a: A):
    raise HTTPException(status_code=418, detail={"n": a.n})

@router.post("/stream")
def stream(a: A):
    return StreamingResponse((str(n) for n in range(a.n)), media_type="text/plain")

@router.post("/typed")
def typed(n: int = Body(ge=1), top: int = Query(3), user_agent: str = Header("none")) -> A:
    return {"n": n + top + len(user_agent), "more": 1}
"""
        with self.author(text) as folder, Parent(folder) as parent:
            answers = [parent.answer(parent.post({"n": 2}, handler=handler)) for handler in (0, 1, 2)]
            self.assertEqual((answers[0].meta, answers[0].body),
                             ({"status": 202, "headers": [["metrics-latency", "1"]], "media": "application/json"}, b'{"n":2}'))
            self.assertEqual((answers[1].meta["media"], answers[1].body), ("image/png", b"xx"))
            self.assertEqual((answers[2].meta["status"], answers[2].body), (418, b'{"detail":{"n":2}}'))
            got = parent.stream({"n": 2}, handler=3)
            self.assertEqual([one.body for one in got], [b"", b"0", b"1", b""])
            self.assertTrue(got[0].meta["head"]["media"].startswith("text/plain"))
            self.assertEqual(parent.ask({"n": 1}, handler=4, query="top=5", headers=[["User-Agent", "ab"]]), {"n": 8})
            self.assertEqual([one["path"] for one in describe(folder)[0]["routes"]][:2], ["/v9/json", "/v9/bytes"])
        with self.author("from fastapi import Depends\n@router.post('/x')\ndef x(a = Depends(print)): pass\n") as folder:
            self.assertIn("x takes a as Depends, which needs FastAPI itself", describe(folder)[0]["error"])


class Hostler(unittest.TestCase):
    def test_typed(self):
        with Parent("hostler_typed") as parent:
            order = {"items": [{"name": "pen", "price": 1.5, "count": 2}, {"name": "ink", "price": 4}], "size": "large"}
            self.assertEqual(parent.ask(order), {"total": 7.0, "lines": ["2 x pen", "1 x ink"], "size": "large"})
            with self.assertRaises(Fault) as raised:
                parent.ask({"items": [{"name": "pen"}], "size": "huge"})
            self.assertEqual(raised.exception.kind, "invalid_input")
            self.assertEqual([one["loc"] for one in raised.exception.detail], [["body", "items", 0, "price"], ["body", "size"]])
            with self.assertRaisesRegex(Fault, "^an order has at least one item$"):
                parent.ask({"items": []})

    def test_several_parameters_are_fields(self):
        text = CALL % "self_text: str, times: int = 2"
        with Author(pipeline=text.replace("return 1", "return [self_text] * times")) as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"self_text": "a"}), ["a", "a"])
            with self.assertRaisesRegex(Fault, "self_text: field required; times: expected an integer, got a string"):
                parent.ask({"times": "x"})

    def test_a_parameter_by_keyword_only_is_a_field(self):
        with Author(pipeline="class Pipeline:\n    def __call__(self, *, a: int): return a\n") as folder, Parent(folder) as parent:
            self.assertEqual(parent.ask({"a": 3}), 3)
            self.assertEqual(describe(folder)[0]["routes"][0]["input"]["required"], ["a"])

    def test_bytes_are_a_file(self):
        with Author(pipeline="class Pipeline:\n    def __call__(self, text: str) -> bytes: return text.encode()\n") as folder:
            route, = describe(folder)[0]["routes"]
            self.assertEqual((route["output"], route["media"]), (None, ["application/octet-stream"]))
            with Parent(folder) as parent:
                self.assertEqual(parent.answer(parent.post("é")).body, "é".encode())

    def test_what_the_pipeline_knows_of_itself(self):
        text = """
import os
class Pipeline:
    def __init__(self):
        self.known = [self.device, self.replica, os.path.isdir(self.cache_dir)]
    def compile(self):
        self.known.append("compiled")
    def __call__(self, value: list) -> list:
        return self.known
"""
        with Author(pipeline=text) as folder:
            with Parent(folder, device="cuda:0", replica=3, cache_dir=folder + "/cache/deep") as parent:
                self.assertEqual(parent.ask([]), ["cuda:0", 3, True, "compiled"])

    def test_pipelines_that_cannot_be_called(self):
        for text, part in (("async def __call__(self): pass", "takes no parameter"), ("def run_batch(): pass\n    del run_batch", "neither")):
            with Author(pipeline="class Pipeline:\n    %s\n" % text) as folder, self.assertRaisesRegex(RuntimeError, part):
                Parent(folder, "hostler")

    def test_described(self):
        for folder, keys in (
            ("hostler_typed", {"batch": False, "concurrent": False}), ("hostler_batch", {"batch": True, "concurrent": False}),
            ("hostler_async", {"batch": False, "concurrent": True}), ("hostler_stream", {"batch": False, "concurrent": False}),
        ):
            with self.subTest(folder):
                described, errors = describe(folder)
                self.assertEqual(errors, "")
                self.assertEqual({key: described[key] for key in keys}, keys)
                route, = described["routes"]
                self.assertEqual(route["streams"], folder == "hostler_stream")
        self.assertEqual(describe("hostler_batch")[0]["routes"][0]["input"], {"type": "string"})
        self.assertEqual(json.dumps(describe("hostler_typed")[0]["routes"][0]["input"]).count("$defs"), 3)


class Banana(unittest.TestCase):
    def test_described_without_importing(self):
        described, _ = describe("banana_hello")
        self.assertEqual((described["dialect"], described["why"]), ("banana", "app.py defines init() and inference()"))
        self.assertEqual(described["routes"], [dialects.route(input={"type": "object"})])
        with Author(app='"""Paints.\n\nMore."""\n1 / 0\ndef init(): pass\ndef inference(m):\n    """A\n    picture."""\n') as folder:
            described, _ = describe(folder)
            self.assertEqual((described["description"], described["routes"][0]["summary"]), ("Paints.", "A picture."))
