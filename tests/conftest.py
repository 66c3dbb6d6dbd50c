"""Fixtures of more than one test module."""

import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, settings

from tests import ROOT
from tests.harness.command import Home, new_home
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET

# A busy machine is no failure; on CI the same code has the same result each time.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
# `make quick` asks for it: some of the inputs that the whole suite tries.
settings.register_profile("quick", settings.get_profile("suite"), max_examples=15)
settings.load_profile("suite")

_SLOW_FOLDERS = ("conformance", "faults")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark as slow: replays, the fault table, and the modules that run the installed command in a home."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        module = getattr(item, "module", None)
        if folder in _SLOW_FOLDERS or hasattr(module, "Home") or hasattr(module, "new_home"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Emulator:
    """AWS, empty. One server a test process: processes run side by side, tests of one after each other."""
    _running_emulator.reset()
    return _running_emulator


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    """Give a home that has collected nothing, before an AWS with an empty bucket, `BUCKET`."""
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    with new_home(emulator) as made:
        yield made
