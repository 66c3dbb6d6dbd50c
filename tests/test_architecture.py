"""The house rules that no single test would notice: who may import what, who may exit, how long is too long."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PACKAGE = "aws_s3"

LAYERS = (
    ("", "errors", "settings", "levels", "schedule", "ossec.document"),
    ("tally",),
    ("notifications", "queue_address"),
    ("compression", "formats", "flowlogs", "delimited", "reshape", "discard", "message", "place", "spans", "signature"),
    ("buckets.base", "buckets.layout"),
    ("buckets",),
    (
        "aws_config",
        "aws_errors",
        "direct",
        "download",
        "interruption",
        "isolation",
        "list_answers",
        "session",
        "s3",
        "service_api",
        "sqs",
        "state",
        "sink",
    ),
    ("content", "leases", "window"),
    ("reader", "fetch", "loading", "workers", "discovery", "listing", "worklist", "retries"),
    ("collector", "services", "subscribers"),
    ("subscription",),
    ("contrib",),
    ("arguments", "terminal", "collection", "queue_collection", "service_collection"),
    ("report",),
    ("ossec", "status", "preview", "iam_policy"),
    ("daemon",),
    ("metrics", "progress"),
    ("configured",),
    ("cli", "__main__"),
)
"""The modules, lowest first; a folder's name stands for all of it. A module imports of its layer or below."""

ONLY_IN = {
    "boto3": ("session",),
    "botocore": ("aws_errors", "direct", "download", "session"),
    "s3transfer": ("download",),
    "pyarrow": ("subscribers.security_lake",),
    "prometheus_client": ("metrics",),
    "tqdm": ("progress",),
    "sqlite3": ("state",),
    "socket": ("sink",),
}
"""The libraries of I/O, and the modules that may import them."""

PURE = {
    *("__future__", "abc", "codecs", "collections", "contextlib", "csv", "dataclasses", "datetime", "dateutil"),
    *("enum", "functools", "io", "ipaddress", "itertools", "json", "logging", "math", "operator", "re", "string"),
    *("typing", PACKAGE),
}
"""What a bucket type may import: it has no I/O."""

TOP_LEVEL = {PACKAGE, "tests", "pyproject.toml", "README.md", "LICENSE", "Makefile"}
LONGEST_FUNCTION = 50

_CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*|__all__")
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_TYPES = {"list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict"}
_MUTATORS = {
    *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"),
}
_EXITS = {"sys.exit", "os.abort", "exit", "quit", "SystemExit"}


