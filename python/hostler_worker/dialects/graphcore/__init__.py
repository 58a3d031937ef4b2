"""The Graphcore server's form: pipeline.py with a class `Pipeline` whose instances take a dict and give one.

`pipe` at module level is used where there is one, else `Pipeline()` is constructed. Then it is compiled, by the module's
`compile(pipe)` or the class's own method, and called. Without endpoint.py the answer is {"results": what it gave}; with one,
the decorated functions are the routes (`endpoint.py` here). pipeline.py is never imported to be described: it may load the
model. A class `Pipeline` with the marks of Hostler's own form (`hostler` says which) is not taken for one of these."""

from __future__ import annotations

import ast
import inspect
import json
import os

from ... import answers
from ...app import App
from ...folder import LoadFault, classes, first_paragraph, functions, methods
from .. import route

NAME = "graphcore"
FILE = "pipeline.py"
ENDPOINT = "endpoint.py"
CLASS = "Pipeline"
PIPE = "pipe"


def recognise(folder):
    tree = folder.tree(FILE)
    if tree is None:
        return None
    if _has_pipe(tree):
        what = "pipeline.py makes pipe at module level"
    elif CLASS in classes(tree):
        what = "pipeline.py has a class Pipeline"
    else:
        return None
    return "%s, endpoint.py has its endpoints" % what if folder.has(ENDPOINT) else what


def _has_pipe(tree):
    """Also under `if` and `with`, where code at module level may stand."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
        if any(isinstance(one, ast.Name) and one.id == PIPE for one in targets) and _at_module_level(tree, node):
            return True
    return PIPE in functions(tree)


def _at_module_level(tree, wanted):
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if node is wanted:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def describe(folder):
    tree = folder.tree(FILE)
    node = classes(tree).get(CLASS)
    texts = [ast.get_docstring(tree), ast.get_docstring(node) if node else None]
    answer = {"file": FILE, "description": next(filter(None, map(first_paragraph, texts)), None), "batch": False, "concurrent": False}
    if folder.has(ENDPOINT):
        from . import endpoint
        answer["routes"] = [
            one.described(number) for number, one in enumerate(endpoint.load(folder, surroundings(folder, [folder.name])))
        ]
        return answer
    call = methods(node).get("__call__") if node else None
    summary = first_paragraph(ast.get_docstring(call)) if call else None
    results = {"type": "object", "properties": {"results": {}}, "required": ["results"]}
    answer["routes"] = [route(summary=summary, input={"type": "object"}, output=results)]
    return answer


def load(folder, hello):
    # endpoint.py and pipeline.py may both write `from server import …`, whichever runs first.
    server = surroundings(folder, [hello.model, folder.name]) if folder.has(ENDPOINT) else None
    module = folder.load(FILE)
    pipe = getattr(module, PIPE, None)
    if pipe is None:
        kind = getattr(module, CLASS, None)
        if kind is None:
            raise LoadFault("pipeline.py has neither pipe nor a class Pipeline once it has run")
        pipe = kind()
    if not callable(pipe):
        raise LoadFault("pipeline.py: %s cannot be called; it takes the inputs as a dict: def __call__(self, inputs)" % type(pipe).__name__)
    if server is None:
        return Graphcore(folder, module, pipe)
    for worker in server.w.workers.values():
        worker.pipe = pipe
    from . import endpoint
    return WithEndpoints(folder, module, pipe, server, endpoint.load(folder, server))


def surroundings(folder, names):
    """The modules `server` and `config` of the original, which names the replica's own model; put last on sys.path."""
    from ... import compat
    compat.provide("graphcore")
    import server
    if not hasattr(server, "ipu_worker_group"):
        raise LoadFault("%s has a server.py of its own in the way of `from server import w`; rename it" % folder.name)
    server.models[:] = [server.ModelConfig(entry) for entry in _configured(names[0])]
    for name in names:
        server.w.workers[name] = server.Worker(name)
    return server


def _configured(own):
    """SERVER_MODELS as the server got it, when it is there to be read."""
    try:
        entries = json.loads(os.environ.get("SERVER_MODELS", "").strip().strip("'"))
        entries = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("model"), str)]
    except (ValueError, TypeError):
        entries = []
    if not any(entry["model"] == own for entry in entries):
        entries.append({"model": own})
    return entries


class Graphcore(App):
    def __init__(self, folder, module, pipe):
        self.folder = folder
        self.module = module
        self.pipe = pipe

    def compile(self):
        function = self.module.__dict__.get("compile")
        if function is not None:
            return function(self.pipe)
        if self.folder.wrote(type(self.pipe), "compile"):
            wants_pipe = any(one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
                             for one in inspect.signature(self.pipe.compile).parameters.values())
            return self.pipe.compile(self.pipe) if wants_pipe else self.pipe.compile()
        return None

    def call(self, handler, call):
        inputs = call.json()
        if type(inputs) is not dict:
            raise answers.object_expected(inputs)
        return {"results": self.pipe(inputs)}


class WithEndpoints(Graphcore):
    def __init__(self, folder, module, pipe, server, endpoints):
        super().__init__(folder, module, pipe)
        self.workers = list(server.w.workers.values())
        self.endpoints = endpoints

    def call(self, handler, call):
        if not 0 <= handler < len(self.endpoints):
            raise answers.NotFound("endpoint.py has %d endpoints, there is no number %d" % (len(self.endpoints), handler))
        for worker in self.workers:
            worker.clear()
        return self.endpoints[handler](call)
