"""kserve-helper's dialect: the author folders of tests/python, and what they do not show."""

import base64
import glob
import importlib.util
import json
import os
import pathlib
import tempfile
import unittest
from typing import Dict, List, Optional

from hostler_worker import frames
from hostler_worker.dialects.kservehelper import check, files
from tests.parent import FOLDERS, Author, Fault, Parent, describe

HEAD = "from typing import Dict, List, Optional\nfrom kservehelper import KServeModel\nfrom kservehelper.types import Input, Path\n"
PICTURES = importlib.util.find_spec("PIL") is not None
PNG = b"\x89PNG"


def replica(folder):
    return Parent(folder, "kservehelper")


def values(chunks):
    """The items of a stream of JSON values."""
    assert chunks[-1].meta == {"chunks": True}, chunks[-1]
    return [json.loads(chunk.body) for chunk in chunks[:-1]]


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.replica = replica("kserve_constraints")

    @classmethod
    def tearDownClass(cls):
        cls.replica.close()

    def refused(self, value):
        with self.assertRaises(Fault) as raised:
            self.replica.ask(value)
        self.assertEqual(raised.exception.kind, "invalid_input")
        return [(fault["loc"], fault["type"]) for fault in raised.exception.detail or ()]

    def test_defaults(self):
        self.assertEqual(self.replica.ask({"prompt": "a dog"}), {
            "prompt": "a dog", "steps": 10, "strength": 0.5, "size": "512x512", "scheduler": "ddim", "images": 1, "tags": [],
            "safe": True, "negative_prompt": None})

    def test_every_field_may_be_sent(self):
        value = {"prompt": "a cat", "steps": 1, "strength": 1, "size": "8x8", "scheduler": "euler", "images": 4, "tags": ["a", "b"],
                 "safe": False, "negative_prompt": "fur"}
        self.assertEqual(self.replica.ask(value), value)
        self.assertEqual(self.replica.ask(dict(value, negative_prompt=None))["negative_prompt"], None)

    def test_each_bound(self):
        for field, value, kind in (
            ("prompt", "ab", "string_too_short"), ("prompt", "a" * 21, "string_too_long"), ("steps", 0, "greater_than_equal"),
            ("steps", 101, "less_than_equal"), ("strength", 1.01, "less_than_equal"), ("strength", -1, "greater_than_equal"),
            ("size", "512", "string_pattern_mismatch"), ("scheduler", "heun", "enum"), ("images", 3, "enum"),
            ("tags", ["a"] * 4, "too_long"), ("negative_prompt", "a" * 21, "string_too_long"),
        ):
            self.assertEqual(self.refused(dict({"prompt": "a dog"}, **{field: value})), [(["body", field], kind)], value)

    def test_each_type(self):
        for field, value, kind in (
            ("prompt", 3, "string_type"), ("prompt", None, "string_type"), ("steps", "10", "int_type"), ("steps", 1.5, "int_type"),
            ("steps", True, "int_type"), ("strength", "1", "float_type"), ("safe", 1, "bool_type"), ("tags", "a", "list_type"),
        ):
            self.assertEqual(self.refused(dict({"prompt": "a dog"}, **{field: value})), [(["body", field], kind)], value)
        self.assertEqual(self.refused({"prompt": "a dog", "tags": ["a", 1]}), [(["body", "tags", 1], "string_type")])

    def test_missing_and_unknown_fields_and_several_faults(self):
        self.assertEqual(self.refused({}), [(["body", "prompt"], "missing")])
        self.assertEqual(self.refused({"prompt": "a dog", "step": 1}), [(["body", "step"], "extra_forbidden")])
        self.assertEqual(len(self.refused({"steps": 0, "images": 3, "x": 1})), 4)
        self.assertEqual(self.refused([1]), [(["body"], "dict_type")])

    def test_the_address_for_uploads_is_no_field(self):
        self.assertEqual(self.replica.ask({"prompt": "a dog", "upload_webhook": "http://localhost/upload"})["prompt"], "a dog")

    def test_a_whole_number_written_with_a_point_is_an_integer(self):
        self.assertIs(type(self.replica.ask({"prompt": "a dog", "steps": 2.0})["steps"]), int)

    def test_no_json(self):
        with self.assertRaises(Fault) as raised:
            self.replica.answer(self.replica.post(body=b"{"))
        self.assertEqual(raised.exception.kind, "malformed")

    def test_the_contract(self):
        described, _ = describe("kserve_constraints")
        takes = described["routes"][0]["input"]
        self.assertEqual(takes["required"], ["prompt"])
        fields = takes["properties"]
        self.assertEqual(fields["prompt"], {
            "title": "Prompt", "description": "What to draw", "type": "string", "minLength": 3, "maxLength": 20})
        self.assertEqual(fields["steps"], {
            "title": "Steps", "description": "How many steps to take", "type": "integer", "minimum": 1, "maximum": 100, "default": 10})
        self.assertEqual(fields["size"]["pattern"], "^[0-9]+x[0-9]+$")
        self.assertEqual(fields["images"], {"title": "Images", "type": "integer", "enum": [1, 2, 4], "default": 1})
        self.assertEqual(fields["tags"]["maxItems"], 3)
        self.assertEqual(fields["negative_prompt"]["type"], ["string", "null"])
        self.assertEqual(described["routes"][0]["output"], {"type": "object"})
        self.assertEqual(described["description"], "Answers what it was given.")


