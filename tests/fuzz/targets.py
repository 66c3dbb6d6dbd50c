"""What takes input from outside, each as a function of any bytes that fails when it breaks its word."""

import gzip
import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest import mock

from botocore.awsrequest import AWSResponse

from aws_s3.aws.config_file import ConfigFile, TransferConfig
from aws_s3.aws.listings import S3Object
from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.service_api import ServiceApi
from aws_s3.aws.session import Session
from aws_s3.aws.sqs import SqsQueue
from aws_s3.buckets.object_source import WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.codec.messages import HEADER, LARGEST
from aws_s3.console.line_format import printable
from aws_s3.errors import CollectorError, ConfigFileError, MalformedError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.decode import ObjectDecoder
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.services.log_group_api import LogGroupApi, LogStream
from aws_s3.services.log_messages import LogMessages
from aws_s3.settings import Access
from aws_s3.state.log_streams import Group
from aws_s3.state.read_ranges import TimeRange
from aws_s3.subscribers import SUBSCRIBERS
from aws_s3.subscribers.notifications import NotifiedObject, UnknownNotification, notified_objects
from tests.harness.fakes import MemoryStore

_LIMIT = LARGEST - len(HEADER)
_KEY = "AWSLogs/123456789012/Service/eu-west-1/2021/06/10/fl-name.log"
_PARTITION = Partition("AWSLogs/123456789012/Service/eu-west-1/", LOG_TYPES["alb"].layouts[0].dates, "123456789012")
_GROUP = Group("eu-west-1", "/aws/app", "")
_STREAM = LogStream("stream", "123456789012", None, 0)
_PAGES = 3
_ANY_TIME = TimeRange(-(1 << 62), None)


