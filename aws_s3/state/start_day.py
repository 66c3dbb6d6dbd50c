"""Where a partition's collection starts: the one function that decides it (SPEC 4). All days are UTC."""

from dataclasses import dataclass, replace
from datetime import date


@dataclass(frozen=True)
class PartitionCheckpoint:
    """What the state knows of a partition.

    `floor` is the first day it was asked for, `place` the newest day among its processed objects,
    `skipped_to` the latest day that a start was moved forward to, `pruned` the day before which rows
    were forgotten.
    """

    floor: date | None = None
    newest_day: date | None = None
    skipped_to: date | None = None
    pruned: date | None = None


@dataclass(frozen=True)
class History:
    """What the state knows of a source: the day of its last complete run, its earliest floor."""

    last_run: date | None = None
    earliest_floor: date | None = None


@dataclass(frozen=True)
class StartRequest:
    """What the run asks for; `today` is the day on which it began."""

    today: date
    only_logs_after: date | None = None
    lookback_days: int = 1
    reparse: bool = False


@dataclass(frozen=True)
class StartDay:
    """The day to start from, and what of it is to be remembered before listing.

    `skips_days`: days before `day` were never collected, so that the place must not move past them.
    """

    day: date
    floor: date | None = None
    skipped_to: date | None = None
    skips_days: bool = False


def choose_start_day(known: PartitionCheckpoint, history: History, asked: StartRequest) -> StartDay:
    """Return the start day of a partition in a run.

    Neither a mistyped year nor a clock that was wrong once ends collection: no day in the future is
    remembered, and what is remembered of the future counts as today.
    """
    if asked.reparse:
        return _reparse_start(known, history, asked)
    if known.floor is None and known.newest_day is None:
        day = asked.only_logs_after or _first_day(history, asked)
        return StartDay(day, floor=min(day, asked.today))
    return _next_start(known, asked)


def _reparse_start(known: PartitionCheckpoint, history: History, asked: StartRequest) -> StartDay:
    """Start a reparse, which is no reason to pass over what another run would collect."""
    day = asked.only_logs_after or min(known.floor or asked.today, asked.today)
    usual = choose_start_day(known, history, replace(asked, reparse=False, only_logs_after=None))
    if day > usual.day:
        return StartDay(day, known.floor, known.skipped_to, skips_days=True)
    return StartDay(day, known.floor or day, known.skipped_to)


def _first_day(history: History, asked: StartRequest) -> date:
    if history.last_run is None:
        return asked.today
    day = days_before(history.last_run, asked.lookback_days)
    return min(max(day, history.earliest_floor or day), asked.today)


def _next_start(known: PartitionCheckpoint, asked: StartRequest) -> StartDay:
    behind = known.newest_day and days_before(known.newest_day, asked.lookback_days)
    day = min(asked.today, max(filter(None, (known.floor, known.skipped_to, behind))))
    # Forgotten rows would be sent again: that holds also when the clock was wrong.
    day = max(day, known.pruned or day)
    if asked.only_logs_after is None or asked.only_logs_after <= day:
        return StartDay(day, known.floor, known.skipped_to)
    is_past = asked.only_logs_after <= asked.today
    return StartDay(asked.only_logs_after, known.floor, asked.only_logs_after if is_past else known.skipped_to)


def days_before(day: date, count: int) -> date:
    """Return the day `count` days earlier, at the least the first of the calendar: a key may be dated there."""
    return date.fromordinal(max(day.toordinal() - count, 1))