class Signatures(unittest.TestCase):
    def test_hints_of_all_kinds(self):
        text = HEAD + '''
class Model:
    def predict(self, plain, hinted: int, given=3, several: List[int] = Input(min_length=1, default=[1]),
                maybe: Optional[str] = Input(default="x"), file: Path = Input(description="a file"),
                more: List[Path] = Input(default=None), any=Input(default=1)):
        return [plain, hinted, given, several, maybe, file, more, any]
'''
        with Author(model=text) as folder, replica(folder) as one:
            takes = describe(folder)[0]["routes"][0]["input"]
            self.assertEqual(takes["required"], ["plain", "hinted", "file"])
            self.assertEqual(takes["properties"]["several"]["minItems"], 1)
            self.assertEqual(takes["properties"]["file"]["type"], "string")
            self.assertEqual(takes["properties"]["more"], {
                "title": "More", "type": ["array", "null"], "items": {"type": "string"}, "default": None})
            self.assertEqual(one.ask({"plain": {}, "hinted": 1, "file": "a.png"}), [{}, 1, 3, [1], "x", "a.png", None, 1])

    def test_a_default_list_is_not_shared_by_calls(self):
        text = HEAD + "class Model:\n    def predict(self, seen: list = Input(default=[])):\n        seen.append(1)\n        return seen\n"
        with Author(model=text) as folder, replica(folder) as one:
            self.assertEqual([one.ask({}), one.ask({})], [[1], [1]])

    def test_rows_and_after_predict_of_an_asynchronous_model(self):
        described, _ = describe("kserve_batch")
        self.assertTrue(described["concurrent"])
        self.assertEqual(described["routes"][0]["input"]["required"], ["batch"])
        with replica("kserve_batch") as one:
            rows = [{"name": "door", "width": 2}, {"height": 3}]
            self.assertEqual(one.ask({"batch": rows}), {"names": ["door", "a thing"], "areas": ["40 cm", "30 cm"], "count": 2})
            with self.assertRaises(Fault) as raised:
                one.ask({"batch": [{"height": 101}, 3, {"depth": 1}]})
            self.assertEqual([fault["loc"] for fault in raised.exception.detail],
                             [["body", "batch", 0, "height"], ["body", "batch", 1], ["body", "batch", 2, "depth"]])

    def test_preprocess_and_postprocess(self):
        with replica("kserve_transform") as one:
            self.assertEqual(one.ask({"text": "rain again"}), {"text": "Rain again."})
        text = HEAD + '''
class Model:
    def preprocess(self, text: str = Input()):
        return {"words": text.split()}
    def predict(self, words: list = Input(default=[])):
        return [len(word) for word in words]
    def postprocess(self, lengths):
        return {"longest": max(lengths)}
'''
        with Author(model=text) as folder, replica(folder) as one:
            self.assertEqual(one.ask({"text": "a longer text"}), {"longest": 6})
            self.assertEqual(list(describe(folder)[0]["routes"][0]["input"]["properties"]), ["text"])


