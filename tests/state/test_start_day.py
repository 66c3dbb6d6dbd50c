from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.state.start_day import Asked, History, Known, Start, start_of

TODAY = date(2021, 6, 20)
NEVER = History()


def day(number: int) -> date:
    """Return the day of June 2021; 0 and below lie in May."""
    return date(2021, 5, 31) + timedelta(number)


FIRST_SEEN = [
    (NEVER, Asked(TODAY), Start(TODAY, floor=TODAY)),
    (NEVER, Asked(TODAY, day(3)), Start(day(3), floor=day(3))),
    (NEVER, Asked(TODAY, TODAY + timedelta(1)), Start(TODAY + timedelta(1), floor=TODAY)),
    (NEVER, Asked(TODAY, lookback_days=30), Start(TODAY, floor=TODAY)),
    (History(day(18), day(1)), Asked(TODAY), Start(day(17), floor=day(17))),
    (History(day(18), day(1)), Asked(TODAY, lookback_days=0), Start(day(18), floor=day(18))),
    (History(day(18), day(1)), Asked(TODAY, lookback_days=30), Start(day(1), floor=day(1))),
    (History(day(18), None), Asked(TODAY, lookback_days=30), Start(day(-12), floor=day(-12))),
    (History(day(18), day(19)), Asked(TODAY), Start(day(19), floor=day(19))),
    (History(day(18), day(1)), Asked(TODAY, day(5)), Start(day(5), floor=day(5))),
    (History(date(2031, 1, 1), day(1)), Asked(TODAY), Start(TODAY, floor=TODAY)),
]


@pytest.mark.parametrize(("history", "asked", "start"), FIRST_SEEN)
def test_partition_never_seen_starts(history: History, asked: Asked, start: Start) -> None:
    assert start_of(Known(), history, asked) == start


SEEN_BEFORE = [
    # Nothing was processed: the floor stands in.
    (Known(day(3)), Asked(TODAY), Start(day(3), day(3))),
    (Known(day(3)), Asked(TODAY, day(1)), Start(day(3), day(3))),
    (Known(day(3)), Asked(TODAY, day(5)), Start(day(5), day(3), resume=day(5))),
    # The place less the look-back, never before the floor.
    (Known(day(3), day(10)), Asked(TODAY), Start(day(9), day(3))),
    (Known(day(3), day(10)), Asked(TODAY, lookback_days=0), Start(day(10), day(3))),
    (Known(day(3), day(10)), Asked(TODAY, lookback_days=30), Start(day(3), day(3))),
    (Known(day(3), day(3)), Asked(TODAY), Start(day(3), day(3))),
    # What was pruned would be sent again, whatever the look-back.
    (Known(day(3), day(10), pruned=day(8)), Asked(TODAY, lookback_days=30), Start(day(8), day(3))),
    (Known(day(3), day(10), pruned=day(8)), Asked(TODAY), Start(day(9), day(3))),
    # A later start is remembered, an earlier one changes nothing.
    (Known(day(3), day(10)), Asked(TODAY, day(1)), Start(day(9), day(3))),
    (Known(day(3), day(10)), Asked(TODAY, day(9)), Start(day(9), day(3))),
    (Known(day(3), day(10)), Asked(TODAY, day(10)), Start(day(10), day(3), day(10))),
    (Known(day(3), day(10)), Asked(TODAY, day(15)), Start(day(15), day(3), day(15))),
    (Known(day(3), day(10), day(15)), Asked(TODAY), Start(day(15), day(3), day(15))),
    (Known(day(3), day(10), day(15)), Asked(TODAY, day(12)), Start(day(15), day(3), day(15))),
    (Known(day(3), day(18), day(15)), Asked(TODAY), Start(day(17), day(3), day(15))),
    # A mistyped year starts there, once.
    (Known(day(3), day(10)), Asked(TODAY, date(2031, 6, 1)), Start(date(2031, 6, 1), day(3))),
    (Known(day(3), day(10), day(8)), Asked(TODAY, date(2031, 6, 1)), Start(date(2031, 6, 1), day(3), day(8))),
    # A clock that was ten years ahead does not end collection.
    (Known(date(2031, 1, 1)), Asked(TODAY), Start(TODAY, date(2031, 1, 1))),
    (Known(day(3), day(10), date(2031, 1, 1)), Asked(TODAY), Start(TODAY, day(3), date(2031, 1, 1))),
    (Known(date.min, date.min), Asked(TODAY, lookback_days=30), Start(date.min, date.min)),
]


