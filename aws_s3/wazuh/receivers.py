"""The receivers of Wazuh that may stand behind the socket, and how much room each says it has.

All of them take every event at once, and drop the newest when their own buffer is full. `recognise` finds
out which one lives in a home; its `ask` tells how much may be sent now, or how long to wait.
"""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from aws_s3.wazuh.analysis_socket import Analysis
from aws_s3.wazuh.budget import RESERVED_FOR, Book, Bucket
from aws_s3.wazuh.client_buffer import client_buffer
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.state_file import AgentState, EventQueue, StateFile

AGENT = "wazuh-agentd"
MANAGER = "wazuh-analysisd"

_STATE_INTERVAL = 5
_LONGEST_SILENCE = 60.0
"""Seconds after which a state file that is not written again tells nothing about now."""

_CHECK_SECONDS = 1.0
"""How often to look whether the daemon was started anew."""

_LOOK_AGAIN = 0.2
_ASK_AGAIN = 0.02
_ENVELOPE = 28
"""Bytes that an event takes in a buffer besides its text: the header, and the agent's additions."""

MIB = 1 << 20


@dataclass(frozen=True)
class Grant:
    """Room for an amount, for `seconds` from now; 0: for the events that are sent at once."""

    amount: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Wait:
    """There is no room: ask again after about so many seconds. `is_away`: nothing leaves the receiver."""

    seconds: float
    reason: str
    is_away: bool = False


@dataclass(frozen=True)
class Request:
    """The amount that a run would like to send, in the receiver's unit: `least` is its first event, `wanted` all.

    `run` names the run; `share` is the part of the room that is its own where runs cannot share a ledger.
    """

    run: str
    least: float
    wanted: float
    share: float = 1.0

    def of(self, share: float) -> "Request":
        """Return the request of a run that has that share."""
        return self if share == self.share else replace(self, share=share)


class Receiver(Protocol):
    """Something behind Wazuh's socket."""

    @property
    def name(self) -> str:
        """Which receiver it is, to be read after "behind the socket is"."""

    @property
    def limits(self) -> str:
        """The setting that limits its pace."""

    def weigh(self, event: bytes) -> float:
        """Return how much room an event takes."""

    def ask(self, book: Book, request: Request, now: float) -> Grant | Wait:
        """Draw room from the book for at least the first event, or tell to wait. `now`: of the monotonic clock."""

    def dropped(self) -> float | None:
        """Return how many events it says it dropped since it started; None if it does not tell."""


def recognise(home: WazuhHome) -> Receiver | None:
    """Return the receiver that lives in the home; None where nothing tells."""
    has_agent_files = home.started(AGENT) is not None or _is_there(home.state_file(AGENT))
    answers = Analysis.ask(home.analysis) is not None
    if answers or home.started(MANAGER) is not None or (_is_there(home.analysis, socket=True) and not has_agent_files):
        return Manager4(home)
    if not has_agent_files and not _is_there(home.path / "etc" / "client.keys"):
        return None
    version = home.major_version()
    if version is None:
        state = StateFile.read(home.state_file(AGENT))
        version = 5 if state and "dispatched" in state.values else 4
    return Agent5(home) if version >= 5 else Agent4(home)


class _Daemon:
    """A daemon that writes a state file, and whether the file that is there is of this daemon."""

    def __init__(self, home: WazuhHome, name: str, option: str) -> None:
        self._home = home
        self._name = name
        self._interval = home.internal_option(option, _STATE_INTERVAL)
        self._started: float | None = None
        self._suspected = ""
        self._checked = -_CHECK_SECONDS

    @property
    def longest_silence(self) -> float:
        """Seconds after which the file should long have been written again."""
        return max(_LONGEST_SILENCE, 3.0 * self._interval)

    def state(self) -> StateFile | None:
        """Return the file as it is now; None where the daemon writes none."""
        return StateFile.read(self._home.state_file(self._name)) if self._interval else None

    def is_old(self, file: StateFile) -> bool:
        """Tell whether the file was left by a daemon that ran before the one that runs now."""
        now = time.monotonic()
        if now - self._checked >= _CHECK_SECONDS:
            self._checked = now
            started = self._home.started(self._name)
            if started != self._started:
                self._started, self._suspected = started, file.identity
        # A file that changes is of now, whatever the clock was when the daemon started.
        return self._started is not None and file.written < self._started and file.identity == self._suspected


