"""The app object, of the package's versions 0.1 to 0.5 or of compat/potassium: its endpoints, its init, one call.

All keep `_endpoints` (route -> type, func) and `_init_func`. Until 0.4 the wrapped functions take the request only and
find the context on the app, until 0.3 a request is JSON alone and a response JSON and status."""

from __future__ import annotations

import inspect

from ...answers import Response
from ...app import App
from ...folder import LoadFault
from .written import Endpoint

_CONTENT_TYPE = "content-type"


def never_serve():
    """An app.py that calls app.serve() outside `if __name__ == "__main__"` would never come to an end."""
    import potassium

    potassium.Potassium.serve = lambda self, *arguments, **more: None


def endpoints(app):
    """The app's endpoints in the order in which they were registered, which is that of handler numbers."""
    return [
        Endpoint(route, _is_background(endpoint), endpoint.func.__name__, endpoint.func.__doc__)
        for route, endpoint in app._endpoints.items()
    ]


def _is_background(endpoint):
    kind = getattr(endpoint.type, "value", endpoint.type)  # an enum since 0.5, text before
    return str(kind).lower() == "background"


def init(app):
    """Runs @app.init once; the context, one dict for all handlers."""
    import potassium

    # The parameter, where there is one, is the number of the worker: a replica is an app with one worker, on a device of its own.
    takes = inspect.signature(app._init_func).parameters
    context = app._init_func(0) if takes else app._init_func()
    if not hasattr(potassium, "RequestHeaders"):
        context = app._context  # until 0.4 the decorator wraps the author's function and keeps there what it returns
    if not isinstance(context, dict):
        raise LoadFault("@app.init has to return a dict, the context that handlers get; it returned %s" % type(context).__name__)
    return context


class PotassiumApp(App):
    def __init__(self, app, context):
        self._endpoints = [(_with(context, one.func), _is_background(one)) for one in app._endpoints.values()]
        self._request = _request_maker()

    def call(self, handler, call):
        function, background = self._endpoints[handler]
        answer = function(self._request(call))
        return None if background else response(answer)


def _with(context, function):
    """request -> answer. What counts are the parameters of the package's wrapper, not of the function it wraps."""
    takes = inspect.signature(function, follow_wrapped=False).parameters
    return function if len(takes) == 1 else lambda request: function(context, request)


def _request_maker():
    """call -> Request, as the package at hand makes it."""
    import potassium

    request = potassium.Request
    takes = inspect.signature(request).parameters
    if "headers" not in takes:
        return lambda call: request(json=call.json())
    headers = getattr(potassium, "RequestHeaders", None)
    if headers is None:  # 0.4 gives those of Flask
        from werkzeug.datastructures import Headers as headers

    def make(call):
        pairs = _joined(call.headers)
        return request(id=pairs.get("x-banana-request-id") or call.id, headers=headers(pairs), json=call.json())

    return make


def _joined(headers):
    """Headers as a dict, names in lower case; one that was sent twice as RFC 9110 joins it."""
    pairs = {}
    for name, value in headers:
        name = name.lower()
        pairs[name] = "%s, %s" % (pairs[name], value) if name in pairs else value
    return pairs


def response(answer):
    """The author's Response as one of the wire's."""
    if not hasattr(answer, "body"):  # until 0.3
        return Response(answer.status, [], answer.json, "application/json")
    media = None
    pairs = []
    headers = answer.headers
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        if name.lower() == _CONTENT_TYPE:
            media = str(value)
        elif isinstance(value, (list, tuple)):
            pairs.extend((name, str(one)) for one in value)
        else:
            pairs.append((name, str(value)))
    return Response(_status(answer.status), pairs, answer.body, media)


def _status(status):
    """Flask takes "201 CREATED" too."""
    return int(status.split()[0]) if isinstance(status, str) else int(status)
