from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aws_s3.state.start_day import History, PartitionCheckpoint, StartDay, StartRequest, choose_start_day

TODAY = date(2021, 6, 20)
NEVER = History()


def day(number: int) -> date:
    """Return the day of June 2021; 0 and below lie in May."""
    return date(2021, 5, 31) + timedelta(number)


FIRST_SEEN = [
    (NEVER, StartRequest(TODAY), StartDay(TODAY, floor=TODAY)),
    (NEVER, StartRequest(TODAY, day(3)), StartDay(day(3), floor=day(3))),
    (NEVER, StartRequest(TODAY, TODAY + timedelta(1)), StartDay(TODAY + timedelta(1), floor=TODAY)),
    (NEVER, StartRequest(TODAY, lookback_days=30), StartDay(TODAY, floor=TODAY)),
    (History(day(18), day(1)), StartRequest(TODAY), StartDay(day(17), floor=day(17))),
    (History(day(18), day(1)), StartRequest(TODAY, lookback_days=0), StartDay(day(18), floor=day(18))),
    (History(day(18), day(1)), StartRequest(TODAY, lookback_days=30), StartDay(day(1), floor=day(1))),
    (History(day(18), None), StartRequest(TODAY, lookback_days=30), StartDay(day(-12), floor=day(-12))),
    (History(day(18), day(19)), StartRequest(TODAY), StartDay(day(19), floor=day(19))),
    (History(day(18), day(1)), StartRequest(TODAY, day(5)), StartDay(day(5), floor=day(5))),
    (History(date(2031, 1, 1), day(1)), StartRequest(TODAY), StartDay(TODAY, floor=TODAY)),
]


@pytest.mark.parametrize(("history", "asked", "start"), FIRST_SEEN)
def test_partition_never_seen_starts(history: History, asked: StartRequest, start: StartDay) -> None:
    assert choose_start_day(PartitionCheckpoint(), history, asked) == start


SEEN_BEFORE = [
    # Nothing was processed: the floor stands in.
    (PartitionCheckpoint(day(3)), StartRequest(TODAY), StartDay(day(3), day(3))),
    # Only a processed, failed or forgotten object binds the floor.
    (PartitionCheckpoint(day(3)), StartRequest(TODAY, day(1)), StartDay(day(1), day(1))),
    (PartitionCheckpoint(day(3)), StartRequest(TODAY, day(5)), StartDay(day(5), day(5))),
    (PartitionCheckpoint(day(3), skipped_to=day(5)), StartRequest(TODAY), StartDay(day(5), day(3), day(5))),
    (PartitionCheckpoint(day(3), skipped_to=day(5)), StartRequest(TODAY, day(1)), StartDay(day(1), day(1))),
    (PartitionCheckpoint(day(3)), StartRequest(TODAY, date(2031, 6, 1)), StartDay(date(2031, 6, 1), TODAY)),
    (PartitionCheckpoint(day(3), is_bound=True), StartRequest(TODAY, day(1)), StartDay(day(3), day(3))),
    (PartitionCheckpoint(day(3), is_bound=True), StartRequest(TODAY, day(5)), StartDay(day(5), day(3), day(5))),
    (PartitionCheckpoint(day(3), pruned=day(7)), StartRequest(TODAY, day(1)), StartDay(day(7), day(3))),
    # The place less the look-back, never before the floor.
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY), StartDay(day(9), day(3))),
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, lookback_days=0), StartDay(day(10), day(3))),
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, lookback_days=30), StartDay(day(3), day(3))),
    (PartitionCheckpoint(day(3), day(3)), StartRequest(TODAY), StartDay(day(3), day(3))),
    # What was pruned would be sent again, whatever the look-back.
    (
        PartitionCheckpoint(day(3), day(10), pruned=day(8)),
        StartRequest(TODAY, lookback_days=30),
        StartDay(day(8), day(3)),
    ),
    (PartitionCheckpoint(day(3), day(10), pruned=day(8)), StartRequest(TODAY), StartDay(day(9), day(3))),
    # A later start is remembered, an earlier one changes nothing.
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, day(1)), StartDay(day(9), day(3))),
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, day(9)), StartDay(day(9), day(3))),
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, day(10)), StartDay(day(10), day(3), day(10))),
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, day(15)), StartDay(day(15), day(3), day(15))),
    (PartitionCheckpoint(day(3), day(10), day(15)), StartRequest(TODAY), StartDay(day(15), day(3), day(15))),
    (PartitionCheckpoint(day(3), day(10), day(15)), StartRequest(TODAY, day(12)), StartDay(day(15), day(3), day(15))),
    (PartitionCheckpoint(day(3), day(18), day(15)), StartRequest(TODAY), StartDay(day(17), day(3), day(15))),
    # A mistyped year starts there, once.
    (PartitionCheckpoint(day(3), day(10)), StartRequest(TODAY, date(2031, 6, 1)), StartDay(date(2031, 6, 1), day(3))),
    (
        PartitionCheckpoint(day(3), day(10), day(8)),
        StartRequest(TODAY, date(2031, 6, 1)),
        StartDay(date(2031, 6, 1), day(3), day(8)),
    ),
    # A clock that was ten years ahead does not end collection.
    (PartitionCheckpoint(date(2031, 1, 1)), StartRequest(TODAY), StartDay(TODAY, date(2031, 1, 1))),
    (
        PartitionCheckpoint(day(3), day(10), date(2031, 1, 1)),
        StartRequest(TODAY),
        StartDay(TODAY, day(3), date(2031, 1, 1)),
    ),
    (PartitionCheckpoint(date.min, date.min), StartRequest(TODAY, lookback_days=30), StartDay(date.min, date.min)),
]


