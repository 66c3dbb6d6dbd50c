"""Tests of the queue's loop, against SQS and S3 as moto's server has them."""

import gzip
import io
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import pytest

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.error_table import translate
from aws_s3.aws.listings import S3Object
from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.sqs import Message, SqsQueue
from aws_s3.errors import CredentialsError, Interrupted, QueueMissingError, SinkConnectError, SinkSendError
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.loading import LocalLoading
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import SubscriberJob
from aws_s3.state.queue_state import QueueState
from aws_s3.subscribers.any_object import AnyObject
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.bucket_type import LogTypeFormat
from aws_s3.subscribers.collector import Context, QueueCollector
from aws_s3.subscribers.notifications import NotifiedObject
from aws_s3.subscribers.reader import QueueReader
from aws_s3.subscribers.strangers import Strangers
from tests.harness.command import wait_until
from tests.harness.emulator import ACCOUNT, Emulator

BUCKET = "acme-logs"
JOB = SubscriberJob("buckets", "q1")


class Sent(Sink):
    """Keeps the events; `fail` is called before each is accepted."""

    limit = None

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.fail: Callable[[], None] = lambda: None

    def connect(self) -> None:
        """Always there."""

    def send(self, message: bytes) -> None:
        self.fail()
        self.messages.append(json.loads(message))

    def close(self) -> None:
        """Nothing to close."""

    @property
    def events(self) -> list[str]:
        """The IDs of the events that were accepted, in order."""
        return [message["aws"]["id"] for message in self.messages]


@dataclass
class Lab:
    """A queue and a bucket in the emulator, and what a collection of them sends."""

    emulator: Emulator
    folder: Path
    attributes: dict[str, str] = field(default_factory=lambda: {"VisibilityTimeout": "30"})
    sink: Sent = field(default_factory=Sent)
    stop_request: StopRequest = field(default_factory=StopRequest)
    subscriber: ObjectFormat = field(default_factory=AnyObject)
    read: list[str] = field(default_factory=list)
    receives_at_once: int = 1
    bytes_ahead: int = 64 << 20
    events_a_part: int = 1000

    def __post_init__(self) -> None:
        self.sqs = self.emulator.client("sqs")
        self.s3 = self.emulator.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.url = self.create("q1", **self.attributes)
        self.queue = SqsQueue(self.sqs, QueueAddress("q1"), wait=0)

    def create(self, name: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def put(self, *keys: str) -> None:
        """Store an object of one event, whose ID is the key."""
        for key in keys:
            self.emulator.put_object(BUCKET, key, json.dumps({"id": key}).encode())

    def notify(self, *keys: str) -> None:
        """Send one message with a record for each key."""
        records = [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}} for key in keys]
        self.send({"Records": records})

    def send(self, body: Any) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def add(self, *keys: str) -> None:
        """Store objects, and send a message for each."""
        self.put(*keys)
        for key in keys:
            self.notify(key)

    def run(self, job: SubscriberJob = JOB) -> int:
        return self.collector(job).run()

    def collector(self, job: SubscriberJob = JOB) -> QueueCollector:
        stats = RunStats()
        rules = EventRules(job.discard, self.sink.limit, stats.reading)
        reader = QueueReader(
            lambda bucket: self.store(bucket),  # noqa: PLW0108 (a test may replace it later)
            self.subscriber,
            job.skip_on_error,
            rules,
        )
        context = Context(
            queue=self.queue,
            delivery=Delivery(self.sink, self.stop_request, stats, events_a_part=self.events_a_part),
            state=self.state(),
            receives=DaemonExecutor(self.receives_at_once, "receive"),
            loading=LocalLoading(reader, lambda: DaemonExecutor(4, "download"), 32, self.bytes_ahead),
            stop_request=self.stop_request,
            stats=stats,
            began=datetime.now(timezone.utc),
        )
        return QueueCollector(job, self.subscriber, context)

    def state(self) -> QueueState:
        return QueueState(self.folder, "q1", "rules")

    def store(self, bucket: str) -> "RememberingStore":
        return RememberingStore(self.s3, bucket, self.read)

    def left(self) -> list[str]:
        """Return the bodies that are in the queue, those in flight included."""
        queued: list[str] = []
        while messages := self.receive(self.url):
            queued += messages
        hidden = self.count("ApproximateNumberOfMessagesNotVisible") - len(queued)
        return queued + ["?"] * hidden

    def receive(self, url: str) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=30)
        return [message["Body"] for message in answer.get("Messages", ())]

    def count(self, kind: str) -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[kind])
        return int(answer["Attributes"][kind])


