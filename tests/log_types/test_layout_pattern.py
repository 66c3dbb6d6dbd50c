"""The patterns of `--layout`: which are taken, and that all objects of their days are listed."""

import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.listing import list_partition
from aws_s3.log_types import log_type_of
from aws_s3.log_types.layout import Account, AnyFolder, Region
from aws_s3.log_types.layout_pattern import parse_layout
from aws_s3.settings import BucketJob, BucketLocation
from tests.harness.collecting import AtOnce
from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.fakes import MemoryStore
from tests.harness.trails import BUCKET

ACCOUNT = "123456789012"
ACCELERATOR = "AWSLogs/{account}/globalaccelerator/{region}/{yyyy}/{mm}/{dd}/"
HIVE = "vault/year={yyyy}/month={mm}/day={dd}/"
NAMED = "aws-account-id={account}/aws-region={region}/year={yyyy}/month={mm}/day={dd}/"
IN_NAMES = "{any}/{yyyy}-{mm}-{dd}-"
PATTERNS = (
    ACCELERATOR,
    HIVE,
    NAMED,
    IN_NAMES,
    "{yyyy}{mm}{dd}",
    "a.b/app-{yyyy}.{mm}.{dd}",
    "{any}/{any}/{yyyy}/{mm}/{dd}",
)


