"""The house rules that no single test would notice: who may import what, who may exit, how long is too long."""

import ast
import itertools
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

import pytest

from tests import ROOT
from tests.structure import FOLDERS, PACKAGE, Module, imports_between, package

ONLY_IN = {
    "boto3": ("aws.session",),
    "botocore": ("aws",),
    "pyarrow": ("codec.parquet",),
    "prometheus_client": ("cli.metrics", "cli.metrics_server"),
    "tqdm": ("console.progress",),
    "httptools": ("aws.http_answer",),
    "sqlite3": ("state",),
    "socket": ("pipeline.sharing", "pipeline.sinks", "wazuh.analysis_socket", "cli.metrics_server"),
}
"""The libraries of I/O, and the folders or modules that may import them."""

MOST_MODULES = 15

PURE = {
    *("__future__", "abc", "codecs", "collections", "contextlib", "csv", "dataclasses", "datetime", "dateutil"),
    *("enum", "functools", "io", "ipaddress", "itertools", "json", "logging", "math", "operator", "re", "string"),
    *("typing", PACKAGE),
}
"""What a log type and a codec may import: they have no I/O."""

TOP_LEVEL = {PACKAGE, "tests", "pyproject.toml", "README.md", "LICENSE", "Makefile"}
LONGEST_FUNCTION = 50

_CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*|__all__")
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_TYPES = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
_MUTATORS = {
    *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"),
}
_EXITS = {"sys.exit", "os.abort", "exit", "quit", "SystemExit"}


Rule = Callable[[Sequence[Module]], Iterator[str]]


def each_module_has_its_row(modules: Sequence[Module]) -> Iterator[str]:
    return (f"{module.name} is in no row" for module in modules if module.row is None)


def imports_go_down(modules: Sequence[Module]) -> Iterator[str]:
    """A folder imports from itself and from the rows below its own, never from a neighbour of its row."""
    for module, target in imports_between(modules):
        is_elsewhere = module.folder != target.folder
        if is_elsewhere and module.row is not None and target.row is not None and target.row >= module.row:
            yield f"{module.name} (row {module.row}) imports {target.name} (row {target.row})"


def folders_are_neither_crowded_nor_lonely(modules: Sequence[Module]) -> Iterator[str]:
    for folder, members in itertools.groupby(sorted(modules, key=lambda m: m.folder), lambda m: m.folder):
        names = [module.name for module in members if module.name != folder]
        if folder in FOLDERS and not 2 <= len(names) <= (100 if folder == "log_types" else MOST_MODULES):
            yield f"{folder} has {len(names)} modules"


