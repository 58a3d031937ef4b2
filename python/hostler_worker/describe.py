"""What a folder holds, as one JSON object on standard output: dialect, routes, contract.

Whatever the author's code prints while it is imported goes to standard error. A folder that cannot be described is an answer
too, with the fault's text and the modules that are missing."""

from __future__ import annotations

import json
import os
import sys

from . import dialects, missing
from .folder import Folder, LoadFault

VERSION = 1


def describe(path, dialect=None):
    """Writes the description; returns never, since an imported file may have started threads that would keep us here."""
    output = os.dup(1)
    os.dup2(2, 1)
    text = json.dumps(description(path, dialect), separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
    while text:
        text = text[os.write(output, text):]
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(0)


def description(path, dialect=None):
    folder = Folder(path)
    try:
        if not os.path.isdir(folder.path):
            raise LoadFault("there is no folder %s" % folder.name)
        return _described(folder, dialect)
    except LoadFault as error:
        return {"version": VERSION, "error": str(error), "missing": error.missing}
    except (Exception, SystemExit) as error:
        from . import replies
        replies.log(error)
        message = folder.failure(error, "imported")
        return {"version": VERSION, "error": message, "missing": []}


def _described(folder, dialect):
    if dialect is None:
        module, why = dialects.recognise(folder)
    else:
        module = dialects.named(dialect)
        why = module.recognise(folder)
        if not why:
            raise LoadFault("%s is no folder of the dialect %s" % (folder.name, dialect))
    described = module.describe(folder)
    missing.check(folder, described["file"], module.NAME)
    described.update(version=VERSION, python="%d.%d.%d" % sys.version_info[:3], dialect=module.NAME, why=why)
    return described
