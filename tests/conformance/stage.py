"""The AWS side of a case: filled before the runs, changed between them, looked at after each."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tests.conformance.case import Run, Setup, StoredObject
from tests.harness.emulator import ACCOUNT, Emulator


def create_flow_logs(emulator: Emulator, counts: Mapping[str, int]) -> list[str]:
    """Create VPC flow logs in each region; return their ids."""
    return [identity for region, count in counts.items() for identity in _flow_logs(emulator, region, count)]


class Stage:
    """What a case's setup describes, in the emulator."""

    def __init__(self, emulator: Emulator, setup: Setup) -> None:
        self._emulator = emulator
        self._setup = setup
        self._s3 = emulator.client("s3")
        self._sqs = emulator.client("sqs")
        self._queue_url = ""

    def fill(self) -> None:
        """Put everything in place for the first run."""
        main = {self._setup.bucket: self._setup.objects} if self._setup.bucket else {}
        for bucket, objects in (main | dict(self._setup.buckets)).items():
            self._s3.create_bucket(Bucket=bucket)
            self._put(bucket, objects)
        self._write_logs(self._setup.logs)
        for region, findings in self._setup.inspector.items():
            results = {"results": [findings], "account_id": ACCOUNT, "region": region}
            self._emulator.post("/moto-api/static/inspector2/findings-results", results)
        if self._setup.sqs:
            # No long polling: an empty queue would keep each run waiting.
            created = self._sqs.create_queue(
                QueueName=self._setup.sqs["name"], Attributes={"ReceiveMessageWaitTimeSeconds": "0"}
            )
            self._queue_url = created["QueueUrl"]
            self._send(self._setup.sqs.get("messages", ()))

    def prepare(self, run: Run) -> None:
        """Do what happens before the run."""
        self._put(self._setup.bucket, run.put)
        self._write_logs(run.put_logs)
        for key in run.delete:
            self._s3.delete_object(Bucket=self._setup.bucket, Key=key)
        self._send(run.send)

    def keys(self) -> list[str]:
        """Return the keys that are left in the bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._setup.bucket)
        return sorted(found["Key"] for page in pages for found in page.get("Contents", ()))

    def queued(self) -> int:
        """Return how many messages the queue holds, those that somebody is working on included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _put(self, bucket: str, objects: Sequence[StoredObject]) -> None:
        for stored in objects:
            self._emulator.put_object(bucket, stored.key, stored.body())

    def _send(self, messages: Sequence[Any]) -> None:
        for message in messages:
            body = message if isinstance(message, str) else json.dumps(message)
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=body)

    def _write_logs(self, groups: Sequence[Any]) -> None:
        for group in groups:
            logs = self._emulator.client("logs", group["region"])
            _create(logs, logs.create_log_group, logGroupName=group["group"])
            for stream in group["streams"]:
                _write_stream(logs, group["group"], stream)


def _write_stream(logs: Any, group: str, stream: Mapping[str, Any]) -> None:
    place = {"logGroupName": group, "logStreamName": stream["name"]}
    _create(logs, logs.create_log_stream, **place)
    now = time.time()
    events = [
        {"timestamp": int((now - event["ago_s"]) * 1000), "message": event["message"]}
        for event in sorted(stream["events"], key=lambda event: event["ago_s"], reverse=True)
    ]
    if events:
        logs.put_log_events(logEvents=events, **place)


def _create(logs: Any, create: Any, **names: str) -> None:
    with suppress(logs.exceptions.ResourceAlreadyExistsException):  # a later run adds to it
        create(**names)


def _flow_logs(emulator: Emulator, region: str, count: int) -> list[str]:
    ec2 = emulator.client("ec2", region)
    bucket = f"flow-dest-{region}"
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region != "us-east-1" else {}
    emulator.client("s3").create_bucket(Bucket=bucket, **elsewhere)
    return [_flow_log(ec2, bucket) for _ in range(count)]


def _flow_log(ec2: Any, bucket: str) -> str:
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    created = ec2.create_flow_logs(
        ResourceIds=[network],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::{bucket}",
    )
    return str(created["FlowLogIds"][0])
