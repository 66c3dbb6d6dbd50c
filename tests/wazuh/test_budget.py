"""Whatever happens between runs and a receiver, they never send more than it has room for. Clocks are simulated."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.wazuh.budget import OVERLAP, Book, Bucket, ClientBuffer

NOW = 1000.0


@dataclass
class SimulatedAgent:
    """An agent's buffer: what is sent arrives after a while; what leaves is never more than its rate."""

    buffer: ClientBuffer
    now: float = NOW
    held: float = 0.0
    peak: float = 0.0
    writings: int = 1
    told: float = 0.0
    written: float = NOW
    under_way: list[tuple[float, float]] = field(default_factory=list)

    def pass_time(self, seconds: float, speed: float) -> None:
        """Let events arrive and leave; `speed`: the part of the agent's rate at which its link takes them."""
        end = self.now + seconds
        for moment, amount in sorted(self.under_way):
            if moment <= end:
                self._drain(moment, speed)
                self.held += amount
                self.peak = max(self.peak, self.held)
        self.under_way = [entry for entry in self.under_way if entry[0] > end]
        self._drain(end, speed)

    def _drain(self, moment: float, speed: float) -> None:
        self.held = max(0.0, self.held - self.buffer.rate * speed * max(0.0, moment - self.now))
        self.now = max(self.now, moment)

    def write(self) -> None:
        """Write the state file."""
        self.writings += 1
        self.told, self.written = float(int(self.held + 0.999)), self.now

    def ask(self, book: Book, wanted: float, delay: float, clock_error: float) -> float:
        """Let a run ask, and send what it is granted; its wall clock may say anything."""
        book.see(f"{self.writings}", self.now - self.written + clock_error, self.now)
        amount = min(wanted, float(int(max(0.0, self.buffer.room(book, self.told, self.now)))))
        if amount:
            book.draw(amount, self.now)
            self.under_way.append((self.now + delay, amount))
        return amount


class OfAgent:
    """The moves of a simulation."""

    seconds = st.floats(0, 8)
    speed = st.sampled_from([0.0, 0.3, 1.0])
    delay = st.floats(0, OVERLAP * 0.99)
    error = st.sampled_from([0.0, 0.0, 0.0, -3600.0, 3600.0, 5.0, -5.0])
    passing = st.tuples(st.just("pass"), seconds, speed)
    writing = st.tuples(st.just("write"))
    asking = st.tuples(st.just("ask"), st.integers(1, 5000), delay, error)
    moves = st.lists(st.one_of(passing, writing, asking, asking), max_size=60)


@given(OfAgent.moves, st.integers(1, 6000), st.integers(50, 1000))
def test_agent_is_never_sent_more_than_nine_tenths_of_its_buffer(
    moves: Iterable[tuple[Any, ...]], size: int, rate: int
) -> None:
    agent, book = SimulatedAgent(ClientBuffer(size, rate)), Book()
    for move, *figures in moves:
        if move == "pass":
            agent.pass_time(*figures)
        elif move == "write":
            agent.write()
        else:
            agent.ask(book, *figures)
    agent.pass_time(OVERLAP, 0.0)
    assert agent.peak <= max(1.0, 0.9 * size)


@pytest.mark.parametrize(
    ("size", "rate", "part"), [(5000, 50, 1.0), (5000, 500, 1.0), (10_000, 1000, 1.0), (5000, 1000, 0.8)]
)
def test_agent_gets_events_as_fast_as_they_leave_it(size: int, rate: int, part: float) -> None:
    """A buffer that holds the events of five seconds, the time between two state files, is too small for that."""
    agent, book = SimulatedAgent(ClientBuffer(size, rate)), Book()
    sent = 0.0
    for tick in range(3000):
        if tick % 50 == 49:
            agent.write()
        sent += agent.ask(book, 100, 0.01, 0)
        agent.pass_time(0.1, 1.0)
    assert sent >= 300 * rate * part
    assert agent.peak <= 0.9 * size


