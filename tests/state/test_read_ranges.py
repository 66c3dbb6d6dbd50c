"""What is to be read of a stream: a table of cases."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.state.read_ranges import (
    LATE,
    ReadInterval,
    ReadRequest,
    StreamCheckpoint,
    TimeRange,
    merge,
    prefer_token,
    unread_ranges,
)

DAY = 24 * 60 * 60 * 1000
NOW = 1000 * DAY + 12 * 60 * 60 * 1000
TODAY = 1000 * DAY


def span(first_day: int, last_day: int) -> ReadInterval:
    return ReadInterval(first_day * DAY, last_day * DAY, first_day * DAY)


CASES = {
    "from the end of what was read, less what may come late": (
        [span(990, 999)],
        ReadRequest(NOW),
        [TimeRange(999 * DAY - LATE)],
    ),
    "the same when asked for since where it began": (
        [span(990, 999)],
        ReadRequest(NOW, 990 * DAY),
        [TimeRange(999 * DAY - LATE)],
    ),
    "not before where it began": ([ReadInterval(TODAY, TODAY + 1, TODAY)], ReadRequest(NOW), [TimeRange(TODAY)]),
    "not before what the existing module read": (
        [ReadInterval(TODAY, TODAY + 9, TODAY + 10)],
        ReadRequest(NOW),
        [TimeRange(TODAY + 10)],
    ),
    "older events, then the newest": (
        [span(990, 999)],
        ReadRequest(NOW, 980 * DAY),
        [TimeRange(980 * DAY, 990 * DAY), TimeRange(999 * DAY - LATE)],
    ),
    "what an interrupted run left out": (
        [span(980, 985), span(990, 999)],
        ReadRequest(NOW, 980 * DAY),
        [TimeRange(985 * DAY - LATE, 990 * DAY), TimeRange(999 * DAY - LATE)],
    ),
    "what is left out stays so unless asked for": (
        [span(980, 985), span(990, 999)],
        ReadRequest(NOW),
        [TimeRange(999 * DAY - LATE)],
    ),
    "older events on both sides of what was read": (
        [span(980, 985), span(990, 999)],
        ReadRequest(NOW, 970 * DAY),
        [TimeRange(970 * DAY, 980 * DAY), TimeRange(985 * DAY - LATE, 990 * DAY), TimeRange(999 * DAY - LATE)],
    ),
    "a start within what was left out": (
        [span(980, 985), span(990, 999)],
        ReadRequest(NOW, 987 * DAY),
        [TimeRange(987 * DAY, 990 * DAY), TimeRange(999 * DAY - LATE)],
    ),
    "a newer start": ([span(980, 985)], ReadRequest(NOW, 990 * DAY), [TimeRange(990 * DAY)]),
    "reparse from a day on": (
        [span(980, 999)],
        ReadRequest(NOW, 970 * DAY, reparse=True),
        [TimeRange(970 * DAY, resend=True)],
    ),
    "reparse from today on, after what was not read yet": (
        [span(980, 999)],
        ReadRequest(NOW, reparse=True),
        [TimeRange(999 * DAY - LATE, TODAY), TimeRange(TODAY, resend=True)],
    ),
    "reparse of what began today": (
        [ReadInterval(TODAY, NOW, TODAY)],
        ReadRequest(NOW, reparse=True),
        [TimeRange(TODAY, resend=True)],
    ),
}


@pytest.mark.parametrize(("intervals", "asked", "ranges"), CASES.values(), ids=CASES.keys())
def test_what_is_missing(intervals: list[ReadInterval], asked: ReadRequest, ranges: list[TimeRange]) -> None:
    assert unread_ranges(intervals, asked) == ranges


STARTS = {
    "where it is told": (ReadRequest(NOW, 5), None, 5),
    "where it is told, also in a group that was read": (ReadRequest(NOW, 5), TODAY, 5),
    "today": (ReadRequest(NOW), None, TODAY),
    "before the group was last read": (ReadRequest(NOW), 999 * DAY, 999 * DAY - LATE),
}


@pytest.mark.parametrize(("asked", "group_read", "start"), STARTS.values(), ids=STARTS.keys())
def test_where_a_stream_begins(asked: ReadRequest, group_read: int | None, start: int) -> None:
    assert asked.first_start(group_read) == start


@pytest.mark.parametrize(("since", "is_in_future"), [(None, False), (TODAY, False), (TODAY + DAY, True)])
def test_start_in_the_future(since: int | None, is_in_future: bool) -> None:
    assert ReadRequest(NOW, since).is_in_future is is_in_future


UNIONS = {
    "apart": ([ReadInterval(0, 10, 0)], ReadInterval(12, 20, 12), [ReadInterval(0, 10, 0), ReadInterval(12, 20, 12)]),
    "before": ([ReadInterval(12, 20, 12)], ReadInterval(0, 10, 0), [ReadInterval(0, 10, 0), ReadInterval(12, 20, 12)]),
    "touching": ([ReadInterval(0, 10, 0)], ReadInterval(11, 20, 11), [ReadInterval(0, 20, 11)]),
    "within": ([ReadInterval(0, 10, 0)], ReadInterval(5, 8, 5), [ReadInterval(0, 10, 0)]),
    "over both": (
        [ReadInterval(0, 10, 0), ReadInterval(20, 30, 25)],
        ReadInterval(5, 22, 5),
        [ReadInterval(0, 30, 25)],
    ),
    "the same end": ([ReadInterval(0, 10, 11)], ReadInterval(5, 10, 5), [ReadInterval(0, 10, 11)]),
}


@pytest.mark.parametrize(("intervals", "new", "all_of_them"), UNIONS.values(), ids=UNIONS.keys())
def test_union(intervals: list[ReadInterval], new: ReadInterval, all_of_them: list[ReadInterval]) -> None:
    assert merge(intervals, new) == tuple(all_of_them)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10)), max_size=12))
def test_union_covers_what_its_spans_do_and_nothing_else(limits: list[tuple[int, int]]) -> None:
    intervals: tuple[ReadInterval, ...] = ()
    for start, length in limits:
        intervals = merge(intervals, ReadInterval(start, start + length, start))
    covered = {moment for start, length in limits for moment in range(start, start + length + 1)}
    assert {moment for each in intervals for moment in range(each.start, each.end + 1)} == covered
    assert all(one.end + 1 < other.start for one, other in pairwise(intervals))


KNOWN = StreamCheckpoint(
    1,
    (span(990, 999),),
    token="t",
    token_start=7,
    read_at=NOW,
    checked_by_time_at=999 * DAY + LATE + 1,
    last_ingested=3,
)
NEWEST = [TimeRange(999 * DAY - LATE)]
BY_TIME = {
    "no token": (replace(KNOWN, token=None), NEWEST, 3, NOW),
    "something came in": (KNOWN, NEWEST, 4, NOW),
    "late events may still come": (replace(KNOWN, checked_by_time_at=999 * DAY + LATE), NEWEST, 3, NOW),
    "the token is old": (KNOWN, NEWEST, 3, NOW + DAY),
    "another start": (KNOWN, [TimeRange(999 * DAY)], 3, NOW),
    "older events": (KNOWN, [TimeRange(5, 10), *NEWEST], 3, NOW),
    "reparse": (KNOWN, [replace(NEWEST[0], resend=True)], 3, NOW),
}


@pytest.mark.parametrize(("known", "ranges", "ingested", "now"), BY_TIME.values(), ids=BY_TIME.keys())
def test_stream_is_read_by_time(known: StreamCheckpoint, ranges: list[TimeRange], ingested: int, now: int) -> None:
    assert prefer_token(ranges, known, ingested, now) == ranges


def test_stream_is_read_by_token_when_nothing_can_come_before_it() -> None:
    assert prefer_token(NEWEST, KNOWN, 3, 999 * DAY + 60 * 60 * 1000) == [TimeRange(7, token="t")]
