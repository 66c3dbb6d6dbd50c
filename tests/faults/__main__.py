"""Play all scenarios, also the long ones, and print what came of them.

`python -m tests.faults [WORD …]`: with words, those scenarios only whose names contain one of them.
With `--workers N`, each of a bucket's is played with N workers, which then have something to do also where
objects are so few that the command would do without. With `--agent`, a Wazuh agent is behind the socket that
drops what it has no room for: what it dropped is lost.
`python -m tests.faults --torture SECONDS [--seed N]` plays pieces of random torture instead, the first of them with
seed N, until so many seconds are over or a piece is not held. It then prints the line that replays the piece.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from subprocess import SubprocessError

from tests.faults import services, torture
from tests.faults.ground import RunStats, Scenario, new_ground
from tests.faults.scenarios import LONG, SCENARIOS

_WIDTHS = "{:34} {:>7} {:>5} {:>6} {:>7} {:>7} {:>8} {:>8} {:>6}  {}"
_HEADINGS = ("scenario", "workers", "runs", "kills", "events", "losses", "repeats", "of objs", "s", "held")


def rows(words: Sequence[str], workers: int | None, *, behind_agent: bool) -> Iterator[tuple[str, bool]]:
    """Play, and yield a line for each scenario and number of workers, and whether the promise was held."""
    for scenario in [*SCENARIOS, *LONG]:
        if words and not any(word in scenario.name for word in words):
            continue
        if workers is None:
            for usual in scenario.workers:
                yield _row(scenario, usual, behind_agent=behind_agent)
        elif scenario not in services.LOG_GROUPS and (workers > 1 or not scenario.about_workers):
            yield _row(scenario, workers, at_once=True, behind_agent=behind_agent)


def _row(scenario: Scenario, workers: int, *, at_once: bool = False, behind_agent: bool) -> tuple[str, bool]:
    began = time.monotonic()
    with new_ground(workers, at_once=at_once, behind_agent=behind_agent) as ground:
        try:
            scenario.play(ground)
            failure = ""
        except (AssertionError, TimeoutError, SubprocessError) as error:
            failure = (str(error).splitlines() or [type(error).__name__])[0]
        stats = ground.stats()
    held = not failure and is_held(stats, scenario)
    figures = (stats.runs, stats.kills, stats.events, stats.losses, stats.repeats, stats.repeated)
    line = _WIDTHS.format(scenario.name, workers, *figures, round(time.monotonic() - began), held or failure or False)
    return line, held


def tortures(seconds: float, seed: int) -> Iterator[tuple[str, bool]]:
    """Play pieces of torture, and yield a line for each, and whether the promise was held."""
    end = time.monotonic() + seconds
    held = True
    while held and time.monotonic() < end:
        began = time.monotonic()
        try:
            played, ground = torture.piece(seed)
            held = is_held(ground.stats(), played)
            line = f"{ground.stats()}, {played.name}"
        except Exception:
            line, held = traceback.format_exc(), False
        yield f"seed {seed}: {held}, {time.monotonic() - began:.0f} s: {line}", held
        if not held:
            yield f"To replay it: python -m tests.faults --torture 1 --seed {seed}", False
        seed += 1


def is_held(stats: RunStats, scenario: Scenario) -> bool:
    """Tell whether nothing was lost, and nothing repeated but an object for each kill."""
    return stats.losses == 0 and stats.repeated <= stats.kills + scenario.forgets


def main() -> int:
    """Print the table; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--agent", action="store_true")
    parser.add_argument("--torture", type=float, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.torture is None:
        print(_WIDTHS.format(*_HEADINGS))
        lines = rows(asked.words, asked.workers, behind_agent=asked.agent)
    else:
        lines = tortures(asked.torture, asked.seed)
    broken = False
    for line, held in lines:
        print(line, flush=True)
        broken |= not held
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
