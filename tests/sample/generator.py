"""CloudTrail-shaped objects of a few days: two accounts, regions of their own, the same for the same seed."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random
from string import ascii_letters, digits
from typing import Any
from uuid import UUID

REGIONS = {"123456789012": ("us-east-1", "us-east-2"), "210987654321": ("eu-west-1",)}
"""The accounts, and where each is active."""

_PERIOD = timedelta(hours=6)
_USERS = ("ana", "ben", "chen", "deploy", "backup")
_AGENTS = (
    "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.8 lang/python#3.11.9",
    "Boto3/1.34.144 md/Botocore#1.34.144 ua/2.0 os/linux#5.10",
    "console.amazonaws.com",
)


@dataclass(frozen=True)
class SampleObject:
    """An object of a trail's bucket."""

    key: str
    records: Sequence[dict[str, Any]]

    def body(self) -> bytes:
        """Return its bytes, as CloudTrail writes them."""
        return gzip.compress(json.dumps({"Records": self.records}, separators=(",", ":")).encode(), mtime=0)


@dataclass(frozen=True)
class _Call:
    """An API call that a record may tell of."""

    service: str
    name: str
    read_only: bool
    parameters: dict[str, Any] | None
    response: dict[str, Any] | None = None
    error: str | None = None


_CALLS = (
    _Call("ec2", "DescribeInstances", True, {"instancesSet": {"items": [{"instanceId": "i-0a1b2c3d4e5f60718"}]}}),
    _Call(
        "ec2",
        "RunInstances",
        False,
        {"instanceType": "t3.micro", "minCount": 1, "maxCount": 1, "disableApiTermination": False},
        {"instancesSet": {"items": [{"instanceId": "i-0f1e2d3c4b5a69788", "currentState": {"name": "pending"}}]}},
    ),
    _Call("s3", "GetBucketAcl", True, {"bucketName": "acme-reports", "Host": "s3.amazonaws.com", "acl": ""}),
    _Call("iam", "CreateUser", False, {"userName": "eve"}, None, "AccessDenied"),
    _Call("kms", "Decrypt", True, {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}),
    _Call("signin", "ConsoleLogin", False, None, {"ConsoleLogin": "Success"}),
)


def sample(until: datetime, days: int = 3, seed: int = 7) -> list[SampleObject]:
    """Return the objects of the `days` UTC days that end with `until`'s; none is of later than `until`."""
    random = Random(seed)
    today = until.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    times = _times(today - timedelta(days=days - 1), until)
    return [
        _object(random, account, region, written)
        for written in times
        for account, regions in REGIONS.items()
        for region in regions
    ]


def _times(first: datetime, until: datetime) -> Iterator[datetime]:
    written = first + timedelta(minutes=5)
    while written <= until:
        yield written
        written += _PERIOD


def _object(random: Random, account: str, region: str, written: datetime) -> SampleObject:
    unique = "".join(random.choices(ascii_letters + digits, k=16))
    name = f"{account}_CloudTrail_{region}_{written:%Y%m%dT%H%MZ}_{unique}.json.gz"
    records = [
        _record(random, account, region, written - timedelta(seconds=random.randrange(300)))
        for _ in range(random.randint(2, 4))
    ]
    return SampleObject(f"AWSLogs/{account}/CloudTrail/{region}/{written:%Y/%m/%d}/{name}", records)


def _record(random: Random, account: str, region: str, happened: datetime) -> dict[str, Any]:
    call = random.choice(_CALLS)
    record = {
        "eventVersion": "1.09",
        "userIdentity": _identity(random, account),
        "eventTime": f"{happened:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": f"198.51.100.{random.randrange(1, 255)}",
        "userAgent": random.choice(_AGENTS),
        "requestParameters": call.parameters,
        "responseElements": call.response,
        "requestID": _uuid(random),
        "eventID": _uuid(random),
        "readOnly": call.read_only,
        "eventType": "AwsConsoleSignIn" if call.service == "signin" else "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    return record | ({"errorCode": call.error} if call.error else {})


def _identity(random: Random, account: str) -> dict[str, Any]:
    user = random.choice(_USERS)
    return {
        "type": "IAMUser",
        "principalId": "AIDA" + "".join(random.choices(ascii_letters.upper(), k=17)),
        "arn": f"arn:aws:iam::{account}:user/{user}",
        "accountId": account,
        "userName": user,
    }


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