class RememberingStore(S3Bucket):
    """A bucket that remembers which objects were asked for."""

    def __init__(self, client: Any, bucket: str, read: list[str]) -> None:
        super().__init__(client, bucket, TransferConfig())
        self._read = read

    def get(self, wanted: S3Object) -> IO[bytes]:
        self._read.append(wanted.key)
        return super().get(wanted)


@pytest.fixture
def lab(emulator: Emulator, tmp_path: Path) -> Lab:
    return Lab(emulator, tmp_path)


@pytest.fixture
def brief(emulator: Emulator, tmp_path: Path) -> Lab:
    """A queue that shows messages again after a second."""
    return Lab(emulator, tmp_path, {"VisibilityTimeout": "1"})


@pytest.fixture
def short(emulator: Emulator, tmp_path: Path) -> Lab:
    """A queue that shows messages again after a time that a busy machine still keeps."""
    return Lab(emulator, tmp_path, {"VisibilityTimeout": "3"})


def test_objects_are_sent_in_order_and_their_messages_deleted(lab: Lab) -> None:
    keys = [f"a/{number:02}.json" for number in range(25)]
    lab.add(*keys)

    assert lab.run() == 0
    assert lab.sink.events == keys
    assert lab.left() == []


def test_empty_queue_is_no_error(lab: Lab) -> None:
    assert lab.run() == 0
    assert lab.sink.events == []


class Meeting(SqsQueue):
    """A queue whose first receives answer only when four of them are under way."""

    asked = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._together = threading.Barrier(4)
        self._lock = threading.Lock()

    def receive(self) -> list[Message]:
        with self._lock:
            self.asked += 1
            is_first = self.asked <= 4
        if is_first:
            self._together.wait(60)
        return super().receive()


def test_large_queue_is_asked_for_several_times_ten_messages_at_first(lab: Lab) -> None:
    lab.add(*(f"{number}.json" for number in range(40)))
    lab.receives_at_once = 4
    lab.queue = Meeting(lab.sqs, QueueAddress("q1"), wait=0)

    assert lab.run() == 0
    assert len(lab.sink.events) == 40
    assert lab.left() == []


def test_small_queue_is_asked_once_after_its_last_message(lab: Lab) -> None:
    lab.add(*(f"{number}.json" for number in range(9)))
    lab.receives_at_once = 4
    queue = lab.queue = Watched(lab.sqs, QueueAddress("q1"), wait=0)

    assert lab.run() == 0
    assert (queue.messages, queue.empty) == (9, 1)


def test_every_record_of_a_message_is_sent_once(lab: Lab) -> None:
    lab.put("a", "b", "c")
    lab.notify("a", "b", "c", "b")

    assert lab.run() == 0
    assert lab.sink.events == ["a", "b", "c"]
    assert lab.left() == []


def test_every_form_of_notification_is_read(lab: Lab) -> None:
    lab.put("one plus+", "two plus+")
    lab.send({"detail": {"bucket": {"name": BUCKET}, "object": {"key": "one plus+"}}})
    records = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": "two+plus%2B"}}}]}
    lab.send({"Type": "Notification", "Message": json.dumps(records)})
    lab.send({"Type": "Notification", "Message": json.dumps({"Event": "s3:TestEvent"})})
    lab.send({"Event": "s3:TestEvent"})

    assert lab.run() == 0
    assert lab.sink.events == ["one plus+", "two plus+"]
    assert lab.left() == []


def test_objects_of_several_buckets_are_read(lab: Lab) -> None:
    lab.s3.create_bucket(Bucket="other-logs")
    lab.emulator.put_object("other-logs", "x", b'{"id": "other"}')
    lab.add("a")
    lab.send({"detail": {"bucket": {"name": "other-logs"}, "object": {"key": "x"}}})

    assert lab.run() == 0
    assert lab.sink.events == ["a", "other"]


@pytest.mark.parametrize("bucket", ["no-such-bucket", "Not A Bucket", "arn:aws:s3:::acme-logs"])
def test_message_about_a_bucket_that_cannot_be_read_leaves_the_others(
    lab: Lab, bucket: str, caplog: pytest.LogCaptureFixture
) -> None:
    lab.send({"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": "x"}}}]})
    lab.add("a")

    assert lab.run() == 7
    assert lab.sink.events == ["a"]
    assert f"Object s3://{bucket}/x: " in caplog.text and "The message stays in queue q1" in caplog.text
    assert len(lab.left()) == 1


