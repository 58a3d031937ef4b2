"""endpoint.py: decorated functions as routes, with the meaning that FastAPI gives them.

The router is the one provided, or one the author makes with `APIRouter()` where fastapi is installed: both have the same
attributes. What only FastAPI itself can do (dependencies, uploads, its Request) is refused by name when the file is loaded."""

from __future__ import annotations

import inspect

from ... import answers, schema
from ...folder import LoadFault, first_paragraph
from .. import route
from .arguments import Arguments

FILE = "endpoint.py"


def load(folder, server):
    """Runs endpoint.py with its globals; the endpoints in the order they were written, the provided router's first."""
    module = folder.load(FILE, extra_globals={"router": server.router, "w": server.w, "models": server.models})
    routers = [server.router]
    for value in module.__dict__.values():
        is_router = hasattr(value, "routes") and hasattr(value, "api_route") and not isinstance(value, type)
        if is_router and not any(value is one for one in routers):
            routers.append(value)
    endpoints = [Endpoint(one) for router in routers for one in router.routes if hasattr(one, "response_model")]
    if not endpoints:
        raise LoadFault('endpoint.py decorates no function; write @router.post("/%s") over one' % folder.name)
    return endpoints


class Endpoint:
    """One decorated function."""

    def __init__(self, made):
        self.function = made.endpoint
        self.made = made
        self.status = made.status_code if isinstance(made.status_code, int) else 200
        self.arguments = Arguments(made.endpoint)
        self.model = _Response(made) if made.response_model is not None else None
        self.path = "/" + "/".join(part for part in made.path.split("/") if part)
        if "{" in self.path:
            raise LoadFault("endpoint.py: the path %s has parameters, which Hostler does not read; take them in the body" % self.path)

    def described(self, number):
        made = self.made
        output = schema.whole(made.response_model) if made.response_model is not None else schema.answer(self.function)[0]
        return route(
            self.path, absolute=True, handler=number, methods=sorted(set(made.methods or ["GET"]) - {"HEAD"}),
            headers=self.arguments.wants_meta, head=True, streams=schema.answer(self.function)[1],
            summary=made.summary or first_paragraph(made.description or inspect.getdoc(self.function)),
            input=self.arguments.schema(), output=output or None)

    def __call__(self, call):
        try:
            result = self.function(**self.arguments.of(call))
        except Exception as error:
            return _refused(error)
        if inspect.isawaitable(result):
            return self._later(result)
        return self._finished(result)

    async def _later(self, awaitable):
        try:
            return self._finished(await awaitable)
        except Exception as error:
            return _refused(error)

    def _finished(self, result):
        if hasattr(result, "status_code") and hasattr(result, "headers"):
            return _whole(result)
        if self.model is not None:
            result = self.model.of(result)
        return result if self.status == 200 else answers.Response(self.status, body=result)


class _Response:
    """`response_model`: what the function gave is validated, and cut to the model's fields."""

    def __init__(self, made):
        self.kind = made.response_model
        self.options = {
            "by_alias": made.response_model_by_alias,
            "exclude_unset": made.response_model_exclude_unset,
            "exclude_defaults": made.response_model_exclude_defaults,
            "exclude_none": made.response_model_exclude_none,
        }
        pydantic = __import__("pydantic")
        adapter = getattr(pydantic, "TypeAdapter", None)
        self.adapter = adapter(self.kind) if adapter else None
        self.wrapper = None if adapter else pydantic.create_model("Response", value=(self.kind, ...))

    def of(self, result):
        try:
            if self.adapter is not None:
                if hasattr(result, "model_dump") and not isinstance(result, _types(self.kind)):
                    result = result.model_dump()
                validated = self.adapter.validate_python(result, from_attributes=True)
                return self.adapter.dump_python(validated, mode="json", **self.options)
            return self._with_pydantic_1(result)
        except Exception as error:
            if answers.is_validation(error):
                raise answers.BadAnswer("the answer is no %s: %s" % (getattr(self.kind, "__name__", self.kind), answers.fault_of(error)["message"])) from error
            raise

    def _with_pydantic_1(self, result):
        if hasattr(result, "dict") and callable(result.dict):
            result = result.dict(by_alias=self.options["by_alias"], exclude_unset=self.options["exclude_unset"])
        return answers.to_json(self.wrapper(value=result).dict(**self.options)["value"])


def _types(kind):
    return kind if isinstance(kind, type) else ()


def _refused(error):
    """fastapi's HTTPException is an answer; everything else goes on."""
    if hasattr(error, "status_code") and hasattr(error, "detail"):
        headers = getattr(error, "headers", None) or {}
        return answers.Response(error.status_code, list(headers.items()), {"detail": error.detail})
    raise error


def _whole(response):
    """starlette's Response, JSONResponse, StreamingResponse, FileResponse."""
    headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-length"]
    body = getattr(response, "body_iterator", None)
    if body is None and getattr(response, "path", None) is not None:
        with open(response.path, "rb") as file:
            body = file.read()
    if body is None:
        body = response.body
    return answers.Response(response.status_code, headers, body, getattr(response, "media_type", None))