class Served(unittest.TestCase):
    def test_the_class(self):
        for text, why in (
            (HEAD + "class Model:\n    def predict(self): pass\n", "class Model"),
            (HEAD + "class One:\n    def predict(self): pass\nclass Two: pass\n", "class One"),
            (HEAD + "class One:\n    def predict(self): pass\nclass Model:\n    def predict(self): pass\n"
                    "if __name__ == '__main__':\n    KServeModel.serve('x', One)\n", "class One"),
            (HEAD + "from mine import Theirs\nKServeModel.serve('x', model_class=Theirs)\n", "class Theirs"),
        ):
            with Author(model=text, mine="class Theirs:\n    def predict(self): return 1\n") as folder:
                self.assertIn(why, describe(folder)[0]["why"])
        with Author(model="class Model:\n    def predict(self): pass\n") as folder:
            self.assertIn("error", describe(folder)[0])

    def test_arguments_and_a_serve_without_guard(self):
        text = HEAD + ("SIZE = 2\nclass Model:\n    def __init__(self, size, name='x'):\n        self.size = size\n"
                       "    def predict(self):\n        return self.size\nKServeModel.serve('m', Model, size=SIZE * 21)\n")
        with Author(model=text) as folder, replica(folder) as one:
            self.assertEqual(one.ask({}), 42)

    def test_faults_name_the_remedy(self):
        with Author(model=HEAD + "class Model:\n    def load(self): pass\nKServeModel.serve('m', Model)\n") as folder:
            self.assertIn("predict", describe(folder)[0]["error"])
        text = HEAD + ("class Model:\n    def predict(self): pass\nif __name__ == '__main__':\n    size = 3\n"
                       "    KServeModel.serve('m', Model, size=size)\n")
        with Author(model=text) as folder, self.assertRaisesRegex(RuntimeError, "compute it at module level"):
            replica(folder)

    def test_a_subclass_of_the_helper(self):
        text = HEAD + "class Model(KServeModel):\n    def load(self):\n        self.a = 1\n    def predict(self):\n        return self.a\n"
        with Author(model=text) as folder:
            if "site-packages" in (getattr(importlib.util.find_spec("kservehelper"), "origin", None) or ""):
                self.skipTest("the published class has a constructor of its own")
            with replica(folder) as one:
                self.assertEqual(one.ask({}), 1)