@dataclass(frozen=True)
class Module:
    """A module of the package. `name` is relative to it: `buckets.base`; empty for the package itself."""

    name: str
    tree: ast.Module

    def is_in(self, *names: str) -> bool:
        """Tell whether it is one of the modules, or in one of the folders."""
        return any(self.name == name or self.name.startswith(f"{name}.") for name in names)

    def imports(self) -> Iterator[str]:
        """Yield the dotted names that it imports, wherever in it that stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


Rule = Callable[[list[Module]], Iterator[str]]


def layer(name: str) -> int | None:
    """Return the layer of the module, that of its folder if it is not named itself; None without either."""
    numbers = {module: number for number, modules in enumerate(LAYERS) for module in modules}
    folder = name.rpartition(".")[0]
    return numbers.get(name, numbers.get(folder) if folder else None)


def own_imports(module: Module, names: set[str]) -> set[str]:
    """Return the modules of the package, of those that there are, that a module imports."""
    found = set()
    for imported in module.imports():
        package, _, target = imported.partition(".")
        if package == PACKAGE:
            # `from aws_s3.log_types import base` names a module, `from aws_s3.errors import X` one's member.
            found.add(target if target in names else target.rpartition(".")[0])
    return found


def each_module_has_its_place(modules: list[Module]) -> Iterator[str]:
    return (f"{module.name} is in no layer" for module in modules if layer(module.name) is None)


def imports_go_down(modules: list[Module]) -> Iterator[str]:
    names = {module.name for module in modules}
    for module in modules:
        for target in own_imports(module, names):
            here, there = layer(module.name), layer(target)
            if here is not None and there is not None and there > here:
                yield f"{module.name} (layer {here}) imports {target} (layer {there})"


def imports_are_absolute(modules: list[Module]) -> Iterator[str]:
    return (f"{module.name} imports {name}" for module in modules for name in module.imports() if name[0] == ".")


def imports_make_no_circle(modules: list[Module]) -> Iterator[str]:
    names = {module.name for module in modules}
    try:
        TopologicalSorter({module.name: own_imports(module, names) for module in modules}).prepare()
    except CycleError as error:
        yield " → ".join(error.args[1])


def io_is_done_in_its_modules(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for name in module.imports():
            allowed = ONLY_IN.get(name.partition(".")[0])
            if allowed is not None and not module.is_in(*allowed):
                yield f"{module.name} imports {name}"


def bucket_types_do_no_io(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        if module.is_in("buckets"):
            yield from (
                f"{module.name} imports {name}" for name in module.imports() if name.partition(".")[0] not in PURE
            )
            yield from (f"{module.name} calls open" for call in calls(module) if call.rpartition(".")[2] == "open")


def only_main_exits(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        if module.name.rpartition(".")[2] != "__main__":
            raised = (node.exc for node in ast.walk(module.tree) if isinstance(node, ast.Raise) and node.exc)
            names = {*calls(module), *module.imports(), *map(ast.unparse, raised)}
            yield from (f"{module.name}: {name}" for name in sorted(names & _EXITS))


def functions_are_short(modules: list[Module]) -> Iterator[str]:
    for module in modules:
        for function in functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{module.name}.{function.name} has {lines} lines"


def modules_say_what_they_are_for(modules: list[Module]) -> Iterator[str]:
    return (f"{module.name} has no docstring" for module in modules if not ast.get_docstring(module.tree))


def globals_are_constants(modules: list[Module]) -> Iterator[str]:
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
    (each_module_has_its_place, {"helpers": ""}),
    (each_module_has_its_place, {"helpers.more": ""}),
    (imports_go_down, {"errors": "import aws_s3.cli.main", "cli": ""}),
    (imports_go_down, {"reader": "def f():\n    from aws_s3.services import base", "services.base": ""}),
    (imports_go_down, {"buckets.base": "from aws_s3.log_types import cloudtrail", "buckets.cloudtrail": ""}),
    (imports_are_absolute, {"reader": "from .formats import lines"}),
    (
        imports_make_no_circle,
        {"reader": "import aws_s3.pipeline.prefetch", "fetch": "from aws_s3.buckets.reader import Reader"},
    ),
    (io_is_done_in_its_modules, {"collector": "import boto3"}),
    (io_is_done_in_its_modules, {"services.inspector": "from botocore.exceptions import ClientError"}),
    (io_is_done_in_its_modules, {"reader": "from sqlite3 import connect"}),
    (io_is_done_in_its_modules, {"state.locks": "import socket"}),
    (bucket_types_do_no_io, {"buckets.waf": "import pathlib"}),
    (bucket_types_do_no_io, {"buckets.waf": "def f():\n    return open('x')"}),
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


def package() -> list[Module]:
    folder = ROOT / PACKAGE
    return [Module(_name(path.relative_to(folder)), ast.parse(path.read_text())) for path in folder.rglob("*.py")]


def _name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(package())) == []


@pytest.mark.parametrize(("rule", "sources"), VIOLATIONS)
def test_the_rule_finds_what_breaks_it(rule: Rule, sources: dict[str, str]) -> None:
    assert list(rule([Module(name, ast.parse(source)) for name, source in sources.items()]))


def test_the_whole_package_is_looked_at() -> None:
    assert {"", "__main__", "buckets", "buckets.base", "errors"} <= {module.name for module in package()}


def test_the_top_level_holds_what_was_agreed() -> None:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(listing, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    entries = {path.partition("/")[0] for path in paths}
    assert {entry for entry in entries if not entry.startswith(".")} == TOP_LEVEL