def folders_say_where_to_begin(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        if module.name in FOLDERS and "Begin with" not in (ast.get_docstring(module.tree) or ""):
            yield f"{module.name} does not say where to begin reading"


def imports_are_absolute(modules: Sequence[Module]) -> Iterator[str]:
    return (f"{module.name} imports {name}" for module in modules for name in module.imports() if name[0] == ".")


def imports_make_no_circle(modules: Sequence[Module]) -> Iterator[str]:
    graph: dict[str, set[str]] = {module.name: set() for module in modules}
    for module, target in imports_between(modules):
        graph[module.name].add(target.name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield " → ".join(error.args[1])


def io_is_done_in_its_modules(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        for name in module.imports():
            allowed = ONLY_IN.get(name.partition(".")[0])
            if allowed is not None and not module.is_in(*allowed):
                yield f"{module.name} imports {name}"


def log_types_do_no_io(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        if module.is_in("log_types"):
            yield from (
                f"{module.name} imports {name}" for name in module.imports() if name.partition(".")[0] not in PURE
            )
            yield from (f"{module.name} calls open" for call in calls(module) if call.rpartition(".")[2] == "open")


def only_main_exits(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        if module.name.rpartition(".")[2] != "__main__":
            raised = (node.exc for node in ast.walk(module.tree) if isinstance(node, ast.Raise) and node.exc)
            names = {*calls(module), *module.imports(), *map(ast.unparse, raised)}
            yield from (f"{module.name}: {name}" for name in sorted(names & _EXITS))


def functions_are_short(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        for function in functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{module.name}.{function.name} has {lines} lines"


def modules_say_what_they_are_for(modules: Sequence[Module]) -> Iterator[str]:
    return (f"{module.name} has no docstring" for module in modules if not ast.get_docstring(module.tree))


def globals_are_constants(modules: Sequence[Module]) -> Iterator[str]:
    """A mutable value of a module is a constant by its name, and no function of the module changes it."""
    for module in modules:
        mutable = set(mutable_globals(module))
        yield from (f"{module.name}.{name} can change" for name in mutable if not _CONSTANT.fullmatch(name))
        yield from (f"{module.name}.{name} is changed" for name in changed_names(module) if name in mutable)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Global):
                yield from (f"{module.name}.{name} is declared global" for name in node.names)


def calls(module: Module) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call))


def mutable_globals(module: Module) -> Iterator[str]:
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and is_mutable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def is_mutable(value: ast.expr) -> bool:
    made = isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in _MUTABLE_TYPES
    return made or isinstance(value, _MUTABLE)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def changed_names(module: Module) -> Iterator[str]:
    """Yield the names whose values a function changes in place: by an item, `+=`, or a method that does."""
    for node in (node for function in functions(module) for node in ast.walk(function)):
        changed: ast.expr | None = None
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            changed = node.value
        elif isinstance(node, ast.AugAssign):
            changed = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            changed = node.func.value
        if isinstance(changed, ast.Name):
            yield changed.id


VIOLATIONS: list[tuple[Rule, dict[str, str]]] = [
    (each_module_has_its_row, {"helpers": ""}),
    (each_module_has_its_row, {"helpers.more": ""}),
    (imports_go_down, {"errors": "import aws_s3.cli.main", "cli.main": ""}),
    (imports_go_down, {"codec.csv": "def f():\n    from aws_s3.services import base", "services.base": ""}),
    (imports_go_down, {"buckets.run": "from aws_s3.services import base", "services.base": ""}),
    (folders_are_neither_crowded_nor_lonely, {"aws": "", "aws.s3": ""}),
    (folders_are_neither_crowded_nor_lonely, {f"aws.a{number}": "" for number in range(MOST_MODULES + 1)}),
    (folders_say_where_to_begin, {"aws": '"""Access to AWS."""'}),
    (imports_are_absolute, {"buckets.reader": "from .listing import lines"}),
    (
        imports_make_no_circle,
        {"pipeline.a": "import aws_s3.pipeline.b", "pipeline.b": "from aws_s3.pipeline.a import Reader"},
    ),
    (io_is_done_in_its_modules, {"buckets.collector": "import boto3"}),
    (io_is_done_in_its_modules, {"services.inspector": "from botocore.exceptions import ClientError"}),
    (io_is_done_in_its_modules, {"buckets.reader": "from sqlite3 import connect"}),
    (io_is_done_in_its_modules, {"state.locks": "import socket"}),
    (log_types_do_no_io, {"log_types.waf": "import pathlib"}),
    (log_types_do_no_io, {"log_types.waf": "def f():\n    return open('x')"}),
    (only_main_exits, {"cli": "import sys\nsys.exit(1)"}),
    (only_main_exits, {"cli": "from sys import exit"}),
    (only_main_exits, {"cli": "raise SystemExit"}),
    (only_main_exits, {"cli": "raise SystemExit(2)"}),
    (functions_are_short, {"cli": "class A:\n  async def f(self):\n" + "    pass\n" * LONGEST_FUNCTION}),
    (modules_say_what_they_are_for, {"cli": "import sys"}),
    (globals_are_constants, {"cli": "seen = []"}),
    (globals_are_constants, {"cli": "seen: dict[str, int] = collections.defaultdict(int)"}),
    (globals_are_constants, {"cli": "SEEN = {}\ndef f():\n    SEEN['a'] = 1"}),
    (globals_are_constants, {"cli": "SEEN = set()\ndef f():\n    SEEN.add(1)"}),
    (globals_are_constants, {"cli": "N = 1\ndef f():\n    global N"}),
]
"""Each rule with what breaks it: a rule that finds nothing there would find nothing anywhere."""

RULES = list(dict.fromkeys(rule for rule, _ in VIOLATIONS))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(package())) == []


@pytest.mark.parametrize(("rule", "sources"), VIOLATIONS)
def test_the_rule_finds_what_breaks_it(rule: Rule, sources: dict[str, str]) -> None:
    assert list(rule([Module(name, ast.parse(source)) for name, source in sources.items()]))


def test_the_whole_package_is_looked_at() -> None:
    assert {"", "__main__", "buckets", "log_types.base", "errors"} <= {module.name for module in package()}


def test_the_top_level_holds_what_was_agreed() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(listing, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    entries = {path.partition("/")[0] for path in paths}
    assert {entry for entry in entries if not entry.startswith(".")} == TOP_LEVEL
