"""Hostler: the folder is the model."""

from typing import Any, Dict, List, TypedDict

from work import work


class Value(TypedDict):
    text: str
    numbers: List[int]


class Pipeline:
    def __call__(self, value: Value) -> Dict[str, Any]:
        return work(value)
