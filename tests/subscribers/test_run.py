"""Tests of the command on queues: several collectors at once, signals, what is missing."""

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.command import Home, decoded, kill, new_home, wait_until
from tests.harness.emulator import ACCOUNT, Emulator
from tests.harness.listener import Listener

BUCKET = "acme-logs"
FOLLOWING = ("-sb", "buckets", "-q", "q1", "--follow")


class Lab:
    """A queue, a bucket, and a home to collect them from."""

    def __init__(self, emulator: Emulator, home: Home) -> None:
        self.home = home
        self._emulator = emulator
        self._sqs = emulator.client("sqs")
        self._url = ""
        emulator.client("s3").create_bucket(Bucket=BUCKET)

    def create(self, visibility: int = 30) -> None:
        attributes = {"VisibilityTimeout": str(visibility)}
        self._url = self._sqs.create_queue(QueueName="q1", Attributes=attributes)["QueueUrl"]

    def add(self, objects: Mapping[str, Any]) -> None:
        """Store the objects, and send a message for each."""
        for key, body in objects.items():
            self._emulator.put_object(BUCKET, key, json.dumps(body).encode())
        records = [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}} for key in objects]
        entries = [{"Id": str(n), "MessageBody": json.dumps({"Records": [record]})} for n, record in enumerate(records)]
        for first in range(0, len(entries), 10):
            self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries[first : first + 10])

    def send(self, body: Any) -> str:
        """Send a message and return its ID."""
        sent: str = self._sqs.send_message(QueueUrl=self._url, MessageBody=json.dumps(body))["MessageId"]
        return sent

    def fill(self, count: int) -> list[str]:
        """Add objects of two events each; return the IDs of all events."""
        self.add({f"{number}.json": [{"id": f"{number}-{event}"} for event in range(2)] for number in range(count)})
        return sorted(f"{number}-{event}" for number in range(count) for event in range(2))

    def queued(self) -> int:
        """Return how many messages there are, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def is_empty(self) -> bool:
        time.sleep(0.1)
        return self.queued() == 0

    @contextmanager
    def collectors(self, count: int) -> Iterator[list["subprocess.Popen[str]"]]:
        """Run collectors that follow the queue; end them, and check that they did so without a failure."""
        processes = [self.home.start(*FOLLOWING) for _ in range(count)]
        try:
            yield processes
            running = [process for process in processes if process.poll() is None]
            for process in running:
                process.terminate()
            outputs = [process.communicate(timeout=120)[0] for process in running]
            assert [process.returncode for process in running] == [0] * len(running)
            # The summary of its run is the only line of each.
            assert all(re.fullmatch(r"\S+ INFO: q1 \(buckets\): .*\n", output) for output in outputs), outputs
        finally:
            for process in processes:
                process.kill()
                process.wait()


@pytest.fixture
def lab(emulator: Emulator) -> Iterator[Lab]:
    with new_home(emulator) as home:
        yield Lab(emulator, home)


@contextmanager
def listening(lab: Lab) -> Iterator[list[str]]:
    """Give the list that holds the IDs of the events, once the block has ended."""
    events: list[str] = []
    listener = Listener(lab.home.socket)
    try:
        yield events
    finally:
        events += [message["aws"]["id"] for message in decoded(listener.close())]


def test_three_collectors_share_a_queue_and_send_each_event_once(lab: Lab) -> None:
    lab.create()
    expected = lab.fill(90)
    with listening(lab) as events, lab.collectors(3):
        wait_until(lab.is_empty, 120)
    assert sorted(events) == expected


def test_no_event_is_lost_when_a_collector_is_killed(lab: Lab) -> None:
    # Longer than a busy machine keeps the living collectors from extending it.
    lab.create(visibility=10)
    expected = lab.fill(60)
    with listening(lab) as events, lab.collectors(3) as processes:
        wait_until(lambda: lab.queued() < 50)
        kill(processes[0])
        wait_until(lab.is_empty, 120)
    counted = Counter(events)
    assert sorted(counted) == expected
    # A collector sends no more while 20 of its messages, with two events each, wait to be deleted.
    assert sum(counted.values()) - len(expected) <= 2 * 20


def test_signal_ends_the_wait_for_messages(lab: Lab) -> None:
    lab.create()
    lab.fill(1)
    with listening(lab) as events:
        process = lab.home.start(*FOLLOWING[:-1])
        wait_until(lab.is_empty)
        process.terminate()
        output, _ = process.communicate(timeout=120)
    assert (process.returncode, output) == (143, "ERROR: SIGTERM received.\n")
    assert events == ["0-0", "0-1"]


def test_queue_that_does_not_exist_is_told_at_once(lab: Lab) -> None:
    ended = lab.home.run("-sb", "buckets", "-q", "nowhere")

    assert ended.code == 20
    assert "nowhere" in ended.errors[0]


def test_type_and_arn_are_taken_and_the_type_gives_its_envelope(lab: Lab) -> None:
    lab.create()
    key = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2021/06/10/x.json"
    lab.add({key: {"Records": [{"eventID": "1", "requestParameters": None}]}, "notes.txt": {}})
    listener = Listener(lab.home.socket)
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q1"
    process = lab.home.start("-sb", "buckets", "-q", arn, "-t", "cloudtrail", "-n", "prod", "--follow")
    try:
        wait_until(lab.is_empty)
        process.terminate()
        process.communicate(timeout=120)
    finally:
        process.kill()
    assert decoded(listener.close()) == [
        {
            "integration": "aws",
            "aws": {
                "log_info": {"aws_account_alias": "prod", "log_file": key, "s3bucket": BUCKET},
                "eventID": "1",
                "source": "cloudtrail",
                "aws_account_id": ACCOUNT,
            },
        }
    ]


def test_only_security_lake_needs_pyarrow(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not installed')")
    without = {"PYTHONPATH": f"{tmp_path}:{lab.home.environment.get('PYTHONPATH', '')}"}
    lab.create()
    role = ("-i", f"arn:aws:iam::{ACCOUNT}:role/lake", "-x", "id")

    lake = lab.home.run("-sb", "security_lake", "-q", "q1", *role, environment=without)
    hub = lab.home.run("-sb", "security_hub", "-q", "nowhere", environment=without)

    assert (lake.code, hub.code) == (10, 20)
    assert "-m pip install pyarrow" in lake.errors[0]


HUB_EVENT = {
    "version": "0",
    "detail-type": "Security Hub Findings - Imported",
    "source": "aws.securityhub",
    "detail": {"findings": [{"Id": "1"}, {"Id": "2"}]},
}


@pytest.mark.parametrize(
    ("options", "events"),
    [
        (("-sb", "buckets"), [{"findings": {"Id": number}, "source": "custom"} for number in "12"]),
        (
            ("-sb", "buckets", "-t", "custom"),
            [{"findings": {"Id": number}, "source": "securityhub"} for number in "12"],
        ),
        (
            ("-sb", "security_hub"),
            [
                {"source": "securityhub", "detail_type": HUB_EVENT["detail-type"], "finding": {"Id": number}}
                for number in "12"
            ],
        ),
    ],
)
def test_a_message_that_is_an_event_itself_is_sent_without_an_object(
    lab: Lab, options: tuple[str, ...], events: list[dict[str, Any]]
) -> None:
    lab.create()
    message_id = lab.send(HUB_EVENT)
    ended = lab.home.run(*options, "-q", "q1")
    log_info = {"sqs_queue": "q1", "message_id": message_id}
    assert (ended.code, ended.output) == (0, "")
    assert [message["aws"] for message in ended.messages] == [{"log_info": log_info, **event} for event in events]
    assert lab.queued() == 0


def test_an_event_stays_in_a_queue_that_is_not_read_for_events(lab: Lab) -> None:
    lab.create()
    message_id = lab.send(HUB_EVENT)
    ended = lab.home.run("-sb", "buckets", "-t", "cloudtrail", "-q", "q1")
    assert (ended.code, ended.messages, lab.queued()) == (0, [], 1)
    assert f"Message {message_id} is no notification" in ended.output
    assert "it is an event itself" in ended.output
