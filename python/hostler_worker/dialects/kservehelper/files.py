"""Files that a model answers with. The server sends one as itself where the client takes it, and else puts name, type and
base64 into the JSON, or where it was uploaded to.

A file in the temporary folder is removed once it has been read: it was made for this answer. Others, such as an
image of the model's own folder, stay."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import tempfile
import typing

from ... import answers
from ...answers import BadAnswer, WithFiles

_FRESH = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-")
"""what generate_filepath puts in front of a name"""
_DEPTH = 4


class File(typing.TypedDict):
    """A file in JSON; `data` is base64."""

    name: str
    type: str
    data: str


def is_path(hint):
    return isinstance(hint, type) and issubclass(hint, pathlib.PurePath)


def may_be_one(hint):
    """Whether the hint is for one file: Path, or Optional[Path]."""
    return is_path(hint) or any(map(is_path, typing.get_args(hint))) and typing.get_origin(hint) not in (list, tuple, dict)


def as_answered(hint):
    """A return hint with what stands in the JSON for a Path."""
    return replaced(hint, is_path, File)


def replaced(hint, matches, by):
    """`hint` with the types that match replaced, inside List[…] and Optional[…] too."""
    if matches(hint):
        return by
    before = typing.get_args(hint)
    after = tuple(replaced(one, matches, by) for one in before)
    if after == before:
        return hint
    if hasattr(hint, "copy_with"):
        return hint.copy_with(after)
    origin = typing.get_origin(hint)
    return typing.Union[after] if type(hint).__name__ == "UnionType" else origin[after]


def answer(result, own):
    """`result` as it is sent: a file, a value with files, or itself. `own`: the folder whose files are never removed."""
    return _with_files(result, _exchanged(result, _file, own))


class Written(dict):
    """A file as the object that it is in JSON. What `after_predict` leaves of it as it was is a file again."""

    def __init__(self, file):
        super().__init__(name=file.name, type=file.media, data=base64.b64encode(file.data).decode("ascii"))
        self.file = file
        self._as_made = tuple(self.values())

    def is_as_made(self):
        return tuple(self) == ("name", "type", "data") and all(now is made for now, made in zip(self.values(), self._as_made))


def in_json(value, own):
    """`value` with its paths written out."""
    return _exchanged(value, lambda path: Written(_file(path)), own)


def taken_back(value):
    """A value of `in_json` with its objects turned into files."""
    return _with_files(value, _back(value, _DEPTH + 1))


def _with_files(value, found):
    return found if found is value or type(found) is answers.File else WithFiles(found)


def _back(value, depth):
    if type(value) is Written:
        return value.file if value.is_as_made() else value
    if depth and isinstance(value, dict):
        items = {key: _back(item, depth - 1) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if depth and isinstance(value, (list, tuple)) and value and isinstance(value[0], (dict, list, tuple)):
        items = [_back(item, depth - 1) for item in value]
        return items if any(new is not old for new, old in zip(items, value)) else value
    return value


def _exchanged(value, change, own):
    """`value` with something else for each path; itself where it has none."""
    known = {}

    def once(path):
        # One file that stands in two places is read, and sent, once.
        if path not in known:
            known[path] = None
            known[path] = change(path)
        return known[path]

    try:
        found = _with_paths(value, once, _DEPTH)
        return found if known else value
    finally:
        _remove(known, own)


def _with_paths(value, once, depth):
    if isinstance(value, pathlib.PurePath):
        return once(value)
    if depth:
        if isinstance(value, dict):
            return {key: _with_paths(item, once, depth - 1) for key, item in value.items()}
        # Numbers and texts come by the thousand, and are no paths: the first item stands for all.
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], (pathlib.PurePath, dict, list, tuple)):
            return [_with_paths(item, once, depth - 1) for item in value]
    return value


def _file(path):
    return answers.File(_name(path), _media(path), _read(path))


def _name(path):
    return _FRESH.sub("", path.name)


def _media(path):
    import mimetypes  # reads the system's tables at its first use

    return mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadAnswer("the answer is the file %s, which cannot be read: %s" % (_name(path), error.strerror)) from error


def _remove(paths, own):
    temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
    for path in paths:
        real = os.path.realpath(path)
        if real.startswith((temporary, "/tmp/")) and not real.startswith(own + os.sep):
            try:
                os.unlink(path)
            except OSError:
                pass  # it was listed under two names, or the model has removed it
