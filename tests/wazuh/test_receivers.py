"""Which receiver lives in a home, and how much it lets through, by files and sockets as Wazuh has them."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.wazuh.budget import Book
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.receivers import MIB, Agent4, Agent5, FixedRate, Grant, Manager4, Request, Wait, recognise
from aws_s3.wazuh.state_file import EventQueue
from tests.harness.receiver import Agent, Manager, NewAgent

ALL = Request("run", 1, 1e9)
NOW = time.monotonic()


@pytest.fixture
def home() -> Iterator[WazuhHome]:
    with TemporaryDirectory(prefix="home") as folder:
        for name in ("etc", "var/run", "queue/sockets"):
            Path(folder, name).mkdir(parents=True)
        yield WazuhHome(Path(folder))


def agent_file(home: WazuhHome, status: str = "connected", held: str = "0", more: str = "", moment: float = 0) -> None:
    path = home.state_file("wazuh-agentd")
    path.write_text(f"status='{status}'\nmsg_count='100'\nmsg_sent='60'\nmsg_buffer='{held}'\n{more}")
    os.utime(path, (moment or time.time(),) * 2)


def manager_file(home: WazuhHome, usage: str, size: str = "16384", moment: float = 0) -> None:
    path = home.state_file("wazuh-analysisd")
    path.write_text(f"event_queue_usage='{usage}'\nevent_queue_size='{size}'\n")
    os.utime(path, (moment or time.time(),) * 2)


def granted(answer: Grant | Wait) -> float:
    assert isinstance(answer, Grant), answer
    return answer.amount


def refused(answer: Grant | Wait) -> Wait:
    assert isinstance(answer, Wait), answer
    return answer


# Which one it is.


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, type(None)),
        ({"etc/client.keys": ""}, Agent4),
        ({"var/run/wazuh-agentd-7.pid": ""}, Agent4),
        ({"var/run/wazuh-agentd.state": "status='connected'\n"}, Agent4),
        ({"var/run/wazuh-agentd.state": "dispatched='0'\n"}, Agent5),
        ({"etc/client.keys": "", "VERSION.json": '{"version": "5.0.1"}'}, Agent5),
        ({"var/run/wazuh-agentd.state": "dispatched='0'\n", "VERSION.json": '{"version": "4.14.7"}'}, Agent4),
        ({"var/run/wazuh-analysisd-7.pid": "", "etc/client.keys": ""}, Manager4),
        ({"VERSION.json": '{"version": "4.14.7"}'}, type(None)),
    ],
)
def test_receiver_is_recognised_by_its_files(home: WazuhHome, files: dict[str, str], kind: type) -> None:
    for name, content in files.items():
        (home.path / name).write_text(content)
    assert isinstance(recognise(home), kind)


def test_running_receivers_are_recognised() -> None:
    for model, kind in ((Agent, Agent4), (NewAgent, Agent5), (Manager, Manager4)):
        with TemporaryDirectory(prefix="home") as folder, model(Path(folder)):
            assert isinstance(recognise(WazuhHome(Path(folder))), kind)


# An agent of Wazuh 4.x.


def test_agent_has_room_for_half_of_its_buffer_less_what_waits(home: WazuhHome) -> None:
    # A file of the future counts as written now, however long this test takes.
    agent_file(home, held="700", moment=time.time() + 1000)
    agent, book = Agent4(home), Book()
    assert granted(agent.ask(book, ALL, NOW)) == 1800
    assert refused(agent.ask(book, ALL, NOW)).seconds == pytest.approx(50 / 450)
    assert granted(agent.ask(book, ALL, NOW + 1)) == pytest.approx(450, abs=1)


def test_agent_that_is_not_connected_gets_nothing(home: WazuhHome) -> None:
    for status in ("pending", "disconnected"):
        agent_file(home, status)
        assert refused(Agent4(home).ask(Book(), ALL, NOW)).is_away


def test_state_file_that_stops_is_an_absence(home: WazuhHome) -> None:
    agent_file(home)
    agent, book = Agent4(home), Book()
    granted(agent.ask(book, ALL, NOW))
    granted(agent.ask(book, ALL, NOW + 30))
    assert not refused(agent.ask(book, ALL, NOW + 31)).is_away
    assert refused(agent.ask(book, ALL, NOW + 100)).is_away


def test_state_file_of_before_the_agents_start_is_an_absence_until_it_changes(home: WazuhHome) -> None:
    agent_file(home, moment=time.time() - 60)
    (home.path / "var/run/wazuh-agentd-7.pid").touch()
    agent, book = Agent4(home), Book()
    assert refused(agent.ask(book, ALL, NOW)).is_away
    # The clock may have been set back since the start: a file that changes is of now.
    agent_file(home, moment=time.time() - 30)
    assert granted(agent.ask(book, ALL, NOW + 1)) > 0


def test_half_written_file_is_looked_at_again(home: WazuhHome) -> None:
    home.state_file("wazuh-agentd").write_text("status='connected'\nmsg_co")
    answer = refused(Agent4(home).ask(Book(), ALL, NOW))
    assert not answer.is_away


@pytest.mark.parametrize("hidden", ["no file", "no interval", "buffer untold"])
def test_agent_that_does_not_tell_gets_half_of_its_rate(home: WazuhHome, hidden: str) -> None:
    if hidden == "no interval":
        agent_file(home, "disconnected")
        (home.path / "etc/local_internal_options.conf").write_text("agent.state_interval=0\n")
    elif hidden == "buffer untold":
        agent_file(home, held="")
    agent, book = Agent4(home), Book()
    assert granted(agent.ask(book, ALL, NOW)) == 1250
    assert refused(agent.ask(book, ALL, NOW)).seconds == pytest.approx(0.1)
    assert granted(agent.ask(book, ALL, NOW + 2)) == 500


def test_disabled_buffer_has_no_limit_while_the_agent_is_connected(home: WazuhHome) -> None:
    (home.path / "etc/ossec.conf").write_text("<client_buffer><disabled>yes</disabled></client_buffer>")
    agent_file(home, held="")
    agent = Agent4(home)
    assert granted(agent.ask(Book(), ALL, NOW)) == ALL.wanted
    agent_file(home, "disconnected", held="")
    assert refused(agent.ask(Book(), ALL, NOW)).is_away
    # The agent has not been started anew since the file was changed.
    agent_file(home, held="3000", moment=time.time() + 1000)
    assert not refused(agent.ask(Book(), ALL, NOW)).is_away


def test_agent_tells_what_it_cannot_account_for(home: WazuhHome) -> None:
    agent = Agent4(home)
    assert agent.dropped() is None
    agent_file(home, held="15")
    assert agent.dropped() == 25


# An agent of Wazuh 5.x.


def test_new_agent_has_two_mebibytes_at_once_and_then_one_a_second(home: WazuhHome) -> None:
    agent, book = Agent5(home), Book()
    request = Request("run", agent.weigh(b"x" * 1000), 1e9)
    agent_file(home, held="", more="dispatched='0'\n")
    assert granted(agent.ask(book, request, NOW)) == pytest.approx(2 * MIB, rel=0.01)
    assert isinstance(agent.ask(book, request, NOW), Wait)
    assert granted(agent.ask(book, request, NOW + 1)) == pytest.approx(MIB, rel=0.01)


def test_new_agent_that_was_away_begins_with_nothing(home: WazuhHome) -> None:
    agent, book = Agent5(home), Book()
    request = Request("run", 1000, 1e9)
    agent_file(home, "disconnected", held="")
    assert refused(agent.ask(book, request, NOW)).is_away
    agent_file(home, held="")
    assert not refused(agent.ask(book, request, NOW + 0.01)).is_away
    assert granted(agent.ask(book, request, NOW + 1)) == pytest.approx(MIB, rel=0.01)


# A manager of Wazuh 4.x.


def test_manager_is_asked_for_a_sixteenth_at_once_and_never_for_more_than_a_quarter_of_what_is_free(
    home: WazuhHome,
) -> None:
    with Manager(home.path, size=16_000, rate=0):
        manager = Manager4(home)
        assert granted(manager.ask(Book(), Request("run", 1, 20), NOW)) == 1000
        assert granted(manager.ask(Book(), Request("run", 1, 2000), NOW)) == 2000
        assert granted(manager.ask(Book(), ALL, NOW)) == 4000
        assert granted(manager.ask(Book(), Request("run", 1, 1e9, share=0.2), NOW)) == 800


def test_manager_above_half_full_gets_nothing(home: WazuhHome) -> None:
    with Manager(home.path, size=100, rate=0) as model:
        manager = Manager4(home)
        model._held = 51.0
        assert not refused(manager.ask(Book(), ALL, NOW)).is_away


def test_what_other_runs_reserved_is_theirs_for_a_moment(home: WazuhHome) -> None:
    with Manager(home.path, size=16_000, rate=0):
        manager, book = Manager4(home), Book()
        assert granted(manager.ask(book, Request("a", 1, 3000), NOW)) == 3000
        assert granted(manager.ask(book, Request("b", 1, 3000), NOW)) == 1000
        assert isinstance(manager.ask(book, Request("c", 1, 3000), NOW), Wait)
        assert granted(manager.ask(book, Request("c", 1, 3000), NOW + 0.3)) == 3000


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 2), st.floats(0, 20_000)),
        st.tuples(st.just("ask"), st.sampled_from("abcde"), st.integers(1, 5000)),
        st.tuples(st.just("send"), st.sampled_from("abcde"), st.integers(1, 5000)),
    ),
    max_size=80,
)


@given(MOVES, st.integers(200, 20_000))
def test_queue_of_a_manager_never_overflows_whatever_runs_do(moves: Sequence[tuple[Any, ...]], size: int) -> None:
    """A socket holds ten events that the manager does not know of yet."""
    manager, book = Manager4(WazuhHome(Path("/missing"))), Book()
    now, held, peak, hidden = NOW, 0.0, 0.0, 0.0
    granted_to: dict[str, tuple[float, float]] = {}
    for move, *figures in moves:
        if move == "pass":
            now += figures[0]
            held, hidden = max(0.0, held + hidden - figures[0] * figures[1]), 0.0
        elif move == "ask":
            queue = EventQueue(size, min(1.0, held / size))
            answer = manager._from_queue(queue, book, Request(figures[0], 1, figures[1]), now)
            granted_to[figures[0]] = (answer.amount, now + answer.seconds) if isinstance(answer, Grant) else (0, 0)
        else:
            amount, until = granted_to.get(figures[0], (0.0, 0.0))
            sent = min(amount, figures[1]) if now < until else 0.0
            granted_to[figures[0]] = (amount - sent, until)
            held, hidden = held + hidden + sent - min(10, sent), min(10, sent)
            peak = max(peak, held + hidden)
    assert peak <= size


def test_manager_with_only_a_state_file_gets_half_of_the_free_room_for_each(home: WazuhHome) -> None:
    manager, book = Manager4(home), Book()
    manager_file(home, "0.50")
    answers = [manager.ask(book, ALL, NOW) for _ in range(10)]
    assert sum(answer.amount for answer in answers if isinstance(answer, Grant)) == 4096
    assert isinstance(answers[-1], Wait)
    manager_file(home, "0.25", moment=time.time() + 5)
    assert granted(manager.ask(book, Request("run", 1, 20), NOW + 5)) == 20


@pytest.mark.parametrize("hidden", ["no file", "no interval", "old file"])
def test_manager_that_tells_nothing_gets_a_thousand_a_second(home: WazuhHome, hidden: str) -> None:
    if hidden != "no file":
        manager_file(home, "0.00", moment=time.time() - 60)
        (home.path / "var/run/wazuh-analysisd-7.pid").touch()
    if hidden == "no interval":
        (home.path / "etc/local_internal_options.conf").write_text("analysisd.state_interval=0\n")
    manager, book = Manager4(home), Book()
    assert granted(manager.ask(book, ALL, NOW)) == 1000
    assert isinstance(manager.ask(book, ALL, NOW), Wait)
    assert granted(manager.ask(book, ALL, NOW + 0.5)) == 500


def test_manager_tells_what_it_dropped(home: WazuhHome) -> None:
    assert Manager4(home).dropped() is None
    with Manager(home.path) as model:
        model.dropped = 7
        assert Manager4(home).dropped() == 7


# A rate of the user's.


def test_fixed_rate_is_kept_in_small_parts() -> None:
    receiver, book = FixedRate(100), Book()
    assert granted(receiver.ask(book, ALL, NOW)) == 20
    assert isinstance(receiver.ask(book, ALL, NOW), Wait)
    assert granted(receiver.ask(book, ALL, NOW + 0.105)) == 10
    assert granted(FixedRate(1).ask(Book(), ALL, NOW)) == 1
