"""From an object's bytes to its messages: all of them or none, in bounded memory."""

import gzip
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Any

import pytest

from aws_s3.aws.listings import S3Object
from aws_s3.buckets.object_source import WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import CollectorError, DecompressError, ParseError, StorageError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Layout, Partition
from aws_s3.log_types.vpcflow import VpcFlow
from aws_s3.pipeline import decode as content_module
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.settings import DiscardRule
from tests.harness.fakes import MemoryStore

KEY = "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/log.json.gz"
PARTITION = Partition("AWSLogs/123456789012/CloudTrail/us-east-1/", SLASHED, "123456789012", "us-east-1")
LIMIT = 65_268


class JsonLines(LogType):
    """A type of JSON lines, of which some are broken."""

    name = "lines"
    table = "lines"
    layouts = (Layout(SLASHED),)

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        for line in text_lines(body):
            if line == "broken object":
                raise ParseError("broken here")
            if line.startswith("broken"):
                yield BadRecord(line, {"kept": line} if line == "broken, kept" else None)
            else:
                yield json.loads(line)

    def reshape(self, event: Event) -> Iterable[Event]:
        return [event] * int(event.get("times", 1))


def reader(
    bucket: LogType | None = None,
    *,
    skip_on_error: bool = False,
    discard: DiscardRule | None = None,
    limit: int | None = LIMIT,
) -> BucketReader:
    return BucketReader(
        MemoryStore(), bucket or CloudTrail(), "acme-logs", "alias", skip_on_error, EventRules(discard, limit)
    )


def item(key: str) -> WorkItem:
    return WorkItem(PARTITION, S3Object(key, 1, "etag"))


def read(by: BucketReader, content: bytes, key: str = KEY) -> list[Any]:
    return [json.loads(message)["aws"] for message in messages(by, content, key)]


def messages(by: BucketReader, content: bytes, key: str = KEY) -> list[bytes]:
    return b"".join(by.decode(item(key), io.BytesIO(content))).splitlines()


def trail(*records: Any) -> bytes:
    return gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)


