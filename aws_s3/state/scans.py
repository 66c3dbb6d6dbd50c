"""The state of scans for findings: when they were, and the findings seen lately (SPEC 9, 11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from aws_s3.state.database import Database

FindingVersion = tuple[str, str]
"""A finding's ARN, and when it was last updated."""

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
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
_TABLES = {
    "collection_scan": ("service", "account", "region"),
    "aws_services": ("service_name", "aws_account_id", "aws_region"),
}
_WHERE = "service = ? AND account = ? AND region = ?"


@dataclass(frozen=True)
class ScanTarget:
    """What is scanned: a service of an account in a region."""

    service: str
    account: str
    region: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What its rows have in common."""
        return (self.service, self.account, self.region)


class Scans:
    """When each target was scanned. Moments are UTC."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, target: ScanTarget, start: datetime) -> datetime:
        """Return from when a target is scanned that never was: `start`, or that of a scan that was not ended."""
        with self._database.transaction() as execute:
            execute("INSERT OR IGNORE INTO collection_scan_start VALUES (?, ?, ?, ?)", (*target.key, _text(start)))
        sql = f"SELECT start FROM collection_scan_start WHERE {_WHERE}"
        return _moment(self._database.query(sql, target.key)[0][0])

    def last(self, target: ScanTarget) -> datetime | None:
        """Return when the target was last scanned by us."""
        sql = f"SELECT max(scan_date) FROM collection_scan WHERE {_WHERE}"
        [(scanned,)] = self._database.query(sql, target.key)
        return _moment(scanned) if scanned else None

    def last_of_wazuh(self, target: ScanTarget) -> datetime | None:
        """Return when the existing module last scanned the target, by rows of any account (SPEC 9)."""
        [(scanned,)] = self._database.query(
            "SELECT max(scan_date) FROM aws_services WHERE service_name = ? AND aws_region = ? AND NOT EXISTS ("
            "SELECT 1 FROM collection_scan AS ours WHERE service = service_name AND account = aws_account_id "
            "AND region = aws_region AND ours.scan_date = aws_services.scan_date)",
            (target.service, target.region),
        )
        return _moment(scanned) if scanned else None

    def seen(self, target: ScanTarget, versions: Iterable[FindingVersion]) -> set[FindingVersion]:
        """Return those of the findings that were sent before."""
        sql = f"SELECT 1 FROM collection_finding WHERE {_WHERE} AND arn = ? AND updated = ?"
        return {version for version in versions if self._database.query(sql, (*target.key, *version))}

    def record(self, target: ScanTarget, versions: Iterable[FindingVersion]) -> None:
        """Remember findings that were sent."""
        with self._database.transaction() as execute:
            for version in versions:
                parameters = (*target.key, *version)
                execute("INSERT OR IGNORE INTO collection_finding VALUES (?, ?, ?, ?, ?)", parameters)

    def complete(self, target: ScanTarget, scanned: datetime, forget_before: str) -> None:
        """Remember a scan of which everything was sent; forget findings updated before `forget_before`."""
        with self._database.transaction() as execute:
            for table, names in _TABLES.items():
                where = " AND ".join(f"{name} = ?" for name in names)
                execute(
                    f"INSERT OR REPLACE INTO {table} ({', '.join(names)}, scan_date) VALUES (?, ?, ?, ?)",
                    (*target.key, _text(scanned)),
                )
                execute(
                    f"DELETE FROM {table} WHERE {where} AND scan_date NOT IN "
                    f"(SELECT scan_date FROM {table} WHERE {where} ORDER BY scan_date DESC LIMIT {_KEPT})",
                    (*target.key, *target.key),
                )
            execute(f"DELETE FROM collection_scan_start WHERE {_WHERE}", target.key)
            execute(f"DELETE FROM collection_finding WHERE {_WHERE} AND updated < ?", (*target.key, forget_before))


def _text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime(_FORMAT)


def _moment(text: str) -> datetime:
    """Return the moment; the existing module's may lack the fraction of a second."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
