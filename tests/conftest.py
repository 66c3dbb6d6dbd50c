"""Fixtures of more than one test module."""

from collections.abc import Iterator

import pytest

from tests.emulator import Emulator


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """AWS, empty. One server a test process: processes run side by side, tests of one after each other."""
    _running_emulator.reset()
    return _running_emulator
