"""What collectors are measured against: one request after the other, parsed plainly, a socket connection an event.

`python -m tests.bench.plain_loop trail|lines|logs|queue SOCKET [LIMIT]` sends every event that the
benchmark's endpoint holds, or those of its first LIMIT objects, streams or messages.
"""

import gzip
import json
import socket
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import boto3
from botocore.config import Config

from tests.bench.corpus import BUCKET, GROUP, QUEUE

_CONFIG = Config(retries={"mode": "standard", "max_attempts": 10})


def _keys() -> Iterator[str]:
    pages = boto3.client("s3", config=_CONFIG).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return (item["Key"] for page in pages for item in page.get("Contents", ()))


def _objects(keys: Iterator[str]) -> Iterator[tuple[str, bytes]]:
    s3 = boto3.client("s3", config=_CONFIG)
    for key in keys:
        yield key, gzip.decompress(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def _wrapped(key: str, event: dict[str, Any]) -> str:
    message = {"integration": "aws", "aws": {"log_info": {"log_file": key, "s3bucket": BUCKET}, **event}}
    return json.dumps(message)


def _trail(keys: Iterator[str]) -> Iterator[str]:
    for key, data in _objects(keys):
        for record in json.loads(data)["Records"]:
            yield _wrapped(key, record)


def _lines(keys: Iterator[str]) -> Iterator[str]:
    for key, data in _objects(keys):
        names, *lines = data.decode().splitlines()
        for line in lines:
            yield _wrapped(key, dict(zip(names.split(" "), line.split(" "), strict=False)))


def _logs(limit: int | None) -> Iterator[str]:
    logs = boto3.client("logs", config=_CONFIG)
    for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"][:limit]:
        token: dict[str, str] = {}
        while True:
            name = stream["logStreamName"]
            page = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True, **token)
            yield from (event["message"] for event in page["events"])
            if page["nextForwardToken"] == token.get("nextToken"):
                break
            token = {"nextToken": page["nextForwardToken"]}


def _queue(limit: int | None) -> Iterator[str]:
    sqs = boto3.client("sqs", config=_CONFIG)
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    left = limit or sys.maxsize
    while left > 0 and (messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")):
        for message in messages:
            yield from _trail(iter([json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"]]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        left -= len(messages)


def main(kind: str, path: str, limit: str = "") -> None:
    """Send everything."""
    most = int(limit) if limit else None
    if kind in ("logs", "queue"):
        messages = {"logs": _logs, "queue": _queue}[kind](most)
    else:
        messages = {"trail": _trail, "lines": _lines}[kind](islice(_keys(), most))
    for message in messages:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.connect(path)
            end.send(b"1:Wazuh-AWS:" + message.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
