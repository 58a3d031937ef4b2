"""The form loaded: the class constructed, its parameters filled, its answers sent out."""

from __future__ import annotations

import inspect
import os

from ... import answers, convert, progress, schema, store, tensors
from ...app import App
from ...folder import LoadFault
from .declared import FILE, class_of, has, is_async, item_hint, only_hint, signature_of, takes_fields


def load(folder, hello):
    kind = class_of(folder)
    signature = signature_of(kind)
    if signature is not None:
        try:
            tensors.numpy()
        except answers.Unsupported:
            raise folder.missing(FILE, "numpy") from None
    pipeline = kind.__new__(kind)
    pipeline.device = hello.device
    pipeline.replica = hello.replica
    pipeline.cache_dir = hello.cache_dir
    for name, value in (("store", store.here), ("progress", progress.report)):
        if not hasattr(kind, name):  # else it is the author's own
            setattr(pipeline, name, value)
    if hello.cache_dir:
        os.makedirs(hello.cache_dir, exist_ok=True)
    pipeline.__init__()
    form = _Json(kind) if signature is None else _Arrays(kind, *signature)
    return (_Batched if has(kind, "run_batch") else _Single)(folder, pipeline, form)


class _Single(App):
    """`__call__`, a call at a time, or several under way where it is async."""

    def __init__(self, folder, pipeline, form):
        self.folder = folder
        self.pipeline = pipeline
        self.concurrent = not self.batch and is_async(type(pipeline).__call__)
        self._spread = form.several
        self._input = form.row if self.batch else form.input
        self._output = form.output

    def compile(self):
        return self.pipeline.compile() if self.folder.wrote(type(self.pipeline), "compile") else None

    def call(self, handler, call):
        value = self._input(call)
        progress.begin((call,))
        result = self.pipeline(**value) if self._spread else self.pipeline(value)
        return result if self._output is None else self._output(result)


class _Batched(_Single):
    """`run_batch`, with the calls that wait."""

    batch = True

    def run_batch(self, calls):
        results = [None] * len(calls)
        values, places = [], []
        for place, call in enumerate(calls):
            try:
                values.append(self._input(call))
                places.append(place)
            except answers.Fault as error:
                results[place] = error
        if not values:
            return results
        progress.begin([calls[place] for place in places])
        given = self.pipeline.run_batch(values)
        if hasattr(given, "__await__"):
            return self._awaited(given, results, places)
        return self._placed(given, results, places)

    async def _awaited(self, given, results, places):
        return self._placed(await given, results, places)

    def _placed(self, given, results, places):
        if not hasattr(given, "__len__") or len(given) != len(places):
            raise answers.wrong_count(given, len(places))
        for place, result in zip(places, given):
            results[place] = result if self._output is None else self._output(result)
        return results


class _Json:
    """How JSON becomes what the hints say."""

    output = None

    def __init__(self, kind):
        self.several = False
        self.input = self.row = None
        if has(kind, "__call__"):
            if not schema.parameters_of(kind.__call__):
                raise LoadFault("pipeline.py: Pipeline.__call__ takes no parameter; it takes the request's value")
            self.several = takes_fields(kind.__call__)
            self.input = _reader(convert.arguments(kind.__call__) if self.several else convert.converter(only_hint(kind.__call__)))
        elif not has(kind, "run_batch"):
            raise LoadFault("pipeline.py: the class Pipeline has neither __call__ nor run_batch")
        if has(kind, "run_batch"):
            self.row = _reader(convert.converter(item_hint(kind.run_batch)))


def _body(call):
    return call.json()


def _reader(converter):
    if converter is None:
        return _body
    return lambda call: convert.checked(converter, call.json())


class _Arrays:
    """How named arrays become parameters, and results named arrays."""

    def __init__(self, kind, inputs, outputs):
        self.names = [entry["name"] for entry in inputs]
        self.outputs = [(entry["name"], tensors.dtype(entry["dtype"])) for entry in outputs]
        self.wanted = self.names
        self.several = False
        if has(kind, "__call__"):
            parameters = inspect.signature(kind.__call__).parameters.values()
            named = [one.name for one in schema.parameters_of(kind.__call__)]
            everything = any(one.kind is one.VAR_KEYWORD for one in parameters)
            self.several = bool(named or everything) and set(named) <= set(self.names)
            if self.several and not everything:
                self.wanted = named

    def input(self, call):
        arrays = call.tensors
        if arrays is None:
            raise answers.Unsupported("this model takes tensors: %s" % ", ".join(self.names))
        missing = [name for name in self.names if name not in arrays]
        if missing:
            raise answers.InvalidInput("input %s is missing" % ", ".join(missing))
        return {name: arrays[name] for name in self.wanted}

    def row(self, call):
        return self.input(call)

    def output(self, result):
        """A dict, one array for the only output, or a tuple in the order of the outputs."""
        if hasattr(result, "__await__"):
            return self._later(result)
        names = [name for name, _ in self.outputs]
        if not isinstance(result, dict):
            values = result if isinstance(result, (tuple, list)) and len(names) != 1 else [result]
            if len(values) != len(names):
                raise answers.BadAnswer("the pipeline answered %d arrays, its outputs are %s" % (len(values), ", ".join(names)))
            result = dict(zip(names, values))
        given = {}
        for name, dtype in self.outputs:
            if name not in result:
                raise answers.BadAnswer("the answer lacks the output %s" % name)
            given[name] = _cast(name, result[name], dtype)
        return answers.Tensors(given or result)

    async def _later(self, result):
        return self.output(await result)


def _cast(name, value, dtype):
    """To the declared dtype, as far as numpy calls that the same kind: float64 becomes FP32, floats do not become INT64."""
    array = tensors.as_array(name, value)
    if array.dtype == dtype or dtype.kind == "O":
        return array
    if not tensors.numpy().can_cast(array.dtype, dtype, "same_kind"):
        raise answers.BadAnswer("output %s is an array of %s, declared is %s; convert it with .astype()" % (name, array.dtype, dtype))
    return array.astype(dtype)
