"""One state file: its mode and journal, transactions that wait for other programs, migrations of our own tables."""

import logging
import math
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, timezone
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aws_s3.errors import StateCreateError, StateError

log = logging.getLogger(__name__)

WRITER_TAG = "aws-s3 1"
"""The `version` that we write into `metadata`; another value means that Wazuh's own module ran since."""

AFTER_ANY_KEY = "\U0010ffff"
"""Behind a prefix, this sorts after every key with that prefix."""

T = TypeVar("T")

_MODE = 0o660
_MIN_FREE_BYTES = 1 << 20
_PAGES_CHECKED_EACH_TIME = 1 << 14
"""Pages, of 4 kB, up to which a file is checked for damage whenever it is opened."""
_BUSY_POLL_S = 0.25
"""SQLite waits so long for a lock before Python gets to see a signal."""
_PATIENCE_S = 60.0
"""The longest wait for another program's lock while nothing is sent that is not recorded."""
_PATIENCE_AFTER_STOP_S = 4.0
"""The longest wait for the lock, once a signal asked to stop, to record the events that were sent."""
_TOLD_AFTER_S = 10.0
_TRANSACTIONS_AT_ONCE = 8
"""Transactions in quick succession, at full speed, that share one proof of room and lock, and one sync of the disk."""
_PROVEN_BYTES = _TRANSACTIONS_AT_ONCE * 12 * 4096
"""A transaction for one object writes up to 12 pages: the row, two indexes with splits, our own tables."""
_ROOMY_JOURNAL_BYTES = 1048 * 4120
"""A journal of this size has room for every transaction, because SQLite begins it anew after 1,000 pages."""
_AT_ONCE_S = 0.05
"""Events that are sent more slowly are recorded with the greatest care: for each object the lock and the sync."""
_ROWS_A_STATEMENT = 200
_DEPRECATED_TABLES = ("log_progress", "trail_progress")
_RESERVE = "CREATE TABLE collection_reserve (content BLOB)"


class Execute(Protocol):
    """Executes one SQL statement."""

    def __call__(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Return the cursor over the result; its rows are `Row`s."""


class InvalidValueError(ValueError):
    """A column holds a value that no version of ours writes."""


class Row(sqlite3.Row):
    """A row whose columns are read by name and kind. Every method raises InvalidValueError."""

    def text(self, column: str) -> str:
        """Return a TEXT that is not NULL."""
        return self._checked(column, str)

    def integer(self, column: str) -> int:
        """Return an INTEGER that is not NULL."""
        return self._checked(column, int)

    def blob(self, column: str) -> bytes:
        """Return a BLOB that is not NULL."""
        return self._checked(column, bytes)

    def optional_text(self, column: str) -> str | None:
        """Return a TEXT, or None for NULL."""
        return None if self[column] is None else self.text(column)

    def optional_integer(self, column: str) -> int | None:
        """Return an INTEGER, or None for NULL."""
        return None if self[column] is None else self.integer(column)

    def day(self, column: str) -> date | None:
        """Return a UTC day, written `2021-06-10`, or None for NULL."""
        return None if self[column] is None else self.parsed(column, date.fromisoformat)

    def parsed(self, column: str, parse: Callable[[str], T]) -> T:
        """Return the result of `parse` for a TEXT; its ValueError means that the value is invalid."""
        text = self.text(column)
        try:
            return parse(text)
        except ValueError as error:
            raise InvalidValueError(f"its column {column} holds {text!r}") from error

    def _checked(self, column: str, kind: type[T]) -> T:
        value = self[column]
        if not isinstance(value, kind):
            raise InvalidValueError(f"its column {column} holds {value!r}")
        return value


def insert(execute: Execute, table: str, values: Mapping[str, object], *, verb: str = "INSERT") -> sqlite3.Cursor:
    """Insert one row, its values by the names of their columns. `verb` may be `INSERT OR REPLACE` or `… IGNORE`."""
    marks = ", ".join("?" * len(values))
    return execute(f"{verb} INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def insert_all(execute: Execute, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert or replace many rows, their values in the order of the columns."""
    marks = f"({', '.join('?' * len(columns))})"
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS_A_STATEMENT)):
        sql = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES {', '.join([marks] * len(some))}"
        execute(sql, tuple(chain.from_iterable(some)))


class _Turn:
    """Tells when it is time again for something that every transaction would have if speed did not matter."""

    def __init__(self) -> None:
        self._since = 0
        self._last = -math.inf

    def is_due(self) -> bool:
        """Count a transaction; tell whether it is the first after a pause, or the first of the next few."""
        now = time.monotonic()
        self._since += 1
        if self._since < _TRANSACTIONS_AT_ONCE and now - self._last < _AT_ONCE_S:
            return False
        self._since, self._last = 0, now
        return True


