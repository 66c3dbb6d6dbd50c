"""The day on which a partition's collection starts: one pure function decides it. All days are UTC."""

from dataclasses import dataclass, field, replace
from datetime import date


@dataclass(frozen=True)
class PartitionCheckpoint:
    """The state of a partition.

    `floor` is the first day it was asked for, `newest_day` the newest day among its processed objects,
    `skipped_to` the latest day that a start was moved forward to, `pruned` the day before which rows
    were forgotten. `is_bound` tells whether an object of it was ever processed, failed or forgotten:
    before that, a run may ask for earlier days.
    """

    floor: date | None = None
    newest_day: date | None = None
    skipped_to: date | None = None
    pruned: date | None = None
    is_bound: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class History:
    """The state of a source as a whole: the day of its last complete run, and the earliest floor of a partition."""

    last_run: date | None = None
    earliest_floor: date | None = None


@dataclass(frozen=True)
class StartRequest:
    """The days that a run asks for; `today` is the day on which it began, `until` the last day to collect."""

    today: date
    only_logs_after: date | None = None
    lookback_days: int = 1
    reparse: bool = False
    until: date | None = None


@dataclass(frozen=True)
class StartDay:
    """The day to start from, and the floor and skipped_to to remember before listing.

    `skips_days`: days before `day` were never collected, so the partition's newest day must not move past them.
    """

    day: date
    floor: date | None = None
    skipped_to: date | None = None
    skips_days: bool = False


def choose_start_day(checkpoint: PartitionCheckpoint, history: History, request: StartRequest) -> StartDay:
    """Return the start day of a partition in a run.

    A mistyped year, or a clock that was wrong once, does not end collection: no day in the future is
    remembered, and a remembered day in the future counts as today.
    """
    if request.reparse:
        return _reparse_start(checkpoint, history, request)
    has_stand = checkpoint.newest_day or checkpoint.pruned
    is_new = checkpoint.floor is None and not has_stand
    may_start_anew = request.only_logs_after is not None and not (checkpoint.is_bound or has_stand)
    if is_new or may_start_anew:
        day = request.only_logs_after or _first_day(history, request)
        return StartDay(day, floor=min(day, request.today))
    return _next_start(checkpoint, request)


def _reparse_start(checkpoint: PartitionCheckpoint, history: History, request: StartRequest) -> StartDay:
    """Start a reparse without skipping days that a normal run would still collect."""
    day = request.only_logs_after or min(checkpoint.floor or request.today, request.today)
    usual = choose_start_day(checkpoint, history, replace(request, reparse=False, only_logs_after=None))
    if day > usual.day:
        return StartDay(day, checkpoint.floor, checkpoint.skipped_to, skips_days=True)
    return StartDay(day, checkpoint.floor or day, checkpoint.skipped_to)


def _first_day(history: History, request: StartRequest) -> date:
    if history.last_run is None:
        return request.today
    day = days_before(history.last_run, request.lookback_days)
    return min(max(day, history.earliest_floor or day), request.today)


def _next_start(checkpoint: PartitionCheckpoint, request: StartRequest) -> StartDay:
    behind = checkpoint.newest_day and days_before(checkpoint.newest_day, request.lookback_days)
    bounds = filter(None, (checkpoint.floor, checkpoint.skipped_to, behind))
    day = min(request.today, max(bounds, default=request.today))
    # Objects whose rows were forgotten would be sent again.
    day = max(day, checkpoint.pruned or day)
    if request.only_logs_after is None or request.only_logs_after <= day:
        return StartDay(day, checkpoint.floor, checkpoint.skipped_to)
    is_past = request.only_logs_after <= request.today
    skipped_to = request.only_logs_after if is_past else checkpoint.skipped_to
    return StartDay(request.only_logs_after, checkpoint.floor, skipped_to)


def days_before(day: date, count: int) -> date:
    """Return the day `count` days earlier, but not before the calendar begins: a key may be dated there."""
    return date.fromordinal(max(day.toordinal() - count, 1))