def _age(file: StateFile) -> float:
    return time.time() - file.written


class Agent4:
    """An agent of Wazuh 4.x: its buffer holds a number of events, and a fixed rate leaves it."""

    name = "an agent of Wazuh 4.x"

    def __init__(self, home: WazuhHome) -> None:
        self._daemon = _Daemon(home, AGENT, "agent.state_interval")
        self._buffer = client_buffer(home)
        self.limits = f"{self._buffer.rate} events a second through a buffer of {self._buffer.size} events"
        if self._buffer.is_disabled:
            self.limits = "no limit, because its buffer is disabled"

    def weigh(self, event: bytes) -> float:
        """Return 1: it counts events."""
        del event
        return 1.0

    def ask(self, book: Book, request: Request, now: float) -> Grant | Wait:
        """Draw from the room that the last state file showed."""
        file = self._daemon.state()
        state = AgentState.of(file) if file else None
        if file is None:
            return self._blindly(book, request, now)
        if state is None:
            return Wait(_LOOK_AGAIN, "its state file is half written")
        if self._daemon.is_old(file):
            return Wait(_LOOK_AGAIN, "its state file is older than the agent: it has not connected yet", is_away=True)
        book.see(file.identity, _age(file), now)
        if not state.is_connected:
            return Wait(_LOOK_AGAIN, "it is not connected to its manager", is_away=True)
        if state.held is None:
            return Grant(request.wanted) if self._buffer.is_disabled else self._blindly(book, request, now)
        return self._draw(book, state.held, request, now)

    def _draw(self, book: Book, held: float, request: Request, now: float) -> Grant | Wait:
        room = self._buffer.room(book, held, now, request.share)
        part = self._buffer.part
        if room >= min(request.wanted, part):
            # An object has often less than a part, and asking takes longer than sending.
            amount = _whole(min(room, max(request.wanted, part)), request.least)
            book.draw(amount, now)
            return Grant(amount, RESERVED_FOR)
        if now - book.since > self._daemon.longest_silence:
            return Wait(_LOOK_AGAIN, "its state file is not written any more", is_away=True)
        return Wait(self._buffer.seconds_until_part(room), "its buffer is as full as it may be")

    def _blindly(self, book: Book, request: Request, now: float) -> Grant | Wait:
        return _from_bucket(self._buffer.blind(), book, request, now)

    def dropped(self) -> float | None:
        """Return how many events neither left nor wait: the least it can have dropped."""
        file = self._daemon.state()
        state = AgentState.of(file) if file else None
        return state.unaccounted if state else None


class Agent5:
    """An agent of Wazuh 5.x: a buffer of 4 MiB, of which it tells nothing but whether it is connected."""

    name = "an agent of Wazuh 5.x"
    limits = "1 MiB a second, because it does not tell how full its buffer is"

    _bucket = Bucket(2.0 * MIB, 1.0 * MIB)

    def __init__(self, home: WazuhHome) -> None:
        self._daemon = _Daemon(home, AGENT, "agent.state_interval")

    def weigh(self, event: bytes) -> float:
        """Return its bytes."""
        return float(len(event) + _ENVELOPE)

    def ask(self, book: Book, request: Request, now: float) -> Grant | Wait:
        """Draw from 2 MiB that fill again at 1 MiB a second while it is connected."""
        file = self._daemon.state()
        if file is not None and (self._daemon.is_old(file) or file.values.get("status", "connected") != "connected"):
            self._bucket.empty(book, now)
            return Wait(_LOOK_AGAIN, "it is not connected to its manager", is_away=True)
        return _from_bucket(self._bucket, book, request, now)

    def dropped(self) -> float | None:
        """Return None: it does not tell."""
        return None


