"""Where a partition's collection starts: the one function that decides it (SPEC 4). All days are UTC."""

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Known:
    """What the state knows of a partition.

    `floor` is the first day it was asked for, `place` the newest day among its processed objects,
    `resume` the latest day that a start was moved forward to, `pruned` the day before which rows
    were forgotten.
    """

    floor: date | None = None
    place: date | None = None
    resume: date | None = None
    pruned: date | None = None


@dataclass(frozen=True)
class History:
    """What the state knows of a source: the day of its last complete run, its earliest floor."""

    last_run: date | None = None
    earliest_floor: date | None = None


@dataclass(frozen=True)
class Asked:
    """What the run asks for; `today` is the day on which it began."""

    today: date
    only_logs_after: date | None = None
    lookback_days: int = 1
    reparse: bool = False


@dataclass(frozen=True)
class Start:
    """The day to start from, and what of it is to be remembered before listing."""

    day: date
    floor: date | None = None
    resume: date | None = None


def start_of(known: Known, history: History, asked: Asked) -> Start:
    """Return the start day of a partition in a run.

    A day in the future is never remembered: a mistyped year must not end collection.
    """
    if asked.reparse:
        day = asked.only_logs_after or known.floor or asked.today
        return Start(day, floor=known.floor or min(day, asked.today), resume=known.resume)
    if known.floor is None and known.place is None:
        day = asked.only_logs_after or _first_start(history, asked)
        return Start(day, floor=min(day, asked.today))
    return _next_start(known, asked)


def _first_start(history: History, asked: Asked) -> date:
    if history.last_run is None:
        return asked.today
    day = history.last_run - timedelta(days=asked.lookback_days)
    return max(day, history.earliest_floor or day)


def _next_start(known: Known, asked: Asked) -> Start:
    behind = known.place and known.place - timedelta(days=asked.lookback_days)
    day = max(filter(None, (known.floor, known.resume, known.pruned, behind)))
    if asked.only_logs_after is None or asked.only_logs_after <= day:
        return Start(day, known.floor, known.resume)
    return Start(asked.only_logs_after, known.floor, min(asked.only_logs_after, asked.today))
