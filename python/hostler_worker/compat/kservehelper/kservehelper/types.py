"""Input and Path: what a signature says beyond type hints."""

from __future__ import annotations

import pathlib
from typing import Iterator, TypeVar

Item = TypeVar("Item")


class FieldInfo:
    """The default of a parameter, what it is for, and its bounds. A bound that is None is none."""

    __slots__ = ("default", "description", "ge", "le", "min_length", "max_length", "min_items", "max_items", "regex", "choices")

    def __init__(self, **values):
        for name in self.__slots__:
            setattr(self, name, values[name])

    def __repr__(self):
        given = ((name, getattr(self, name)) for name in self.__slots__)
        return "Input(%s)" % ", ".join("%s=%r" % pair for pair in given if pair[1] is not None)


def Input(default=..., description=None, ge=None, le=None, min_length=None, max_length=None, min_items=None,
          max_items=None, regex=None, choices=None):
    """A parameter of predict. Without a default the request has to have the field."""
    return FieldInfo(**locals())


class Path(pathlib.PosixPath):
    """A file that predict made: returned, or in a list that is returned, it is the answer."""


class ConcatenateIterator(Iterator[Item]):
    """The hint for an iterator whose items make up one text."""