class Database:
    """One state file. Every failure is a StateError (exit 5) that names the file, or StateCreateError (6).

    `migrations` are names with SQL, each applied once, in order. `on_foreign_write` is SQL that runs when
    Wazuh's own module has written to the file since our last run, or before our first. `is_stopping`
    tells whether a signal asked the process to stop: then waiting for another program's lock is short.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[tuple[str, str]],
        on_foreign_write: Sequence[str] = (),
        *,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._path = path
        self._is_stopping = is_stopping
        self._give_up_at: float | None = None
        self._journal_bytes = 0
        self._proof = _Turn()
        self._sync = _Turn()
        self._is_synchronous = False
        _refuse_planted_links(path)
        _create(path)
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=_BUSY_POLL_S, isolation_level=None)
            self._connection.row_factory = Row
            with suppress(sqlite3.OperationalError):
                self._patiently(lambda: self._connection.execute("PRAGMA journal_mode = WAL"), _PATIENCE_S)
            _check(self._execute)
        with self.transaction() as execute:
            _migrate(execute, (*migrations, ("reserve", _RESERVE)))
            if not _was_written_by_us(execute):
                for statement in on_foreign_write:
                    execute(statement)
            # At each start: a file that cannot be written must show before anything is sent.
            _stamp(execute)

    @contextmanager
    def transaction(self, *, of_sent_events: bool = False) -> Iterator[Execute]:
        """Give a function that executes SQL; all of it is committed at the end, or nothing.

        Another program's lock is waited for: a minute, or as long as it takes with `of_sent_events`,
        because events that are not recorded would be sent again. After a signal it is a few seconds.
        """
        patience = float("inf") if of_sent_events else _PATIENCE_S
        with self._errors():
            self._choose_durability()
            self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"), patience)
            try:
                yield self._connection.execute
                self._patiently(lambda: self._connection.execute("COMMIT"), patience)
            finally:
                # After a failure, also of the commit; SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _choose_durability(self) -> None:
        """Let the next commit reach the disk, unless the last one that did is only a moment and a few commits ago.

        A power cut takes back the commits since then: one object where events are sent slowly, a few at full speed,
        because an fsync for each object would halve that speed.
        """
        is_synchronous = self._sync.is_due()
        if is_synchronous != self._is_synchronous:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_synchronous else 'NORMAL'}")
            self._is_synchronous = is_synchronous

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a SELECT."""
        return list(self.select(lambda row: row, sql, parameters))

    def first(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """Return the first row of a SELECT, None without any."""
        return next(self.select(lambda row: row, sql, parameters), None)

    def select(self, read: Callable[[Row], T], sql: str, parameters: Sequence[object] = ()) -> Iterator[T]:
        """Yield the result of `read` for each row of a SELECT, as rows are read."""
        with self._errors():
            yield from map(read, self._execute(sql, parameters))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn an InvalidValueError into a StateError that names the file."""
        with self._errors():
            yield

    def ensure_writable(self, size: int = 0) -> None:
        """Raise StateError unless the events that are sent next can be recorded, in `size` bytes if that is much.

        The lock is taken for a moment, and the room for a few transactions is written to the journal and given
        back to it, which also shows a quota that the file system does not tell of.
        """
        self._check_free_space()
        if not self._proof.is_due() and size <= _PROVEN_BYTES // _TRANSACTIONS_AT_ONCE:
            return
        with self._errors():
            self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"), _PATIENCE_S)
            try:
                if not self._journal_is_roomy():
                    self._fill_journal(max(size, _PROVEN_BYTES))
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        with self._errors():
            self._connection.close()

    def _journal_is_roomy(self) -> bool:
        """Tell whether the journal is as large as it gets, and does not grow further because of a reader."""
        journal = self._path.with_name(f"{self._path.name}-wal")
        before, self._journal_bytes = self._journal_bytes, journal.stat().st_size if journal.exists() else 0
        return before == self._journal_bytes >= _ROOMY_JOURNAL_BYTES

    def _fill_journal(self, size: int) -> None:
        """Write pages that the caller rolls back: the journal file keeps their room, and the next pages take it."""
        [(pages,)] = self._connection.execute("PRAGMA cache_size")
        # SQLite writes before the commit only the pages that its cache cannot hold.
        self._connection.execute("PRAGMA cache_size = 10")
        try:
            self._connection.execute("INSERT INTO collection_reserve VALUES (zeroblob(?))", (size,))
        finally:
            self._connection.execute(f"PRAGMA cache_size = {pages}")

    def _check_free_space(self) -> None:
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise StateError(
                f"The state database {self._path} cannot be used: {error.strerror}. Check the disk, or give another "
                "folder with --state-dir."
            ) from error
        if disk.f_bavail * disk.f_frsize < _MIN_FREE_BYTES:
            raise StateError(
                f"The state database {self._path} cannot be used: its disk has less than {_MIN_FREE_BYTES >> 20} MB "
                "left. Free some, or give another folder with --state-dir."
            )

    def _execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        return self._patiently(lambda: self._connection.execute(sql, parameters), _PATIENCE_S)

    def _patiently(self, execute: Callable[[], sqlite3.Cursor], patience: float) -> sqlite3.Cursor:
        """Execute again as long as another program holds the lock, up to `patience` seconds.

        SQLite's own wait would hold signals back: Python handles them between two attempts.
        """
        began, is_told = time.monotonic(), False
        while True:
            try:
                return execute()
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                if not _is_busy(error) or waited > patience or self._has_stopped_waiting():
                    raise
            if waited > _TOLD_AFTER_S and not is_told:
                is_told = True
                log.warning("Another program holds the lock of the state database %s: waiting for it", self._path)

    def _has_stopped_waiting(self) -> bool:
        """Tell whether a signal asked to stop, and that long enough ago."""
        if self._give_up_at is None and self._is_stopping():
            self._give_up_at = time.monotonic() + _PATIENCE_AFTER_STOP_S
        return self._give_up_at is not None and time.monotonic() > self._give_up_at

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, InvalidValueError) as error:
            raise StateError(
                f"The state database {self._path} cannot be used: {error}. Check the disk and the file's "
                "permissions; a damaged file can be moved away, or another folder given with --state-dir."
            ) from error


def _is_busy(error: sqlite3.OperationalError) -> bool:
    # sqlite_errorcode is of Python 3.11.
    return "is locked" in str(error)


def _refuse_planted_links(path: Path) -> None:
    """Raise StateError for a link that another user may have put into the place of a file of ours.

    The folder belongs to a group, and this process may well be root: through such a link it would
    create or overwrite any file. An administrator's own link, to another disk, is followed.
    """
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # A circle of links, which SQLite tells.
        real = path
    for name in (path, *(real.with_name(real.name + suffix) for suffix in ("-wal", "-shm", "-journal"))):
        try:
            found = name.lstat()
        except OSError:
            continue
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (0, os.geteuid()):
            raise StateError(
                f"The state database {path} cannot be used: {name} is a symbolic link of another user "
                f"(ID {found.st_uid}). Remove the link, or give another folder with --state-dir."
            )


def is_made(folder: Path) -> bool:
    """Tell whether a state folder that is missing is made: where it may be, and never within a home of Wazuh."""
    return folder.parts[-2:] != ("wodles", "aws") and folder.absolute().parent.is_dir()


def _create(path: Path) -> None:
    """Create the file with our mode and its folder's group, whatever the umask, if it is missing."""
    if is_made(path.parent):
        with suppress(OSError):
            path.parent.mkdir()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        return
    except OSError as error:
        raise StateCreateError(
            f"The state database {path} cannot be created: {error.strerror}. Is Wazuh installed there? "
            "Give its home with --wazuh-home, or another folder with --state-dir."
        ) from error
    try:
        share_with_group(descriptor, path)
    finally:
        os.close(descriptor)


def share_with_group(descriptor: int, path: Path) -> None:
    """Give a file of ours mode 0660 and the group of its folder."""
    os.fchmod(descriptor, _MODE)
    # Only root and members of the group may do so; for another user the file keeps the user's own group.
    with suppress(OSError):
        os.fchown(descriptor, -1, path.parent.stat().st_gid)


def _check(execute: Execute) -> None:
    """Raise sqlite3.DatabaseError for damage that would else show between sending and recording.

    Then each run would send the same events again. A large file is checked in the first run of each UTC
    day: a million rows take a second.
    """
    today = datetime.now(timezone.utc).date().toordinal()
    is_large = _pragma(execute, "page_count") > _PAGES_CHECKED_EACH_TIME
    if is_large and _pragma(execute, "user_version") == today:
        return
    found = _pragma(execute, "quick_check(1)")
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(found.split())}")
    if is_large:
        execute(f"PRAGMA user_version = {today}")