FILES = HEAD + '''
import os, pathlib
class Model:
    def predict(self, count: int = Input(default=1), where: str = Input(default="fresh")) -> List[Path]:
        if where == "own":
            return pathlib.Path(__file__).with_name("model.py")
        if where == "nowhere":
            return Path(KServeModel.generate_filepath("gone.png"))
        paths = [Path(KServeModel.generate_filepath("image_%d.png" % i)) for i in range(count)]
        for path in paths:
            path.write_bytes(b"\\x89PNG")
        if where == "inside":
            return {"images": paths, "best": paths[0], "seed": 3}
        return paths[0] if where == "fresh" else paths
'''
ONE = {"name": "image_0.png", "type": "image/png", "data": base64.b64encode(PNG).decode()}


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Author(model=FILES)
        cls.replica = replica(cls.folder.path)

    @classmethod
    def tearDownClass(cls):
        cls.replica.close()
        cls.folder.place.cleanup()

    def tearDown(self):
        self.assertEqual(glob.glob(os.path.join(tempfile.gettempdir(), "????????-*-image_*.png")), [], "files are removed")

    def test_one_file_is_the_answer_itself(self):
        frame = self.replica.answer(self.replica.post({}))
        told = {"name": "image_0.png", "media": "image/png", "size": len(PNG), "at": [0]}
        self.assertEqual((frame.meta, frame.body), ({"files": [told]}, PNG))
        self.assertEqual(self.replica.ask({}), ONE)

    def test_several_files(self):
        self.assertEqual(self.replica.ask({"count": 2, "where": "list"}), [ONE, dict(ONE, name="image_1.png")])
        self.assertEqual(self.replica.ask({"count": 0, "where": "list"}), [])
        self.assertEqual(self.replica.ask({"where": "inside"}), {"images": [ONE], "best": ONE, "seed": 3})

    def test_files_are_sent_once_and_as_they_are(self):
        frame = self.replica.answer(self.replica.post({"count": 2, "where": "inside"}))
        text, found = self.replica.files(frame)
        self.assertEqual((text, found), (b'{"images":[,],"best":,"seed":3}', [PNG, PNG]))
        self.assertEqual([file["at"] for file in frame.meta["files"]], [[11, 21], [12]])

    def test_a_file_of_the_folder_stays(self):
        frame = self.replica.answer(self.replica.post({"where": "own"}))
        self.assertEqual((frame.meta["files"][0]["media"], frame.body), ("text/x-python", FILES.encode()))
        self.assertTrue(os.path.exists(os.path.join(self.folder.path, "model.py")))

    def test_a_file_that_is_not_there(self):
        with self.assertRaises(Fault) as raised:
            self.replica.ask({"where": "nowhere"})
        self.assertEqual(raised.exception.kind, "pipeline_failed")
        self.assertIn("gone.png", raised.exception.message)
        self.assertNotIn("/", raised.exception.message)

    def test_files_after_predict(self):
        text = FILES + "    def after_predict(self, outputs):\n        outputs['more'] = 1\n        return outputs\n"
        with Author(model=text) as folder, replica(folder) as one:
            self.assertEqual(one.ask({}), {"output": [ONE], "more": 1})
            self.assertEqual(one.answer(one.post({})).meta["files"][0]["at"], [11])

    def test_files_that_after_predict_changes_are_its_own(self):
        text = FILES + """    def after_predict(self, outputs):
        assert outputs["output"][0]["data"]
        outputs["output"][0]["width"] = 3
        return dict(outputs, kept=outputs["output"][1])
"""
        with Author(model=text) as folder, replica(folder) as one:
            frame = one.answer(one.post({"count": 2, "where": "list"}))
            self.assertEqual([file["name"] for file in frame.meta["files"]], ["image_1.png"])
            two = dict(ONE, name="image_1.png")
            self.assertEqual(one.ask({"count": 2, "where": "list"}), {"output": [dict(ONE, width=3), two], "kept": two})

    def test_which_hints_are_for_one_file(self):
        for hint, one in ((pathlib.Path, True), (Optional[pathlib.Path], True), (List[pathlib.Path], False), (Dict[str, pathlib.Path], False),
                          (None, False), (dict, False)):
            self.assertEqual(files.may_be_one(hint), one, hint)


@unittest.skipUnless(PICTURES, "needs Pillow")
class Pictures(unittest.TestCase):
    def picture(self, folder):
        with open(os.path.join(FOLDERS, folder, "arrow.png"), "rb") as file:
            return file.read()

    def test_blur(self):
        self.assertEqual(describe("kserve_blur")[0]["routes"][0]["media"], ["*/*"])
        with replica("kserve_blur") as one:
            image = base64.b64encode(self.picture("kserve_blur")).decode()
            sent = one.answer(one.post({"image": image, "radius": 1}))
            self.assertEqual((sent.meta["files"][0]["media"], sent.body[:4]), ("image/png", PNG))
            named = one.ask({"file": "arrow.png", "radius": 1})
            self.assertEqual((named["name"], named["type"]), ("blurred.png", "image/png"))
            self.assertEqual(base64.b64decode(named["data"]), sent.body)
            for value, kind in (({}, None), ({"image": image, "radius": 51}, "less_than_equal")):
                with self.assertRaises(Fault) as raised:
                    one.ask(value)
                self.assertEqual(raised.exception.kind, "invalid_input")
                self.assertEqual(raised.exception.detail and raised.exception.detail[0]["type"], kind)

    def test_rotate(self):
        with replica("kserve_rotate") as one:
            turned = one.ask({"angle": 90, "count": 3})
            self.assertEqual([image["name"] for image in turned], ["turned_0.png", "turned_1.png", "turned_2.png"])
            self.assertEqual(len({image["data"] for image in turned}), 3)


