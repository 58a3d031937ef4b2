"""The author's folder: its files read as syntax trees without running them, and imported by file.

Messages name the folder's files and lines, never another path of the machine."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys

from .answers import named


class LoadFault(Exception):
    """The author's code cannot be loaded. `missing`: modules this Python does not have."""

    def __init__(self, message, missing=()):
        super().__init__(message)
        self.missing = list(missing)


class Folder:
    """A model folder with Python in it."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.name = os.path.basename(self.path)
        self._trees = {}

    def has(self, file):
        return os.path.isfile(os.path.join(self.path, file))

    def tree(self, file):
        """The file as an `ast.Module`, None where there is none; `LoadFault` where it is no Python."""
        if file not in self._trees:
            self._trees[file] = self._parse(file) if self.has(file) else None
        return self._trees[file]

    def _parse(self, file):
        try:
            with open(os.path.join(self.path, file), "rb") as source:
                return ast.parse(source.read(), file)
        except SyntaxError as error:
            raise LoadFault(syntax_fault(file, error)) from error
        except ValueError as error:  # a null byte
            raise LoadFault("%s is no Python source: %s" % (file, error)) from error
        except OSError as error:
            raise LoadFault("%s cannot be read: %s" % (file, error.strerror)) from error

    def load(self, file, name=None, extra_globals=None):
        """Imports a file as the module `name` (its stem): registered before it runs, the folder first on sys.path.

        `extra_globals` are set before its first line. A file that is already imported is not run again."""
        path = os.path.join(self.path, file)
        name = name or os.path.splitext(os.path.basename(file))[0]
        known = sys.modules.get(name)
        if known is not None and getattr(known, "__file__", None) == path:
            return known
        if not sys.path or sys.path[0] != self.path:
            sys.path.insert(0, self.path)
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        if extra_globals:
            module.__dict__.update(extra_globals)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            sys.modules.pop(name, None)
            if isinstance(error, Exception):
                raise self.fault(file, error) from error
            raise
        return sys.modules.get(name, module)  # a module may put another in its own place

    def fault(self, file, error):
        """The `LoadFault` that says what stopped `file`, where, and what helps."""
        if isinstance(error, LoadFault):
            return error
        where = self.place(error) or file
        if isinstance(error, SyntaxError):
            inside = (error.filename or "").startswith(self.path + os.sep)
            return LoadFault(syntax_fault(os.path.relpath(error.filename, self.path) if inside else file, error))
        if isinstance(error, ModuleNotFoundError) and error.name:
            module = error.name.partition(".")[0]
            if module in sys.modules:  # the package is there, one of its modules is not
                return LoadFault("%s needs the module %s, which the installed %s does not have" % (where, error.name, module))
            return self.missing(where, module)
        return LoadFault("%s: %s" % (where, self.redact(named(error))))

    def failure(self, error, what):
        """The message for an exception, or for sys.exit, while the author's code was `what`: loaded, imported."""
        if isinstance(error, SystemExit):
            return "the code ended its process with sys.exit(%s) while it was %s" % (error.code or 0, what)
        return str(self.fault(self.name, error))

    def missing(self, where, module):
        """The `LoadFault` of a module that this Python does not have."""
        remedy = "pip install it into %s/.venv or name another interpreter with python = … in model.toml" % self.name
        return LoadFault("%s needs the module %s, which %s does not have; %s" % (where, module, self._python(), remedy), [module])

    def _python(self):
        version = "Python %d.%d.%d" % sys.version_info[:3]
        own = os.path.join(self.path, ".venv") + os.sep
        return "%s of the folder's .venv" % version if sys.executable.startswith(own) else version

    def place(self, error):
        """`app.py, line 3`: the innermost line of the folder's own code that the exception passed, or None."""
        place = None
        step = error.__traceback__
        while step is not None:
            file = step.tb_frame.f_code.co_filename
            if file.startswith(self.path + os.sep) and os.sep + "site-packages" + os.sep not in file:
                place = "%s, line %d" % (os.path.relpath(file, self.path), step.tb_lineno)
            step = step.tb_next
        return place

    def wrote(self, kind, name):
        """Whether the class has the attribute `name` from a file of this folder: what it inherits from a library may mean
        something else by it, as torch's `Module.compile` does."""
        for base in kind.__mro__:
            if name in base.__dict__:
                file = getattr(sys.modules.get(base.__module__), "__file__", None) or ""
                return file.startswith(self.path + os.sep)
        return False

    def redact(self, text):
        """`text` without the folder's own path, since messages go to clients."""
        return text.replace(self.path + os.sep, "").replace(self.path, self.name)


def syntax_fault(file, error):
    at = "%s, line %d" % (file, error.lineno) if error.lineno else file
    code = (error.text or "").strip()
    return "%s: %s%s" % (at, error.msg, " in `%s`" % code if code else "")


# What recognition asks of a syntax tree.

def functions(tree):
    """name -> node of the functions at module level."""
    return {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}


def classes(tree):
    """name -> node of the classes at module level."""
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def methods(node):
    """name -> node of a class's own methods."""
    return {item.name: item for item in node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))}


def imported(tree):
    """First names of all modules that the file imports, anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def first_paragraph(text):
    """The first paragraph of a docstring on one line, or None."""
    if not text or not text.strip():
        return None
    return " ".join(text.strip().split("\n\n")[0].split())