class Manager4:
    """A manager of Wazuh 4.x: one queue of events for all that it receives, which its decoders empty."""

    name = "a manager of Wazuh 4.x"
    limits = "its event queue, which may be half full"

    _unknown = Bucket(1000.0, 1000.0)
    _part = 1 / 16
    """The part of the queue that is kept for a run at once, unless it has more to send."""

    def __init__(self, home: WazuhHome) -> None:
        self._socket = home.analysis
        self._daemon = _Daemon(home, MANAGER, "analysisd.state_interval")

    def weigh(self, event: bytes) -> float:
        """Return 1: it counts events."""
        del event
        return 1.0

    def ask(self, book: Book, request: Request, now: float) -> Grant | Wait:
        """Draw from the free room of its queue, else from the room in its state file, else from a low rate."""
        answer = Analysis.ask(self._socket)
        if answer is not None:
            return self._from_queue(answer.queue, book, request, now)
        file = self._daemon.state()
        if file is not None and not self._daemon.is_old(file):
            return self._from_file(file, book, request, now)
        return _from_bucket(self._unknown, book, request, now)

    def _from_queue(self, queue: EventQueue, book: Book, request: Request, now: float) -> Grant | Wait:
        """Take at most a quarter of the free room, and nothing above half full."""
        book.is_lost = False
        room = request.share * queue.free / 4 - book.reserved_by_others(request.run, now)
        if queue.usage >= 0.5 or room < 1:
            book.reserve(request.run, 0.0, now)
            return Wait(_ASK_AGAIN, "its queue is half full")
        amount = min(room, max(request.wanted, queue.size * self._part))
        book.reserve(request.run, amount, now)
        return Grant(amount, RESERVED_FOR)

    def _from_file(self, file: StateFile, book: Book, request: Request, now: float) -> Grant | Wait:
        """Take half of the room that was free when the file was written."""
        queue = EventQueue.of(file.number("event_queue_size"), file.number("event_queue_usage"))
        if queue is None:
            return Wait(_LOOK_AGAIN, "its state file is half written")
        book.see(file.identity, _age(file), now)
        room = request.share * queue.free / 2 - book.drawn
        if room >= 1:
            amount = _whole(min(room, request.wanted, max(1.0, queue.size * self._part)), request.least)
            book.draw(amount, now)
            return Grant(amount)
        if now - book.since > self._daemon.longest_silence:
            return Wait(_LOOK_AGAIN, "its state file is not written any more", is_away=True)
        return Wait(_LOOK_AGAIN, "its queue has no more room until it tells new figures")

    def dropped(self) -> float | None:
        """Return how many events of AWS it dropped."""
        answer = Analysis.ask(self._socket)
        return answer.dropped if answer else None


@dataclass(frozen=True)
class FixedRate:
    """Any receiver, sent a number of events a second: the user says so."""

    rate: int

    name = "a receiver"

    @property
    def limits(self) -> str:
        """Name the option."""
        return f"--max-eps {self.rate}"

    def weigh(self, event: bytes) -> float:
        """Return 1: the rate is of events."""
        del event
        return 1.0

    def ask(self, book: Book, request: Request, now: float) -> Grant | Wait:
        """Draw from the rate; a fifth of a second's at once."""
        return _from_bucket(Bucket(max(1.0, self.rate / 5), self.rate), book, request, now)

    def dropped(self) -> float | None:
        """Return None: it is not asked."""
        return None


def _from_bucket(bucket: Bucket, book: Book, request: Request, now: float) -> Grant | Wait:
    bucket = Bucket(max(bucket.capacity * request.share, request.least), bucket.rate * request.share)
    tokens = bucket.fill(book, now)
    part = max(request.least, min(bucket.capacity, bucket.rate / 10))
    if tokens < min(request.wanted, part):
        return Wait((part - tokens) / bucket.rate, "its rate is used up")
    amount = _whole(min(tokens, max(request.wanted, part)), request.least)
    bucket.draw(book, amount)
    return Grant(amount, RESERVED_FOR)


def _whole(amount: float, least: float) -> float:
    """Return the amount without the part in which no event has room."""
    return least * math.floor(amount / least)


def _is_there(path: Path, *, socket: bool = False) -> bool:
    try:
        return path.is_socket() if socket else path.exists()
    except OSError:
        return False
