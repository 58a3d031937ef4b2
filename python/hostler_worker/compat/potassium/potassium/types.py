"""What a handler takes and returns: Request with its headers, Response."""

from __future__ import annotations

import json as _json
from dataclasses import dataclass
from typing import Any, Dict, Generator, Union

ResponseBody = Union[bytes, Generator[bytes, None, None]]
RequestID = str

_encode = _json.JSONEncoder(separators=(",", ":")).encode


class RequestHeaders:
    """Headers by name: upper or lower case, `-` or `_`, it is the same one."""

    def __init__(self, headers):
        self._headers = {_plain(name): value for name, value in dict(headers).items()}

    def __getitem__(self, key):
        if not isinstance(key, str):
            raise KeyError(key)
        return self._headers[_plain(key)]

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key):
        return isinstance(key, str) and _plain(key) in self._headers

    def __repr__(self):
        return "RequestHeaders(%s)" % ", ".join(self._headers)  # the names only: values may be secrets


def _plain(name):
    return name.upper().replace("-", "_")


@dataclass
class Request:
    """One call: its id (the client's X-Banana-Request-Id, else one of the server's), its headers, its JSON body."""

    id: str
    headers: RequestHeaders
    json: Dict[str, Any]


class Response:
    """What a handler returns: a JSON value, or a body of bytes, or a generator of bytes; with status and headers."""

    def __init__(self, status=200, json=None, headers=None, body=None):
        assert json is None or body is None, "a Response has either json or body, not both"
        self.status = status
        self.headers = headers if headers is not None else {}
        self.body = body
        if json is not None:
            self.json = json

    @property
    def json(self):
        if type(self.body) is not bytes:
            return None
        try:
            return _json.loads(self.body.decode("utf-8"))
        except ValueError:
            return None

    @json.setter
    def json(self, value):
        # Written out at once, so that what the handler does to the value afterwards no longer counts.
        self.body = _encode(value).encode("utf-8")
        self.headers["Content-Type"] = "application/json"
