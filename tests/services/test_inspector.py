"""Inspector's findings scan after scan: each version of a finding once."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aws_s3.aws.service_api import ServiceApi
from aws_s3.errors import RequestError, SinkSendError, StateError
from aws_s3.services.base import Context
from aws_s3.services.inspector import Inspector
from aws_s3.settings import DiscardRule, ServiceJob
from aws_s3.state.service_state import FILE
from tests.services.memory import REGION, Collecting

UTC = timezone.utc


class MemoryFindings(ServiceApi):
    """Findings by their ARN; 2 a page. As with AWS, what is listed is updated between two moments."""

    def __init__(self) -> None:
        self.findings: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None

    def put(self, arn: str, updated: datetime, **members: Any) -> None:
        self.findings[arn] = {"findingArn": arn, "updatedAt": updated, **members}

    def call(self, operation: str, what: str, **request: Any) -> dict[str, Any]:
        assert operation == "list_findings"
        self.asked.append(request)
        self.before()
        [limits] = request["filterCriteria"]["updatedAt"]
        found = [
            finding
            for finding in self.findings.values()
            if limits["startInclusive"] <= finding["updatedAt"] <= limits["endInclusive"]
        ]
        first = int(request["nextToken"] or 0)
        more = {"nextToken": str(first + 2)} if first + 2 < len(found) else {}
        return {"findings": found[first : first + 2], **more}


class Scanning(Collecting):
    """Scans of findings in memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.api = MemoryFindings()

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)

    def scan(self, minutes: int = 10, **options: Any) -> list[Any]:
        """Scan, so many minutes after the last time; return the messages."""
        self.now += minutes * 60_000
        before = len(self.sink.messages)
        for around in self.context([]):
            connected = Context(**{**vars(around), "connect": lambda region, rate: self.api})
            Inspector(ServiceJob("inspector", **options), connected).collect(REGION)
        return [json.loads(message) for message in self.sink.messages[before:]]

    def arns(self, minutes: int = 10, **options: Any) -> list[str]:
        return [message["aws"]["findingArn"] for message in self.scan(minutes, **options)]


@pytest.fixture
def scanning(tmp_path: Path) -> Scanning:
    return Scanning(tmp_path)


def test_first_scan_begins_today_unless_told_otherwise(scanning: Scanning) -> None:
    scanning.api.put("yesterday", scanning.moment - timedelta(days=1))
    scanning.api.put("today", scanning.moment)
    assert scanning.arns() == ["today"]


def test_first_scan_begins_where_it_is_told(scanning: Scanning) -> None:
    for number in range(5):
        scanning.api.put(f"{number}", scanning.moment - timedelta(days=1))
    assert scanning.arns(only_logs_after=date(2021, 6, 9)) == [f"{number}" for number in range(5)]
    assert all(request["maxResults"] == 100 for request in scanning.api.asked)


def test_each_version_of_a_finding_is_sent_once(scanning: Scanning) -> None:
    scanning.api.put("a", scanning.moment)
    assert scanning.arns(minutes=1) == ["a"]
    assert scanning.arns(minutes=1) == []
    scanning.api.put("late", scanning.moment - timedelta(minutes=4))
    scanning.api.put("a", scanning.moment)
    assert sorted(scanning.arns(minutes=1)) == ["a", "late"]
    assert [scanning.arns(minutes=minutes) for minutes in (1, 5, 10)] == [[], [], []]


def test_scan_goes_on_where_the_last_one_was_also_on_the_next_day(scanning: Scanning) -> None:
    scanning.arns()
    scanning.api.put("in the evening", scanning.moment + timedelta(hours=5))
    assert scanning.arns(minutes=24 * 60) == ["in the evening"]


def test_newer_start_is_heeded(scanning: Scanning) -> None:
    scanning.arns()
    scanning.api.put("in the evening", scanning.moment + timedelta(hours=5))
    assert scanning.arns(minutes=24 * 60, only_logs_after=date(2021, 6, 11)) == []


