"""Delivery: in parts that a pacer permits, counted event by event, ended by signals only between parts."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.errors import Interrupted, SinkSendError
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats


@dataclass
class ListSink(Sink):
    """Keeps the events that it accepts; `before` is called ahead of each."""

    events: list[bytes] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    limit: int | None = 100

    def connect(self) -> None:
        """Be there."""

    def send(self, message: bytes) -> None:
        self.before()
        self.events.append(message)

    def close(self) -> None:
        """Keep everything."""


@dataclass
class Portions:
    """A pacer that permits portions of the given sizes, then everything."""

    sizes: Iterator[int]
    open: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    @contextmanager
    def permit(self, events: Sequence[bytes]) -> Iterator[int]:
        count = min(next(self.sizes, len(events)), len(events))
        self.asked.append(len(events))
        self.open.append(count)
        try:
            yield count
        finally:
            self.open.pop()


@pytest.fixture
def stop_request() -> Iterator[StopRequest]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    listening = StopRequest()
    listening.install()
    yield listening
    for number, handler in before.items():
        signal.signal(number, handler)


@given(
    events=st.lists(st.binary(min_size=1, max_size=4), max_size=30),
    portions=st.lists(st.integers(1, 10), max_size=10),
    refused=st.integers(0, 40),
)
def test_what_was_accepted_is_counted_and_recorded_however_it_is_cut(
    events: list[bytes], portions: list[int], refused: int
) -> None:
    sink, stats, records = ListSink(), RunStats(), list[int]()
    pacer = Portions(iter(portions))

    def refuse() -> None:
        if len(sink.events) == refused:
            raise SinkSendError("refused")

    sink.before = refuse
    delivery = Delivery(sink, StopRequest(), stats, pacer)
    if refused < len(events):
        with pytest.raises(SinkSendError):
            delivery.send(events, records.append)
    else:
        delivery.send(events, records.append)

    accepted = min(refused, len(events))
    assert sink.events == events[:accepted]
    assert delivery.accepted == stats.events == accepted
    assert records == sorted(records)
    assert records[-1:] == ([accepted] if events else [])
    assert pacer.open == []


def test_a_signal_within_a_part_ends_the_run_after_the_part_is_recorded(stop_request: StopRequest) -> None:
    sink, records = ListSink(), list[int]()
    sink.before = lambda: signal.raise_signal(signal.SIGTERM)
    delivery = Delivery(sink, stop_request, RunStats(), Portions(iter([3])))

    with pytest.raises(Interrupted):
        delivery.send([b"a", b"b", b"c", b"d"], records.append)

    assert sink.events == [b"a", b"b", b"c"]
    assert records == [3]


def test_a_wait_for_room_ends_at_once_with_a_signal_also_within_a_shield(stop_request: StopRequest) -> None:
    class Full:
        """A receiver that never has room."""

        @contextmanager
        def permit(self, events: Sequence[bytes]) -> Iterator[int]:
            while True:
                threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
                stop_request.wait(600)
            yield len(events)

    sink = ListSink()
    delivery = Delivery(sink, stop_request, RunStats(), Full())
    with pytest.raises(Interrupted), stop_request.deferred():
        delivery.send([b"a"])
    assert sink.events == []


def test_without_a_pacer_all_goes_out_in_one_part_and_the_limit_is_the_sinks() -> None:
    delivery, records = Delivery(ListSink(), StopRequest(), RunStats()), list[int]()
    delivery.send([b"a", b"b"], records.append)
    delivery.send([], records.append)
    delivery.send([b"c"], records.append)
    assert records == [2, 1]
    assert delivery.accepted == 3
    assert delivery.limit == 100
