"""The recorded cases, against the installed command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.replayer import replay
from tests.harness.emulator import Emulator

NOT_YET: dict[str, str] = {}
"""How the names of the cases begin that need what is not built yet. Who builds it takes its line out."""

# The largest first: they take longest, and the others run beside them.
PATHS = sorted((Path(__file__).parent / "cases").glob("*.json"), key=lambda path: -path.stat().st_size)


def _expected_to_fail(name: str) -> Iterator[pytest.MarkDecorator]:
    for beginning, reason in NOT_YET.items():
        if name.startswith(beginning):
            yield pytest.mark.xfail(reason=f"not built yet: {reason}", raises=AssertionError, strict=True)


CASES = [pytest.param(path, id=path.stem, marks=[*_expected_to_fail(path.stem)]) for path in PATHS]


@pytest.mark.parametrize("path", CASES)
def test_recorded_case(path: Path, emulator: Emulator) -> None:
    recorded: dict[str, Any] = json.loads(path.read_text())
    found = replay(recorded, emulator)
    assert not found, "\n".join([f"{recorded['name']}: {recorded['why']}", *found])


def test_every_line_of_the_table_names_a_case() -> None:
    unused = [name for name in NOT_YET if not any(path.stem.startswith(name) for path in PATHS)]
    assert not unused


def test_a_case_is_found_under_its_name() -> None:
    assert {path.stem for path in PATHS} == {json.loads(path.read_text())["name"] for path in PATHS}
