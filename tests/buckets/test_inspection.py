"""What an inspection finds in a bucket, and how many requests it makes."""

from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from aws_s3.buckets.inspection import MOST_REQUESTS, FoundSource, Inspection, Inventory
from tests.harness.collecting import AtOnce, trail_key
from tests.harness.fakes import MemoryStore
from tests.log_types.test_recognition import moved
from tests.subscribers.test_bucket_type import KEYS

TODAY = date(2021, 6, 20)
FIRST, NEWEST = date(2019, 12, 31), date(2021, 6, 12)
REGIONS = [f"{area}-{side}-{number}" for area in ("us", "eu", "ap") for side in ("east", "west") for number in (1, 2)]
ACCOUNTS = [f"{number:012}" for number in range(100000000000, 100000000060)]


def inspected(keys: Iterable[str], prefix: str = "", page_size: int = 1000) -> tuple[Inventory, MemoryStore]:
    store = MemoryStore(dict.fromkeys(keys, b""), page_size)
    return Inspection(store, AtOnce(), TODAY).run(prefix), store


def days(source: FoundSource) -> tuple[date, date]:
    return source.first, source.newest


@pytest.mark.parametrize("page_size", [1000, 3])
@pytest.mark.parametrize("name", sorted(KEYS))
def test_each_type_is_found_with_its_path_and_days(name: str, page_size: int) -> None:
    keys = [f"p/q/{moved(KEYS[name], day)}" for day in (FIRST, date(2020, 2, 29), date(2021, 1, 9), NEWEST)]
    found, store = inspected(keys, page_size=page_size)
    [source] = found.sources
    assert source.reading.type == name
    assert source.reading.path.startswith("p/q/")
    assert days(source) == (FIRST, NEWEST)
    assert (found.strangers, found.not_seen) == ([], [])
    assert found.requests == len(store.lists) <= (1 if page_size > len(keys) else 25)


def test_everything_in_one_bucket_is_told_apart() -> None:
    found, _ = inspected(f"{name}/{key}" for name, key in KEYS.items())
    assert sorted(source.reading.type for source in found.sources) == sorted(KEYS)
    assert found.requests == 1


def test_every_type_with_more_objects_than_a_page_is_told_apart() -> None:
    keys = [f"{name}/{moved(key, FIRST + timedelta(number * 7))}" for name, key in KEYS.items() for number in range(60)]
    found, store = inspected(keys, page_size=50)
    assert {source.reading.type: days(source) for source in found.sources} == dict.fromkeys(
        KEYS, (FIRST, FIRST + timedelta(59 * 7))
    )
    assert found.requests == len(store.lists) <= 180


def test_small_folders_beside_large_ones_take_a_request_each() -> None:
    keys = [f"large/{moved(KEYS['cloudtrail'], FIRST + timedelta(number))}" for number in range(60)]
    found, store = inspected([*keys, *(f"{name}/{key}" for name, key in KEYS.items())], page_size=50)
    assert {source.reading.type for source in found.sources} == set(KEYS)
    assert found.requests == len(store.lists) <= len(KEYS) + 15


def test_load_balancers_of_one_folder_are_told_apart() -> None:
    found, _ = inspected(KEYS[name] for name in ("alb", "clb", "nlb"))
    assert sorted(source.reading.type for source in found.sources) == ["alb", "clb", "nlb"]


def test_accounts_and_regions_are_named() -> None:
    found, _ = inspected(
        (trail_key("a", region=region, account=account) for account in ACCOUNTS[:3] for region in REGIONS),
        page_size=20,
    )
    [source] = found.sources
    assert (source.accounts, source.regions) == (set(ACCOUNTS[:3]), set(REGIONS))


def test_requests_do_not_grow_with_accounts_regions_and_days() -> None:
    keys = [
        trail_key("a", FIRST + timedelta(step * 37), region, account)
        for account in ACCOUNTS
        for region in REGIONS
        for step in range(5)
    ]
    found, store = inspected(keys)
    [source] = found.sources
    assert source.accounts == set(ACCOUNTS)
    assert source.regions == set(REGIONS)
    assert len(store.lists) == found.requests <= MOST_REQUESTS + 100
    assert found.not_seen == []


def test_flat_keys_are_passed_over_by_halving() -> None:
    names = (f"{FIRST + timedelta(number):%Y-%m-%d}-01-15-00-3E57427F33A59F{number % 90 + 10}" for number in range(500))
    found, store = inspected([*names, "zoo/2021/06/10/01/a"], page_size=50)
    assert {source.reading.type: days(source) for source in found.sources} == {
        "server_access": (FIRST, FIRST + timedelta(499)),
        "custom": (date(2021, 6, 10), date(2021, 6, 10)),
    }
    assert found.requests == len(store.lists) <= 30


def test_folder_with_more_folders_than_a_page_is_gone_through() -> None:
    found, _ = inspected([f"app{number:03}/2021/06/10/01/a" for number in range(30)] + ["x/notes.txt"], page_size=7)
    assert found.strangers == ["x/notes.txt"]


def test_storage_classes_of_the_oldest_and_newest_are_named() -> None:
    keys = [moved(KEYS["cloudtrail"], day) for day in (FIRST, NEWEST)]
    store = MemoryStore(dict.fromkeys(keys, b""), page_size=1)
    store.classes[keys[0]] = "GLACIER"
    [source] = Inspection(store, AtOnce(), TODAY).run().sources
    assert source.storage_classes == {"GLACIER"}


def test_unknown_logs_with_a_date_get_a_layout() -> None:
    found, _ = inspected([f"logs/AWSLogs/{ACCOUNTS[0]}/globalaccelerator/us-east-1/2021/06/10/a.log.gz", "b/c.txt"])
    [source] = found.sources
    assert source.reading.options() == [
        *("-t", "custom", "-l", "logs/", "--layout"),
        "AWSLogs/{account}/globalaccelerator/{region}/{yyyy}/{mm}/{dd}/",
    ]
    assert found.strangers == ["b/c.txt"]


def test_strays_are_no_logs_and_no_strangers() -> None:
    found, _ = inspected(["AWSLogs/README.txt", "a/", "b/_SUCCESS"])
    assert (found.sources, found.strangers) == ([], [])


def test_only_the_path_is_looked_at() -> None:
    found, store = inspected([f"a/{KEYS['cloudtrail']}", f"b/{KEYS['vpcflow']}"], prefix="a/")
    assert [source.reading.type for source in found.sources] == ["cloudtrail"]
    assert all(prefix.startswith("a/") for prefix, _ in store.lists)


def test_folders_that_no_request_is_left_for_are_named() -> None:
    names = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(600)]
    found, _ = inspected(f"{name}/{moved(KEYS['cloudtrail'], day)}" for name in names for day in (FIRST, NEWEST))
    assert found.not_seen
    assert MOST_REQUESTS <= found.requests <= MOST_REQUESTS + 100
