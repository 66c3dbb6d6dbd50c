"""What an object is, by its key alone."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.recognition import partition_of, readings
from tests.subscribers.test_bucket_type import KEYS

ONE = "123456789012"
TRAIL = KEYS["cloudtrail"]

NAMES = st.text("abcXYZ019._-=", min_size=1, max_size=6)
FOLDERS = st.lists(NAMES, max_size=3).map(lambda names: "".join(f"{name}/" for name in names))
DAYS = st.dates(date(2006, 1, 1), date(2021, 6, 19))


def moved(key: str, day: date) -> str:
    """Return the key with another date."""
    key = key.replace("2021/06/10", f"{day:%Y/%m/%d}").replace("2021-06-10", f"{day:%Y-%m-%d}")
    return key.replace("2021/6/10", f"{day.year}/{day.month}/{day.day}")


@pytest.mark.parametrize(
    "key", ["notes.txt", "logs/2021/notes", "2021/13/40/x", "AWSLogs/README.txt", "_SUCCESS", "x/", "a\\b/2021/06/10/x"]
)
def test_key_that_is_no_log_is_recognised_as_none(key: str) -> None:
    assert readings(key) == []


def test_trail_digests_are_no_logs() -> None:
    assert readings(TRAIL.replace("CloudTrail/", "CloudTrail-Digest/")) == []


@pytest.mark.parametrize("name", sorted(KEYS))
@given(path=FOLDERS, day=DAYS)
def test_key_of_each_type_is_recognised_under_any_path(name: str, path: str, day: date) -> None:
    key = path + moved(KEYS[name], day)
    best = readings(key)[0]
    assert best.type == name
    assert key.startswith(best.path)


def test_partition_of_a_key_has_its_account_and_region() -> None:
    [layout] = LOG_TYPES["cloudtrail"].layouts
    found = partition_of(f"p/{TRAIL}", layout)
    assert found is not None
    assert (found.prefix, found.account, found.region) == (
        f"p/AWSLogs/{ONE}/CloudTrail/us-east-1/",
        ONE,
        "us-east-1",
    )
