"""The ledger in which all runs before one receiver write down how much of its room they drew.

It is a small file in HOME/wodles/aws, or beside the socket. A run locks it for the moment of the arithmetic
only, with a POSIX record lock, which ends with its process. The folder belongs to a group and the run may
be root: no link is followed, and nothing but a regular file of one name is written to.
"""

import fcntl
import json
import logging
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aws_s3.wazuh.budget import Book
from aws_s3.wazuh.home import WazuhHome

log = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "aws-s3.pacing"

_FORM = 1
_LARGEST = 1 << 18
_MODE = 0o660
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCK_ATTEMPTS = 40
_LOCK_PAUSE = 0.005
_OWN_SHARE = 0.2
"""The part of the room that a run takes where it cannot know of others: Wazuh may have started five at once."""

_DAMAGES = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


class LedgerBusyError(Exception):
    """Another run holds the ledger for longer than any arithmetic takes."""


@dataclass
class Entries:
    """The ledger's contents. `books` by receiver; `is_warned`: of a receiver that is not known.

    `waited`: seconds that all runs waited so far; `last_wait`: those of the last run that ended, at `ended`
    (seconds since 1970).
    """

    books: dict[str, Book] = field(default_factory=dict)
    is_warned: bool = False
    waited: float = 0.0
    last_wait: float = 0.0
    ended: float = 0.0
    is_damaged: bool = False

    def book(self, receiver: str) -> Book:
        """Return the book of a receiver; a new one tells that earlier entries are lost where the file was damaged."""
        return self.books.setdefault(receiver, Book(is_lost=self.is_damaged))

    def to_bytes(self, boot: str) -> bytes:
        """Return the content of the file. `boot` names the time since the machine was started."""
        content = {
            **self.__dict__,
            "form": _FORM,
            "boot": boot,
            "books": {receiver: book.to_json() for receiver, book in self.books.items()},
        }
        return json.dumps(content).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes, boot: str, now: float) -> "Entries":
        """Return the entries. Without those of before the machine started; of a damaged file, none but that it was."""
        if not content.strip():
            return cls()
        try:
            found = json.loads(content)
            if found["form"] != _FORM:
                raise ValueError("another form")
            waited, last_wait, ended = (float(found[name]) for name in ("waited", "last_wait", "ended"))
            entries = cls({}, found["is_warned"] is True, waited, last_wait, ended, found["is_damaged"] is True)
            if found["boot"] == boot:
                entries.books = {str(name): Book.from_json(book, now) for name, book in found["books"].items()}
        except _DAMAGES:
            return cls(is_damaged=True)
        return entries


class Ledger:
    """The ledger of one home, or this run's own one where there is no home or no file can be shared.

    `share` is the part of the room that is this run's.
    """

    def __init__(self, home: WazuhHome | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.share = 1.0
        self._home = home
        self._clock = clock
        self._boot = _boot()
        self._descriptor: int | None = None
        self._own = None if home else Entries()

    def update(self, change: Callable[[Entries], T]) -> T:
        """Let `change` read and change the entries while they are locked; return its result.

        Raises LedgerBusyError when another run holds the lock.
        """
        if self._own is not None:
            return change(self._own)
        try:
            descriptor = self._locked()
        except OSError as error:
            return change(self.keep_own(error.strerror or str(error)))
        try:
            return self._change(descriptor, change)
        finally:
            with suppress(OSError):
                fcntl.lockf(descriptor, fcntl.LOCK_UN)

    def _change(self, descriptor: int, change: Callable[[Entries], T]) -> T:
        entries = Entries.from_bytes(os.pread(descriptor, _LARGEST, 0), self._boot, self._clock())
        result = change(entries)
        content = entries.to_bytes(self._boot)
        try:
            # A process that is killed leaves the old entries or the new ones, with blanks or rests behind them.
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        except OSError as error:
            self.keep_own(error.strerror or str(error), entries)
        return result

    def keep_own(self, reason: str, entries: Entries | None = None) -> Entries:
        """Share the file no more: take a part of the room that leaves some for four other runs."""
        path = _paths(self._home)[0] if self._home else NAME
        log.warning(
            "The file %s, in which runs note how much of Wazuh's room they use, cannot be used: %s. "
            "This run takes a fifth of the room.",
            path,
            reason,
        )
        self.share = _OWN_SHARE
        self._own = entries or Entries()
        self.close()
        return self._own

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked(self) -> int:
        """Return the descriptor of the file, locked. Raises OSError or LedgerBusyError."""
        for _ in range(_LOCK_ATTEMPTS):
            if self._descriptor is None:
                assert self._home is not None
                self._descriptor = _opened(self._home)
            try:
                fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                time.sleep(_LOCK_PAUSE)
                continue
            if os.fstat(self._descriptor).st_nlink:
                return self._descriptor
            # Somebody removed the file: another run may have made a new one.
            self.close()
        raise LedgerBusyError


def read_entries(home: WazuhHome) -> Entries | None:
    """Return the contents of a home's ledger, without changing anything; None if there is no ledger."""
    for path in _paths(home):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                return Entries.from_bytes(os.pread(descriptor, _LARGEST, 0), _boot(), time.monotonic())
            finally:
                os.close(descriptor)
    return None


def _paths(home: WazuhHome) -> list[Path]:
    return [home.module_folder / NAME, home.events.parent / NAME]


def _opened(home: WazuhHome) -> int:
    """Return a descriptor of the ledger, which is created where it is missing: in wodles/aws if there is one."""
    folder = home.module_folder if home.module_folder.is_dir() else home.events.parent
    path = folder / NAME
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        _share_with_group(descriptor, folder)
        return descriptor
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError(0, "it is not a regular file of one name")
    return descriptor


def _share_with_group(descriptor: int, folder: Path) -> None:
    """Let runs of other members of the folder's group use the file."""
    os.fchmod(descriptor, _MODE)
    # Only root, or a member of the group, may.
    with suppress(OSError):
        os.fchown(descriptor, -1, folder.stat().st_gid)


def _boot() -> str:
    """Return a text that is another one after the machine started anew: its monotonic clock is another, too."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