def test_a_pattern_is_a_layout() -> None:
    layout = parse_layout(ACCELERATOR)
    assert layout.levels == ("AWSLogs", Account(), "globalaccelerator", Region())
    assert (layout.stem, layout.dates.text, layout.in_awslogs) == ("", "%Y/%m/%d", False)
    named = parse_layout(NAMED)
    assert named.levels == (Account("aws-account-id="), Region(name="aws-region="))
    assert (named.stem, named.dates.text) == ("year=", "%Y/month=%m/day=%d")
    assert parse_layout(IN_NAMES).levels == (AnyFolder(),)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rows_are_in_a_table_of_our_own_and_days_are_found(pattern: str) -> None:
    dates = parse_layout(pattern).dates
    day = date(2021, 6, 10)
    assert dates.own_rows
    assert dates.day(f"{dates.written(day)}/-rest") is None or dates.day(f"{dates.before(day)}-rest") == day


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "listed by day"),
        ("{yyyy}/{mm}/", "listed by day"),
        ("{dd}/{mm}/{yyyy}/", "listed by day"),
        ("{yyyy}/{dd}/{mm}/", "listed by day"),
        ("{yyyy}/{account}/{mm}/{dd}/", "listed by day"),
        ("{yyyy}/{mm}/{dd}/{region}/", "listed by day"),
        ("{any}-{yyyy}/{mm}/{dd}/", "only text may stand"),
        ("E{any}.{yyyy}-{mm}-{dd}-", "only text may stand"),
        ("/{yyyy}/{mm}/{dd}/", "no name"),
        ("a//{yyyy}/{mm}/{dd}/", "no name"),
        ("{account}x/{yyyy}/{mm}/{dd}/", "not a folder"),
        ("x{any}/{yyyy}/{mm}/{dd}/", "not a folder"),
        ("{zone}/{yyyy}/{mm}/{dd}/", "not a folder"),
        ("{account/{yyyy}/{mm}/{dd}/", "not a folder"),
        ("a}/{yyyy}/{mm}/{dd}/", "not a folder"),
        ("{account}/{account}/{yyyy}/{mm}/{dd}/", "at most"),
        ("2{yyyy}/{mm}/{dd}/", "digit"),
        ("{yyyy}{mm}{dd}0", "digit"),
        ("a%/{yyyy}%{mm}/{dd}/", "%"),
    ],
)
def test_a_pattern_that_cannot_be_listed_says_why(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_layout(pattern)


@given(
    st.text(alphabet="ab/=-._ {}%2", max_size=30)
    | st.lists(
        st.sampled_from(["{yyyy}", "{mm}", "{dd}", "{account}", "{region}", "{any}", "/", "-", "x", "year="])
    ).map("".join)
)
@settings(max_examples=300)
def test_any_pattern_is_a_layout_or_refused(pattern: str) -> None:
    try:
        layout = parse_layout(pattern)
    except ValueError:
        return
    assert layout.dates.day(layout.dates.before(date(2021, 6, 10)) + "rest") == date(2021, 6, 10)


def filled(pattern: str, day: date, number: int) -> str:
    """Return a key of the pattern."""
    texts = {"account": ACCOUNT, "region": "eu-west-1", "any": "ab"[number % 2], "yyyy": f"{day:%Y}", "mm": f"{day:%m}"}
    for name, text in {**texts, "dd": f"{day:%d}"}.items():
        pattern = pattern.replace(f"{{{name}}}", text)
    return f"{pattern}{number:03}"


@given(
    pattern=st.sampled_from(PATTERNS),
    path=st.sampled_from(["", "p/"]),
    days=st.sets(st.dates(date(2019, 12, 1), date(2022, 2, 1)), min_size=1, max_size=12),
    start=st.dates(date(2019, 12, 1), date(2022, 2, 1)),
    page_size=st.integers(1, 5),
)
@settings(max_examples=150, deadline=None)
def test_every_object_of_the_days_is_listed_once(
    pattern: str, path: str, days: set[date], start: date, page_size: int
) -> None:
    keys = {path + filled(pattern, day, number): day for day in days for number in range(2)}
    strangers = [f"{path}README", f"{path}zz/x", f"{path}vault/x", f"{path}a/b/c", f"{path}AWSLogs/x"]
    store = MemoryStore(dict.fromkeys([*keys, *strangers], b""), page_size)
    location = BucketLocation("custom", BUCKET, path, layout=pattern)
    partitions = Discovery(BucketJob(location), log_type_of(location), store, AtOnce(), frozenset()).partitions()
    listed = [
        item.key
        for partition in partitions
        for page in list_partition(store, partition, start, date(2022, 2, 1) + timedelta(1))
        for item in page
    ]
    assert sorted(listed) == sorted(key for key, day in keys.items() if day >= start)


def test_objects_of_a_layout_are_collected_once_by_account_and_region(home: Home, emulator: Emulator) -> None:
    day, regions = date(2021, 6, 10), ("eu-west-1", "us-east-1")
    keys = [filled(ACCELERATOR.replace("{region}", region), day, 1) for region in regions]
    put_all(emulator, BUCKET, {f"p/{key}": json.dumps({"key": key}).encode() for key in keys})
    options = ("-b", BUCKET, "-t", "custom", "-l", "p", "-s", "2021-JUN-01", "--layout", ACCELERATOR)
    [message] = home.run(*options, "-r", "eu-west-1").messages
    assert (message["aws"]["key"], message["aws"]["aws_account_id"]) == (keys[0], ACCOUNT)
    assert [message["aws"]["key"] for message in home.run(*options).messages] == keys[1:]
    assert home.run(*options).messages == []
    # Another layout is another source, and rows of layouts are not those of Wazuh's own module.
    assert home.run("-b", BUCKET, "-t", "custom", "-l", "p", "-s", "2021-JUN-01").messages == []
    with closing(sqlite3.connect(home.state)) as database:
        [(ours, wazuhs)] = database.execute("SELECT (SELECT count(*) FROM collection_custom), count(*) FROM custom")
    assert (ours, wazuhs) == (2, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-b", BUCKET, "-t", "custom", "--layout", "{dd}/{mm}/{yyyy}/"), "could not be listed by day"),
        (("-b", BUCKET, "-t", "vpcflow", "--layout", HIVE), "custom or waf"),
        (("-b", BUCKET, "--layout", HIVE), "custom or waf"),
        (("-sb", "buckets", "-q", "q", "--layout", HIVE), "custom or waf"),
        (("-b", BUCKET, "-t", "custom", "-L", "x", "--layout", HIVE), "relative to the path"),
    ],
)
def test_a_layout_that_does_not_fit_is_a_usage_error(home: Home, options: tuple[str, ...], words: str) -> None:
    ended = home.run(*options)
    assert ended.code == 2
    assert words in ended.output
