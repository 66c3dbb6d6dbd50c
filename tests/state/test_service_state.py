"""The state of the services: what the existing module left is taken over, what we leave it can read."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aws_s3.state.log_streams import Group
from aws_s3.state.read_ranges import LATE, ReadInterval
from aws_s3.state.scans import ScanTarget
from aws_s3.state.service_state import FILE, ServiceState

REGION = "us-east-1"
GROUP = Group(REGION, "g")
ONE, TWO = "111111111111", "222222222222"
NOW = datetime(2021, 6, 10, 12, tzinfo=timezone.utc)


def leave(folder: Path, streams: Iterable[Any] = (), scans: Iterable[Any] = ()) -> None:
    """Write what the existing module writes: rows, and its version."""
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS cloudwatch_logs (aws_region 'text' NOT NULL, aws_log_group 'text' NOT NULL, "
            "aws_log_stream 'text' NOT NULL, next_token 'text', start_time 'integer', end_time 'integer', "
            "PRIMARY KEY (aws_region, aws_log_group, aws_log_stream))"
        )
        database.execute(
            "CREATE TABLE IF NOT EXISTS aws_services (service_name 'text' NOT NULL, aws_account_id 'text' NOT NULL, "
            "aws_region 'text' NOT NULL, scan_date 'text' NOT NULL, "
            "PRIMARY KEY (service_name, aws_account_id, aws_region, scan_date))"
        )
        database.execute(
            "CREATE TABLE IF NOT EXISTS metadata (key 'text' NOT NULL, value 'text' NOT NULL, PRIMARY KEY (key, value))"
        )
        database.execute("DELETE FROM metadata")
        database.execute("INSERT INTO metadata VALUES ('version', '4.14')")
        for stream in streams:
            database.execute("REPLACE INTO cloudwatch_logs VALUES (?, ?, ?, ?, ?, ?)", (REGION, "g", *stream))
        database.executemany("REPLACE INTO aws_services VALUES ('inspector', ?, ?, ?)", scans)


def intervals(folder: Path, account: str, *names: str) -> dict[str, tuple[ReadInterval, ...]]:
    """Begin to read the streams as of the account; return what was read of them."""
    with closing(ServiceState(folder)) as state:
        state.streams.begin(GROUP, account, names, 5000)
        return {name: known.intervals for name, known in state.streams.checkpoints(GROUP, account).items()}


def compatible(folder: Path) -> list[Any]:
    with closing(sqlite3.connect(folder / FILE)) as database:
        return database.execute("SELECT * FROM cloudwatch_logs ORDER BY aws_log_stream").fetchall()


def test_first_account_that_reads_a_stream_takes_over_what_was_read_of_it(tmp_path: Path) -> None:
    leave(tmp_path, [("s", "token", 1000, 2000)])
    assert intervals(tmp_path, ONE, "other") == {"other": (ReadInterval(5000, 5000, 5000),)}
    assert intervals(tmp_path, TWO, "s") == {"s": (ReadInterval(1000, 2000, 1000),)}
    assert intervals(tmp_path, ONE, "s")["s"] == (ReadInterval(5000, 5000, 5000),)


@pytest.mark.parametrize(
    ("times", "taken"),
    [
        ((1000, 2000), 1000),
        ((1000, 2000 + LATE), 2000),
        ((None, 2000), 2000),
        ((2000, None), 5000),
        ((None, None), 5000),
        ((3000, 2000), 2000),
    ],
)
def test_row_of_the_existing_module_may_be_half_empty(tmp_path: Path, times: tuple[Any, Any], taken: int) -> None:
    leave(tmp_path, [("s", None, *times)])
    assert intervals(tmp_path, ONE, "s")["s"][0].read_on_from == taken


def test_what_the_existing_module_read_since_counts_as_read(tmp_path: Path) -> None:
    intervals(tmp_path, ONE, "s", "t")
    with closing(ServiceState(tmp_path)) as state:
        for stream in state.streams.checkpoints(GROUP, ONE).values():
            state.streams.record(stream.id, (ReadInterval(5000, 6000, 5000),), {(6000, b"x"): 1})
            state.streams.finish(replace(stream, token="before what it read"))
    leave(tmp_path, [("s", None, 5000, 7000)])
    assert intervals(tmp_path, ONE, "s", "t") == {
        "s": (ReadInterval(5000, 7000, 5000),),
        "t": (ReadInterval(5000, 6000, 5000),),
    }
    with closing(ServiceState(tmp_path)) as state:
        tokens = {name: known.token for name, known in state.streams.checkpoints(GROUP, ONE).items()}
    assert tokens == {"s": None, "t": "before what it read"}


def test_row_that_is_ours_is_not_taken_over_by_another_account(tmp_path: Path) -> None:
    intervals(tmp_path, ONE, "s")
    with closing(ServiceState(tmp_path)) as state:
        [stream] = state.streams.checkpoints(GROUP, ONE).values()
        state.streams.record(stream.id, (ReadInterval(5000, 9000, 5000),), {(9000, b"x"): 1})
    leave(tmp_path)
    assert intervals(tmp_path, TWO, "s") == {"s": (ReadInterval(5000, 5000, 5000),)}


def test_existing_module_finds_what_it_needs(tmp_path: Path) -> None:
    leave(tmp_path, [("old", "token", 1, 2)])
    intervals(tmp_path, ONE, "s", "nothing-read")
    with closing(ServiceState(tmp_path)) as state:
        stream = state.streams.checkpoints(GROUP, ONE)["s"]
        state.streams.record(stream.id, (ReadInterval(10, 20, 10), ReadInterval(5000, 6000, 5000)), {(6000, b"x"): 1})
    assert compatible(tmp_path) == [(REGION, "g", "old", "token", 1, 2), (REGION, "g", "s", None, 5000, 6000)]


def test_events_are_remembered_as_long_as_they_can_come_again(tmp_path: Path) -> None:
    intervals(tmp_path, ONE, "s")
    end = 5000 + 3 * LATE
    with closing(ServiceState(tmp_path)) as state:
        [stream] = state.streams.checkpoints(GROUP, ONE).values()
        fingerprints = {(time, b"x"): 2 for time in (end - LATE - 1, end - LATE, end)}
        state.streams.record(stream.id, (ReadInterval(5000, end, 5000),), fingerprints)
        assert state.streams.seen(stream.id, 0, end) == {(end - LATE, b"x"): 2, (end, b"x"): 2}
        state.streams.record(stream.id, (ReadInterval(5000, end + 1, 5000),), {(end, b"x"): 3})
        assert state.streams.seen(stream.id, 0, end) == {(end, b"x"): 3}


def test_group_of_the_existing_module_was_read_until_its_newest_event(tmp_path: Path) -> None:
    leave(tmp_path, [("s", None, 1000, 2000), ("t", None, 1000, 3000)])
    with closing(ServiceState(tmp_path)) as state:
        streams = state.streams
        assert streams.last_read(GROUP, ONE) == 3000
        streams.complete(GROUP, ONE, 8000)
        assert streams.last_read(GROUP, ONE) == 8000
        assert streams.last_read(GROUP, TWO) is None


def test_group_counts_from_when_it_was_first_asked_for(tmp_path: Path) -> None:
    with closing(ServiceState(tmp_path)) as state:
        streams = state.streams
        streams.note_request(GROUP, 5000)
        streams.note_request(GROUP, 9000)
        assert streams.last_read(GROUP, ONE) == 5000 + LATE
        streams.complete(GROUP, ONE, 700_000)
        assert streams.last_read(GROUP, TWO) is None


PLACE = ScanTarget("inspector", ONE, REGION)


def text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"


def test_last_scans_are_kept_for_each_account_and_region(tmp_path: Path) -> None:
    leave(tmp_path)
    elsewhere = [ScanTarget("inspector", TWO, REGION), ScanTarget("inspector", ONE, "eu-west-1")]
    with closing(ServiceState(tmp_path)) as state:
        for place in (PLACE, *elsewhere):
            for number in range(7):
                state.scans.complete(place, NOW + timedelta(minutes=number), "")
        assert state.scans.last(PLACE) == NOW + timedelta(minutes=6)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        rows = database.execute("SELECT * FROM aws_services WHERE aws_region = ? AND aws_account_id = ?", (REGION, ONE))
        kept = [("inspector", ONE, REGION, text(NOW + timedelta(minutes=number))) for number in range(2, 7)]
        assert rows.fetchall() == kept


def test_scan_of_the_existing_module_counts_whatever_its_account(tmp_path: Path) -> None:
    leave(tmp_path, scans=[("000000000000", REGION, text(NOW)), ("000000000000", REGION, "2021-06-09 01:00:00")])
    with closing(ServiceState(tmp_path)) as state:
        assert state.scans.last(PLACE) is None
        assert state.scans.last_of_wazuh(PLACE) == NOW
        assert state.scans.last_of_wazuh(ScanTarget("inspector", ONE, "eu-west-1")) is None


def test_scan_of_ours_does_not_count_for_another_account(tmp_path: Path) -> None:
    with closing(ServiceState(tmp_path)) as state:
        state.scans.complete(PLACE, NOW, "")
        other = ScanTarget("inspector", TWO, REGION)
        assert state.scans.last(other) is None
        assert state.scans.last_of_wazuh(other) is None


def test_findings_are_forgotten_that_no_scan_asks_for_again(tmp_path: Path) -> None:
    with closing(ServiceState(tmp_path)) as state:
        old, new = ("arn", "2021-06-10T11:00:00+00:00"), ("arn", "2021-06-10T11:58:00+00:00")
        state.scans.record(PLACE, [old, new])
        assert state.scans.seen(PLACE, [old, new]) == {old, new}
        state.scans.complete(PLACE, NOW, "2021-06-10T11:55:00+00:00")
        assert state.scans.seen(PLACE, [old, new]) == {new}


def test_scan_that_was_not_ended_keeps_its_start(tmp_path: Path) -> None:
    with closing(ServiceState(tmp_path)) as state:
        assert state.scans.begin(PLACE, NOW) == NOW
        assert state.scans.begin(PLACE, NOW + timedelta(days=1)) == NOW
        state.scans.complete(PLACE, NOW, "")
        assert state.scans.begin(PLACE, NOW + timedelta(days=1)) == NOW + timedelta(days=1)
