"""The record of each source as a whole: its last complete run, its last error, whether it ever found an object."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from aws_s3.errors import CollectorError
from aws_s3.settings import BucketLocation
from aws_s3.state.database import Database, Execute, InvalidValueError, Row, insert

MIGRATIONS = (
    (
        "sources",
        """CREATE TABLE collection_source (
            id INTEGER PRIMARY KEY, type TEXT NOT NULL, bucket TEXT NOT NULL, path TEXT NOT NULL,
            suffix TEXT NOT NULL, organization TEXT NOT NULL, last_run TEXT,
            UNIQUE (type, bucket, path, suffix, organization))""",
    ),
    ("first find of a source", "ALTER TABLE collection_source ADD COLUMN found TEXT"),
    ("last error of a source", "ALTER TABLE collection_source ADD COLUMN last_error TEXT"),
    ("time of the last error of a source", "ALTER TABLE collection_source ADD COLUMN last_error_at TEXT"),
    ("archived objects of a source", "ALTER TABLE collection_source ADD COLUMN archived INTEGER NOT NULL DEFAULT 0"),
)

_IS_SOURCE = "type = ? AND bucket = ? AND path = ? AND suffix = ? AND organization = ?"


@dataclass(frozen=True)
class LastError:
    """A source's or queue's last error, one line, and when the run began that met it (ISO, UTC)."""

    message: str
    at: str


class SourceRecord:
    """The record of one source. It exists once the source had a partition: `ensure` makes it.

    `began` is the start of the run, UTC; `last_run_of_wazuh` gives the time of the last run of Wazuh's own module;
    `mask` takes the secrets out of the texts of errors.
    """

    def __init__(
        self,
        database: Database,
        location: BucketLocation,
        began: datetime,
        last_run_of_wazuh: Callable[[], str | None],
        mask: Callable[[str], str],
    ) -> None:
        self._database = database
        self._mask = mask
        self._last_run_of_wazuh = last_run_of_wazuh
        # Types have no blanks.
        kind = f"{location.type} {location.layout}" if location.layout else location.type
        self._names = (kind, location.bucket, location.path, location.suffix, location.organization)
        self._began = began
        self.id = 0
        """The source's number in our other tables; 0, which no row has, while it has no record."""
        if row := self._row():
            with database.reading():
                self.id = row.integer("id")

    @property
    def name(self) -> str:
        """The source's identity, the same in every run and before it has a record."""
        return " ".join(self._names)

    def ensure(self, execute: Execute) -> None:
        """Make the record if it is missing, in the caller's transaction."""
        if self.id:
            return
        columns = ("type", "bucket", "path", "suffix", "organization")
        values = {**dict(zip(columns, self._names, strict=True)), "last_run": self._last_run_of_wazuh()}
        insert(execute, "collection_source", values, verb="INSERT OR IGNORE")
        row: Row = execute(f"SELECT id FROM collection_source WHERE {_IS_SOURCE}", self._names).fetchone()
        self.id = row.integer("id")

    def last_run(self) -> date | None:
        """Return the UTC day of the last run that failed nowhere, None without any."""
        row = self._row()
        with self._database.reading():
            return _day(row.optional_text("last_run") if row else self._last_run_of_wazuh())

    def complete(self) -> None:
        """Remember that this run went over the whole source and failed nowhere."""
        self._set("last_run", _text(self._began))

    def ever_found(self) -> bool:
        """Tell whether any run found an object of the source's layout, of any day."""
        row = self._row()
        with self._database.reading():
            return row is not None and row.optional_text("found") is not None

    def note_found(self) -> None:
        """Remember that the source holds, or held, objects of its layout."""
        if self.id and not self.ever_found():
            self._set("found", _text(self._began))

    def note_archived(self, count: int) -> None:
        """Remember how many objects this run passed over because they are in an archive."""
        row = self._row()
        with self._database.reading():
            is_new = row is not None and row.integer("archived") != count
        if is_new:
            self._set("archived", count)

    def last_error(self) -> LastError | None:
        """Return the last error that `note_error` was given, None without any."""
        row = self._row()
        with self._database.reading():
            return last_error(row) if row else None

    def note_error(self, error: CollectorError) -> None:
        """Remember an error of this run, in the place of an earlier run's; nothing while there is no record."""
        with self._database.transaction() as execute:
            execute(
                "UPDATE collection_source SET last_error = ?, last_error_at = ? WHERE id = ?",
                (self._mask(str(error)), _text(self._began), self.id),
            )

    def forget(self, execute: Execute) -> None:
        """Forget the source itself, in the caller's transaction."""
        execute("DELETE FROM collection_source WHERE id = ?", (self.id,))
        self.id = 0

    def _set(self, column: str, value: str | int) -> None:
        with self._database.transaction() as execute:
            execute(f"UPDATE collection_source SET {column} = ? WHERE id = ?", (value, self.id))

    def _row(self) -> Row | None:
        return self._database.first(f"SELECT * FROM collection_source WHERE {_IS_SOURCE}", self._names)


def last_error(row: Row) -> LastError | None:
    """Return the last error of a row of either table."""
    message = row.optional_text("last_error")
    return LastError(message, row.optional_text("last_error_at") or "") if message is not None else None


def _day(text: str | None) -> date | None:
    """Return the day of a time in the state, None for no time."""
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise InvalidValueError(f"its column last_run holds {text!r}") from error


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
