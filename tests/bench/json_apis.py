"""What the benchmark's endpoint answers for CloudWatch Logs and SQS, whose requests are JSON."""

import hashlib
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.bench.corpus import ACCOUNT, BUCKET, Corpus, log_events

_EVENTS_A_PAGE = 10_000
_MESSAGES_A_RECEIVE = 10


class JsonApis:
    """Answers by operation, as `X-Amz-Target` names it. Who asks for the queue's URL finds the queue full."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._waiting: deque[tuple[int, str, int]] = deque()
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "DescribeLogStreams": self._describe_log_streams,
            "GetLogEvents": self._get_log_events,
            "GetQueueUrl": self._get_queue_url,
            "GetQueueAttributes": self._get_queue_attributes,
            "ReceiveMessage": self._receive_message,
            "DeleteMessage": lambda _: {},
            "DeleteMessageBatch": _all_of_batch,
            "ChangeMessageVisibilityBatch": _all_of_batch,
        }

    def answer(self, operation: str, body: bytes) -> bytes:
        """Return the answer's body."""
        return json.dumps(self._operations[operation](json.loads(body))).encode()

    def _describe_log_streams(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{request['logGroupName']}:log-stream"
        streams = [f"stream-{number}" for number in range(self._corpus.streams)]
        return {"logStreams": [{"logStreamName": name, "arn": f"{arn}:{name}"} for name in streams]}

    def _get_log_events(self, request: dict[str, Any]) -> dict[str, Any]:
        first = int(request.get("nextToken") or 0)
        events = log_events(first, min(first + _EVENTS_A_PAGE, self._corpus.events_a_stream))
        return {"events": events, "nextForwardToken": str(first + len(events))}

    def _get_queue_url(self, request: dict[str, Any]) -> dict[str, Any]:
        sizes = {key: len(self._corpus.bodies[body]) for key, body in self._corpus.objects.items()}
        self._waiting = deque((number, *item) for number, item in enumerate(sorted(sizes.items())))
        return {"QueueUrl": f"http://127.0.0.1/{ACCOUNT}/{request['QueueName']}"}

    def _get_queue_attributes(self, request: dict[str, Any]) -> dict[str, Any]:
        values = {"VisibilityTimeout": "300", "ApproximateNumberOfMessages": str(len(self._waiting))}
        return {"Attributes": {name: values[name] for name in request["AttributeNames"]}}

    def _receive_message(self, request: dict[str, Any]) -> dict[str, Any]:
        del request
        count = min(_MESSAGES_A_RECEIVE, len(self._waiting))
        return {"Messages": [_message(*self._waiting.popleft()) for _ in range(count)]}


def _all_of_batch(request: dict[str, Any]) -> dict[str, Any]:
    return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}


def _message(number: int, key: str, size: int) -> dict[str, Any]:
    body = json.dumps({"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": size}}}]})
    digest = hashlib.md5(body.encode()).hexdigest()
    return {"MessageId": f"{number}", "ReceiptHandle": f"{number}", "Body": body, "MD5OfBody": digest}
