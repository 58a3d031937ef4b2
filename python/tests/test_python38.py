"""The shim keeps to Python 3.8's syntax and library, standard library only."""

import os
import unittest

from . import python38
from .parent import FOLDERS, PYTHON

PACKAGE = os.path.join(PYTHON, "hostler_worker")

# Used inside functions only: where they are installed, or where the author's code has imported them already; and the
# modules that `compat` gives to the author's code.
THIRD_PARTY = frozenset(("numpy", "pydantic", "PIL", "redis", "potassium", "kservehelper", "werkzeug", "server"))
# These are modules of the author's: they import each other by the names that they have there.
NEIGHBOURS = {"compat/graphcore/config.py": frozenset(("server",)),
              "compat/potassium/potassium/_local.py": frozenset(("hostler_worker",))}


def sources():
    for place, _, files in os.walk(PACKAGE):
        for name in sorted(files):
            if name.endswith(".py"):
                path = os.path.join(place, name)
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, PACKAGE), file.read()


class Shim(unittest.TestCase):
    def test_every_file(self):
        count = 0
        for path, source in sources():
            with self.subTest(path):
                own = NEIGHBOURS.get(path, frozenset())
                faults = [(line, what) for line, what in python38.faults(source, path, THIRD_PARTY)
                          if what not in {"module %s is not in the library of 3.8" % name for name in own}]
                self.assertEqual(faults, [])
            count += 1
        self.assertGreater(count, 20)

    def test_every_file_says_what_it_is_for(self):
        import ast
        for path, source in sources():
            with self.subTest(path):
                self.assertTrue(ast.get_docstring(ast.parse(source)))

    def test_author_s_folders_know_nothing_of_hostler(self):
        for place, _, files in os.walk(FOLDERS):
            for name in files:
                if name.endswith(".py"):
                    with open(os.path.join(place, name), encoding="utf-8") as file:
                        self.assertNotIn("hostler", file.read().lower(), os.path.join(place, name))


class Checker(unittest.TestCase):
    def test_what_it_finds(self):
        for source in (
            "match a:\n    case 1: pass\n",
            "with (open(a) as b, open(c) as d): pass\n",
            "try: pass\nexcept* ValueError: pass\n",
            "@a[0].b\ndef f(): pass\n",
            "def f(a: list[int]): pass\n",
            "def f() -> int | None: pass\n",
            "a: dict[str, int] = {}\n",
            "A = list[int]\n",
            "A = int | None\n",
            "a = {} | b\n", "a |= {1: 2}\n", "a = b | dict(c=1)\n",
            "import tomllib\n", "import zoneinfo\n", "import graphlib\n", "import numpy\n", "import distutils.core\n",
            "from functools import cache\n", "import functools as f\nf.cache\n", "from typing import Annotated\n", "import asyncio\nasyncio.to_thread\n",
            "'a'.removeprefix('b')\n", "zip(a, b, strict=True)\n", "dataclasses.dataclass(slots=True)\n",
            "traceback.format_exception(error)\n", "(3).to_bytes()\n", "anext(a)\n",
        ):
            with self.subTest(source):
                self.assertEqual(len(python38.faults(source)), 1, python38.faults(source))

    def test_what_it_lets_pass(self):
        for source in (
            "from __future__ import annotations\ndef f(a: list[int] | None) -> dict[str, int]: pass\n",
            "def f(a, /, b, *, c): return (d := a | b)\n",
            "def f():\n    import numpy\n    return numpy.frombuffer(b'')\n",
            "import typing\nA = typing.Dict[str, typing.List[int]]\n",
            "from typing import List\nA = List[int]\n",
            "a = flags | FLAG\na |= 4\n",
            "a = counts['x']\nb = f'{a=}'\n",
            "traceback.format_exception(type(error), error, None)\n",
            "async def f():\n    async with a as b, c as d: pass\n",
        ):
            with self.subTest(source):
                self.assertEqual(python38.faults(source, third_party=frozenset(("numpy",))), [])
