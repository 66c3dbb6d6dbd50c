"""The accepted events of undeleted messages."""

from datetime import timedelta
from pathlib import Path

import pytest

from aws_s3.state import queue_state
from aws_s3.state.queue_state import FILE, QueueState

A, B = ("bucket", "a", "v1"), ("bucket", "b", "v1")


@pytest.fixture
def state(tmp_path: Path) -> QueueState:
    return QueueState(tmp_path, "q", "rules")


def test_a_run_without_anything_to_record_leaves_no_file(state: QueueState, tmp_path: Path) -> None:
    assert state.accepted_events() == {}
    state.record({}, ())
    assert not (tmp_path / FILE).exists()


def test_what_was_recorded_is_there_until_it_is_done(state: QueueState) -> None:
    state.record({A: 3, B: 1}, ())
    state.record({A: 5}, ())
    assert state.accepted_events() == {A: 5, B: 1}
    state.record({}, {A})
    assert state.accepted_events() == {B: 1}


def test_other_queues_and_other_rules_have_records_of_their_own(state: QueueState, tmp_path: Path) -> None:
    state.record({A: 3}, ())
    assert QueueState(tmp_path, "other", "rules").accepted_events() == {}
    assert QueueState(tmp_path, "q", "other").accepted_events() == {}


def test_records_go_when_no_queue_can_hold_their_messages_any_longer(
    state: QueueState, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record({A: 3}, ())
    monkeypatch.setattr(queue_state, "_LONGEST_RETENTION", timedelta(days=-1))
    state.record({}, {B})
    assert state.accepted_events() == {}
