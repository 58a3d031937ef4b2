"""The parameters of an endpoint function, filled from a call as FastAPI fills them.

Models, dataclasses and containers come from the body (each under its name where there are several), plain values from the
query, `Header()` ones from the headers."""

from __future__ import annotations

import inspect
import urllib.parse

from ... import answers, convert, schema
from ...folder import LoadFault

_PLAIN = (str, int, float, bool)


class Arguments:
    def __init__(self, function):
        self.function = function
        hints = schema.hints_of(function)
        self.body, self.query, self.headers = [], [], []
        for parameter in schema.parameters_of(function):
            one = _Parameter(function, parameter, hints.get(parameter.name, inspect.Parameter.empty))
            {"body": self.body, "query": self.query, "header": self.headers}[one.place].append(one)
        self.alone = len(self.body) == 1 and not self.body[0].embed
        self.wants_meta = bool(self.query or self.headers)

    def schema(self):
        """The body's schema, None where the function takes no body."""
        if not self.body:
            return None
        if self.alone:
            return schema.whole(self.body[0].hint) or None
        definitions = {}
        properties = {one.name: schema.of(one.hint, definitions) for one in self.body}
        required = [one.name for one in self.body if one.required]
        return schema.close(schema.object_of(properties, required), definitions)

    def of(self, call):
        given, faults = {}, []
        if self.body:
            self._from_body(call, given, faults)
        if self.query:
            values = urllib.parse.parse_qs(call.query, keep_blank_values=True)
            for one in self.query:
                one.fill(given, values.get(one.alias), faults)
        if self.headers:
            values = {}
            for name, value in call.headers:
                values.setdefault(name.lower(), []).append(value)
            for one in self.headers:
                one.fill(given, values.get(one.alias.lower()), faults)
        if faults:
            raise convert.invalid(faults)
        return given

    def _from_body(self, call, given, faults):
        if not call.body:
            value = {}
            if self.alone and not self.body[0].required:
                return
        else:
            value = call.json()
        if self.alone:
            one = self.body[0]
            given[one.name] = one.converted(value, ("body",), faults)
            return
        if type(value) is not dict:
            raise answers.object_expected(value)
        for one in self.body:
            if one.name in value:
                given[one.name] = one.converted(value[one.name], ("body", one.name), faults)
            elif one.required:
                faults.append(convert.fault(("body", one.name), "field required", "missing"))
            elif one.default is not inspect.Parameter.empty:
                given[one.name] = one.default


class _Parameter:
    def __init__(self, function, parameter, hint):
        self.name = self.alias = parameter.name
        self.hint = hint
        self.embed = False
        self.default = parameter.default
        marker = type(parameter.default).__name__
        if marker in ("Body", "Query", "Header") and hasattr(parameter.default, "default"):
            self.place = marker.lower()
            self.alias = parameter.default.alias or (self.name.replace("_", "-") if marker == "Header" else self.name)
            self.embed = bool(getattr(parameter.default, "embed", False)) or (marker == "Body" and _is_plain(hint))
            default = parameter.default.default
            self.default = inspect.Parameter.empty if default is ... or type(default).__name__ == "PydanticUndefinedType" else default
        elif marker in ("Depends", "Security", "File", "Form", "Cookie", "Path") or _of_framework(hint):
            what = marker if not _of_framework(hint) else getattr(hint, "__name__", hint)
            raise LoadFault("endpoint.py: %s takes %s as %s, which needs FastAPI itself; take a pydantic model"
                            % (function.__name__, parameter.name, what))
        else:
            self.place = "query" if _is_plain(hint) else "body"
        self.required = self.default is inspect.Parameter.empty
        self._convert = convert.converter(hint)

    def converted(self, value, at, faults):
        return self._convert(value, at, faults) if self._convert is not None else value

    def fill(self, given, texts, faults):
        """From the query or a header: text, read as the hint's plain type."""
        if texts is None:
            if self.required:
                faults.append(convert.fault((self.place, self.alias), "field required", "missing"))
            elif self.default is not inspect.Parameter.empty:
                given[self.name] = self.default
            return
        try:
            given[self.name] = _read(texts[-1], self.hint)
        except ValueError:
            expected = getattr(_inner(self.hint), "__name__", self.hint)
            faults.append(convert.fault((self.place, self.alias), "expected %s, got %r" % (expected, texts[-1]), "%s_parsing" % expected))


def _inner(hint):
    """T of Optional[T]."""
    arguments = [one for one in getattr(hint, "__args__", ()) if one is not type(None)]
    return arguments[0] if len(arguments) == 1 and getattr(hint, "__origin__", None) not in (list, dict, set, tuple) else hint


def _is_plain(hint):
    return hint is inspect.Parameter.empty or _inner(hint) in _PLAIN


def _of_framework(hint):
    return getattr(hint, "__module__", "").partition(".")[0] in ("fastapi", "starlette")


def _read(text, hint):
    kind = _inner(hint)
    if kind is bool:
        known = {"1": True, "true": True, "on": True, "yes": True, "0": False, "false": False, "off": False, "no": False}
        if text.lower() not in known:
            raise ValueError(text)
        return known[text.lower()]
    return kind(text) if kind in (int, float) else text
