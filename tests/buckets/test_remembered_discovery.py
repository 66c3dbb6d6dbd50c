"""Many partitions are discovered once an hour, and no partition with state is looked at less often than ever."""

import gzip
import sqlite3
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aws_s3.errors import StorageError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.cloudfront import CloudFront
from aws_s3.log_types.layout import Account, AnyFolder, NameStart, Partition, Region, ending
from aws_s3.settings import BucketLocation
from tests.harness.collecting import ACCOUNT, BUCKET, JOB, REGION, Collection, trail
from tests.harness.fakes import MemoryStore

OTHER = "210987654321"
ROOT = "AWSLogs/"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """A source of which everything was collected a minute ago."""
    made = Collection(tmp_path, MemoryStore(trail("a") | trail("b", region="eu-west-1")), remembered_from=1)
    assert made.run().events == ["b-0", "a-0"]
    made.now += MINUTE
    return made


def asked(collection: Collection, **changes: Any) -> list[str]:
    """Run; return the prefixes that were listed."""
    collection.store.lists.clear()
    collection.run(**changes)
    return [prefix for prefix, _ in collection.store.lists]


def discovers(collection: Collection, **changes: Any) -> bool:
    return ROOT in asked(collection, **changes)


def test_nothing_new_is_one_request_for_each_partition(collection: Collection) -> None:
    assert asked(collection) == [f"{ROOT}{ACCOUNT}/CloudTrail/{region}/" for region in ("eu-west-1", REGION)]


def test_new_account_and_region_are_found_within_an_hour(collection: Collection) -> None:
    collection.store.objects |= trail("c", region="eu-central-1") | trail("d", account=OTHER)
    assert collection.run().events == []
    collection.now += 58 * MINUTE
    assert collection.run().events == []
    collection.now += MINUTE
    assert collection.run().events == ["c-0", "d-0"]
    assert not discovers(collection)


def test_new_account_is_found_at_once_where_there_are_few_partitions(tmp_path: Path) -> None:
    collection = Collection(tmp_path, MemoryStore(trail("a")), remembered_from=2)
    assert collection.run().events == ["a-0"]
    collection.store.objects |= trail("d", account=OTHER)
    assert collection.run().events == ["d-0"]
    assert not discovers(collection)


def test_new_account_is_found_at_once_if_that_is_asked_for(collection: Collection) -> None:
    collection.store.objects |= trail("d", account=OTHER)
    assert collection.run(discover=True).events == ["d-0"]
    collection.store.objects |= trail("e", account=OTHER)
    assert collection.run().events == ["e-0"]
    assert not discovers(collection)


@pytest.mark.parametrize("changes", [{"reparse": True}, {"retry_failed": True}, {"remove": True}, {"discover": True}])
def test_some_runs_ask_anew(collection: Collection, changes: dict[str, bool]) -> None:
    assert discovers(collection, **changes)


def test_runs_for_other_accounts_and_regions_remember_their_own(collection: Collection) -> None:
    collection.store.objects |= trail("d", account=OTHER)
    assert collection.run(accounts=(OTHER,)).events == ["d-0"]
    assert asked(collection, accounts=(OTHER,)) == [f"{ROOT}{OTHER}/CloudTrail/{REGION}/"]
    assert asked(collection, regions=(REGION,))[0] == ROOT
    assert asked(collection, regions=(REGION,)) == [
        f"{ROOT}{account}/CloudTrail/{REGION}/" for account in (ACCOUNT, OTHER)
    ]


def test_partition_whose_folder_was_gone_is_still_looked_at(collection: Collection) -> None:
    gone = collection.store.objects.copy()
    collection.store.objects = trail("b", region="eu-west-1")
    assert discovers(collection, discover=True)
    collection.store.objects = gone | trail("late")
    assert collection.run().events == ["late-0"]


@pytest.mark.parametrize("prefix", [ROOT, f"{ROOT}{ACCOUNT}/CloudTrail/"])
def test_discovery_that_failed_is_not_remembered(tmp_path: Path, prefix: str) -> None:
    collection = Collection(tmp_path, MemoryStore(trail("a")), remembered_from=1)
    collection.store.failures[prefix] = StorageError("AccessDenied")
    with pytest.raises(StorageError):
        collection.run()
    collection.store.failures.clear()
    assert collection.run().events == ["a-0"]
    assert not discovers(collection)


def test_listing_that_fails_makes_the_next_run_ask_anew(collection: Collection) -> None:
    collection.store.failures[f"{ROOT}{ACCOUNT}/CloudTrail/{REGION}/"] = StorageError("AccessDenied")
    assert collection.run().code == 7
    collection.store.failures.clear()
    assert discovers(collection)
    assert not discovers(collection)


def test_source_without_any_object_is_looked_for_in_each_run(tmp_path: Path) -> None:
    collection = Collection(tmp_path, MemoryStore({f"{ROOT}{ACCOUNT}/CloudTrail/{REGION}/README": b""}))
    collection.remembered_from = 1
    assert all(discovers(collection) for _ in range(3))


def test_folders_outside_of_accounts_are_looked_for_in_each_run(tmp_path: Path) -> None:
    header = b"#Version: 1.0\n#Fields: date time sc-status\n"
    job = replace(JOB, source=BucketLocation("cloudfront", BUCKET, "cdn/"))
    store = MemoryStore({"cdn/E1AAAAAAAAAAAA.2021-06-10-01.00000000.gz": gzip.compress(header)})
    collection = Collection(tmp_path, store, CloudFront(), job, remembered_from=1)
    for _ in range(3):
        assert collection.run().code == 0
        assert ("cdn/E", ".") in store.lists
        store.lists.clear()


@pytest.mark.parametrize("hours", [-3, 1, 30])
def test_clock_that_was_wrong_keeps_no_discovery(collection: Collection, hours: int) -> None:
    collection.now += timedelta(hours=hours)
    assert discovers(collection)


def test_layout_that_this_version_does_not_know_is_asked_for_anew(collection: Collection) -> None:
    with sqlite3.connect(collection.folder / "s3_cloudtrail.db") as database:
        database.execute("UPDATE collection_discovery SET found = replace(found, '%Y', '%C')")
    assert discovers(collection)


def test_partitions_are_told_by_their_prefix() -> None:
    values = {Account: ACCOUNT, Region: REGION, AnyFolder: "any-folder", NameStart: "E2ABC"}
    for name, kind in LOG_TYPES.items():
        source = BucketLocation(name, BUCKET, "p/", "s/" if name == "cloudtrail" else "")
        for layout in kind().layouts:
            prefix, account, region = layout.base(source), "", ""
            for level in layout.levels:
                start = level if isinstance(level, str) else getattr(level, "name", "") or getattr(level, "start", "")
                value = "" if isinstance(level, str) else values[type(level)]
                account = value if isinstance(level, Account) else account
                region = value if isinstance(level, Region) else region
                prefix += start + value + ending(level)
            prefix += layout.stem
            assert layout.partition(prefix, source) == Partition(prefix, layout.dates, account, region)
            for wrong in (f"x{prefix}", prefix[:-1] if layout.levels else f"{prefix}x", f"{prefix}x/{layout.stem}"):
                assert layout.partition(wrong, source) is None, (name, wrong)


def test_remembered_partitions_come_in_the_order_of_the_discovery(collection: Collection) -> None:
    collection.store.objects |= trail("0", account="000000000001") | trail("z", account=OTHER)
    assert collection.run(discover=True).events == ["0-0", "z-0"]
    listed = asked(collection)
    assert all(first < second for first, second in pairwise(listed))