@dataclass(frozen=True)
class Target:
    """`run` raises only when the program is wrong. `seeds` are good inputs to begin from."""

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def _checked(messages: Any) -> None:
    """Check that each message is one line of JSON that Wazuh takes."""
    for message in messages:
        assert len(message) <= _LIMIT and b"\n" not in message
        json.loads(message, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def bucket_object(kind: str, key: str, data: bytes) -> None:
    """Read an object of a bucket type: messages come of it, or it is malformed."""
    item = WorkItem(_PARTITION, S3Object(key, len(data), ""))
    for skip_on_error in (False, True):
        reader = BucketReader(
            MemoryStore(), LOG_TYPES[kind](), "acme-logs", "", skip_on_error, EventRules(limit=_LIMIT)
        )
        try:
            _checked(b"".join(reader.decode(item, io.BytesIO(data))).splitlines())
        except MalformedError as error:
            _checked([reader.error_event(item, error)])


def queue_object(kind: str, data: bytes) -> None:
    """Read an object that a queue's message names."""
    subscriber = SUBSCRIBERS[kind]()
    notified = NotifiedObject("acme-logs", "name", None, "")
    try:
        reader = ObjectDecoder(subscriber, True, EventRules(limit=_LIMIT), subscriber.discards)
        _checked(b"".join(reader.messages("name", io.BytesIO(data), subscriber.envelope(notified, "q"))).splitlines())
    except MalformedError:
        pass


def notification(data: bytes) -> None:
    """Read the body of a queue's message."""
    try:
        for item in notified_objects(data.decode("utf-8", "replace")):
            assert item.bucket and item.key and printable(item.key).isprintable() | True
            item.key.encode()
    except UnknownNotification:
        pass


def config_file(data: bytes) -> None:
    """Read an AWS configuration file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config")
        path.write_bytes(data)
        try:
            for name in ("default", "dev"):
                ConfigFile.read(path).profile(name, {})
        except ConfigFileError:
            pass


def key(data: bytes) -> None:
    """Place a key in every layout, and print it."""
    text = data.decode("utf-8", "replace")
    assert len(printable(text).splitlines()) <= 1
    for kind in LOG_TYPES.values():
        bucket = kind()
        for layout in bucket.layouts:
            for prefix in ("", _PARTITION.prefix):
                partition = Partition(prefix, layout.dates)
                whole = prefix + text
                bucket.accepts(whole, partition)
                bucket.extra_columns(whole)
                if (day := partition.day(whole)) is not None:
                    assert partition.order(whole) == (day, whole)


class _Answers:
    """The body that AWS answers every request with."""

    def __init__(self) -> None:
        self.body = b""

    def stream(self, *_: Any, **__: Any) -> Any:
        yield self.body

    def answer(self, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {"Content-Type": "text/xml"}, self)


@cache
def _client(service: str) -> tuple[Any, _Answers]:
    with mock.patch.dict(os.environ, {"AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": os.devnull}):
        client = Session(Access(access_key="x", secret_key="y"), ("eu-west-1",)).client(service)
    answers = _Answers()
    client.meta.events.register("before-send", answers.answer)
    return client, answers


def _asked(service: str, data: bytes, ask: Callable[[Any], None]) -> None:
    client, answers = _client(service)
    answers.body = data
    try:
        ask(client)
    except CollectorError as error:
        assert len(printable(str(error)).splitlines()) <= 1


def listing(data: bytes) -> None:
    """List a bucket, and its folders."""

    def ask(client: Any) -> None:
        store = S3Bucket(client, "acme-logs", TransferConfig())
        for page, _ in zip(store.pages(""), range(_PAGES), strict=False):
            for item in page:
                assert isinstance(item.key, str) and isinstance(item.size, int)
        for name, _ in zip(store.folders("AWSLogs/"), range(_PAGES), strict=False):
            assert isinstance(name, str)
        store.holds("")
        store.delete(["key"])

    _asked("s3", data, ask)


def queue(data: bytes) -> None:
    """Receive messages of a queue, and delete them."""

    def ask(client: Any) -> None:
        found = SqsQueue(client, QueueAddress.parse("https://sqs.eu-west-1.amazonaws.com/123456789012/name"), 0)
        messages = found.receive()
        found.delete(messages)
        for message in messages:
            notification(message.body.encode("utf-8", "replace"))

    _asked("sqs", data, ask)


def log_group(data: bytes) -> None:
    """Read the streams of a group, and their events."""

    def ask(client: Any) -> None:
        group = LogGroupApi(ServiceApi(client, 1e9), _GROUP)
        group.account()
        for page, _ in zip(group.pages(_STREAM, [_ANY_TIME], 0), range(_PAGES), strict=False):
            for wrap in (False, True):
                messages = (
                    LogMessages(_GROUP, EventRules(limit=_LIMIT), wrap).encode(_STREAM, event) for event in page.events
                )
                assert all(message is not None and len(message) <= _LIMIT for message in messages)
        group.streams()

    _asked("logs", data, ask)


_TRAIL = (
    b'{"Records":[{"eventID":"a","sourceIPAddress":"198.51.100.7","requestParameters":{"a":[null,[1]]},"tags":[1]}]}'
)
_FINDING = (
    b'{"service":{"serviceName":"guardduty","action":{"portProbeAction":{"portProbeDetails":[{"a":1},{"b":2}]}}}}\n'
)
_ITEM = (
    b'{"configurationItems":[{"configuration":{"securityGroups":[{"groupId":"a"},"b"],"availabilityZones":"a",'
    b'"state":"on","createdTime":"2021-06-10T01:00:00.500Z","a":{"Content":{"x":1}}},"resourceId":"r"}]}'
)
_MACIE = b'{"source":"aws.macie","detail":{"summary":{"Events":{"a":{"count":1}},"IP":{"1.2.3.4":0012.5}},"trigger":1}}'
_WAF = b'{"httpRequest":{"headers":[{"name":"Host","value":"h"},{"name":"x","value":null}]},"webaclId":"arn"}\n'
_LINE = (
    b'h2 2021-06-10T01:00:00.0Z app/a/b 1.2.3.4:5 [2001:db8::1]:443 0.1 -1 - 200 - "GET http://a/ HTTP" "a \\"b" -\n'
)
_FLOW = b"version account-id srcaddr start end\n2 123456789012 10.0.0.1 1623286800 -\n2 3 - 99999999999999 0\n"
_ACCESS = b'abc bucket [10/Jun/2021:01:00:00 +0000] 1.2.3.4 - ID REST.GET "a key" "GET /a HTTP/1.1" 200 - 1\n'
_CSV = b'"2021-06-10 01:00:00","a ""b""","c\nd",,"e"\n'
_OBJECTS = {
    "cloudtrail": (_TRAIL,),
    "config": (_ITEM,),
    "vpcflow": (_FLOW,),
    "guardduty": (_FINDING, _MACIE),
    "custom": (_MACIE, b"[" + _TRAIL + b"]", _FLOW),
    "alb": (_LINE,),
    "clb": (_LINE,),
    "nlb": (_LINE,),
    "waf": (_WAF,),
    "server_access": (_ACCESS,),
    "cisco_umbrella": (_CSV,),
}
_S3_EVENT = (
    b'{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"a+b%2F","size":1}}}]}'
)
_BRIDGE = b'{"detail-type":"Object Created","detail":{"bucket":{"name":"b"},"object":{"key":"k","etag":"e"}}}'
_SNS = b'{"Type":"Notification","Message":"{\\"Event\\":\\"s3:TestEvent\\"}"}'
_LIST = (
    b"<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    b"<Contents><Key>a%0Ab</Key><Size>1</Size><ETag>e</ETag><LastModified>2021-06-10T00:00:00.000Z</LastModified>"
    b"</Contents><CommonPrefixes><Prefix>AWSLogs/1/</Prefix></CommonPrefixes><EncodingType>url</EncodingType>"
    b"</ListBucketResult>"
)
_RECEIVED = (
    b'{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"{}","Attributes":{"ApproximateReceiveCount":"1"}}]}'
)
_EVENTS = (
    b'{"events":[{"timestamp":1623286800000,"message":"{\\"a\\":1}","ingestionTime":1}],"nextForwardToken":"f",'
    b'"logStreams":[{"logStreamName":"s","arn":"arn:aws:logs:r:1:log-group:g:log-stream:s"}],"logGroups":[]}'
)
_CONFIG = b"[profile dev]\nregion = us-east-1\nmax_attempts = 3\ns3 =\n  max_bandwidth = 5MB/s\ndev.proxy.host = h\n"


def _zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("log", data)
    return file.getvalue()


def _deflated(data: bytes) -> bytes:
    return gzip.compress(data[:9], mtime=0) + gzip.compress(data[9:], mtime=0) + bytes(7)


def _gunzipped(kind: str, data: bytes) -> None:
    """Read what was compressed well: the damage is inside."""
    bucket_object(kind, f"{_KEY}.gz", zlib.compress(data, 1, 16 + zlib.MAX_WBITS))


TARGETS = [
    *(Target(kind, partial(bucket_object, kind, _KEY), seeds) for kind, seeds in _OBJECTS.items()),
    *(Target(f"{kind} in gzip", partial(_gunzipped, kind), _OBJECTS[kind]) for kind in ("cloudtrail", "waf")),
    Target("gzip", partial(bucket_object, "cloudtrail", f"{_KEY}.gz"), (gzip.compress(_TRAIL), _deflated(_TRAIL))),
    Target("zip", partial(bucket_object, "waf", f"{_KEY}.zip"), (_zip(_WAF), _zip(b""))),
    Target("objects of queues", partial(queue_object, "buckets"), (_MACIE, b"a,b\n1,2\n", b"text\n", _TRAIL)),
    Target("security hub", partial(queue_object, "security_hub"), (b'{"detail-type":"a","detail":{"findings":[{}]}}',)),
    Target("notifications", notification, (_S3_EVENT, _BRIDGE, _SNS)),
    Target("AWS configuration file", config_file, (_CONFIG,)),
    Target(
        "keys", key, (b"2021/06/10/01/a", b"2021-06-10-01-15-00-AAAA", b"2021/6/1/ConfigHistory/a", b"0001/01/01/a")
    ),
    Target("listings", listing, (_LIST, b"<Error><Code>SlowDown</Code></Error>", b"<html/>")),
    Target("queue answers", queue, (_RECEIVED, b'{"Attributes":{"VisibilityTimeout":"30"}}')),
    Target("log group answers", log_group, (_EVENTS, b"{}")),
]