class Streams(unittest.TestCase):
    def test_generate_beside_predict(self):
        routes = {route["path"]: route for route in describe("kserve_stream")[0]["routes"]}
        self.assertEqual({path: route["streams"] for path, route in routes.items()}, {"/": False, "/generate": True})
        with replica("kserve_stream") as one:
            self.assertEqual(one.ask({"count": 2}), {"output": "the quick"})
            self.assertEqual(values(one.stream({"count": 3}, handler=1)), ["the", "quick", "brown"])
            self.assertEqual(one.ask({"count": 2}, handler=1), ["the", "quick"])
            with self.assertRaises(Fault):
                one.ask({"count": -1}, handler=1)

    def test_predict_that_streams(self):
        self.assertTrue(describe("kserve_predict_stream")[0]["routes"][0]["streams"])
        with replica("kserve_predict_stream") as one:
            self.assertEqual(values(one.stream({"start": 1})), [{"number": 1, "left": True}, {"number": 0, "left": False}])

    def test_streams_of_all_kinds(self):
        text = HEAD + '''
class Model:
    def predict(self, kind: str = Input()):
        def plain():
            yield "a"
            yield {"b": 1}
        async def asynchronous():
            for item in plain():
                yield item
        return {"function": plain, "generator": plain(), "asynchronous": asynchronous(), "iterator": iter(["a", {"b": 1}]),
                "wrapped": KServeModel.wrap_generator(plain)}[kind]
'''
        with Author(model=text) as folder, replica(folder) as one:
            for kind in ("function", "generator", "asynchronous", "wrapped", "iterator"):
                self.assertEqual(values(one.stream({"kind": kind})), ["a", {"b": 1}], kind)

    def test_only_generate(self):
        text = HEAD + "class Model:\n    def generate(self, n: int = Input(default=2)):\n        yield from range(n)\n"
        with Author(model=text) as folder, replica(folder) as one:
            self.assertEqual([(route["path"], route["handler"], route["streams"]) for route in describe(folder)[0]["routes"]],
                             [("/", 0, True), ("/generate", 0, True)])
            self.assertEqual(values(one.stream({})), [0, 1])

    def test_a_stream_nobody_reads_is_closed(self):
        text = HEAD + '''
import time
class Model:
    def predict(self, n: int = Input(default=2)):
        def items():
            try:
                while True:
                    yield 1
                    time.sleep(0.001)
            finally:
                print("closed")
        return items() if n else "quick"
'''
        with Author(model=text) as folder, replica(folder) as one:
            number = one.post({}, stream=True)
            one.receive()
            one.send(frames.CANCEL, call=number)
            while one.receive().kind == frames.CHUNK:
                pass
            self.assertEqual(one.ask({"n": 0}), "quick")
            self.assertIn("closed", one.output())


class Check(unittest.TestCase):
    def test_the_message_names_the_first_faults(self):
        faults = [check.fault(["body", name], "is required", "missing") for name in "abcd"]
        self.assertEqual(str(check.invalid(faults)), "a: is required; b: is required; c: is required (and 1 more)")

    def test_any_of(self):
        schema = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}
        self.assertEqual([check.faults(value, schema, []) == [] for value in (1, None, 0, "a")], [True, True, False, False])


if __name__ == "__main__":
    unittest.main()
