"""Opening a state file: its mode, its journal, and our own tables through ordered migrations."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from aws_s3.errors import StateCreateError, StateError

WRITER_TAG = "aws-s3 1"
"""The `version` that we write into `metadata`; another one means that the existing module ran since."""

AFTER_ANY_KEY = "\U0010ffff"
"""Behind a prefix, what sorts after every key with that prefix."""

_MODE = 0o660
_ROOM = 1 << 20
_PAGES_CHECKED_EACH_TIME = 1 << 14
"""Pages, of 4 kB, up to which a file is checked for damage whenever it is opened."""
_BUSY_TIMEOUT_S = 30
_DEPRECATED_TABLES = ("log_progress", "trail_progress")


class Execute(Protocol):
    """Executes one SQL statement."""

    def __call__(self, sql: str, parameters: Sequence[object] = (), /) -> sqlite3.Cursor:
        """Return the cursor over the result."""


class Database:
    """One state file. Every failure is a StateError (exit 5) that names the file, or StateCreateError (6).

    `migrations` are names with SQL, each applied once, in order. `on_foreign_write` is SQL that runs when
    the existing module has written to the file since our last run, or before our first.
    """

    def __init__(self, path: Path, migrations: Sequence[tuple[str, str]], on_foreign_write: Sequence[str] = ()) -> None:
        self._path = path
        _create(path)
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
            with suppress(sqlite3.OperationalError):
                self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            _check(self._connection.execute)
        with self.transaction() as execute:
            _migrate(execute, migrations)
            if not _was_written_by_us(execute):
                for statement in on_foreign_write:
                    execute(statement)
            # At each start: what cannot be written is told before anything is sent.
            _stamp(execute)

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Give a function that executes SQL; all of it is committed at the end, or nothing."""
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            finally:
                # After a failure, also one of the commit; SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a SELECT."""
        return list(self.iterate(sql, parameters))

    def iterate(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[Any]:
        """Yield the rows of a SELECT, as they are read."""
        with self._errors():
            yield from self._connection.execute(sql, parameters)

    def ensure_writable(self) -> None:
        """Raise StateError while the disk has no room to record what would be done next."""
        try:
            disk = os.statvfs(self._path.parent)
        except OSError as error:
            raise StateError(f"The state database {self._path} cannot be used: {error.strerror}.") from error
        if disk.f_bavail * disk.f_frsize < _ROOM:
            raise StateError(
                f"The state database {self._path} cannot be used: its disk has less than {_ROOM >> 20} MB left. "
                "Free some, or give another folder with --state-dir."
            )

    def close(self) -> None:
        """Close the file."""
        with self._errors():
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(
                f"The state database {self._path} cannot be used: {error}. Check the disk and the file's "
                "permissions; a damaged file can be moved away, or another folder given with --state-dir."
            ) from error


def _create(path: Path) -> None:
    """Create the file with our mode and its folder's group, whatever the umask, if it is missing."""
    if path.parent.parts[-2:] != ("wodles", "aws"):
        # A folder given with --state-dir may be new; one that belongs to Wazuh is never made for it.
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
    """Give a file of ours mode 0660 and the group of its folder (SPEC 9)."""
    os.fchmod(descriptor, _MODE)
    # Only root, or a member of the group, may: another user's own group is what is left.
    with suppress(OSError):
        os.fchown(descriptor, -1, path.parent.stat().st_gid)


def _check(execute: Execute) -> None:
    """Raise sqlite3.DatabaseError for damage that would else show between sending and recording.

    Then each run would send the same events again. A large file is checked in the first run of each UTC
    day: a million rows take a second.
    """
    today = datetime.now(timezone.utc).date().toordinal()
    [(pages,)] = execute("PRAGMA page_count")
    is_large = pages > _PAGES_CHECKED_EACH_TIME
    if is_large and execute("PRAGMA user_version").fetchone() == (today,):
        return
    [(found,)] = execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {' '.join(found.split())}")
    if is_large:
        execute(f"PRAGMA user_version = {today}")


def _migrate(execute: Execute, migrations: Sequence[tuple[str, str]]) -> None:
    execute("CREATE TABLE IF NOT EXISTS collection_migration (name TEXT PRIMARY KEY, applied TEXT NOT NULL)")
    applied = {name for (name,) in execute("SELECT name FROM collection_migration")}
    for name, sql in migrations:
        if name not in applied:
            execute(sql)
            execute("INSERT INTO collection_migration VALUES (?, datetime('now'))", (name,))


def _was_written_by_us(execute: Execute) -> bool:
    execute("CREATE TABLE IF NOT EXISTS metadata (key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key, value))")
    return execute("SELECT value FROM metadata WHERE key = 'version'").fetchall() == [(WRITER_TAG,)]


def _stamp(execute: Execute) -> None:
    for table in _DEPRECATED_TABLES:
        execute(f"DROP TABLE IF EXISTS {table}")
    execute("DELETE FROM metadata WHERE key = 'version'")
    execute("INSERT INTO metadata (key, value) VALUES ('version', ?)", (WRITER_TAG,))
