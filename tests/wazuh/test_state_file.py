"""Reading the state files of Wazuh's daemons, whole, half written, or of another kind."""

import os
from pathlib import Path

import pytest

from aws_s3.wazuh.state_file import AgentState, EventQueue, StateFile

AGENT = """# State file for wazuh-agentd
status='connected'
last_keepalive='2026-11-27 02:00:00'
msg_count='120'
msg_sent='70'
msg_buffer='40'
"""


def read(path: Path, text: str) -> StateFile:
    path.write_text(text)
    found = StateFile.read(path)
    assert found
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wazuh-agentd.state"


def test_agent_tells_what_waits_and_what_is_unaccounted_for(path: Path) -> None:
    assert AgentState.of(read(path, AGENT)) == AgentState(is_connected=True, held=40, received=120, unaccounted=10)


@pytest.mark.parametrize("status", ["pending", "disconnected", ""])
def test_any_other_status_is_not_connected(path: Path, status: str) -> None:
    state = AgentState.of(read(path, AGENT.replace("connected", status)))
    assert state
    assert not state.is_connected


@pytest.mark.parametrize("value", ["", "-1", "nan", "inf", "many"])
def test_buffer_that_is_not_told_is_unknown(path: Path, value: str) -> None:
    state = AgentState.of(read(path, AGENT.replace("'40'", f"'{value}'")))
    assert state
    assert (state.held, state.unaccounted) == (None, None)


def test_file_that_is_half_written_tells_nothing(path: Path) -> None:
    for length in range(len(AGENT) - 1):
        assert AgentState.of(read(path, AGENT[:length])) is None


def test_two_writings_differ_though_they_say_the_same(path: Path) -> None:
    first = read(path, AGENT)
    os.utime(path, ns=(0, 5_000_000_000))
    second = StateFile.read(path)
    assert second
    assert first.values == second.values
    assert first.identity != second.identity
    assert second.written == 5


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert StateFile.read(tmp_path / "missing") is None
    assert StateFile.read(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")
    found = StateFile.read(tmp_path / "pipe")
    assert found
    assert found.values == {}


@pytest.mark.parametrize(
    ("size", "usage", "free"),
    [(16384, 0.25, 12288), (16384, 1, 0), (None, 0.5, None), (16384, None, None), (0, 0, None), (100, 1.5, None)],
)
def test_queue_of_sense_has_free_room(size: float | None, usage: float | None, free: float | None) -> None:
    queue = EventQueue.of(size, usage)
    assert (queue and queue.free) == free
