"""Files that a model answers with: one as itself where the client takes it, else in JSON as name, type and base64.

A file in the temporary folder is removed once it has been read: it was made for this answer. Others, such as an
image of the model's own folder, stay."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import tempfile
import typing

from ...answers import BadAnswer, Media

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


def answer(result, accept, own):
    """`result` as it is sent: a file, or JSON with files in it, or itself. `own`: the folder whose files are never removed."""
    if isinstance(result, pathlib.PurePath):
        media = _media(result)
        if not wanted(media, accept):
            return in_json(result, own)
        data = _read(result)
        _remove(result, own)
        return Media(data, media)
    return in_json(result, own)


def in_json(value, own):
    """`value` with its paths written out."""
    paths = []
    found = _written_out(value, paths, _DEPTH)
    for path in paths:
        _remove(path, own)
    return found


def wanted(media, accept):
    """Whether a client that accepts these media types takes the file itself: the first that is it, or JSON, decides."""
    if not accept:
        return True
    family = media.partition("/")[0] + "/*"
    for one in accept:
        one = one.partition(";")[0].strip().lower()
        if one in (media, family, "*/*"):
            return True
        if one == "application/json":
            return False
    return False


def _written_out(value, paths, depth):
    if isinstance(value, pathlib.PurePath):
        data = base64.b64encode(_read(value)).decode("ascii")
        paths.append(value)
        return {"name": _name(value), "type": _media(value), "data": data}
    if depth:
        if isinstance(value, dict):
            return {key: _written_out(item, paths, depth - 1) for key, item in value.items()}
        # Numbers and texts come by the thousand, and are no paths: the first item stands for all.
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], (pathlib.PurePath, dict, list, tuple)):
            return [_written_out(item, paths, depth - 1) for item in value]
    return value


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


def _remove(path, own):
    real = os.path.realpath(path)
    temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
    if real.startswith((temporary, "/tmp/")) and not real.startswith(own + os.sep):
        try:
            os.unlink(path)
        except OSError:
            pass  # it was listed twice, or the model has removed it
