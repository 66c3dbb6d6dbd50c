"""What a benchmark's endpoint holds: many keys with few different bodies, log streams, a queue."""

import gzip
import json
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from io import BytesIO
from random import Random
from typing import Any

BUCKET = "bench-bucket"
GROUP = "/bench/group"
QUEUE = "bench"
DAY = date(2024, 1, 2)

ACCOUNT = 123456789012
_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1"),
    *("ap-south-1", "sa-east-1", "ca-central-1", "eu-north-1"),
)
_DIFFERENT_BODIES = 16


@dataclass
class Corpus:
    """Objects by key, each the name of a body, and streams of a log group; `events` is how many they hold in all."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    events: int = 0
    streams: int = 0
    events_a_stream: int = 0

    def add_body(self, name: str, content: bytes) -> None:
        """Store a body, compressed."""
        self.bodies[name] = gzip.compress(content, 6, mtime=0)


def cloudtrail(objects: int, records: int, accounts: int = 1, regions: int = 1, day: date = DAY) -> Corpus:
    """Return `objects` objects of `records` records each, spread over accounts and regions of one day."""
    random = Random(7)
    corpus = Corpus()
    for number in range(min(_DIFFERENT_BODIES, objects)):
        content = {"Records": [_record(random, index) for index in range(records)]}
        corpus.add_body(f"trail{number}", json.dumps(content, separators=(",", ":")).encode())
    for number in range(objects):
        account = f"{ACCOUNT + number % accounts}"
        region = _REGIONS[number // accounts % regions]
        minute = number * 1440 // objects
        stamp = f"{day:%Y%m%d}T{minute // 60:02}{minute % 60:02}Z_{random.getrandbits(64):016x}"
        folder = f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}"
        corpus.objects[f"{folder}/{account}_CloudTrail_{region}_{stamp}.json.gz"] = (
            f"trail{number % len(corpus.bodies)}"
        )
        corpus.events += records
    return corpus


def flow_logs(objects: int, lines: int) -> Corpus:
    """Return VPC flow logs: `objects` objects of `lines` lines each, below their header."""
    random = Random(7)
    header = (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "
        "action log-status"
    )
    text = "\n".join([header, *(_flow(random, number) for number in range(lines))]) + "\n"
    name = (
        f"AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/{DAY:%Y/%m/%d}/{ACCOUNT}_vpcflowlogs_us-east-1_fl-0123456789abcdef0"
    )
    return _repeated(text, name, ".log.gz", objects, lines)


def parquet_flow_logs(objects: int, rows: int) -> Corpus:
    """Return the records of `flow_logs` as Parquet, with the types that AWS gives the columns."""
    import pyarrow
    from pyarrow import parquet

    lines = flow_logs(1, rows)
    [(key, body)] = lines.objects.items()
    header, *records = gzip.decompress(lines.bodies[body]).decode().splitlines()
    columns = dict(zip(header.replace("-", "_").split(), zip(*map(str.split, records), strict=True), strict=True))
    numbers = {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end"}
    arrays = {name: list(map(int, values)) if name in numbers else values for name, values in columns.items()}
    file = BytesIO()
    parquet.write_table(pyarrow.table(arrays), file)
    corpus = Corpus({"parquet": file.getvalue()}, events=objects * rows)
    corpus.objects = {key.replace(".log.gz", f"{number:04}.log.parquet"): "parquet" for number in range(objects)}
    return corpus


def load_balancer(objects: int, lines: int) -> Corpus:
    """Return ALB access logs: `objects` objects of `lines` lines each."""
    random = Random(7)
    text = "\n".join(_request(random, number) for number in range(lines)) + "\n"
    folder = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/us-east-1/{DAY:%Y/%m/%d}"
    name = f"{folder}/{ACCOUNT}_elasticloadbalancing_us-east-1_app.shop.50dc6c495c0c9188"
    return _repeated(text, name, "_10.0.0.1_abc.log.gz", objects, lines)


def log_group(streams: int, events: int) -> Corpus:
    """Return a log group of `streams` streams with `events` events each."""
    return Corpus(events=streams * events, streams=streams, events_a_stream=events)


def log_events(first: int, end: int) -> list[dict[str, Any]]:
    """Return the events `first` to `end` of any stream of a log group; times are milliseconds since 1970."""
    start = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=timezone.utc).timestamp() * 1000)
    text = "GET /item/%d HTTP/1.1 200 from 198.51.100.7 in 12 ms, as the log of an application has it"
    times = ((number, start + 10 * number) for number in range(first, end))
    return [{"timestamp": time, "ingestionTime": time, "message": text % number} for number, time in times]


def _repeated(text: str, name: str, ending: str, objects: int, lines: int) -> Corpus:
    corpus = Corpus()
    corpus.add_body("lines", text.encode())
    for number in range(objects):
        corpus.objects[f"{name}_{DAY:%Y%m%d}T{number // 60:02}{number % 60:02}Z{ending}"] = "lines"
    corpus.events = objects * lines
    return corpus


def _record(random: Random, number: int) -> dict[str, Any]:
    def hexadecimal(digits: int) -> str:
        return f"{random.getrandbits(4 * digits):0{digits}x}"

    role = f"arn:aws:iam::{ACCOUNT}:role/Role{number % 7}"
    issuer = {"type": "Role", "principalId": f"AROA{hexadecimal(16)}", "arn": role, "userName": f"Role{number % 7}"}
    return {
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROA{hexadecimal(16)}:session",
            "arn": f"{role}/session",
            "accountId": str(ACCOUNT),
            "accessKeyId": f"ASIA{hexadecimal(16)}",
            "sessionContext": {
                "sessionIssuer": issuer,
                "webIdFederationData": {},
                "attributes": {"creationDate": "2024-01-02T00:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": f"{DAY:%Y-%m-%d}T{number % 24:02}:{number % 60:02}:00Z",
        "eventSource": random.choice(["s3.amazonaws.com", "ec2.amazonaws.com", "kms.amazonaws.com"]),
        "eventName": random.choice(["GetObject", "DescribeInstances", "Decrypt", "AssumeRole"]),
        "awsRegion": "us-east-1",
        "sourceIPAddress": f"198.51.100.{random.randrange(256)}",
        "userAgent": "aws-sdk-java/2.20.26 Linux/5.10 OpenJDK_64-Bit_Server_VM",
        "requestParameters": {"instancesSet": {"items": [{"instanceId": f"i-{hexadecimal(17)}"}]}, "filterSet": {}},
        "responseElements": None,
        "requestID": hexadecimal(32),
        "eventID": hexadecimal(32),
        "readOnly": True,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": str(ACCOUNT),
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.2", "cipherSuite": "ECDHE-RSA-AES128-GCM-SHA256"},
    }


def _flow(random: Random, number: int) -> str:
    start = 1704153600 + number // 50
    ports = f"{random.randrange(1024, 65535)} {random.choice((22, 53, 80, 443))}"
    return (
        f"2 {ACCOUNT} eni-{random.getrandbits(68):017x} 10.0.{number % 256}.{random.randrange(256)} "
        f"198.51.100.{random.randrange(256)} {ports} 6 {random.randrange(90)} {random.randrange(90000)} "
        f"{start} {start + 59} {random.choice(('ACCEPT', 'REJECT'))} OK"
    )


def _request(random: Random, number: int) -> str:
    moment = f"{DAY:%Y-%m-%d}T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.186641Z"
    return (
        f"https {moment} app/shop/50dc6c495c0c9188 198.51.100.{random.randrange(256)}:{random.randrange(1024, 65535)} "
        f"10.0.0.1:80 0.000 0.001 0.000 200 200 {random.randrange(900)} {random.randrange(90000)} "
        f'"GET https://shop.example.com:443/item/{random.getrandbits(48)} HTTP/1.1" "Mozilla/5.0 (X11; Linux x86_64)" '
        "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/73e2 "
        f'"Root=1-58337262-{random.getrandbits(96):024x}" "shop.example.com" "arn:aws:acm:us-east-1:1:certificate/1" 1 '
        f'{moment} "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
    )
