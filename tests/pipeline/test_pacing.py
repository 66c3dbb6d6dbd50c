"""The pacer before receivers that drop what they have no room for: nothing is dropped, and every wait can end."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from aws_s3.errors import Interrupted, SinkConnectError
from aws_s3.pipeline.delivery import Delivery, Pacer, Unpaced
from aws_s3.pipeline.pacing import WazuhPacer, pacing
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import Output
from aws_s3.wazuh.budget import Book
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.ledger import Ledger, read_entries
from aws_s3.wazuh.receivers import Agent4, recognise
from tests.harness.command import wait_until
from tests.harness.receiver import Agent, Manager, NewAgent, Receiver

EVENTS = [b'{"n": %d, "x": "%s"}' % (number, b"x" * 300) for number in range(20_000)]


@pytest.fixture
def home() -> Iterator[Path]:
    with TemporaryDirectory(prefix="home") as folder:
        (Path(folder) / "queue/sockets").mkdir(parents=True)
        (Path(folder) / "wodles/aws").mkdir(parents=True)
        yield Path(folder)


@contextmanager
def delivering(home: Path, stats: RunStats, max_events: int | None = None) -> Iterator[Delivery]:
    output, stop_request = Output("unix", home / "queue/sockets/queue"), StopRequest()
    with (
        closing(open_sink(output, stop_request.check)) as sink,
        pacing(output, max_events, stop_request, stats) as pacer,
    ):
        yield Delivery(sink, stop_request, stats, pacer)


def send(home: Path, count: int, together: int = 20, max_events: int | None = None) -> RunStats:
    """Send events, an object's worth at a time, and return what was counted."""
    stats = RunStats()
    with delivering(home, stats, max_events) as delivery:
        for first in range(0, count, together):
            delivery.send(EVENTS[first : min(first + together, count)])
    return stats


def all_received(receiver: Receiver, count: int) -> None:
    assert [message.partition(b":Wazuh-AWS:")[2] for message in receiver.close()] == EVENTS[:count]
    assert receiver.dropped == 0


@pytest.mark.parametrize("together", [20, 1500])
def test_agent_gets_all_at_its_rate(home: Path, together: int) -> None:
    with Agent(home, size=600, rate=800) as agent:
        stats = send(home, 1500, together)
        all_received(agent, 1500)
    assert stats.waiting.seconds > 1
    assert agent.peak <= 0.9 * 600


@pytest.mark.parametrize("how", [{}, {"answers": False}, {"answers": False, "writes_state": False}])
def test_manager_gets_all_by_whatever_it_tells(home: Path, how: dict[str, Any]) -> None:
    with Manager(home, size=3000, rate=4000, **how) as manager:
        send(home, 4000 if how else 12_000)
        all_received(manager, 4000 if how else 12_000)


@pytest.mark.slow
@pytest.mark.parametrize("count", [100, 3000, 100_000])
def test_manager_gets_all_of_any_number(home: Path, count: int) -> None:
    with Manager(home, size=16384, rate=20_000) as manager:
        for first in range(0, count, len(EVENTS)):
            send(home, min(count - first, len(EVENTS)))
        manager.close()
    assert (len(manager.received), manager.dropped) == (count, 0)


def test_manager_that_others_fill_is_sent_the_less(home: Path) -> None:
    with Manager(home, size=1000, rate=4000, others=3000) as manager:
        send(home, 3000)
        all_received(manager, 3000)


def test_new_agent_gets_all(home: Path) -> None:
    with NewAgent(home) as agent:
        send(home, 10_000)
        all_received(agent, 10_000)


def test_absence_of_an_agent_is_waited_for(home: Path) -> None:
    with Agent(home, size=300, rate=600) as agent:
        stats = RunStats()
        thread = threading.Thread(target=lambda: send(home, 1500))
        thread.start()
        wait_until(lambda: len(agent.received) > 300, 60)
        agent.is_away = True
        time.sleep(1.5)
        before = len(agent.received)
        assert before <= 800
        agent.is_away = False
        thread.join()
        all_received(agent, 1500)
    assert stats.dropped == 0


def test_agent_that_stays_away_ends_the_run(home: Path) -> None:
    with Agent(home) as agent:
        agent.is_away = True
        agent.write_state()
        pacer = WazuhPacer(lambda: Agent4(WazuhHome(home)), Ledger(None), StopRequest(), RunStats(), patience=0.5)
        began = time.monotonic()
        with (
            pytest.raises(SinkConnectError, match=r"not connected to its manager.*the next run goes on") as raised,
            pacer.permit(EVENTS[:1]),
        ):
            pass
        assert raised.value.exit_code == 11
        assert time.monotonic() - began >= 0.5


def test_wait_keeps_nothing_locked_and_ends_at_once(home: Path) -> None:
    stop_request = Stopping()
    with Agent(home) as agent:
        agent.is_away = True
        agent.write_state()
        stats = RunStats()
        output = Output("unix", home / "queue/sockets/queue")
        stats.observers += [lambda: look(home), stop_request.stop]
        with (
            pytest.raises(Interrupted),
            pacing(output, None, stop_request, stats) as pacer,
            stop_request.deferred(),
            pacer.permit(EVENTS[:1]),
        ):
            pass
    assert stats.waiting.seconds > 0


class Stopping(StopRequest):
    """One that a signal may be said to have come for."""

    def stop(self) -> None:
        self._request = Interrupted("SIGTERM", 143)