@pytest.mark.parametrize(("known", "asked", "start"), SEEN_BEFORE)
def test_partition_seen_before_starts(known: PartitionCheckpoint, asked: StartRequest, start: StartDay) -> None:
    assert choose_start_day(known, History(day(1), day(1)), asked) == start


REPARSES = [
    (PartitionCheckpoint(), NEVER, None, StartDay(TODAY, TODAY)),
    (PartitionCheckpoint(), NEVER, day(3), StartDay(day(3), day(3))),
    # The days since the last run are still to come.
    (PartitionCheckpoint(), History(day(18), day(1)), None, StartDay(TODAY, skips_days=True)),
    (PartitionCheckpoint(), History(day(18), day(1)), day(3), StartDay(day(3), day(3))),
    (PartitionCheckpoint(day(3), day(10)), NEVER, None, StartDay(day(3), day(3))),
    (PartitionCheckpoint(day(3), day(10), day(8), day(7)), NEVER, None, StartDay(day(3), day(3), day(8))),
    (PartitionCheckpoint(day(3), day(10), day(8), day(7)), NEVER, day(1), StartDay(day(1), day(3), day(8))),
    (PartitionCheckpoint(day(3), day(10)), NEVER, day(9), StartDay(day(9), day(3))),
    (PartitionCheckpoint(day(3), day(10)), NEVER, day(10), StartDay(day(10), day(3), skips_days=True)),
    (PartitionCheckpoint(date(2031, 1, 1)), NEVER, None, StartDay(TODAY, date(2031, 1, 1))),
]


@pytest.mark.parametrize(("known", "history", "since", "start"), REPARSES)
def test_reparse_starts(known: PartitionCheckpoint, history: History, since: date | None, start: StartDay) -> None:
    assert choose_start_day(known, history, StartRequest(TODAY, since, reparse=True)) == start


days = st.integers(-40, 60).map(day)
past_days = st.integers(-40, 20).map(day)
lookbacks = st.integers(0, 30)
knowns = st.one_of(
    st.just(PartitionCheckpoint()),
    st.builds(
        PartitionCheckpoint,
        past_days,
        st.none() | past_days,
        st.none() | past_days,
        st.none() | past_days,
        st.booleans(),
    ),
)
histories = st.builds(History, st.none() | past_days, st.none() | past_days)
runs = st.builds(StartRequest, st.just(TODAY), st.none() | days, lookbacks, st.just(False))