@pytest.fixture(params=["held", "parsed twice"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small objects are held, large ones parsed twice: what comes out is the same."""
    if request.param == "parsed twice":
        monkeypatch.setattr(content_module, "_FEW_BATCHES", 0)
        monkeypatch.setattr(content_module, "_KEPT", 0)


both_ways = pytest.mark.usefixtures("_both_ways")


@both_ways
def test_an_object_becomes_messages_in_its_order() -> None:
    found = messages(reader(), trail({"eventID": "1"}, {"eventID": "2"}))
    log_info = {"aws_account_alias": "alias", "log_file": KEY, "s3bucket": "acme-logs"}
    assert [json.loads(message) for message in found] == [
        {
            "integration": "aws",
            "aws": {
                "log_info": log_info,
                "eventID": number,
                "source": "cloudtrail",
                "aws_account_id": "123456789012",
            },
        }
        for number in "12"
    ]


@both_ways
def test_only_types_that_carry_it_have_the_account() -> None:
    assert read(reader(JsonLines()), b'{"id":1}', "log") == [
        {"log_info": {"aws_account_alias": "alias", "log_file": "log", "s3bucket": "acme-logs"}, "id": 1}
    ]


@both_ways
def test_one_event_may_become_none_or_several() -> None:
    content = b'{"id":1,"times":0}\n{"id":2,"times":3}\n'
    assert [event["id"] for event in read(reader(JsonLines()), content, "log")] == [2, 2, 2]


@both_ways
def test_the_discarded_are_not_sent_and_told_at_debug_1(caplog: pytest.LogCaptureFixture) -> None:
    rule = DiscardRule("eventName", re.compile("Describe"))
    content = trail({"eventName": "DescribeX", "eventID": "1"}, {"eventName": "RunX", "eventID": "2"})
    with caplog.at_level(logging.DEBUG):
        assert [event["eventID"] for event in read(reader(discard=rule), content)] == ["2"]
    assert caplog.messages == [
        'The "Describe" regex found a match in the "eventName" field. The event will be skipped.'
    ]


@both_ways
def test_discarding_sees_the_event_before_reshaping() -> None:
    rule = DiscardRule("a", re.compile("x"))
    assert read(reader(discard=rule), trail({"a": ["x"]}, {"a": {"b": "x"}, "c": None})) != []
    assert read(reader(discard=rule), trail({"a": ["x"]})) == []


BROKEN = [
    (b"not gzip at all", KEY, DecompressError, f"Failed to decompress file {KEY}: it is not gzip data"),
    (trail({"eventID": "1"})[:-3], KEY, DecompressError, f"Failed to decompress file {KEY}: the gzip data is cut off"),
    (b"x", "log.snappy", DecompressError, "Failed to decompress file log.snappy: snappy"),
    (gzip.compress(b'{"Records": [{"eventID": "1"}, {]}', mtime=0), KEY, ParseError, f"Failed to parse file {KEY}: "),
    (gzip.compress(b'{"Records": [{"eventID": "1"}', mtime=0), KEY, ParseError, f"Failed to parse file {KEY}: "),
    (gzip.compress(b"", mtime=0), KEY, ParseError, f"Failed to parse file {KEY}: "),
    (gzip.compress(b"[" * 100_000, mtime=0), KEY, ParseError, f"Failed to parse file {KEY}: "),
]


@both_ways
@pytest.mark.parametrize("skip_on_error", [False, True])
@pytest.mark.parametrize(("content", "key", "kind", "message"), BROKEN)
def test_an_object_that_is_broken_is_an_error_before_its_first_message(
    content: bytes, key: str, kind: type[CollectorError], message: str, skip_on_error: bool
) -> None:
    with pytest.raises(kind) as raised:
        reader(skip_on_error=skip_on_error).decode(item(key), io.BytesIO(content))
    assert str(raised.value).startswith(message)


@both_ways
def test_an_object_that_breaks_at_its_end_sends_nothing() -> None:
    with pytest.raises(ParseError, match=r"^Failed to parse file log: broken here$"):
        reader(JsonLines()).decode(item("log"), io.BytesIO(b'{"id":1}\n' * 1000 + b"broken object\n"))


@both_ways
def test_an_object_without_the_field_has_no_messages() -> None:
    assert read(reader(), gzip.compress(b'{"other": 1}', mtime=0)) == []


@both_ways
@pytest.mark.parametrize("line", [b"broken", b"broken, kept"])
def test_a_broken_record_breaks_the_object(line: bytes) -> None:
    with pytest.raises(ParseError, match=f"^Failed to parse file log: {line.decode()}$"):
        reader(JsonLines()).decode(item("log"), io.BytesIO(b'{"id":1}\n' + line))


@both_ways
def test_with_skip_on_error_a_broken_record_is_told_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    content = b'{"id":1}\nbroken\nbroken, kept\n{"id":2}\n'
    found = read(reader(JsonLines(), skip_on_error=True), content, "log")
    assert [event.get("id", event.get("kept")) for event in found] == [1, "broken, kept", 2]
    assert caplog.messages == ["A record of log is broken: broken", "A record of log is broken: broken, kept"]
    assert {record.levelname for record in caplog.records} == {"ERROR"}


@both_ways
def test_a_broken_record_that_is_kept_can_be_discarded() -> None:
    rule = DiscardRule("kept", re.compile("broken"))
    assert read(reader(JsonLines(), skip_on_error=True, discard=rule), b"broken, kept\n", "log") == []


@both_ways
def test_a_message_too_large_is_cut_with_a_warning_that_names_object_and_size(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = trail({"eventID": "big", "text": "x" * 100_000}, {"eventID": "small"})
    (big, small) = messages(reader(), content)
    assert len(big) <= LIMIT
    assert json.loads(big)["aws"]["log_info"]["truncated"] is True
    assert "truncated" not in json.loads(small)["aws"]["log_info"]
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert KEY in warning.getMessage()
    assert re.search(r" 100\d\d\d bytes ", warning.getMessage())


@both_ways
def test_a_sink_without_a_limit_gets_messages_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert read(reader(limit=None), trail({"text": "x" * 100_000}))[0]["text"] == "x" * 100_000
    assert caplog.records == []


def nested(levels: int) -> bytes:
    return gzip.compress(
        b'{"Records": [{"eventID": "1"}, {"a": ' + b'{"a":' * levels + b"1" + b"}" * levels + b"}]}", mtime=0
    )


@both_ways
@pytest.mark.parametrize("levels", [2, 100, *range(200, 1100, 50), 5000])
def test_an_object_nested_too_deeply_is_an_error_never_a_crash(levels: int) -> None:
    try:
        found = messages(reader(), nested(levels))
    except ParseError as error:
        assert str(error).startswith(f"Failed to parse file {KEY}: ")
        assert levels > 100
    else:
        assert len(found) == 2


def test_a_disk_that_is_full_is_not_the_object_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws_s3.codec.compression.IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/missing")
    with pytest.raises(StorageError, match="temporary file"):
        reader().decode(item(KEY), io.BytesIO(trail({"eventID": "1"})))


@both_ways
def test_the_content_is_closed_after_the_last_message() -> None:
    content = io.BytesIO(b'{"Records": [{"eventID": "1"}]}')
    list(reader().decode(item("log"), content))
    assert content.closed


def test_the_message_in_an_object_s_place_is_its_envelope_and_the_reason() -> None:
    message = reader().error_event(item(KEY), ParseError(f"Failed to parse file {KEY}: not JSON"))
    assert json.loads(message) == {
        "integration": "aws",
        "aws": {
            "log_info": {"aws_account_alias": "alias", "log_file": KEY, "s3bucket": "acme-logs"},
            "aws_account_id": "123456789012",
        },
        "error_msg": f"Failed to parse file {KEY}: not JSON",
    }
    assert "aws_account_id" not in json.loads(reader(JsonLines()).error_event(item("log"), ParseError("x")))["aws"]


def test_lines_are_the_same_messages_whether_they_are_read_by_column_or_not() -> None:
    """A rule of discarding has to see events; a line that is too large, or too short, is one among others."""
    lines = ["2 123 eni-1 10.0.0.1", "2 123", '2 123 eni-\\ 10.0.0."', f"2 123 {'x' * 2000} 10.0.0.1"] * 50
    content = "\n".join(lines).encode()
    rule = DiscardRule("interface_id", re.compile("never"))
    by_column, by_event = (reader(VpcFlow(), discard=each, limit=1000) for each in (None, rule))
    found = messages(by_column, content, "log")
    assert found == messages(by_event, content, "log")
    assert by_column.rules.counts.truncated == by_event.rules.counts.truncated == 50
    assert len(found) == len(lines)


LARGE = """
import gzip, io, json, resource, sys, zlib
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.aws.listings import S3Object
from aws_s3.buckets.object_source import WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.pipeline.event_rules import EventRules

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

record = json.dumps({"eventID": "x", "requestParameters": {"text": "y" * 3900, "list": [1, 2, None]}}) + ","
packer = zlib.compressobj(1, wbits=31)
body = packer.compress(b'{"Records": [')
for _ in range(15_000):
    body += packer.compress(record.encode())
body += packer.compress(b'{"eventID": "last"}]}') + packer.flush()
before = peak()
partition = Partition("p/", SLASHED, "123456789012", "us-east-1")
reader = BucketReader(None, CloudTrail(), "b", "", False, EventRules(limit=65_000))
messages = reader.decode(WorkItem(partition, S3Object("p/k.gz", 1, "")), io.BytesIO(body))
count = size = 0
for batch in messages:
    count += batch.count(b"\\n")
    size += len(batch)
print(json.dumps([count, size, peak() - before]))
"""


@pytest.mark.slow
def test_a_large_object_is_read_in_bounded_memory() -> None:
    """60 MB of 15,000 events: what the 32 MB in memory take, and not more with the size."""
    output = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, check=True).stdout
    count, size, megabytes = json.loads(output)
    assert count == 15_001
    assert size > 60_000_000
    assert megabytes < 60