def look(home: Path) -> None:
    """Read the ledger as another run would: it is not locked."""
    child = os.fork()
    if child == 0:
        Ledger(WazuhHome(home)).update(lambda entries: entries.book("another"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("count", [2, 5])
def test_several_runs_share_the_room(home: Path, count: int) -> None:
    children = []
    with Agent(home, size=500, rate=1000) as agent:
        for _ in range(count):
            child = os.fork()
            if child == 0:
                send(home, 1500 // count)
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * count
        assert len(agent.close()) == 1500 // count * count
        assert agent.dropped == 0


def test_agent_that_is_started_anew_gets_the_rest(home: Path) -> None:
    with Agent(home, size=400, rate=500) as agent:
        thread = threading.Thread(target=lambda: send(home, 1500))
        thread.start()
        wait_until(lambda: len(agent.received) > 500, 60)
        agent.restart()
        thread.join()
        all_received(agent, 1500)


def test_what_is_dropped_all_the_same_is_told(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Manager(home, size=1000, rate=100_000) as manager:
        stats = RunStats()
        with delivering(home, stats) as delivery:
            delivery.send(EVENTS[:20])
            manager.dropped = 7
        assert stats.dropped == 7
    assert "dropped at least 7 events" in caplog.text


def test_unknown_receiver_is_warned_of_once_for_a_home(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = Output("unix", home / "queue/sockets/queue")
    with pacing(output, None, StopRequest(), RunStats()) as pacer, pacer.permit(EVENTS) as count:
        assert count == len(EVENTS)
    assert not caplog.records, "no socket is there: sending says so"
    (home / "queue/sockets/queue").touch()
    for _ in range(2):
        with pacing(output, None, StopRequest(), RunStats()) as pacer, pacer.permit(EVENTS) as count:
            assert count == len(EVENTS)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "--max-eps" in caplog.text


@pytest.mark.parametrize(
    ("output", "max_events"),
    [
        (Output("stdout"), None),
        (Output("stdout"), 5),
        (Output("file", Path("queue/sockets/queue")), None),
        (Output("unix", Path("/run/other.sock")), None),
        (Output("unix", Path("/var/ossec/queue/sockets/queue")), 0),
    ],
)
def test_nothing_else_is_paced(output: Output, max_events: int | None) -> None:
    with pacing(output, max_events, StopRequest(), RunStats()) as pacer:
        assert isinstance(pacer, Unpaced)


@pytest.mark.parametrize("in_home", [True, False])
def test_rate_of_the_users_is_kept_before_any_socket(home: Path, in_home: bool) -> None:
    path = home / "queue/sockets/queue" if in_home else home / "socket"
    with pacing(Output("unix", path), 200, StopRequest(), RunStats()) as pacer:
        began = time.monotonic()
        permitted = 0
        while permitted < 240:
            with pacer.permit(EVENTS[:50]) as count:
                permitted += count
        assert time.monotonic() - began >= 0.95


def test_receiver_is_looked_for_only_when_there_is_something_to_send(home: Path) -> None:
    with pacing(Output("unix", home / "queue/sockets/queue"), None, StopRequest(), RunStats()) as pacer:
        assert isinstance(pacer, WazuhPacer)
    assert read_entries(WazuhHome(home)) is None


def test_end_line_and_ledger_tell_the_wait(home: Path) -> None:
    with Agent(home, size=100, rate=200):
        stats = send(home, 300)
    entries = read_entries(WazuhHome(home))
    assert entries
    assert entries.last_wait == entries.waited == stats.waiting.seconds > 0


def test_a_part_that_took_long_counts_again(home: Path) -> None:
    with Agent(home):
        pacer = WazuhPacer(lambda: recognise(WazuhHome(home)), ledger := Ledger(None), StopRequest(), RunStats())
        with pacer.permit(EVENTS[:100]):
            time.sleep(0.6)
        drawn = book_of(ledger).drawn
        with pacer.permit(EVENTS[:100]):
            pass
        assert book_of(ledger).drawn >= drawn + 200


def book_of(ledger: Ledger) -> Book:
    return ledger.update(lambda entries: Book(**entries.book(Agent4.name).__dict__))


def test_lock_that_is_held_for_long_leaves_the_run_a_share_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("aws_s3.pipeline.pacing._LONGEST_BUSY", 0.2)
    with Agent(home):
        holder = LockHolder(home)
        stats = send(home, 40)
        holder.end()
    assert stats.events == 40
    assert "holds its lock" in caplog.text


class LockHolder:
    """A run that was stopped while it held the ledger."""

    def __init__(self, home: Path) -> None:
        reading, writing = os.pipe()
        self._child = os.fork()
        if self._child == 0:

            def stop(entries: object) -> None:
                del entries
                os.write(writing, b"x")
                time.sleep(600)

            Ledger(WazuhHome(home)).update(stop)
        os.read(reading, 1)

    def end(self) -> None:
        os.kill(self._child, 9)
        os.waitpid(self._child, 0)


def test_pacers_are_pacers() -> None:
    makers: list[Callable[[], Pacer]] = [
        Unpaced,
        lambda: WazuhPacer(lambda: None, Ledger(None), StopRequest(), RunStats()),
    ]
    for make in makers:
        with make().permit(EVENTS) as count:
            assert count == len(EVENTS)
