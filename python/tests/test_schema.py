"""Type hints: their schema, and JSON turned into what they promise."""

import collections.abc
import dataclasses
import datetime
import enum
import typing
import unittest
import uuid
from typing import Any, Dict, List, Optional, Tuple, Union

from hostler_worker import answers, convert, schema


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclasses.dataclass
class Leaf:
    """A leaf.

    Of a tree."""

    name: str
    size: Size = Size.SMALL


@dataclasses.dataclass
class Tree:
    leaves: List[Leaf]
    parent: Optional["Tree"] = None
    tags: Dict[str, int] = dataclasses.field(default_factory=dict)
    hidden: int = dataclasses.field(default=0, init=False)


class Pair(typing.TypedDict):
    left: int
    right: float


class Loose(typing.TypedDict, total=False):
    note: str


class Place(typing.NamedTuple):
    x: int
    y: int


Name = typing.NewType("Name", str)


class Schemas(unittest.TestCase):
    def test_hints(self):
        string = {"type": "string"}
        for hint, expected in (
            (str, string), (int, {"type": "integer"}), (float, {"type": "number"}), (bool, {"type": "boolean"}),
            (None.__class__, {"type": "null"}), (Any, {}), (object, {}), (list, {"type": "array"}), (dict, {"type": "object"}),
            (List[str], {"type": "array", "items": string}),
            (typing.Sequence[Any], {"type": "array"}),
            (typing.Set[str], {"type": "array", "items": string, "uniqueItems": True}),
            (Dict[str, str], {"type": "object", "additionalProperties": string}),
            (Dict[str, Any], {"type": "object"}),
            (Optional[str], {"type": ["string", "null"]}),
            (Union[List[int], str], {"anyOf": [{"type": "array", "items": {"type": "integer"}}, string]}),
            (Union[str, Any], {}),
            (Tuple[int, str], {"type": "array", "prefixItems": [{"type": "integer"}, string], "items": False, "minItems": 2, "maxItems": 2}),
            (Tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
            (Place, {"type": "array", "prefixItems": [{"type": "integer"}] * 2, "items": False, "minItems": 2, "maxItems": 2}),
            (typing.Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
            (typing.Literal[3], {"type": "integer", "const": 3}),
            (datetime.datetime, {"type": "string", "format": "date-time"}),
            (uuid.UUID, {"type": "string", "format": "uuid"}),
            (Name, string),
            (int.__class__, {}),
        ):
            with self.subTest(hint):
                self.assertEqual(schema.whole(hint), expected)

    def test_named_types_are_referred_to(self):
        definitions = {}
        self.assertEqual(schema.of(List[Leaf], definitions), {"type": "array", "items": {"$ref": "#/$defs/Leaf"}})
        self.assertEqual(definitions["Leaf"], {
            "type": "object", "title": "Leaf", "description": "A leaf.", "required": ["name"],
            "properties": {"name": {"type": "string"}, "size": {"$ref": "#/$defs/Size", "default": "small"}}})
        self.assertEqual(definitions["Size"], {"type": "string", "enum": ["small", "large"], "title": "Size"})

    def test_a_type_that_holds_itself(self):
        whole = schema.whole(Tree)
        self.assertEqual(whole["properties"]["parent"]["anyOf"][0], {"$ref": "#/$defs/Tree"})
        self.assertEqual(set(whole["$defs"]), {"Tree", "Leaf", "Size"})
        self.assertEqual(list(whole["properties"]), ["leaves", "parent", "tags"])

    def test_typed_dicts(self):
        self.assertEqual(schema.whole(Pair), {
            "type": "object", "title": "Pair", "required": ["left", "right"],
            "properties": {"left": {"type": "integer"}, "right": {"type": "number"}}})
        self.assertNotIn("required", schema.whole(Loose))

    def test_signatures(self):
        def function(self, leaf: Leaf, times: int = 2, *rest, note: Optional[str] = None) -> typing.Iterator[str]:
            yield "…"

        takes, gives, streams = schema.signature(function)
        self.assertEqual(list(takes["properties"]), ["leaf", "times", "note"])
        self.assertEqual(takes["required"], ["leaf"])
        self.assertEqual(takes["properties"]["times"], {"type": "integer", "default": 2})
        self.assertEqual((gives, streams), ({"type": "string"}, True))

        def bare(value):
            return value

        self.assertEqual(schema.signature(bare)[1:], (None, False))

    def test_a_hint_that_cannot_be_resolved_says_nothing_and_the_others_stay(self):
        def function(one: "NoSuchName", two: "int"):  # noqa: F821
            return one

        self.assertEqual(schema.signature(function)[0]["properties"], {"one": {}, "two": {"type": "integer"}})

    def test_pydantic(self):
        try:
            import pydantic
        except ImportError:
            self.skipTest("no pydantic")

        class Inner(pydantic.BaseModel):
            n: int = pydantic.Field(ge=1)

        class Outer(pydantic.BaseModel):
            inner: List[Inner]
            text: str = "x"

        whole = schema.whole(Outer)
        self.assertEqual(whole["required"], ["inner"])
        self.assertEqual(whole["properties"]["inner"]["items"], {"$ref": "#/$defs/Inner"})
        self.assertEqual(whole["$defs"]["Inner"]["properties"]["n"]["minimum"], 1)
        self.assertNotIn("definitions", whole)
        self.assertEqual(schema.whole(List[Inner])["items"], {"$ref": "#/$defs/Inner"})
        converter = convert.converter(Outer)
        self.assertEqual(convert.checked(converter, {"inner": [{"n": 1}]}).inner[0].n, 1)
        with self.assertRaises(answers.InvalidInput) as raised:
            convert.checked(converter, {"inner": [{"n": 0}]})
        self.assertEqual(raised.exception.detail[0]["loc"], ["body", "inner", 0, "n"])


class Conversions(unittest.TestCase):
    def test_values(self):
        for hint, value, expected in (
            (int, 3.0, 3), (float, 3, 3.0), (str, "a", "a"), (Optional[int], None, None),
            (List[Size], ["small"], [Size.SMALL]), (Tuple[int, float], [1, 2], (1, 2.0)), (Tuple[int, ...], [1, 2], (1, 2)),
            (typing.Set[int], [1, 1], {1}), (Dict[str, Leaf], {"a": {"name": "b"}}, {"a": Leaf("b")}),
            (Union[int, List[int]], [1], [1]), (typing.Literal["a", 1], 1, 1), (Pair, {"left": 1, "right": 2}, {"left": 1, "right": 2.0}),
            (Tree, {"leaves": [{"name": "a", "size": "large"}], "parent": {"leaves": []}, "other": 1},
             Tree([Leaf("a", Size.LARGE)], Tree([]))),
            (datetime.datetime, "2024-01-02T03:04:05Z", datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)),
            (datetime.date, "2024-01-02", datetime.date(2024, 1, 2)),
            (uuid.UUID, "00000000-0000-0000-0000-000000000001", uuid.UUID(int=1)),
        ):
            with self.subTest(hint):
                converted = convert.checked(convert.converter(hint), value)
                self.assertEqual(converted, expected)
                self.assertIs(type(converted), type(expected))

    def test_what_asks_for_nothing_converts_nothing(self):
        for hint in (None, Any, object, collections.abc.Callable):
            self.assertIsNone(convert.converter(hint))

    def test_all_faults_are_told_with_their_places(self):
        value = {"leaves": [{"size": "huge"}, 3, {"name": 1}], "tags": {"a": "b"}, "parent": []}
        with self.assertRaises(answers.InvalidInput) as raised:
            convert.checked(convert.converter(Tree), value)
        self.assertEqual([(fault["loc"], fault["type"]) for fault in raised.exception.detail], [
            (["body", "leaves", 0, "name"], "missing"), (["body", "leaves", 0, "size"], "enum"), (["body", "leaves", 1], "dict_type"),
            (["body", "leaves", 2, "name"], "string_type"), (["body", "parent"], "dict_type"), (["body", "tags", "a"], "int_type")])
        self.assertIn("leaves.1: expected an object, got a number", str(raised.exception))

    def test_single_faults(self):
        for hint, value, text in (
            (int, True, "expected an integer, got a boolean"), (int, 1.5, "expected an integer, got a number"),
            (float, "1", "expected a number, got a string"), (str, None, "expected a string, got null"),
            (typing.Literal["a"], "b", "expected one of 'a'"), (typing.Literal[1], True, "expected one of 1"),
            (datetime.date, "yesterday", "expected a date as text"),
            (Tuple[int, int], [1], "expected an array of 2"), (Optional[int], "a", "expected an integer, got a string"),
        ):
            with self.subTest(hint), self.assertRaises(answers.InvalidInput) as raised:
                convert.checked(convert.converter(hint), value)
            self.assertIn(text, str(raised.exception))
