"""What Python 3.8 does not have, found in a syntax tree: the shim runs under the author's interpreter, however old.

Complete for syntax and modules; for names it knows those that are easily reached for."""

import ast
import io
import tokenize

MODULES = frozenset("""
__future__ abc aifc argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 cProfile
calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall concurrent configparser contextlib contextvars copy
copyreg crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis distutils doctest dummy_threading email encodings ensurepip
enum errno faulthandler fcntl filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob
grp gzip hashlib heapq hmac html http imaplib imghdr imp importlib inspect io ipaddress itertools json keyword linecache locale logging
lzma mailbox mailcap marshal math mimetypes mmap modulefinder multiprocessing netrc nis nntplib ntpath nturl2path numbers opcode operator
optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats
pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched secrets select
selectors shelve shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile sre_constants sre_parse ssl
stat statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios
textwrap threading time timeit tkinter token tokenize trace traceback tracemalloc tty turtle types typing unicodedata unittest urllib uu
uuid venv warnings wave weakref webbrowser wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib
""".split())

# Gone since, so that a newer interpreter would not have them.
REMOVED = frozenset("""
asynchat asyncore aifc audioop binhex cgi cgitb chunk crypt distutils dummy_threading formatter imghdr imp mailcap nis nntplib
ossaudiodev parser pipes smtpd sndhdr spwd sunau symbol telnetlib uu xdrlib
""".split())

NAMES = {
    "ast": "unparse",
    "asyncio": "to_thread timeout timeout_at TaskGroup Runner Barrier eager_task_factory",
    "contextlib": "aclosing chdir",
    "dataclasses": "KW_ONLY",
    "datetime": "UTC",
    "enum": "StrEnum EnumType verify member nonmember global_enum EnumCheck FlagBoundary",
    "functools": "cache",
    "glob": "translate",
    "hashlib": "file_digest",
    "inspect": "get_annotations getmembers_static",
    "itertools": "pairwise batched",
    "math": "lcm nextafter ulp cbrt exp2 sumprod fma",
    "operator": "call",
    "os": "pidfd_open waitstatus_to_exitcode eventfd eventfd_read eventfd_write splice process_cpu_count unshare setns",
    "random": "randbytes binomialvariate",
    "signal": "pidfd_send_signal",
    "socket": "send_fds recv_fds",
    "statistics": "covariance correlation linear_regression fmean_weighted",
    "sys": "stdlib_module_names orig_argv exception activate_stack_trampoline monitoring",
    "threading": "gettrace getprofile setprofile_all_threads",
    "types": "NoneType UnionType EllipsisType NotImplementedType GenericAlias get_original_bases",
    "typing": "Annotated ParamSpec Concatenate TypeAlias TypeGuard TypeIs Self LiteralString Never Required NotRequired ReadOnly "
              "TypeVarTuple Unpack assert_never assert_type reveal_type dataclass_transform is_typeddict override get_overloads",
    "warnings": "deprecated",
}
NAMES = {module: frozenset(names.split()) for module, names in NAMES.items()}

BUILTINS = frozenset("aiter anext ExceptionGroup BaseExceptionGroup EncodingWarning PythonFinalizationError".split())
METHODS = frozenset("removeprefix removesuffix add_note is_relative_to with_stem readlink hardlink_to bit_count".split())

KEYWORDS = {
    "zip": "strict",
    "dataclass": "slots kw_only match_args weakref_slot",
    "field": "kw_only",
    "get_type_hints": "include_extras",
    "bisect": "key", "bisect_left": "key", "bisect_right": "key", "insort": "key",
    "glob": "root_dir dir_fd include_hidden", "iglob": "root_dir dir_fd include_hidden",
    "rmtree": "onexc",
    "Popen": "process_group user group extra_groups umask pipesize", "run": "process_group user group extra_groups umask pipesize",
    "TemporaryDirectory": "ignore_cleanup_errors delete", "NamedTemporaryFile": "delete_on_close",
    "mmap": "trackfd", "write_text": "newline", "md5": "usedforsecurity", "sha1": "usedforsecurity", "sha256": "usedforsecurity",
    "sample": "counts", "create_task": "context",
}
KEYWORDS = {function: frozenset(names.split()) for function, names in KEYWORDS.items()}

_GENERICS = frozenset("list dict tuple set frozenset type deque OrderedDict defaultdict Counter ChainMap Queue Pattern Match PathLike".split())
_ONE_ARGUMENT_SINCE_3_10 = frozenset("format_exception print_exception format_exception_only".split())


def faults(source, file="?", third_party=frozenset()):
    """[(line, what)] of all that Python 3.8 does not have. `third_party`: modules that may be imported inside functions."""
    try:
        tree = ast.parse(source, file, feature_version=(3, 8))
    except SyntaxError as error:
        return [(error.lineno, error.msg)]
    finder = _Finder(third_party)
    finder.visit(tree)
    finder.found.extend(_parenthesised_with(source))
    return sorted(finder.found)


