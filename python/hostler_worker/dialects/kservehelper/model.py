"""The model's class as an app: which methods a request passes, what they give back, and streams."""

from __future__ import annotations

import inspect
import json
import pathlib

from ... import schema
from ...answers import Stream
from ...app import App
from ...folder import LoadFault
from . import files


class Plan:
    """What a class has: its routes, and for each the methods that a request passes one after the other."""

    def __init__(self, kind):
        self.doc = kind.__doc__
        self._kind = kind
        has = {name for name in ("preprocess", "predict", "postprocess", "generate") if callable(getattr(kind, name, None))}
        steps = [name for name in ("preprocess", "predict", "postprocess") if name in has]
        if not steps and "generate" not in has or steps == ["postprocess"]:
            raise LoadFault("%s has no method to call; give it predict(self, …)" % kind.__name__)
        self.steps = [steps or ["generate"]]
        """for each handler"""
        self.routes = [("/", 0)]
        """(path, handler)"""
        if "generate" in has:
            if steps:
                self.steps.append(["generate"])
            self.routes.append(("/generate", len(self.steps) - 1))
        self.takes = getattr(kind, self.steps[0][0])
        """the function whose parameters are the model's fields"""
        self.after = callable(getattr(kind, "after_predict", None))
        self.concurrent = any(_is_async(getattr(kind, name)) for name in has)

    def answers(self, handler):
        """The function that gives a handler's answer."""
        return inspect.unwrap(getattr(self._kind, self.steps[handler][-1]))

    def streams(self, handler):
        function = self.answers(handler)
        # Most streams are made by a call of wrap_generator, which no hint tells of.
        return function.__name__ == "generate" or schema.answer(function)[1] or "wrap_generator" in function.__code__.co_names


def _is_async(function):
    function = inspect.unwrap(function)
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


class KServeApp(App):
    def __init__(self, plan, model, fields, folder):
        self.concurrent = plan.concurrent
        self._fields = fields
        self._steps = [[getattr(model, name) for name in names] for names in plan.steps]
        self._after = model.after_predict if plan.after else None
        self._folder = folder
        predict = getattr(model, "predict", None)
        self._predict = predict
        self._of_predict = {one.name for one in schema.parameters_of(predict)} if predict else set()

    def call(self, handler, call):
        arguments = self._fields.take(call.json())
        steps = self._steps[handler]
        if self.concurrent:
            return self._run(steps, arguments)
        result = steps[0](**arguments)
        for step in steps[1:]:
            result = self._next(step, result)
        return self._answer(result)

    async def _run(self, steps, arguments):
        result = steps[0](**arguments)
        if hasattr(result, "__await__"):
            result = await result
        for step in steps[1:]:
            result = self._next(step, result)
            if hasattr(result, "__await__"):
                result = await result
        return self._answer(result)

    def _next(self, step, result):
        """What one method returned goes to the next; to predict by name, where that is what it takes."""
        if step == self._predict and isinstance(result, dict) and set(result) <= self._of_predict:
            return step(**result)
        return step(result)

    def _answer(self, result):
        if inspect.isroutine(result) or hasattr(result, "__iter__") and callable(result):
            result = result()  # a function that makes the generator, as wrap_generator of version 1 returns
        if hasattr(result, "__anext__"):
            return Stream(self._items_of_async(result))
        if hasattr(result, "__next__"):
            return Stream(self._items(result))
        if self._after is None:
            return files.answer(result, self._folder)
        if isinstance(result, pathlib.PurePath):
            result = [result]
        written = files.in_json(result, self._folder)
        if isinstance(result, (list, tuple)):
            written = {"output": written}  # after_predict gets a dict, as the original gives it after an upload
        return files.taken_back(self._after(written))

    def _items(self, source):
        try:
            for item in source:
                yield self._item(item)
        finally:
            if hasattr(source, "close"):
                source.close()

    async def _items_of_async(self, source):
        try:
            async for item in source:
                yield self._item(item)
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    def _item(self, item):
        """One item of a stream. The lines of wrap_generator are unwrapped: each protocol of the server numbers items in its own way."""
        if isinstance(item, str) and item.startswith('{"id":') and item.endswith("\n"):
            try:
                line = json.loads(item)
            except ValueError:
                return item
            return line["data"] if set(line) == {"id", "data"} else item
        return files.in_json(item, self._folder)