@pytest.mark.parametrize(("known", "asked", "start"), SEEN_BEFORE)
def test_partition_seen_before_starts(known: Known, asked: Asked, start: Start) -> None:
    assert start_of(known, History(day(1), day(1)), asked) == start


REPARSES = [
    (Known(), NEVER, None, Start(TODAY, TODAY)),
    (Known(), NEVER, day(3), Start(day(3), day(3))),
    # The days since the last run are still to come.
    (Known(), History(day(18), day(1)), None, Start(TODAY, leaves_gap=True)),
    (Known(), History(day(18), day(1)), day(3), Start(day(3), day(3))),
    (Known(day(3), day(10)), NEVER, None, Start(day(3), day(3))),
    (Known(day(3), day(10), day(8), day(7)), NEVER, None, Start(day(3), day(3), day(8))),
    (Known(day(3), day(10), day(8), day(7)), NEVER, day(1), Start(day(1), day(3), day(8))),
    (Known(day(3), day(10)), NEVER, day(9), Start(day(9), day(3))),
    (Known(day(3), day(10)), NEVER, day(10), Start(day(10), day(3), leaves_gap=True)),
    (Known(date(2031, 1, 1)), NEVER, None, Start(TODAY, date(2031, 1, 1))),
]


@pytest.mark.parametrize(("known", "history", "since", "start"), REPARSES)
def test_reparse_starts(known: Known, history: History, since: date | None, start: Start) -> None:
    assert start_of(known, history, Asked(TODAY, since, reparse=True)) == start


days = st.integers(-40, 60).map(day)
past_days = st.integers(-40, 20).map(day)
lookbacks = st.integers(0, 30)
knowns = st.one_of(
    st.just(Known()),
    st.builds(Known, past_days, st.none() | past_days, st.none() | past_days, st.none() | past_days),
)
histories = st.builds(History, st.none() | past_days, st.none() | past_days)
runs = st.builds(Asked, st.just(TODAY), st.none() | days, lookbacks, st.just(False))


@given(knowns, histories, runs)
def test_no_start_is_before_what_was_excluded(known: Known, history: History, asked: Asked) -> None:
    start = start_of(known, history, asked)
    assert start.day >= max(filter(None, (known.floor, known.resume, known.pruned)), default=date.min)
    if known.floor:
        assert start.day >= (asked.only_logs_after or date.min)
        assert start.floor == known.floor
        assert (start.resume or date.min) >= (known.resume or date.min)


@given(knowns, histories, runs)
def test_nothing_remembered_lies_in_the_future(known: Known, history: History, asked: Asked) -> None:
    start = start_of(known, history, asked)
    assert all(remembered <= TODAY for remembered in (start.floor, start.resume) if remembered)


@given(knowns, histories, runs)
def test_the_start_is_never_beyond_today_unless_asked_for(known: Known, history: History, asked: Asked) -> None:
    assert start_of(known, history, asked).day <= max(TODAY, asked.only_logs_after or TODAY)


@given(knowns, histories, runs, lookbacks)
def test_more_lookback_never_starts_later(known: Known, history: History, asked: Asked, lookback: int) -> None:
    less, more = sorted((lookback, asked.lookback_days))
    starts = [start_of(known, history, Asked(TODAY, asked.only_logs_after, days)).day for days in (less, more)]
    assert starts[0] >= starts[1]


@given(knowns, histories, runs, past_days)
def test_a_place_that_moves_on_never_starts_earlier(known: Known, history: History, asked: Asked, place: date) -> None:
    if known.floor and place >= (known.place or date.min):
        moved = Known(known.floor, place, known.resume, known.pruned)
        assert start_of(moved, history, asked).day >= start_of(known, history, asked).day


@given(knowns, histories, runs)
def test_asking_again_starts_at_the_same_day(known: Known, history: History, asked: Asked) -> None:
    start = start_of(known, history, asked)
    remembered = Known(start.floor, known.place, start.resume, known.pruned)
    if asked.only_logs_after is None or asked.only_logs_after <= TODAY:
        assert start_of(remembered, history, Asked(TODAY, None, asked.lookback_days)).day == start.day


@given(knowns, histories, runs)
def test_reparse_moves_no_place_over_days_that_another_run_would_collect(
    known: Known, history: History, asked: Asked
) -> None:
    start = start_of(known, history, Asked(TODAY, asked.only_logs_after, asked.lookback_days, reparse=True))
    usual = start_of(known, history, Asked(TODAY, None, asked.lookback_days))
    assert start.leaves_gap == (start.day > usual.day)
    assert start.resume == known.resume
    assert known.floor in (None, start.floor)
