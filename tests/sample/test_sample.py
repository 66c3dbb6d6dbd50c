"""The sample objects, and the run that shows them to a newcomer."""

import gzip
import json
import subprocess
import sys
from datetime import date, datetime, timezone

import pytest

from aws_s3.log_types.layout import SLASHED
from tests.sample.generator import REGIONS, sample

UNTIL = datetime(2024, 3, 1, 13, 0, tzinfo=timezone.utc)


def test_the_same_seed_gives_the_same_objects() -> None:
    assert sample(UNTIL, seed=1) == sample(UNTIL, seed=1)
    assert sample(UNTIL, seed=1) != sample(UNTIL, seed=2)


def test_objects_lie_where_each_account_and_region_has_them_for_some_days_until_now() -> None:
    days = {date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)}
    keys = [stored.key for stored in sample(UNTIL, days=3)]
    for account, regions in REGIONS.items():
        for region in regions:
            prefix = f"AWSLogs/{account}/CloudTrail/{region}/"
            assert {SLASHED.day(key[len(prefix) :]) for key in keys if key.startswith(prefix)} == days


def test_no_record_is_of_the_future_and_none_is_twice() -> None:
    records = [record for stored in sample(UNTIL) for record in stored.records]
    assert max(record["eventTime"] for record in records) <= f"{UNTIL:%Y-%m-%dT%H:%M:%SZ}"
    assert len({record["eventID"] for record in records}) == len(records)


def test_an_object_is_gzipped_json() -> None:
    stored = sample(UNTIL)[0]
    assert json.loads(gzip.decompress(stored.body())) == {"Records": stored.records}


@pytest.mark.slow
def test_the_sample_run_collects_each_event_once() -> None:
    ended = subprocess.run([sys.executable, "-m", "tests.sample"], capture_output=True, encoding="utf-8", timeout=120)
    assert ended.returncode == 0, ended.stderr
    shown, _, more = ended.stdout.rpartition("… and ")
    count = 3 + int(more.split()[0])
    assert shown.count('"integration": "aws"') == 3
    assert ended.stderr.splitlines()[-1] == f"first run: {count} events; second run: nothing new (0 events)"
