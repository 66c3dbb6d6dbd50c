"""The promise under faults: nothing is lost; nothing is repeated, unless a process was killed."""

import pytest

from tests.faults.__main__ import is_held, tortures
from tests.faults.ground import Scenario, new_ground
from tests.faults.scenarios import SCENARIOS

ROWS = [pytest.param(row, workers, id=f"{row.name}-{workers}") for row in SCENARIOS for workers in row.workers]


@pytest.mark.parametrize(("scenario", "workers"), ROWS)
def test_nothing_is_lost_or_repeated(scenario: Scenario, workers: int) -> None:
    with new_ground(workers) as ground:
        scenario.play(ground)
        stats = ground.stats()
    assert stats.losses == 0
    assert is_held(stats, scenario), stats


def test_workers_take_over_where_objects_are_few_too() -> None:
    """As `python -m tests.faults --workers 3` plays each of the scenarios."""
    [scenario] = [each for each in SCENARIOS if each.name == "one object denied"]
    with new_ground(3, at_once=True) as ground:
        scenario.play(ground)
        assert is_held(ground.stats(), scenario)


BEHIND_AGENT = ("4 signals", "10 SIGKILL", "five runs at once", "listener away for 3 s", "everything at once")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", [row for row in SCENARIOS if row.name in BEHIND_AGENT], ids=lambda row: row.name)
def test_nothing_is_lost_behind_the_socket_either(scenario: Scenario) -> None:
    with new_ground(scenario.workers[0], behind_agent=True) as ground:
        scenario.play(ground)
        stats = ground.stats()
    assert stats.losses == 0
    assert is_held(stats, scenario), stats


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_piece_of_torture_loses_nothing(seed: int) -> None:
    line, held = next(tortures(1, seed))
    assert held, line
