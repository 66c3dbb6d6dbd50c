import gzip
import io
import json
from datetime import date, timedelta

import pyarrow as pa
import pytest
from pyarrow import parquet

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.listing import list_partition
from aws_s3.codec.records import Event
from aws_s3.log_types.cloudfront import CloudFront
from aws_s3.log_types.recognition import readings
from aws_s3.settings import BucketJob, BucketLocation
from tests.harness.collecting import AtOnce
from tests.harness.fakes import MemoryStore

NAMES = "date time x-edge-location c-ip cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent)"
VALUES = ["2021-06-10", "01:00:05", "SOF50-P2", "192.0.2.10", "d1.cloudfront.net", "/a%20b.html", "200", "-", "a%2520b"]
LINES = f"#Version: 1.0\n#Fields: {NAMES}\n" + "\t".join(VALUES) + "\n"
EVENT = {
    "date": "2021-06-10",
    "time": "01:00:05",
    "x_edge_location": "SOF50-P2",
    "c_ip": "192.0.2.10",
    "cs_host": "d1.cloudfront.net",
    "cs_uri_stem": "/a%20b.html",
    "sc_status": "200",
    "cs_referer": "-",
    "cs_user_agent": "a%20b",
    "source": "cloudfront",
}


def parse(body: str | bytes) -> list[Event]:
    data = body.encode() if isinstance(body, str) else body
    events = list(CloudFront().parse(io.BytesIO(data), CloudFront.example))
    assert all(isinstance(event, dict) for event in events)
    return [event for event in events if isinstance(event, dict)]


def test_directives_name_the_fields_of_each_part_and_are_no_events() -> None:
    assert parse(LINES + LINES) == [EVENT, EVENT]
    other = "#Fields: c-ip cs(User-Agent)\n192.0.2.1\tcurl%2F8\n"
    assert parse(LINES + other) == [
        EVENT,
        {"c_ip": "192.0.2.1", "cs_user_agent": "curl/8", "source": "cloudfront"},
    ]


def test_unknown_columns_are_kept() -> None:
    assert parse(LINES.removesuffix("\n") + "\tnew\n") == [{**EVENT, "column_10": "new"}]


def test_without_a_directive_the_fields_are_those_of_version_1() -> None:
    [event] = parse("2021-06-10\t01:00:05\tSOF50-P2\t2390\n")
    assert (event["date"], event["sc_bytes"]) == ("2021-06-10", "2390")


def test_json_has_the_same_keys() -> None:
    assert parse(json.dumps(dict(zip(NAMES.split(), VALUES, strict=True)))) == [EVENT]


def test_parquet_has_the_same_keys() -> None:
    file = io.BytesIO()
    columns = {name: pa.array([value]) for name, value in zip(NAMES.split(), VALUES, strict=True)}
    columns["sc-status"] = pa.array([200])
    parquet.write_table(pa.table(columns), file)
    assert parse(file.getvalue()) == [EVENT]


_V2 = "AWSLogs/123456789012/CloudFront/"
KEYS = [
    "cf/E1AAAAAAAAAAAA.2021-06-{:02}-01.0a1b2c3d.gz",
    "cf/E2BBBBBBBBBBBB.2021-06-{:02}-23.ffffffff.gz",
    f"cf/{_V2}E1AAAAAAAAAAAA.2021-06-{{:02}}-01.0a1b2c3d.gz",
    f"cf/{_V2}E1AAAAAAAAAAAA/2021/06/{{:02}}/01/x.gz",
    "cf/AWSLogs/aws-account-id=123456789012/CloudFront/E1AAAAAAAAAAAA/year=2021/month=06/day={:02}/hour=01/x.parquet",
]


def listed(store: MemoryStore, start: date) -> list[str]:
    job = BucketJob(BucketLocation("cloudfront", "acme-logs", "cf/"))
    found: list[S3Object] = []
    for partition in Discovery(job, CloudFront(), store, AtOnce(), frozenset()).partitions():
        for page in list_partition(store, partition, start, date(2021, 6, 30)):
            found += page
    return sorted(item.key for item in found)


@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_every_form_of_delivery_is_listed_from_the_start_day_on(page_size: int) -> None:
    strangers = ["cf/README", "cf/E.txt", "cf/Ea.2021-06-10-01.x.gz", "cf/logs/2021/06/10/x", "cf/E1AAAAAAAAAAAA/x"]
    keys = [key.format(day) for key in KEYS for day in range(1, 21)]
    store = MemoryStore(dict.fromkeys([*keys, *strangers], b""), page_size)
    for start in (date(2021, 5, 1), date(2021, 6, 10), date(2021, 6, 20), date(2021, 6, 20) + timedelta(1)):
        since = sorted(key.format(day) for key in KEYS for day in range(1, 21) if date(2021, 6, day) >= start)
        assert listed(store, start) == since


@pytest.mark.parametrize("key", [key.format(10) for key in KEYS])
def test_an_object_without_type_is_known_by_its_key(key: str) -> None:
    assert readings(key)[0].type == "cloudfront"


def test_members_of_gzip_are_read_one_after_the_other() -> None:
    body = gzip.compress(LINES.encode()) + gzip.compress(LINES.encode())
    assert parse(gzip.decompress(body)) == [EVENT, EVENT]
