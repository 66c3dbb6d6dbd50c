"""Tests of objects of a known bucket type that a queue names."""

import io
import json

import pytest

from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Layout
from aws_s3.log_types.recognition import partition_of
from aws_s3.subscribers.bucket_type import LogTypeFormat
from aws_s3.subscribers.notifications import NotifiedObject

ACCOUNT = "123456789012"
REGION = "us-east-1"
NAME = f"{ACCOUNT}_CloudTrail_{REGION}_20210610T0115Z_DgrtLuV9YQvGGdN1.json.gz"
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2021/06/10"
[TRAIL] = CloudTrail.layouts

KEYS = {name: log_type.example for name, log_type in LOG_TYPES.items()}
"""A key of each type."""

OTHERS = [
    f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/2021/06/10/{ACCOUNT}_CloudTrail-Digest_{REGION}_t_x.json.gz",
    f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2021/06/",
    f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2021/13/40/x.json.gz",
    "AWSLogs/12/CloudTrail/us-east-1/2021/06/10/x.json.gz",
    "notes.txt",
]


@pytest.mark.parametrize("name", sorted(LOG_TYPES))
def test_every_bucket_type_accepts_its_keys_under_any_path(name: str) -> None:
    typed = LogTypeFormat(LOG_TYPES[name](), "")

    assert typed.accepts(NotifiedObject("b", LOG_TYPES[name].example))
    assert typed.accepts(NotifiedObject("b", f"some/path/{LOG_TYPES[name].example}"))
    assert not typed.accepts(NotifiedObject("b", "notes.txt"))


@pytest.mark.parametrize("key", OTHERS)
def test_other_objects_of_a_trail_are_passed_over(key: str) -> None:
    assert not LogTypeFormat(CloudTrail(), "").accepts(NotifiedObject("b", key))


@pytest.mark.parametrize("before", ["", "p/", "p/AWSLogs/q/"])
@pytest.mark.parametrize("between", ["", "o-abc123/", "suffix/o-abc123/"])
def test_account_and_region_are_the_keys(before: str, between: str) -> None:
    prefix = f"{before}AWSLogs/{between}{ACCOUNT}/CloudTrail/{REGION}/"
    partition = partition_of(f"{prefix}2021/06/10/{NAME}", TRAIL)

    assert partition is not None
    assert (partition.account, partition.region, partition.prefix) == (ACCOUNT, REGION, prefix)


def test_date_that_ends_the_prefix_is_the_first() -> None:
    partition = partition_of("a/2021/06/10/01/2022/07/11/x", Layout(SLASHED))

    assert partition is not None
    assert partition.prefix == "a/"


def test_longest_key_is_decided_at_once() -> None:
    assert partition_of("AWSLogs/" * 128 + "x", TRAIL) is None


def test_event_is_that_of_the_bucket() -> None:
    typed = LogTypeFormat(CloudTrail(), "prod")
    notified = NotifiedObject("b", f"{FOLDER}/{NAME}")
    body = json.dumps({"Records": [{"eventID": "1", "requestParameters": "text", "none": None}]}).encode()
    [event] = typed.decoder.parse(io.BytesIO(body), notified.key)
    assert isinstance(event, dict)

    assert [typed.envelope(notified, "q").message(shaped) for shaped in typed.decoder.reshape(event)] == [
        {
            "integration": "aws",
            "aws": {
                "log_info": {"aws_account_alias": "prod", "log_file": notified.key, "s3bucket": "b"},
                "eventID": "1",
                "requestParameters": {"string": "text"},
                "source": "cloudtrail",
                "aws_account_id": ACCOUNT,
            },
        }
    ]
