"""A queue in SQS: receives messages, deletes them, and keeps them invisible while they are worked on."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aws_s3.aws.botocore_internals import body_through
from aws_s3.aws.direct_get import UNANSWERED, LearnedAddress
from aws_s3.aws.download import STALL_SECONDS
from aws_s3.aws.error_table import FAILURES, not_from, translate
from aws_s3.aws.queue_address import QueueAddress
from aws_s3.errors import CredentialsError, QueueError, StorageError

T = TypeVar("T")

_BATCH = 10
_LONGEST_WAIT = 20
_DEFAULT_VISIBILITY = 30
_WAITING = "ApproximateNumberOfMessages"
_VISIBILITY = "VisibilityTimeout"


@dataclass(frozen=True)
class Message:
    """A message as one receive gave it; `receives` counts the receives of all collectors."""

    id: str
    receipt: str
    body: str
    receives: int


class Queue(Protocol):
    """A queue, as collectors use it.

    `visibility`: seconds that a received message stays invisible. `waiting`: about how many messages could be
    received when the queue was opened; None for a caller who may not read the attributes.
    """

    name: str
    visibility: int
    waiting: int | None

    def receive(self) -> list[Message]:
        """Return up to 10 messages; wait for the first. The list is empty if none came in time."""

    def delete(self, messages: Sequence[Message]) -> dict[str, str]:
        """Delete the messages; return the reason for each, by its id, that could not be deleted."""

    def keep_invisible(self, messages: Sequence[Message], seconds: int) -> dict[str, str]:
        """Hide the messages from every receiver for `seconds` from now; return the failures' reasons by id."""


class _DirectCalls:
    """Calls to SQS without the work that botocore repeats for each: a call takes a quarter of the CPU time.

    It learns where calls go from the client's own, as DirectGet does, and leaves every answer but a success to the
    client: retries and errors are the client's. Releases of botocore that ask in another form than JSON, as 1.34.0
    does, make every call themselves.
    """

    def __init__(self, client: Any, *, enabled: bool) -> None:
        self._model = client.meta.service_model
        is_json = self._model.metadata.get("protocol") == "json"
        self._address = LearnedAddress(client, "GetQueueAttributes", enabled=enabled and is_json)

    def answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a call, None if the client is to make it instead."""
        address = self._address.known
        if address is None:
            return None
        metadata = self._model.metadata
        headers = {
            "content-type": f"application/x-amz-json-{metadata['jsonVersion']}",
            "x-amz-target": f"{metadata['targetPrefix']}.{operation}",
        }
        body = json.dumps(request).encode()
        try:
            headers = address.post_headers(self._model.signing_name, headers, body)
            answer = json.loads(body_through(address.pool, "/", headers, STALL_SECONDS, body) or b"null")
        except (*UNANSWERED, RecursionError):
            return None
        # botocore leaves out the members that are null.
        return (
            {name: value for name, value in answer.items() if value is not None} if isinstance(answer, dict) else None
        )

    def learning(self) -> AbstractContextManager[None]:
        """Learn the address from the client's call of GetQueueAttributes in this block."""
        return self._address.learning("/")


class SqsQueue:
    """A queue behind a boto3 SQS client, which may be used by several threads.

    Every method raises QueueMissingError (exit 20) if there is no such queue, the errors of
    `error_table` for denied access, throttling and an endpoint out of reach, and QueueError (21) for the rest.
    """

    def __init__(
        self,
        client: Any,
        address: QueueAddress,
        wait: int = _LONGEST_WAIT,
        count: Callable[[str], None] = lambda _: None,
        *,
        direct: bool = False,
    ) -> None:
        self.name = address.name
        self._count = count
        self._client = client
        self._direct = _DirectCalls(client, enabled=direct)
        self._wait = wait
        self._url = address.url or self._find(address)
        self._visibility_of_receives: dict[str, int] = {}
        self.waiting, self.visibility = self._ask_attributes()

    def receive(self) -> list[Message]:
        """Return up to 10 messages; wait up to 20 s for the first. The list is empty if none came in time."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=self._wait,
            AttributeNames=["ApproximateReceiveCount"],
            **self._visibility_of_receives,
        )
        try:
            return [_message(item) for item in answer.get("Messages", ())]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise QueueError(not_from("SQS", f"queue {self.name}")) from error

    def delete(self, messages: Sequence[Message]) -> dict[str, str]:
        """Delete the messages; return the reason for each, by its id, that could not be deleted."""
        return self._by_batch("delete_message_batch", messages, {})

    def keep_invisible(self, messages: Sequence[Message], seconds: int) -> dict[str, str]:
        """Hide the messages from every receiver for `seconds` from now; return the failures' reasons by id."""
        return self._by_batch("change_message_visibility_batch", messages, {_VISIBILITY: seconds})

    def _find(self, address: QueueAddress) -> str:
        owner = {"QueueOwnerAWSAccountId": address.account} if address.account else {}
        url: str = self._call("get_queue_url", QueueName=address.name, **owner)["QueueUrl"]
        return url

    def _ask_attributes(self) -> tuple[int | None, int]:
        """Return `waiting` and `visibility`; a caller who may not read the queue's own visibility sets one instead."""
        try:
            with self._direct.learning():
                answer = self._call("get_queue_attributes", AttributeNames=[_WAITING, _VISIBILITY])
            answer = answer.get("Attributes", {})
            waiting, seconds = int(answer.get(_WAITING, 0)), int(answer.get(_VISIBILITY, 0))
        except (CredentialsError, ValueError):
            waiting, seconds = None, 0
        if not seconds:
            self._visibility_of_receives = {_VISIBILITY: _DEFAULT_VISIBILITY}
        return waiting, seconds or _DEFAULT_VISIBILITY

    def _by_batch(self, operation: str, messages: Sequence[Message], members: Mapping[str, int]) -> dict[str, str]:
        refused = {}
        for batch in _batches(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, **members} for number, message in enumerate(batch)
            ]
            for failure in self._call(operation, Entries=entries).get("Failed", ()):
                reason = f"{failure.get('Code')}: {failure.get('Message')}"
                refused[batch[int(failure["Id"])].id] = reason
        return refused

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        if operation != "get_queue_url":
            request["QueueUrl"] = self._url
        self._count("SQS")
        try:
            answer = self._direct.answer(operation.title().replace("_", ""), request)
            if answer is None:
                answer = getattr(self._client, operation)(**request)
        except FAILURES as error:
            failure = translate(error, f"queue {self.name} in {self._client.meta.region_name}")
            raise (QueueError(str(failure)) if isinstance(failure, StorageError) else failure) from error
        return dict(answer)


def _message(item: Mapping[str, Any]) -> Message:
    receives = int((item.get("Attributes") or {}).get("ApproximateReceiveCount", 1))
    return Message(item["MessageId"], item["ReceiptHandle"], item.get("Body", ""), receives)


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), _BATCH):
        yield items[first : first + _BATCH]
