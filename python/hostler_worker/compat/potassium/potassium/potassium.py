"""The app: its decorators note down init and the handlers, by route, where Hostler finds them."""

from __future__ import annotations

import enum
import functools
from types import GeneratorType
from typing import Callable, NamedTuple

from .exceptions import RouteAlreadyInUseException
from .types import Response


class HandlerType(enum.Enum):
    HANDLER = "HANDLER"
    BACKGROUND = "BACKGROUND"


class Endpoint(NamedTuple):
    type: HandlerType
    func: Callable


class Potassium:
    """An app with one init, and with handlers and background tasks on routes of their own."""

    def __init__(self, name, experimental_num_workers=1):
        # The number of workers is the number of replicas of the model, which the server's settings say.
        self.name = name
        self._init_func = lambda: {}
        self._endpoints = {}

    def init(self, func):
        """Marks the function that runs once at start and returns the context, a dict that all handlers share."""
        self._init_func = func
        return func

    def handler(self, route: str = "/"):
        """Marks a function (context, request) -> Response that answers POST on `route`."""
        return self._endpoint(route, HandlerType.HANDLER)

    def background(self, route: str = "/"):
        """Marks a function (context, request) that runs after POST on `route` was answered."""
        return self._endpoint(route, HandlerType.BACKGROUND)

    def _endpoint(self, route, kind):
        route = self._standardize_route(route)
        if route in self._endpoints:
            raise RouteAlreadyInUseException(route)

        def decorate(func):
            @functools.wraps(func)
            def endpoint(context, request):
                answer = func(context, request)
                if kind is HandlerType.HANDLER:
                    _check(answer)
                return answer

            self._endpoints[route] = Endpoint(kind, endpoint)
            return endpoint

        return decorate

    @staticmethod
    def _standardize_route(route):
        return route if route.startswith("/") else "/" + route

    def test_client(self):
        raise RuntimeError("test_client is Flask's: pip install potassium to use it")

    def serve(self, host="0.0.0.0", port=8000):
        """Returns at once: Hostler serves the handlers."""


def _check(answer):
    if type(answer) is not Response:
        raise TypeError("a handler returns a potassium.Response, not %s" % type(answer).__name__)
    if type(answer.body) is not bytes and type(answer.body) is not GeneratorType:
        found = "neither json nor body" if answer.body is None else "a body of type %s" % type(answer.body).__name__
        raise TypeError("the Response has %s; give it json=…, or body=… with bytes or a generator of bytes" % found)