def test_state_file_that_stops_ends_the_sending() -> None:
    agent, book = SimulatedAgent(ClientBuffer(5000, 500), told=1000, held=1000), Book()
    sent = 0.0
    for _ in range(1000):
        sent += agent.ask(book, 100, 0.01, 0)
        agent.pass_time(0.1, 0.0)
    assert sent == 3500


def test_events_of_the_last_second_count_again_when_the_figures_are_new() -> None:
    book = Book()
    book.see("1", 0, NOW)
    book.draw(100, NOW)
    book.see("1", 5, NOW + 5)
    book.draw(30, NOW + 5)
    book.see("2", 1, NOW + 6)
    assert (book.drawn, book.since) == (30, NOW + 5)


def test_lost_book_lets_nothing_through_before_new_figures() -> None:
    buffer, book = ClientBuffer(), Book(is_lost=True)
    book.see("1", 0, NOW)
    assert buffer.room(book, 0, NOW + 1000) < 0
    book.see("2", 0, NOW + 5)
    assert buffer.room(book, 0, NOW + 5) == 2500
    lost = Book(is_lost=True)
    bucket = Bucket(100, 10)
    assert bucket.fill(lost, NOW) == 0
    assert bucket.fill(lost, NOW + 2) == 20


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_buffer_gets_one_event_when_it_is_empty(size: int) -> None:
    book = Book()
    book.see("1", 0, NOW)
    room = ClientBuffer(size, 50).room(book, 0, NOW)
    assert 1 <= room <= size


def test_share_is_a_part_of_the_room() -> None:
    book = Book()
    book.see("1", 0, NOW)
    assert ClientBuffer().room(book, 0, NOW, share=0.2) == 500


@given(
    st.floats(1, 1e6),
    st.floats(1, 1e6),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1)), max_size=50),
)
def test_bucket_never_gives_more_than_its_capacity_and_rate(
    capacity: float, rate: float, asked: list[tuple[float, float]]
) -> None:
    bucket, book, now, given_out = Bucket(capacity, rate), Book(), NOW, [(NOW, 0.0)]
    for seconds, part in asked:
        now += seconds
        amount = bucket.fill(book, now) * part
        bucket.draw(book, amount)
        given_out.append((now, given_out[-1][1] + amount))
    for index, (begin, before) in enumerate(given_out):
        for end, after in given_out[index + 1 :]:
            assert after - before <= (capacity + rate * (end - begin)) * (1 + 1e-9)
    assert all(earlier[1] <= later[1] for earlier, later in pairwise(given_out))


def test_bucket_is_empty_after_an_absence() -> None:
    bucket, book = Bucket(100, 10), Book()
    assert bucket.fill(book, NOW) == 100
    bucket.empty(book, NOW + 60)
    assert bucket.fill(book, NOW + 61) == 10


def test_reservations_of_others_end_soon_and_ones_own_counts_for_nobody_else() -> None:
    book = Book()
    book.reserve("a", 100, NOW)
    book.reserve("b", 50, NOW + 0.1)
    assert (book.reserved_by_others("a", NOW + 0.1), book.reserved_by_others("c", NOW + 0.1)) == (50, 150)
    assert book.reserved_by_others("c", NOW + 0.3) == 50
    book.reserve("b", 0, NOW + 0.2)
    assert list(book.reserved) == ["a"]
    assert book.reserved_by_others("b", NOW + 1) == 0


@given(OfAgent.moves)
def test_book_survives_json(moves: Iterable[tuple[Any, ...]]) -> None:
    agent, book = SimulatedAgent(ClientBuffer()), Book()
    for move, *figures in moves:
        if move == "ask":
            agent.ask(book, *figures)
            book.reserve("run", 5, agent.now)
    assert Book.from_json(book.to_json(), agent.now) == book


@pytest.mark.parametrize(
    "change",
    [
        {"looked": NOW + 1},
        {"looked": -1},
        {"drawn": float("nan")},
        {"drawn": "x"},
        {"recent": [[NOW + 1, 2]]},
        {"recent": 7},
        {"tokens": float("inf")},
        {"reserved": {"a": [NOW + 1, 5]}},
        {"reserved": []},
    ],
)
def test_book_of_figures_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        Book.from_json(Book().to_json() | change, NOW)
