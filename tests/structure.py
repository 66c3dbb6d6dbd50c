"""The package as its imports show it. `python -m tests.structure` prints which folder imports which, and how often."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from tests import ROOT

PACKAGE = "aws_s3"

ROWS = (
    ("secrets_mask",),
    ("", "errors", "settings"),
    ("wazuh",),
    ("codec",),
    ("aws", "log_types"),
    ("config", "pipeline", "state"),
    ("buckets", "console", "services", "subscribers"),
    ("cli",),
    ("__main__",),
)
"""The folders, and the modules beside them, lowest row first. Imports go down, never between neighbours of one row."""

FOLDERS = {
    "aws",
    "buckets",
    "cli",
    "codec",
    "config",
    "console",
    "log_types",
    "pipeline",
    "services",
    "state",
    "subscribers",
    "wazuh",
}


@dataclass(frozen=True)
class Module:
    """A module of the package. `name` is relative to it: `log_types.base`; empty for the package itself."""

    name: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        """The folder that it is in, or its own name beside the folders."""
        return self.name.partition(".")[0]

    @property
    def row(self) -> int | None:
        """The number of its folder's row, from 0 at the bottom; None if it has none."""
        return next((number for number, row in enumerate(ROWS) if self.folder in row), None)

    def is_in(self, *names: str) -> bool:
        """Tell whether it is one of the modules, or in one of the folders."""
        return any(self.name == name or self.name.startswith(f"{name}.") for name in names)

    def imports(self) -> Iterator[str]:
        """Yield the dotted names that it imports, wherever in it the import stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


@cache
def package() -> Sequence[Module]:
    """Read all modules of the package, once a process."""
    folder = ROOT / PACKAGE
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports_between(modules: Iterable[Module]) -> Iterator[tuple[Module, Module]]:
    """Yield each module with each module of the package that it imports."""
    by_name = {module.name: module for module in modules}
    for module in by_name.values():
        for imported in module.imports():
            package_name, _, target = imported.partition(".")
            if package_name == PACKAGE:
                # `from aws_s3.log_types import base` names a module, `from aws_s3.errors import X` one's member.
                found = by_name.get(target, by_name.get(target.rpartition(".")[0]))
                if found is not None:
                    yield module, found


def matrix(modules: Iterable[Module]) -> str:
    """Return how many imports lead from each folder (a line) to each folder (a column), top row first."""
    counts = Counter((module.folder, target.folder) for module, target in imports_between(modules))
    names = [name for row in reversed(ROWS) for name in row]
    width = max(map(len, names)) + 1
    lines = [" " * width + "".join(f"{name or 'version':>{width}}" for name in names)]
    for name in names:
        cells = (str(counts[name, other] or ".") if name != other else "-" for other in names)
        lines.append(f"{name or 'version':<{width}}" + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    print(matrix(package()))
