"""The state of scans for findings: when each target was scanned, and the findings that were sent lately."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from aws_s3.state.database import Database, Execute, insert

FindingVersion = tuple[str, str]
"""A finding's ARN, and when it was last updated: ISO, UTC, with microseconds."""

MIGRATIONS = (
    (
        "aws_services",
        """CREATE TABLE IF NOT EXISTS aws_services (
            service_name TEXT NOT NULL, aws_account_id TEXT NOT NULL, aws_region TEXT NOT NULL,
            scan_date TEXT NOT NULL, PRIMARY KEY (service_name, aws_account_id, aws_region, scan_date))""",
    ),
    (
        "scans",
        """CREATE TABLE collection_scan (
            service TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, scan_date TEXT NOT NULL,
            PRIMARY KEY (service, account, region, scan_date)) WITHOUT ROWID""",
    ),
    (
        "scan starts",
        """CREATE TABLE collection_scan_start (
            service TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, start TEXT NOT NULL,
            PRIMARY KEY (service, account, region)) WITHOUT ROWID""",
    ),
    (
        "findings seen",
        """CREATE TABLE collection_finding (
            service TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, arn TEXT NOT NULL,
            updated TEXT NOT NULL, PRIMARY KEY (service, account, region, arn, updated)) WITHOUT ROWID""",
    ),
)

_KEPT = 5
"""Wazuh's own module keeps so many scans of a service, account and region."""

_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
_OURS = ("service", "account", "region")
_SHARED = ("service_name", "aws_account_id", "aws_region")
_IS_TARGET = "service = ? AND account = ? AND region = ?"


@dataclass(frozen=True)
class ScanTarget:
    """A service of an account in a region."""

    service: str
    account: str
    region: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The values that identify the target, in the order of the tables' keys."""
        return (self.service, self.account, self.region)

    def columns(self, names: tuple[str, ...] = _OURS) -> dict[str, object]:
        """Return the target's values by the columns of a table."""
        return dict(zip(names, self.key, strict=True))


class Scans:
    """When each target was scanned. Moments are UTC. Every method raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, target: ScanTarget, start: datetime) -> datetime:
        """Return the time from which a new target is scanned: `start`, or that of an earlier scan that did not end."""
        with self._database.transaction() as execute:
            values = {**target.columns(), "start": _text(start)}
            insert(execute, "collection_scan_start", values, verb="INSERT OR IGNORE")
        sql = f"SELECT start FROM collection_scan_start WHERE {_IS_TARGET}"
        [began] = self._database.select(lambda row: row.parsed("start", _moment), sql, target.key)
        return began

    def last(self, target: ScanTarget) -> datetime | None:
        """Return the start of our last complete scan of the target, None without any."""
        return self._latest(f"SELECT max(scan_date) AS scanned FROM collection_scan WHERE {_IS_TARGET}", target.key)

    def last_of_wazuh(self, target: ScanTarget) -> datetime | None:
        """Return the last scan that Wazuh's own module made of the service in the region, of any account.

        It asks for the account without the role, so its rows may carry another account.
        """
        return self._latest(
            "SELECT max(scan_date) AS scanned FROM aws_services "
            "WHERE service_name = ? AND aws_region = ? AND NOT EXISTS ("
            "SELECT 1 FROM collection_scan AS ours WHERE service = service_name AND account = aws_account_id "
            "AND region = aws_region AND ours.scan_date = aws_services.scan_date)",
            (target.service, target.region),
        )

    def seen(self, target: ScanTarget, versions: Iterable[FindingVersion]) -> set[FindingVersion]:
        """Return those of the findings that were sent before."""
        sql = f"SELECT 1 FROM collection_finding WHERE {_IS_TARGET} AND arn = ? AND updated = ?"
        return {version for version in versions if self._database.first(sql, (*target.key, *version))}

    def record(self, target: ScanTarget, versions: Iterable[FindingVersion]) -> None:
        """Remember findings that were sent."""
        with self._database.transaction(of_sent_events=True) as execute:
            for arn, updated in versions:
                values = {**target.columns(), "arn": arn, "updated": updated}
                insert(execute, "collection_finding", values, verb="INSERT OR IGNORE")

    def complete(self, target: ScanTarget, scanned: datetime, forget_before: str) -> None:
        """Remember a scan whose findings were all sent; forget findings updated before `forget_before`."""
        with self._database.transaction() as execute:
            for table, names in (("collection_scan", _OURS), ("aws_services", _SHARED)):
                values = {**target.columns(names), "scan_date": _text(scanned)}
                insert(execute, table, values, verb="INSERT OR REPLACE")
                _prune(execute, table, names, target)
            execute(f"DELETE FROM collection_scan_start WHERE {_IS_TARGET}", target.key)
            execute(f"DELETE FROM collection_finding WHERE {_IS_TARGET} AND updated < ?", (*target.key, forget_before))

    def forget(self, target: ScanTarget) -> None:
        """Take all that the state knows of the target out of it; the caller holds its lock."""
        with self._database.transaction() as execute:
            for table in ("collection_scan", "collection_scan_start", "collection_finding"):
                execute(f"DELETE FROM {table} WHERE {_IS_TARGET}", target.key)
            # A row counts whatever its account is.
            shared = (target.service, target.region)
            execute("DELETE FROM aws_services WHERE service_name = ? AND aws_region = ?", shared)

    def _latest(self, sql: str, parameters: tuple[str, ...]) -> datetime | None:
        [scanned] = self._database.select(
            lambda row: None if row["scanned"] is None else row.parsed("scanned", _moment), sql, parameters
        )
        return scanned


def _prune(execute: Execute, table: str, names: tuple[str, ...], target: ScanTarget) -> None:
    where = " AND ".join(f"{name} = ?" for name in names)
    execute(
        f"DELETE FROM {table} WHERE {where} AND scan_date NOT IN "
        f"(SELECT scan_date FROM {table} WHERE {where} ORDER BY scan_date DESC LIMIT {_KEPT})",
        (*target.key, *target.key),
    )


def _text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime(_FORMAT)


def _moment(text: str) -> datetime:
    """Return the moment; that of Wazuh's own module may lack the fraction of a second."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