@given(knowns, histories, runs)
def test_no_start_is_before_what_was_excluded(
    known: PartitionCheckpoint, history: History, asked: StartRequest
) -> None:
    assume(not asked.only_logs_after or known.is_bound or known.newest_day or known.pruned or not known.floor)
    start = choose_start_day(known, history, asked)
    assert start.day >= max(filter(None, (known.floor, known.skipped_to, known.pruned)), default=date.min)
    if known.floor:
        assert start.day >= (asked.only_logs_after or date.min)
        assert start.floor == known.floor
        assert (start.skipped_to or date.min) >= (known.skipped_to or date.min)


@given(past_days, st.none() | past_days, histories, runs)
def test_partition_without_any_object_starts_where_it_is_asked_for_last(
    floor: date, skipped_to: date | None, history: History, asked: StartRequest
) -> None:
    start = choose_start_day(PartitionCheckpoint(floor, skipped_to=skipped_to), history, asked)
    if asked.only_logs_after:
        day = asked.only_logs_after
        assert start == StartDay(day, floor=min(day, TODAY))
    else:
        assert start.day == max(floor, skipped_to or floor)


@given(knowns, histories, runs)
def test_nothing_remembered_lies_in_the_future(
    known: PartitionCheckpoint, history: History, asked: StartRequest
) -> None:
    start = choose_start_day(known, history, asked)
    assert all(remembered <= TODAY for remembered in (start.floor, start.skipped_to) if remembered)


@given(knowns, histories, runs)
def test_the_start_is_never_beyond_today_unless_asked_for(
    known: PartitionCheckpoint, history: History, asked: StartRequest
) -> None:
    assert choose_start_day(known, history, asked).day <= max(TODAY, asked.only_logs_after or TODAY)


@given(knowns, histories, runs, lookbacks)
def test_more_lookback_never_starts_later(
    known: PartitionCheckpoint, history: History, asked: StartRequest, lookback: int
) -> None:
    less, more = sorted((lookback, asked.lookback_days))
    starts = [
        choose_start_day(known, history, StartRequest(TODAY, asked.only_logs_after, days)).day for days in (less, more)
    ]
    assert starts[0] >= starts[1]


@given(knowns, histories, runs, past_days)
def test_a_place_that_moves_on_never_starts_earlier(
    known: PartitionCheckpoint, history: History, asked: StartRequest, newest_day: date
) -> None:
    if known.floor and newest_day >= (known.newest_day or date.min):
        moved = PartitionCheckpoint(known.floor, newest_day, known.skipped_to, known.pruned)
        assert choose_start_day(moved, history, asked).day >= choose_start_day(known, history, asked).day


@given(knowns, histories, runs)
def test_asking_again_starts_at_the_same_day(known: PartitionCheckpoint, history: History, asked: StartRequest) -> None:
    start = choose_start_day(known, history, asked)
    remembered = PartitionCheckpoint(start.floor, known.newest_day, start.skipped_to, known.pruned)
    if asked.only_logs_after is None or asked.only_logs_after <= TODAY:
        assert choose_start_day(remembered, history, StartRequest(TODAY, None, asked.lookback_days)).day == start.day


@given(knowns, histories, runs)
def test_reparse_moves_no_place_over_days_that_another_run_would_collect(
    known: PartitionCheckpoint, history: History, asked: StartRequest
) -> None:
    start = choose_start_day(
        known, history, StartRequest(TODAY, asked.only_logs_after, asked.lookback_days, reparse=True)
    )
    usual = choose_start_day(known, history, StartRequest(TODAY, None, asked.lookback_days))
    assert start.skips_days == (start.day > usual.day)
    assert start.skipped_to == known.skipped_to
    assert known.floor in (None, start.floor)