def _parenthesised_with(source):
    """`with (a as b, c as d):`, which no syntax tree shows."""
    tokens = [one for one in tokenize.generate_tokens(io.StringIO(source).readline) if one.type in (tokenize.NAME, tokenize.OP)]
    for place, token in enumerate(tokens[:-1]):
        if token.string == "with" and tokens[place + 1].string == "(":
            depth = 0
            for one in tokens[place + 1:]:
                depth += (one.string in ("(", "[", "{")) - (one.string in (")", "]", "}"))
                if depth == 0:
                    break
                if depth == 1 and one.string == "as":
                    yield token.start[0], "parenthesised with"
                    break


class _Finder(ast.NodeVisitor):
    def __init__(self, third_party):
        self.third_party = third_party
        self.found = []
        self.modules = {}
        self.functions = 0
        self.postponed = False

    def say(self, node, what):
        self.found.append((node.lineno, what))

    # Syntax that a newer parser reads whatever version it is told

    def visit_Match(self, node):
        self.say(node, "match")

    def visit_TryStar(self, node):
        self.say(node, "except*")

    def visit_TypeAlias(self, node):
        self.say(node, "type X = …")

    def newer_syntax(self, node):
        for decorator in node.decorator_list:
            inner = decorator.func if isinstance(decorator, ast.Call) else decorator
            while isinstance(inner, ast.Attribute):
                inner = inner.value
            if not isinstance(inner, ast.Name):
                self.say(decorator, "a decorator that is no dotted name")
        if getattr(node, "type_params", None):
            self.say(node, "type parameters")

    # Imports

    def visit_Import(self, node):
        for alias in node.names:
            self.module(node, alias.name)
            self.modules[alias.asname or alias.name.partition(".")[0]] = alias.name

    def visit_ImportFrom(self, node):
        if node.level:
            return
        if node.module == "__future__":
            self.postponed = self.postponed or any(alias.name == "annotations" for alias in node.names)
        self.module(node, node.module)
        for alias in node.names:
            self.name(node, node.module, alias.name)

    def module(self, node, name):
        top = name.partition(".")[0]
        if top in REMOVED:
            self.say(node, "module %s is gone from newer versions" % top)
        elif top not in MODULES and not (self.functions and top in self.third_party):
            self.say(node, "module %s is not in the library of 3.8" % top)

    def name(self, node, module, name):
        if name in NAMES.get(module, ()):
            self.say(node, "%s.%s is newer" % (module, name))

    # Names

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id in self.modules:
            self.name(node, self.modules[node.value.id], node.attr)
        elif node.attr in METHODS:
            self.say(node, ".%s() is newer" % node.attr)
        self.generic_visit(node)

    def visit_Name(self, node):
        if node.id in BUILTINS:
            self.say(node, "%s is newer" % node.id)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        for keyword in node.keywords:
            if keyword.arg in KEYWORDS.get(name, ()):
                self.say(node, "%s(%s=…) is newer" % (name, keyword.arg))
        if name in _ONE_ARGUMENT_SINCE_3_10 and len(node.args) + len(node.keywords) == 1:
            self.say(node, "%s() takes type, value and traceback" % name)
        if name == "to_bytes" and not node.args and not node.keywords:
            self.say(node, "to_bytes() takes length and byte order")
        self.generic_visit(node)

    # Types as values

    def visit_Subscript(self, node):
        name = getattr(node.value, "attr", getattr(node.value, "id", None))
        if name in _GENERICS and isinstance(node.ctx, ast.Load) and not (isinstance(node.value, ast.Attribute) and _of_typing(node.value)):
            if isinstance(node.value, ast.Name) or name not in ("set", "type"):
                self.say(node, "%s[…] outside annotations" % name)
        self.generic_visit(node)

    def visit_BinOp(self, node):
        if isinstance(node.op, ast.BitOr):
            for side in (node.left, node.right):
                if isinstance(side, ast.Constant) and side.value is None or isinstance(side, ast.Name) and side.id in _TYPES:
                    self.say(node, "X | Y outside annotations")
                    break
                elif isinstance(side, (ast.Dict, ast.DictComp)) or isinstance(side, ast.Call) and getattr(side.func, "id", None) == "dict":
                    self.say(node, "dict | dict")
                    break
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        if isinstance(node.op, ast.BitOr) and isinstance(node.value, (ast.Dict, ast.DictComp)):
            self.say(node, "dict |= dict")
        self.generic_visit(node)

    # Annotations are never evaluated where they are postponed

    def annotation(self, node):
        if node is not None and not self.postponed:
            self.visit(node)

    def visit_AnnAssign(self, node):
        self.annotation(node.annotation)
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_arg(self, node):
        self.annotation(node.annotation)

    def visit_ClassDef(self, node):
        self.newer_syntax(node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self.newer_syntax(node)
        self.annotation(node.returns)
        for decorator in node.decorator_list:
            self.visit(decorator)
        self.visit(node.args)
        self.functions += 1
        for statement in node.body:
            self.visit(statement)
        self.functions -= 1

    visit_AsyncFunctionDef = visit_FunctionDef


_TYPES = frozenset("int str bytes float bool list dict tuple set frozenset type object".split())


def _of_typing(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("typing", "t")
