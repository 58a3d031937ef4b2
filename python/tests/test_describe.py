"""`describe` as the server runs it, and the faults it tells."""

import os
import sys
import unittest

from hostler_worker.folder import Folder, LoadFault

from .parent import FOLDERS, Author, describe

BANANA = "def init(): pass\ndef inference(model_inputs): pass\n"


class Described(unittest.TestCase):
    def test_every_author_s_folder_here(self):
        keys = {"version", "python", "dialect", "file", "why", "description", "batch", "concurrent", "routes"}
        route = {"path", "absolute", "methods", "handler", "headers", "background", "raw", "head", "streams", "media", "summary",
                 "input", "output", "defaults"}
        for name in sorted(os.listdir(FOLDERS)):
            if name.split("_")[0] not in ("banana", "graphcore", "hostler"):
                continue
            with self.subTest(name):
                described, _ = describe(name)
                if "error" in described:
                    self.assertIn(described["missing"], (["numpy"], ["pydantic"]))
                    continue
                self.assertEqual(set(described) - {"inputs", "outputs"}, keys)
                self.assertEqual(described["version"], 1)
                self.assertEqual(described["python"], "%d.%d.%d" % sys.version_info[:3])
                for number, one in enumerate(described["routes"]):
                    self.assertEqual(set(one), route)
                    self.assertEqual(one["handler"], number)
                    self.assertRegex(one["path"], r"^/(?:[^/]+(?:/[^/]+)*)?$")

    def test_what_the_author_prints_goes_to_standard_error(self):
        text = "import os, sys\nprint('noise')\nos.write(1, b'raw\\n')\nos.system('echo shell')\nclass Pipeline:\n    def __call__(self, a: int): pass\n"
        with Author(pipeline=text) as folder:
            described, errors = describe(folder)
            self.assertEqual(described["dialect"], "hostler")
            self.assertEqual(sorted(errors.split()), ["noise", "raw", "shell"])

    def test_threads_of_the_author_do_not_hold_it(self):
        text = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nclass Pipeline:\n    def __call__(self, a: int): pass\n"
        with Author(pipeline=text) as folder:
            self.assertEqual(describe(folder)[0]["dialect"], "hostler")

    def test_a_dialect_may_be_named(self):
        with Author(app=BANANA, pipeline="class Pipeline:\n    def __call__(self, inputs): pass\n") as folder:
            self.assertEqual(describe(folder)[0]["dialect"], "banana")
            self.assertEqual(describe(folder, "graphcore")[0]["dialect"], "graphcore")
            self.assertIn("is no folder of the dialect hostler", describe(folder, "hostler")[0]["error"])
            self.assertIn("there is no dialect none", describe(folder, "none")[0]["error"])

    def test_faults(self):
        typed = "class Pipeline:\n    def __call__(self, a: int): pass\n"
        for text, part, missing in (
            ("import no_such_module.part\n" + typed, "pipeline.py, line 1 needs the module no_such_module, which Python %d.%d.%d does not have; "
             "pip install it into NAME/.venv or name another interpreter with python = … in model.toml" % sys.version_info[:3], ["no_such_module"]),
            ("import helper\n" + typed, "helper.py, line 2 needs the module no_such_module", ["no_such_module"]),
            ("import json.nothing\n" + typed, "pipeline.py, line 1 needs the module json.nothing, which the installed json does not have", []),
            ("from json import nothing\n" + typed, "pipeline.py, line 1: ImportError: cannot import name 'nothing' from 'json'", []),
            ("import broken\n" + typed, "broken.py, line 2: ", []),
            ("1 / 0\n" + typed, "pipeline.py, line 1: ZeroDivisionError", []),
            ("import sys\nsys.exit('over')\n" + typed, "sys.exit(over)", []),
            ("del Pipeline\n", "has no Python that can be served", []),
            (typed + "del Pipeline\n", "has no class Pipeline once it has run", []),
        ):
            with self.subTest(part), Author(pipeline=text, helper="\nimport no_such_module\n", broken="\ndef (:\n") as folder:
                described, _ = describe(folder)
                self.assertIn(part.replace("NAME", os.path.basename(folder)), described["error"])
                self.assertEqual((described["version"], described["missing"]), (1, missing))
                self.assertNotIn(folder, described["error"])

    def test_modules_that_will_be_missed_are_told_without_running_the_file(self):
        for first, missing in (
            ("import no_such_module", ["no_such_module"]),
            ("from no_such_module.part import thing", ["no_such_module"]),
            ("try:\n    import no_such_module\nexcept ImportError:\n    pass", []),
            ("import helper, json, server", []),
        ):
            text = first + "\nprint('ran')\n" + BANANA
            with self.subTest(first), Author(app=text, helper="", server="") as folder:
                described, errors = describe(folder)
                self.assertEqual(described.get("missing", []), missing)
                self.assertNotIn("ran", errors)

    def test_no_folder(self):
        with Author() as folder:
            pass
        from hostler_worker.describe import description
        self.assertIn("there is no folder", description(folder)["error"])


class Loading(unittest.TestCase):
    def setUp(self):
        self.path, self.modules = list(sys.path), dict(sys.modules)

    def tearDown(self):
        sys.path[:] = self.path
        for name in set(sys.modules) - set(self.modules):
            del sys.modules[name]

    def test_a_file_is_a_module_of_its_stem_and_runs_once(self):
        with Author(made="import made\nassert made.__name__ == 'made'\ncount = given\nclass A: pass\n", other="import made\n") as path:
            folder = Folder(path)
            module = folder.load("made.py", extra_globals={"given": [1]})
            module.count.append(2)
            self.assertIs(folder.load("other.py").made, module)
            self.assertEqual(folder.load("made.py").count, [1, 2])
            self.assertEqual(sys.path[0], folder.path)
            import pickle
            self.assertIs(pickle.loads(pickle.dumps(module.A)), module.A)

    def test_a_failed_import_leaves_no_module(self):
        with Author(half="a = 1\nraise RuntimeError('x')\n") as path:
            with self.assertRaisesRegex(LoadFault, "half.py, line 2: RuntimeError: x"):
                Folder(path).load("half.py")
            self.assertNotIn("half", sys.modules)

    def test_trees(self):
        with Author(a="x = 1\n", b="x = \0\n") as path:
            folder = Folder(path)
            self.assertEqual(len(folder.tree("a.py").body), 1)
            self.assertIs(folder.tree("a.py"), folder.tree("a.py"))
            self.assertIsNone(folder.tree("c.py"))
            with self.assertRaises(LoadFault):
                folder.tree("b.py")
