"""The arithmetic of flow control: how much of a receiver's room is left. Times and figures come in, nothing is read.

Times are seconds of the machine's monotonic clock, which all runs share. Amounts are events, or bytes
for a receiver whose buffer counts bytes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OVERLAP = 1.0
"""Seconds: events drawn this shortly before a state file was last seen may be missing in its figures."""

RESERVED_FOR = 0.25
"""Seconds for which a part of a queue's room is kept for the run that asked for it."""

_EXHAUSTED = 1e15
_SLOT = 0.1
"""Seconds whose draws are one entry."""


@dataclass
class Book:
    """Everything that all runs drew from the room of one receiver. Runs share it in the ledger.

    `file`: the identity of the state file from whose writing `drawn` counts; `since`: the earliest time at
    which that file can have been written; `looked`: when a run last read it; `recent`: times and amounts
    drawn lately. `tokens`, at the time `filled`: the rest in a `Bucket`; None before its first use.
    `reserved`: by run, until when and how much. `is_lost`: earlier entries are unknown, so that nothing may
    be drawn before the receiver tells new figures.
    """

    file: str = ""
    since: float = 0.0
    looked: float = 0.0
    drawn: float = 0.0
    recent: list[tuple[float, float]] = field(default_factory=list)
    tokens: float | None = None
    filled: float = 0.0
    reserved: dict[str, tuple[float, float]] = field(default_factory=dict)
    is_lost: bool = False

    def see(self, file: str, age: float, now: float) -> None:
        """Note which state file is there and how many seconds ago it was written, by a clock that may be wrong."""
        if file != self.file:
            self.drawn = _EXHAUSTED if self.is_lost else self._possibly_uncounted()
            self.since = now - min(max(age, 0.0), now - self.looked)
            self.file = file
            self.is_lost = False
        self.looked = now

    def _possibly_uncounted(self) -> float:
        """Return how much was drawn so late that the receiver may have written its figures before it came."""
        return sum(amount for moment, amount in self.recent if moment >= self.looked - OVERLAP)

    def draw(self, amount: float, now: float) -> None:
        """Count the events that a run is about to send, or was still sending a moment ago."""
        self.drawn += amount
        self.recent = [entry for entry in self.recent if entry[0] >= now - 2 * OVERLAP]
        if self.recent and self.recent[-1][0] // _SLOT == now // _SLOT:
            amount += self.recent.pop()[1]
        self.recent.append((now, amount))

    def reserve(self, run: str, amount: float, now: float) -> None:
        """Keep room for a run for a moment."""
        self.reserved = {other: entry for other, entry in self.reserved.items() if entry[0] > now and other != run}
        if amount:
            self.reserved[run] = (now + RESERVED_FOR, amount)

    def reserved_by_others(self, run: str, now: float) -> float:
        """Return how much room is kept for other runs."""
        return sum(amount for other, (until, amount) in self.reserved.items() if until > now and other != run)

    def to_json(self) -> dict[str, Any]:
        """Return the form that `from_json` takes."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, found: Mapping[str, Any], now: float) -> "Book":
        """Return the book. Raises ValueError, TypeError, KeyError or AttributeError for anything else than one."""
        book = cls(
            str(found["file"]),
            _past(found["since"], now),
            _past(found["looked"], now),
            _amount(found["drawn"]),
            [(_past(moment, now), _amount(amount)) for moment, amount in found["recent"]],
            None if found["tokens"] is None else _amount(found["tokens"]),
            _past(found["filled"], now),
            {str(run): (float(until), _amount(amount)) for run, (until, amount) in found["reserved"].items()},
            found["is_lost"] is True,
        )
        if any(until > now + RESERVED_FOR for until, _ in book.reserved.values()):
            raise ValueError("a reservation of the future")
        return book


@dataclass(frozen=True)
class Bucket:
    """Room that comes back at `rate` a second, up to `capacity`."""

    capacity: float
    rate: float

    def fill(self, book: Book, now: float) -> float:
        """Add the tokens that came back since the last time, and return their number."""
        if book.is_lost:
            book.tokens, book.is_lost = 0.0, False
        elif book.tokens is None:
            book.tokens = self.capacity
        else:
            book.tokens += self.rate * max(0.0, now - book.filled)
        book.tokens = min(book.tokens, self.capacity)
        book.filled = now
        return book.tokens

    @staticmethod
    def empty(book: Book, now: float) -> None:
        """Begin with nothing, now: the receiver's buffer may be full."""
        book.tokens, book.filled, book.is_lost = 0.0, now, False

    @staticmethod
    def draw(book: Book, amount: float) -> None:
        """Take an amount out."""
        book.tokens = (book.tokens or 0.0) - amount


@dataclass(frozen=True)
class ClientBuffer:
    """The buffer of an agent of Wazuh 4.x: it holds `size` events, and `rate` a second leave it at most."""

    size: int = 5000
    rate: int = 500
    is_disabled: bool = False

    def room(self, book: Book, held: float, now: float, share: float = 1.0) -> float:
        """Return for how many events there is room, when the last state file told that `held` were waiting.

        Half of the buffer, and the events that should have left it since; but never so much that nine tenths of it
        fill up if nothing leaves. A link slower than `rate`, or a state file that stops, so ends the sending.
        """
        most = 0.9 * self.size - held
        expected = max(0.0, self.size / 2 - held) + 0.9 * self.rate * (now - book.since)
        room = share * min(most, expected) - book.drawn
        is_empty = held == 0 and book.drawn == 0
        return max(room, 1.0) if is_empty else room

    @property
    def part(self) -> float:
        """For how many events it is worth to wait: a tenth of a second's, or of the buffer."""
        return max(1.0, min(self.rate / 10, self.size / 10))

    def seconds_until_part(self, room: float) -> float:
        """Return after how many seconds there may be room for a part, if the file told of room."""
        return max(0.0, self.part - room) / (0.9 * self.rate)

    def blind(self) -> Bucket:
        """Return the room of a buffer that tells nothing: half of the rate, and a quarter of the buffer at once."""
        return Bucket(max(1.0, self.size / 4), self.rate / 2)


def _amount(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a number")
    return number


def _past(value: Any, now: float) -> float:
    moment = _amount(value)
    if not 0 <= moment <= now:
        raise ValueError("a time of the future")
    return moment