def _pragma(execute: Execute, name: str) -> Any:
    [[value]] = execute(f"PRAGMA {name}").fetchall()
    return value


def _migrate(execute: Execute, migrations: Sequence[tuple[str, str]]) -> None:
    execute("CREATE TABLE IF NOT EXISTS collection_migration (name TEXT PRIMARY KEY, applied TEXT NOT NULL)")
    applied = {row["name"] for row in execute("SELECT name FROM collection_migration")}
    for name, sql in migrations:
        if name not in applied:
            execute(sql)
            execute("INSERT INTO collection_migration (name, applied) VALUES (?, datetime('now'))", (name,))


def _was_written_by_us(execute: Execute) -> bool:
    execute("CREATE TABLE IF NOT EXISTS metadata (key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key, value))")
    found = execute("SELECT value FROM metadata WHERE key = 'version'").fetchall()
    return [row["value"] for row in found] == [WRITER_TAG]


def _stamp(execute: Execute) -> None:
    """Write our version, and drop the tables that Wazuh's own module no longer uses."""
    for table in _DEPRECATED_TABLES:
        execute(f"DROP TABLE IF EXISTS {table}")
    execute("DELETE FROM metadata WHERE key = 'version'")
    execute("INSERT INTO metadata (key, value) VALUES ('version', ?)", (WRITER_TAG,))