def test_unknown_body_is_told_and_left(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab.send("hello")
    lab.add("a")

    assert lab.run() == 0
    assert lab.sink.events == ["a"]
    assert "it is not JSON. It stays in queue q1" in caplog.text
    assert lab.count("ApproximateNumberOfMessagesNotVisible") == 1


def deny(lab: Lab, key: str) -> None:
    resource = f"arn:aws:s3:::{BUCKET}/{key}"
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    lab.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))


@pytest.fixture
def bad(brief: Lab) -> Lab:
    """A queue of good objects with a malformed one, a missing one, and a denied one among them."""
    dead = brief.create("dead")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    brief.sqs.set_queue_attributes(QueueUrl=brief.url, Attributes={"RedrivePolicy": policy})
    assert dead
    brief.add("good1", "denied", "good2", "malformed", "good3")
    brief.notify("missing")
    brief.emulator.put_object(BUCKET, "malformed", b'{"id": 1}{"id')
    deny(brief, "denied")
    return brief


def test_good_objects_arrive_and_the_others_stay(bad: Lab, caplog: pytest.LogCaptureFixture) -> None:
    assert bad.run() == 3
    assert bad.sink.events == ["good1", "good2", "good3"]
    assert len(bad.left()) == 3
    for what in ("/denied", "file malformed", "/missing"):
        assert any(what in record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert "Queue q1 keeps 3 messages whose objects" in caplog.text


def test_what_stays_ends_in_the_dead_letter_queue(bad: Lab) -> None:
    for _ in range(2):
        bad.run()
        time.sleep(1.1)
    bad.run()

    bodies = bad.receive(bad.url.replace("/q1", "/dead"))
    assert sorted(json.loads(body)["Records"][0]["s3"]["object"]["key"] for body in bodies) == [
        "denied",
        "malformed",
        "missing",
    ]
    assert bad.left() == []
    assert bad.sink.events == ["good1", "good2", "good3"]


def test_exit_code_is_0_where_errors_are_skipped(bad: Lab) -> None:
    assert bad.run(replace(JOB, skip_on_error=True)) == 0
    assert len(bad.left()) == 3


def test_run_ends_when_only_messages_that_failed_come_back(lab: Lab) -> None:
    lab.queue = Returning(lab.sqs, QueueAddress("q1"), wait=0)
    lab.notify("missing")

    assert lab.run() == 7
    assert lab.read == ["missing"]


class Returning(SqsQueue):
    """A queue that shows each message again at once, whoever works on it."""

    def receive(self) -> list[Message]:
        messages = super().receive()
        self.keep_invisible(messages, 0)
        return messages


@contextmanager
def terminated(lab: Lab, after: Callable[[], bool]) -> Iterator[None]:
    """Have this process asked to end, as SIGTERM does, when `after` holds."""

    def ask() -> None:
        with suppress(TimeoutError):
            wait_until(after)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    lab.stop_request.install()
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        with pytest.raises(Interrupted):
            yield
    finally:
        asking.join()
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])


