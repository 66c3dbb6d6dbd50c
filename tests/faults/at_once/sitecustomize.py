"""Python imports this at its start, where PYTHONPATH names its folder: the command then uses workers for any object."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Watcher(MetaPathFinder):
    """Waits for one module to be imported, so that nothing is imported for its sake."""

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "aws_s3.pipeline.loading":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        assert spec and spec.loader
        execute = spec.loader.exec_module

        def changed(module: ModuleType) -> None:
            execute(module)
            vars(module)["_FEW_ITEMS"] = 1

        spec.loader.exec_module = changed  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Watcher())
