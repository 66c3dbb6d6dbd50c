"""The state machine of one log stream."""

from dataclasses import replace

import pytest

from aws_s3.services.log_group_api import LogEvent, LogStream, Page
from aws_s3.services.stream_read import Phase, StreamRead
from aws_s3.state.read_ranges import ReadInterval, ReadRequest, StreamCheckpoint, TimeRange

NOW = 10_000_000
STREAM = LogStream("s", "123456789012", 5, NOW)
CHECKPOINT = StreamCheckpoint(1, (ReadInterval(100, 1000, 100),))


def event(time: int, text: str = "a") -> LogEvent:
    return LogEvent(time, 0, text)


def read(phase: Phase = Phase.READ, *, reparse: bool = False, **changes: object) -> StreamRead:
    made = StreamRead.first(STREAM, CHECKPOINT, ReadRequest(NOW, 100, reparse))
    return replace(made, phase=phase, **changes)  # type: ignore[arg-type]


def page(made: StreamRead, *events: LogEvent, is_last: bool = False) -> Page:
    return Page(made.ranges[-1], events, "token", is_last)


READ, RECHECK, DELETE, DONE = Phase.READ, Phase.RECHECK, Phase.DELETE, Phase.DONE


@pytest.mark.parametrize(
    ("phase", "removes", "has_events", "found", "after"),
    [
        (READ, False, True, 3, DONE),
        (READ, True, False, 0, DONE),
        (READ, True, False, 3, RECHECK),
        (READ, True, True, 0, RECHECK),
        (RECHECK, True, True, 0, DELETE),
        (RECHECK, True, True, 1, RECHECK),
    ],
)
def test_a_stream_is_deleted_only_after_a_recheck_without_new_events(
    phase: Phase, removes: bool, has_events: bool, found: int, after: Phase
) -> None:
    made = read(phase, found=found, checkpoint=replace(CHECKPOINT, has_events=has_events))
    assert made.phase_after(removes=removes) is after


def test_equal_events_are_counted_across_pages_and_against_the_state() -> None:
    made = read()
    seen = {event(2000).fingerprint: 2}
    first = made.classify(page(made, event(1500), event(2000), event(2000)), seen)
    second = made.classify(page(made, event(2000), event(2000, "b"), event(3000)), seen)
    assert [each.is_new for each in (*first, *second)] == [True, False, False, True, True, True]
    assert [each.number for each in (*first, *second)] == [1, 2, 2, 3, 1, 1]
    assert (made.found, made.newest, made.at_newest) == (4, 3000, {event(3000): 1})


def test_a_recheck_sends_nothing_again_and_begins_behind_the_recorded_events() -> None:
    made = read(reparse=True, found=5)
    again = made.recheck()
    assert (again.phase, again.found) == (RECHECK, 0)
    assert not any(each.resend for each in again.ranges)


def test_after_an_expired_token_the_pass_goes_on_in_its_phase_by_time() -> None:
    by_token = read(RECHECK, found=2, ranges=[TimeRange(100, token="old")])
    rest = by_token.after_expiry()
    assert (rest.phase, rest.found) == (RECHECK, 2)
    assert [each.token for each in rest.ranges] == [None]


def test_a_reparse_goes_on_behind_the_events_that_it_sent_again() -> None:
    made = read(reparse=True)
    made.classify(page(made, event(1500), event(2000), event(2000)), {})
    rest = made.after_expiry()
    assert [each.start for each in rest.ranges] == [2000]
    resent = rest.classify(page(rest, event(2000), event(2000), event(2000)), {})
    assert [each.is_new for each in resent] == [False, False, True]
