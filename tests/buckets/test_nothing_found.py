"""What a source that finds nothing tells."""

import logging
from collections.abc import Iterable
from datetime import date

import pytest

from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.nothing_found import hint, tell_nothing_found
from aws_s3.config.command_line import parse
from aws_s3.log_types import LOG_TYPES
from aws_s3.settings import BucketJob
from tests.harness.collecting import AtOnce
from tests.harness.fakes import MemoryStore
from tests.subscribers.test_bucket_type import KEYS

TRAIL = KEYS["cloudtrail"]
OTHER_ACCOUNT = TRAIL.replace("123456789012", "210987654321")


def told(words: str, keys: Iterable[str], caplog: pytest.LogCaptureFixture) -> tuple[int, str]:
    """Return the level and the text of the one line that a source without objects prints."""
    caplog.set_level(logging.DEBUG, "aws_s3.buckets.nothing_found")
    tell(words, keys)
    [record] = [record for record in caplog.records if record.name == "aws_s3.buckets.nothing_found"]
    return record.levelno, record.getMessage()


def tell(words: str, keys: Iterable[str]) -> date | None:
    job, store = job_of(words), MemoryStore(dict.fromkeys(keys, b""))
    log_type = LOG_TYPES[job.source.type]()
    partitions = Discovery(job, log_type, store, AtOnce(), frozenset(job.regions)).partitions()
    return tell_nothing_found(job, log_type, store, partitions)


def job_of(words: str) -> BucketJob:
    job = parse(["-b", "acme-logs", *words.split()]).job
    assert isinstance(job, BucketJob)
    return job


def hinted(words: str, keys: Iterable[str]) -> str:
    job = job_of(words)
    return hint(job, LOG_TYPES[job.source.type](), MemoryStore(dict.fromkeys(keys, b"")))


def test_wrong_type_is_told_with_the_pattern_a_key_and_the_options(caplog: pytest.LogCaptureFixture) -> None:
    assert told("-t cloudtrail", [KEYS["vpcflow"]], caplog) == (
        logging.WARNING,
        "acme-logs (cloudtrail): no object of any day lies under "
        "AWSLogs/{account}/CloudTrail/{region}/{yyyy}/{mm}/{dd}/. "
        f"The bucket holds {KEYS['vpcflow']}, which these options collect: -t vpcflow.",
    )


def test_account_and_region_asked_for_stand_in_the_pattern(caplog: pytest.LogCaptureFixture) -> None:
    level, line = told("-c 210987654321,123456789012 -r eu-west-1", [TRAIL], caplog)
    assert level == logging.WARNING
    assert "AWSLogs/{123456789012,210987654321}/CloudTrail/eu-west-1/{yyyy}" in line
    assert line.endswith("collect: -r us-east-1.")


def test_older_objects_are_no_fault_and_give_their_day(caplog: pytest.LogCaptureFixture) -> None:
    assert tell("", [TRAIL]) == date(2021, 6, 10)
    assert not caplog.records


def test_strays_are_no_objects_of_a_day(caplog: pytest.LogCaptureFixture) -> None:
    folder = TRAIL.rpartition("/")[0]
    level, line = told("", [f"{folder}/README.md", f"{folder}/"], caplog)
    assert level == logging.WARNING
    assert line.endswith("The bucket holds no log. Check --bucket.")


def test_key_of_no_known_layout_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    level, line = told("-t custom -l some", ["some/file.txt"], caplog)
    assert level == logging.WARNING
    assert line.endswith("holds some/file.txt, which fits no known type and layout. Check --type and --trail_prefix.")


def test_config_has_months_without_zeros_in_the_pattern(caplog: pytest.LogCaptureFixture) -> None:
    assert "/Config/{region}/{yyyy}/{m}/{d}/." in told("-t config", [TRAIL], caplog)[1]


def test_key_of_the_type_is_shown_rather_than_another() -> None:
    keys = [KEYS["guardduty"], TRAIL.replace("AWSLogs", "trails/AWSLogs"), KEYS["vpcflow"]]
    assert hinted("-l x", keys).endswith("collect: -l trails/.")


def test_folder_with_nearly_the_name_is_looked_into_first() -> None:
    assert hinted("-l cloudtrial", ["aaa/notes.txt", f"cloudtrail/{TRAIL}"]).endswith("collect: -l cloudtrail/.")


def test_nearest_parent_is_looked_into() -> None:
    keys = ["logs/app/2021/06/10/01/a", "2021/06/10/01/b"]
    assert hinted("-t custom -l logs/app/eu/", keys).endswith("collect: -l logs/app/.")


def test_empty_bucket_is_told() -> None:
    assert hinted("-l x", []) == "The bucket holds no log. Check --bucket."


def test_telling_costs_few_requests(caplog: pytest.LogCaptureFixture) -> None:
    job = job_of("-c 210987654321")
    store = MemoryStore(dict.fromkeys((TRAIL.replace("10/1", f"10/{n}") for n in range(3000)), b""))
    partitions = Discovery(job, LOG_TYPES["cloudtrail"](), store, AtOnce(), frozenset()).partitions()
    store.lists.clear()
    tell_nothing_found(job, LOG_TYPES["cloudtrail"](), store, partitions)
    assert len(store.lists) <= 2 + len(partitions)
