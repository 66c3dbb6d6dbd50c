"""The harness itself: what it counts, and that its faults are the same for the same seed."""

import json
from collections.abc import Sequence
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.faults import front
from tests.faults.__main__ import is_held
from tests.faults.front import BUCKET, Request, fault, refusal, share
from tests.faults.ground import Ground, RunStats, Scenario, new_ground


def messages(events: Sequence[str]) -> list[bytes]:
    return [b"1:Wazuh-AWS:" + json.dumps({"aws": {"eventID": event}}).encode() for event in events]


def test_losses_and_repeats_are_counted() -> None:
    with new_ground(1) as ground:
        ground.put(2, records=2)
        ground.count(messages(["00000-0", "00000-1"]))
        ground.count(messages(["00000-0", "00000-1", "00001-0", "00001-0"]))
        assert ground.stats() == RunStats(runs=0, kills=0, events=4, losses=1, repeats=3, repeated=2)


@pytest.mark.parametrize(
    ("stats", "held"),
    [
        (RunStats(1, 0, 9, 0, 0, 0), True),
        (RunStats(1, 0, 9, 1, 0, 0), False),
        (RunStats(1, 0, 9, 0, 1, 1), False),
        (RunStats(1, 2, 9, 0, 8, 2), True),
        (RunStats(1, 2, 9, 0, 8, 3), False),
    ],
)
def test_an_object_for_each_kill_may_repeat(stats: RunStats, held: bool) -> None:
    assert is_held(stats, Scenario("any", lambda ground: None)) is held


def test_faults_are_the_same_for_the_same_seed() -> None:
    def chosen(seed: int) -> list[int]:
        when = share(seed, 0.3)
        return [number for number in range(100) if when(Request("GET", str(number), {}, {}, b"", 1, 1))]

    assert chosen(1) == chosen(1) != chosen(2)
    assert 20 < len(chosen(1)) < 40


def client(ground: Ground) -> Any:
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    return boto3.client("s3", endpoint_url=ground.front.url, region_name="us-east-1", config=config, **keys)


def test_the_front_is_a_bucket() -> None:
    with new_ground(1) as ground:
        keys = ground.put(5)
        bodies = dict(ground.front.objects)
        s3 = client(ground)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, PaginationConfig={"PageSize": 2})
        assert [item["Key"] for page in pages for item in page["Contents"]] == keys
        folders = s3.list_objects_v2(Bucket=BUCKET, Prefix="AWSLogs/123456789012/CloudTrail/", Delimiter="/")
        assert [folder["Prefix"].split("/")[3] for folder in folders["CommonPrefixes"]] == ["eu-west-1", "us-east-1"]
        assert s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read() == bodies[keys[0]]
        assert s3.get_object(Bucket=BUCKET, Key=keys[0], Range="bytes=9-")["Body"].read() == bodies[keys[0]][9:]
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": keys[0]}]})
        assert keys[0] not in ground.front.objects


def test_a_fault_concerns_what_it_was_made_for() -> None:
    with new_ground(1) as ground:
        first, second, third = ground.put(3)
        ground.front.faults = [
            refusal(front.of("GET", first), "AccessDenied", 403),
            fault(front.of("GET", second), front.cut),
        ]
        s3 = client(ground)
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket=BUCKET, Key=first)
        with pytest.raises(Exception, match="IncompleteRead"):
            s3.get_object(Bucket=BUCKET, Key=second)["Body"].read()
        assert s3.get_object(Bucket=BUCKET, Key=third)["Body"].read()