@contextmanager
def once(condition: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Do something beside the block as soon as a condition holds."""

    def wait_and_act() -> None:
        wait_until(condition)
        act()

    acting = threading.Thread(target=wait_and_act, daemon=True)
    acting.start()
    yield
    acting.join()


class Watched(SqsQueue):
    """A queue that counts what receiving from it brought."""

    empty = 0
    messages = 0

    def receive(self) -> list[Message]:
        found = super().receive()
        self.messages += len(found)
        self.empty += not found
        return found


FOLLOW = replace(JOB, follow=True)


def test_message_that_comes_back_sends_only_what_failed(brief: Lab) -> None:
    brief.put("a", "c")
    brief.emulator.put_object(BUCKET, "b", b'{"id": "b"}')
    deny(brief, "b")
    brief.notify("a", "b", "c")
    # When c is sent, the first attempt to read b has failed.
    allow = once(lambda: "c" in brief.sink.events, lambda: brief.s3.delete_bucket_policy(Bucket=BUCKET))
    with terminated(brief, lambda: "b" in brief.sink.events), allow:
        brief.run(FOLLOW)

    assert brief.sink.events == ["a", "c", "b"]
    assert brief.left() == []


def test_malformed_object_is_read_once_however_often_its_message_comes(brief: Lab) -> None:
    brief.emulator.put_object(BUCKET, "bad", b'{"id')
    brief.notify("bad")
    brief.queue = queue = Watched(brief.sqs, QueueAddress("q1"), wait=0)
    later = once(lambda: queue.messages > 1, lambda: brief.add("later"))
    with terminated(brief, lambda: "later" in brief.sink.events), later:
        brief.run(FOLLOW)

    assert brief.read == ["bad", "later"]


def test_message_that_is_delivered_again_is_not_sent_again(lab: Lab) -> None:
    class Twice(SqsQueue):
        """A queue that delivers its messages once more after they were deleted, as SQS may."""

        first: tuple[Message, ...] = ()

        def receive(self) -> list[Message]:
            again, self.first = self.first, tuple(super().receive())
            return [*again, *self.first]

    lab.queue = Twice(lab.sqs, QueueAddress("q1"), wait=0)
    lab.add("a", "b")

    assert lab.run() == 0
    assert lab.sink.events == ["a", "b"]


def test_notification_that_s3_sends_twice_is_sent_once(lab: Lab) -> None:
    lab.put("a")
    entity = {"bucket": {"name": BUCKET}, "object": {"key": "a", "eTag": "e", "sequencer": "0055AED6DCD90281E5"}}
    for _ in range(2):
        lab.send({"Records": [{"s3": entity}]})
    lab.notify("a")

    assert lab.run() == 0
    assert lab.sink.events == ["a", "a"]
    assert lab.left() == []


@pytest.mark.slow
def test_object_that_takes_longer_than_the_visibility_is_shown_to_nobody(short: Lab) -> None:
    seen: list[str] = []

    def slow() -> None:
        for _ in range(40):
            time.sleep(0.1)
            seen.extend(short.receive(short.url))

    short.sink.fail = slow
    short.add("slow")

    assert short.run() == 0
    assert short.sink.events == ["slow"]
    assert seen == []
    assert short.left() == []


@pytest.mark.slow
def test_messages_received_ahead_are_shown_to_nobody_either(short: Lab) -> None:
    short.add(*map(str, range(30)))
    times = iter([4.0])
    short.sink.fail = lambda: time.sleep(next(times, 0))

    assert short.run() == 0
    assert short.sink.events == list(map(str, range(30)))
    assert short.read == short.sink.events


class Denying(SqsQueue):
    """A queue whose policy allows no change of visibility."""

    def keep_invisible(self, messages: Any, seconds: int) -> dict[str, str]:
        raise CredentialsError("AccessDenied: no")


def test_without_the_right_to_extend_it_goes_on_and_says_so_once(brief: Lab, caplog: pytest.LogCaptureFixture) -> None:
    brief.queue = Denying(brief.sqs, QueueAddress("q1"), wait=0)
    brief.add("a", "b")
    brief.sink.fail = lambda: time.sleep(1.2)

    assert brief.run() == 0
    assert brief.sink.events == ["a", "b"]
    assert caplog.text.count("allow sqs:ChangeMessageVisibility") == 1
    assert brief.left() == []


def test_messages_are_not_received_while_nobody_listens(lab: Lab) -> None:
    class Nobody(Sent):
        def connect(self) -> None:
            raise SinkConnectError("Nobody listens")

    lab.sink = Nobody()
    lab.add("a")
    with pytest.raises(SinkConnectError):
        lab.run()
    [message] = lab.queue.receive()

    assert message.receives == 1


def test_what_was_accepted_is_deleted_and_the_rest_shown_at_once_when_sending_fails(lab: Lab) -> None:
    def gone() -> None:
        if len(lab.sink.messages) == 2:
            raise SinkSendError("Wazuh has gone")

    lab.sink.fail = gone
    lab.add("a", "b", "c", "d")
    with pytest.raises(SinkSendError):
        lab.run()

    assert lab.sink.events == ["a", "b"]
    assert lab.count("ApproximateNumberOfMessagesNotVisible") == 0
    assert len(lab.left()) == 2


def test_denied_deletion_ends_the_run(lab: Lab) -> None:
    class Undeletable(SqsQueue):
        def delete(self, messages: Any) -> dict[str, str]:
            raise CredentialsError("AccessDenied: no")

    lab.queue = Undeletable(lab.sqs, QueueAddress("q1"), wait=0)
    lab.sink.fail = lambda: time.sleep(0.2)
    lab.add(*map(str, range(40)))
    with pytest.raises(CredentialsError):
        lab.run()
    assert len(lab.sink.messages) < 40


def test_deletion_that_is_refused_makes_the_exit_code_21(lab: Lab) -> None:
    class Refusing(SqsQueue):
        def delete(self, messages: Any) -> dict[str, str]:
            return {message.id: "InternalError: no" for message in messages}

    lab.queue = Refusing(lab.sqs, QueueAddress("q1"), wait=0)
    lab.add("a")

    assert lab.run(replace(JOB, skip_on_error=True)) == 21


def test_queue_that_vanishes_ends_the_run(lab: Lab) -> None:
    lab.sqs.delete_queue(QueueUrl=lab.url)
    with pytest.raises(QueueMissingError):
        lab.run()


def test_failure_of_all_objects_ends_the_run_and_shows_the_messages_again(lab: Lab) -> None:
    class Unreachable(RememberingStore):
        def get(self, wanted: S3Object) -> IO[bytes]:
            raise translate(ConnectionError("no route"), "S3")

    lab.store = lambda bucket: Unreachable(lab.s3, bucket, lab.read)  # type: ignore[method-assign]
    lab.add("a", "b")
    with pytest.raises(Exception, match="no route") as raised:
        lab.run()

    assert getattr(raised.value, "exit_code", 0) == 15
    assert len(lab.left()) == 2
    assert lab.count("ApproximateNumberOfMessagesNotVisible") == 2


@pytest.mark.parametrize("events", [1, 3])
def test_sigterm_ends_the_run_at_once_and_the_next_run_sends_only_the_rest(lab: Lab, events: int) -> None:
    lab.emulator.put_object(BUCKET, "a", b"".join(json.dumps({"id": f"a{n}"}).encode() for n in range(events)))
    lab.put("b", "c")
    lab.notify("a", "b")
    lab.notify("c")
    lab.events_a_part = 2
    sending = threading.Event()

    def slow() -> None:
        sending.set()
        wait_until(lambda: lab.stop_request._request is not None)

    lab.sink.fail = slow
    with terminated(lab, sending.is_set):
        lab.run()
    assert lab.sink.events == [f"a{n}" for n in range(min(events, 2))]

    lab.sink.fail, lab.stop_request = lambda: None, StopRequest()
    assert lab.run() == 0
    assert sorted(lab.sink.events) == [*(f"a{n}" for n in range(events)), "b", "c"]
    assert lab.left() == []
    assert lab.state().accepted_events() == {}


def test_a_part_sent_under_another_rule_does_not_count(lab: Lab) -> None:
    lab.state().record({(BUCKET, "a", "v"): 1}, ())
    assert lab.state().accepted_events() == {(BUCKET, "a", "v"): 1}
    assert QueueState(lab.folder, "q1", "other rules").accepted_events() == {}
    assert QueueState(lab.folder, "q2", "rules").accepted_events() == {}


def test_follow_waits_for_more_until_sigterm(lab: Lab) -> None:
    lab.add("a")
    lab.queue = queue = Watched(lab.sqs, QueueAddress("q1"), wait=0)
    later = once(lambda: queue.empty > 0, lambda: lab.add("later"))
    with terminated(lab, lambda: "later" in lab.sink.events), later:
        lab.run(FOLLOW)

    assert lab.sink.events == ["a", "later"]
    assert lab.left() == []


def test_objects_are_downloaded_side_by_side_but_not_all_at_once(lab: Lab) -> None:
    lab.bytes_ahead = 16 << 20  # of which a message that tells no size counts for 4 MiB
    ahead: list[int] = []

    class Slow(RememberingStore):
        def get(self, wanted: S3Object) -> IO[bytes]:
            self._read.append(wanted.key)
            ahead.append(len(self._read) - len(lab.sink.messages))
            return io.BytesIO(json.dumps({"id": wanted.key}).encode())

    lab.store = lambda bucket: Slow(lab.s3, bucket, lab.read)  # type: ignore[method-assign]
    lab.sink.fail = lambda: time.sleep(0.01)
    keys = list(map(str, range(30)))
    lab.notify(*keys)

    assert lab.run() == 0
    assert lab.sink.events == keys
    assert 3 <= max(ahead) <= 5


def test_objects_of_a_type_come_as_from_its_bucket_and_others_are_passed_over(lab: Lab) -> None:
    lab.subscriber = LogTypeFormat(CloudTrail(), "prod")
    key = f"p/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2021/06/10/x.json.gz"
    digest = key.replace("/CloudTrail/", "/CloudTrail-Digest/")
    for name in (key, digest):
        lab.emulator.put_object(BUCKET, name, gzip.compress(b'{"Records": [{"id": "1", "none": null}]}', mtime=0))
        lab.notify(name)

    assert lab.run() == 0
    [message] = lab.sink.messages
    assert message["aws"]["aws_account_id"] == ACCOUNT
    assert message["aws"]["log_info"]["aws_account_alias"] == "prod"
    assert message["aws"]["source"] == "cloudtrail"
    assert lab.read == [key]
    assert lab.left() == []


TRAIL = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2021/06/10/x.json.gz"
FLOWS = f"AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/2021/06/10/x.log.gz"
TYPED = replace(JOB, type="cloudtrail")


def put_trail(lab: Lab, key: str = TRAIL) -> None:
    lab.emulator.put_object(BUCKET, key, gzip.compress(b'{"Records": [{"id": "1"}]}', mtime=0))
    lab.notify(key)


@pytest.fixture
def typed(lab: Lab) -> Lab:
    """A queue that is read as CloudTrail's."""
    lab.subscriber = LogTypeFormat(CloudTrail(), "")
    return lab


def test_messages_of_other_types_stay_until_the_queue_gave_an_object_of_the_type(
    typed: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    typed.add(FLOWS, "notes.txt")
    for _ in range(2):
        caplog.clear()
        assert typed.run(TYPED) == 0
        assert typed.count("ApproximateNumberOfMessages") == 2
        [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert line.startswith("Queue q1 never gave an object of type cloudtrail, and keeps 2 messages.")
    put_trail(typed)
    caplog.clear()
    assert typed.run(TYPED) == 0
    assert typed.sink.events == ["1"]
    assert typed.left() == []
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
    typed.add(FLOWS)
    assert typed.run(TYPED) == 0
    assert typed.left() == []


def test_many_messages_of_other_types_are_passed_over_once_and_told_once(
    typed: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    names = [FLOWS.replace("x.log", f"{number}.log") for number in range(150)]
    typed.add(*names)
    collector = typed.collector(TYPED)
    assert collector.run() == 0
    assert typed.sink.events == []
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("Queue q1 never gave an object of type cloudtrail, and keeps 150 messages.")
    # Those above a hundred stay invisible until their timeout ends, the others are shown at once.
    assert typed.count("ApproximateNumberOfMessages") == 100
    assert typed.count("ApproximateNumberOfMessagesNotVisible") == 50


def test_messages_that_went_back_are_deleted_when_the_type_turns_out_to_be_right(typed: Lab) -> None:
    state, began = typed.state(), datetime.now(timezone.utc)
    strangers = Strangers("cloudtrail", state, began)
    named = [NotifiedObject(BUCKET, FLOWS)]
    assert all(strangers.holds(str(number), named) for number in range(103))
    assert list(strangers.surplus()) == ["0", "1", "2"]
    assert [strangers.is_passed_over(name) for name in ("0", "3")] == [True, False]
    assert sorted(strangers.found(), key=int) == [str(number) for number in range(3, 103)]
    assert not strangers.is_passed_over("0")
    assert not strangers.holds("0", named)


def test_queue_of_another_type_is_told_with_a_key_and_its_type(typed: Lab, caplog: pytest.LogCaptureFixture) -> None:
    typed.add(FLOWS)
    assert typed.run(TYPED) == 0
    assert f"One names {FLOWS}, which -t vpcflow reads." in caplog.text


def test_folder_markers_and_test_files_do_not_stay(typed: Lab, caplog: pytest.LogCaptureFixture) -> None:
    typed.add("AWSLogs/", "AWSLogs/x/ELBAccessLogTestFile")
    assert typed.run(TYPED) == 0
    assert typed.left() == []
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_object_of_the_type_that_cannot_be_read_is_not_found_yet(typed: Lab) -> None:
    typed.add(FLOWS)
    typed.notify(TRAIL)
    assert typed.run(TYPED) == 7
    assert len(typed.left()) == 2


def test_fifo_queue_is_emptied_in_order(lab: Lab) -> None:
    url = lab.create("q.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="30")
    lab.queue = SqsQueue(lab.sqs, QueueAddress("q.fifo"), wait=0)
    lab.put("a", "b", "c")
    for key in ("a", "b", "c"):
        body = {"detail": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
        lab.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body), MessageGroupId="g")

    assert lab.run() == 0
    assert lab.sink.events == ["a", "b", "c"]
    assert lab.receive(url) == []