def test_scan_that_fails_between_pages_does_not_count_and_repeats_nothing(scanning: Scanning) -> None:
    for number in range(6):
        scanning.api.put(f"{number}", scanning.moment)
    calls = iter(range(10))

    def refuse() -> None:
        if next(calls) == 2:
            raise RequestError("refused")

    scanning.api.before = refuse
    with pytest.raises(RequestError):
        scanning.scan()
    scanning.api.before = lambda: None
    assert scanning.arns(minutes=3 * 24 * 60) == ["4", "5"]


@pytest.mark.parametrize(("how", "again"), [("refuse", ["3", "4"]), ("kill", ["2", "3", "4"])])
def test_scan_that_ends_within_a_page_repeats_no_more_than_the_page(
    scanning: Scanning, how: str, again: list[str]
) -> None:
    for number in range(5):
        scanning.api.put(f"{number}", scanning.moment)
    scanning.sink.left, scanning.sink.fail = 3, getattr(scanning, how)
    with pytest.raises((SinkSendError, StateError)):
        scanning.scan()
    scanning.sink.left = None
    assert scanning.arns() == again


def test_reparse_sends_again_what_was_sent(scanning: Scanning) -> None:
    scanning.api.put("a", scanning.moment)
    assert [scanning.arns(reparse=reparse) for reparse in (False, True, False)] == [["a"], ["a"], []]


def test_scan_of_the_existing_module_is_gone_on_from(scanning: Scanning) -> None:
    scanning.scan()
    with closing(sqlite3.connect(scanning.folder / FILE)) as database, database:
        database.execute(
            "INSERT INTO aws_services VALUES ('inspector', '000000000000', ?, '2021-06-10 13:00:00.000000')", (REGION,)
        )
    scanning.api.put("sent by it", datetime(2021, 6, 10, 12, 54, tzinfo=UTC))
    scanning.api.put("late, or sent by it", datetime(2021, 6, 10, 12, 56, tzinfo=UTC))
    scanning.api.put("new", datetime(2021, 6, 10, 13, 1, tzinfo=UTC))
    assert scanning.arns(minutes=120) == ["late, or sent by it", "new"]
    assert scanning.arns(minutes=120) == []


def test_moments_are_written_as_the_existing_module_writes_them(scanning: Scanning) -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    seen = datetime(2021, 6, 10, 6, 30, tzinfo=india)
    details = {"vendorCreatedAt": seen, "cvss": [{"baseScore": 7.5}]}
    scanning.api.put("a", datetime(2021, 6, 10, 2, 0, 0, 500, tzinfo=UTC), firstObservedAt=seen, details=details)
    assert scanning.scan() == [
        {
            "integration": "aws",
            "aws": {
                "findingArn": "a",
                "updatedAt": "2021-06-10T02:00:00Z",
                "firstObservedAt": "2021-06-10 01:00:00+00:00",
                "details": {"vendorCreatedAt": "2021-06-10 01:00:00+00:00", "cvss": [{"baseScore": 7.5}]},
                "source": "inspector2",
            },
        }
    ]


def test_discarded_findings_are_not_sent(scanning: Scanning) -> None:
    for severity in ("LOW", "HIGH"):
        scanning.api.put(severity, scanning.moment, severity=severity)
    assert scanning.arns(discard=DiscardRule("severity", re.compile("LOW"))) == ["HIGH"]


def test_finding_that_is_too_large_is_cut(scanning: Scanning) -> None:
    scanning.api.put("a", scanning.moment, description="x" * 5000, title="kept")
    scanning.sink.limit = 1000
    [message] = scanning.scan()
    assert message["aws"]["title"] == "kept"
    assert message["aws"]["description"].endswith("…[truncated]")
    assert len(json.dumps(message, ensure_ascii=False).encode()) < 1100


def test_findings_are_not_kept_for_ever(scanning: Scanning) -> None:
    for number in range(20):
        scanning.api.put(f"{number}", scanning.moment)
        scanning.scan()
    with closing(sqlite3.connect(scanning.folder / FILE)) as database:
        assert database.execute("SELECT count(*) FROM collection_finding").fetchone()[0] <= 2
