"""Fixtures of more than one test module."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.harness.emulator import Emulator

# A busy machine is no failure; on CI the same code has the same result each time.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """AWS, empty. One server a test process: processes run side by side, tests of one after each other."""
    _running_emulator.reset()
    return _running_emulator
