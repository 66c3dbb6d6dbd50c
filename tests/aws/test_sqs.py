"""Tests of the queue client, against SQS as moto's server has it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.config import Config

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.sqs import Message, SqsQueue
from aws_s3.errors import CredentialsError, QueueError, QueueMissingError
from tests.harness.aws_server import Answer, Request, Server
from tests.harness.emulator import ACCOUNT, Emulator


class Lab:
    """A queue in the emulator, seen from both sides."""

    direct = False

    def __init__(self, emulator: Emulator, name: str = "q1", **attributes: str) -> None:
        self.sqs = emulator.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.name = name

    def open(self, address: str = "") -> SqsQueue:
        return SqsQueue(self.sqs, QueueAddress.parse(address or self.name), wait=0, direct=self.direct)

    def send(self, *bodies: str, **members: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body, **members)

    def count(self, kind: str = "ApproximateNumberOfMessages") -> int:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[kind])
        return int(answer["Attributes"][kind])


@pytest.fixture(params=[False, True], ids=["client", "direct"])
def lab(emulator: Emulator, request: pytest.FixtureRequest) -> Lab:
    made = Lab(emulator)
    made.direct = request.param
    return made


def in_flight(lab: Lab) -> int:
    return lab.count("ApproximateNumberOfMessagesNotVisible")


def test_messages_are_received_with_their_count(lab: Lab) -> None:
    lab.send("one")
    queue = lab.open()
    [first] = queue.receive()
    queue.keep_invisible([first], 0)
    [again] = queue.receive()

    assert (first.body, first.receives) == ("one", 1)
    assert (again.id, again.receives) == (first.id, 2)


def test_empty_queue_gives_nothing(lab: Lab) -> None:
    assert lab.open().receive() == []


@pytest.mark.parametrize("address", ["q1", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q1", "url"])
def test_queue_is_found_by_name_arn_and_url(lab: Lab, address: str) -> None:
    lab.send("one")
    queue = lab.open(lab.url if address == "url" else address)

    assert queue.name == "q1"
    assert [message.body for message in queue.receive()] == ["one"]


def test_queue_of_another_account_is_asked_for_there(lab: Lab) -> None:
    asked: list[Any] = []
    lab.sqs.meta.events.register("provide-client-params.sqs.GetQueueUrl", lambda params, **_: asked.append(params))
    lab.open("arn:aws:sqs:us-east-1:111122223333:q1")
    lab.open("q1")

    assert asked == [{"QueueName": "q1", "QueueOwnerAWSAccountId": "111122223333"}, {"QueueName": "q1"}]


@pytest.mark.parametrize("address", ["q2", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q2", "url"])
def test_queue_that_does_not_exist_is_missing(lab: Lab, address: str) -> None:
    with pytest.raises(QueueMissingError, match=r"[Qq]ueue q2 in us-east-1: .*Check --queue"):
        lab.open(lab.url.replace("q1", "q2") if address == "url" else address).receive()


def test_queue_that_is_deleted_later_is_missing(lab: Lab) -> None:
    queue = lab.open()
    lab.sqs.delete_queue(QueueUrl=lab.url)
    with pytest.raises(QueueMissingError):
        queue.receive()


def test_any_number_is_deleted_in_batches(lab: Lab) -> None:
    lab.send(*map(str, range(25)))
    queue = lab.open()
    messages = [message for _ in range(3) for message in queue.receive()]

    assert len(messages) == 25
    assert queue.delete(messages) == {}
    assert lab.count() == in_flight(lab) == 0


def test_deletion_that_is_refused_is_told_for_its_message_alone(lab: Lab) -> None:
    lab.send("one", "two")
    queue = lab.open()
    messages = queue.receive()
    wrong = Message("wrong", "no such receipt", "", 1)
    refused = queue.delete([messages[0], wrong, messages[1]])

    assert list(refused) == ["wrong"]
    assert "ReceiptHandleIsInvalid" in refused["wrong"]
    assert in_flight(lab) == 0


def test_nothing_to_delete_asks_nothing(lab: Lab) -> None:
    queue = lab.open()
    lab.sqs.delete_queue(QueueUrl=lab.url)
    assert queue.delete([]) == {}


def test_visibility_is_the_queues_own(emulator: Emulator) -> None:
    assert Lab(emulator, "short", VisibilityTimeout="7").open().visibility == 7


def test_messages_that_wait_are_counted_with_the_visibility(lab: Lab) -> None:
    lab.send("one", "two", "three")
    assert lab.open().waiting == 3


def test_messages_of_a_queue_without_visibility_are_hidden_all_the_same(emulator: Emulator) -> None:
    lab = Lab(emulator, "none", VisibilityTimeout="0")
    lab.send("one")
    queue = lab.open()

    assert queue.visibility == 30
    assert len(queue.receive()) == 1
    assert queue.receive() == []


def test_fifo_queue_is_read_in_the_order_of_its_group(emulator: Emulator) -> None:
    lab = Lab(emulator, "q.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    lab.send("a", "b", "c", MessageGroupId="g")
    queue = lab.open()
    messages = queue.receive()

    assert [message.body for message in messages] == ["a", "b", "c"]
    assert queue.delete(messages) == {}
    assert queue.receive() == []


@pytest.fixture
def allowing(emulator: Emulator, lab: Lab) -> Iterator[Any]:
    """Give what opens the queue as a user who may do nothing but what is named."""

    def allow(*actions: str) -> SqsQueue:
        iam = emulator.client("iam")
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
        emulator.post("/moto-api/reset-auth", 0)
        keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        client = boto3.client("sqs", endpoint_url=emulator.url, region_name="us-east-1", **keys)
        return SqsQueue(client, QueueAddress.parse(lab.url), wait=0, direct=lab.direct)

    yield allow
    emulator.post("/moto-api/reset-auth", 1e9)


def test_denied_receive_is_denied_access(allowing: Any) -> None:
    with pytest.raises(CredentialsError, match=r"[Qq]ueue q1"):
        allowing("sqs:GetQueueAttributes").receive()


def test_who_may_not_see_the_visibility_sets_it(lab: Lab, allowing: Any) -> None:
    lab.send("one")
    queue = allowing("sqs:ReceiveMessage")

    assert (queue.visibility, queue.waiting) == (30, None)
    assert len(queue.receive()) == 1
    with pytest.raises(CredentialsError):
        queue.delete([Message("1", "r", "", 1)])


class Refusing(BaseHTTPRequestHandler):
    """Answers every request as SQS does when it refuses it for a reason of its own."""

    def do_POST(self) -> None:
        body = json.dumps({"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": "no"}).encode()
        if "X-Amz-Target" not in self.headers:  # botocore 1.34.0 asks in the protocol before JSON
            body = (
                b"<ErrorResponse><Error><Code>UnsupportedOperation</Code><Message>no</Message></Error></ErrorResponse>"
            )
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


def test_another_refusal_is_an_error_of_the_queue() -> None:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        url = f"http://127.0.0.1:{server.server_port}"
        client = boto3.client("sqs", endpoint_url=url, region_name="us-east-1", config=Config(proxies={}), **keys)
        with pytest.raises(QueueError, match="UnsupportedOperation: no") as raised:
            SqsQueue(client, QueueAddress("q1"))
        server.shutdown()
    assert raised.value.exit_code == 21


class Sqs:
    """An SQS of one message, which tells by which way calls came; `refusals` are answered first."""

    def __init__(self) -> None:
        self.refusals: list[Answer] = []
        self.calls: list[tuple[str, str]] = []

    def __call__(self, request: Request) -> Answer:
        operation = request.headers["x-amz-target"].rpartition(".")[2]
        self.calls.append(("client" if "amz-sdk-invocation-id" in request.headers else "direct", operation))
        if self.refusals and operation != "GetQueueAttributes":
            return self.refusals.pop(0)
        message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "one", "Attributes": None}
        answer = {"Messages": [message]} if operation == "ReceiveMessage" else {"Failed": None}
        return Answer(body=json.dumps(answer).encode())


def opened(server: Server, *, direct: bool = True, **config: Any) -> SqsQueue:
    sqs = boto3.client(
        *("sqs", "eu-west-1"),
        endpoint_url=server.url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(**{"proxies": {}, "retries": {"mode": "standard", "total_max_attempts": 3}} | config),
    )
    if sqs.meta.service_model.metadata["protocol"] != "json":
        pytest.skip("this botocore asks in the protocol before JSON, always through the client")
    return SqsQueue(sqs, QueueAddress.parse(f"{server.url}/{ACCOUNT}/q1"), direct=direct)


def test_calls_after_the_first_come_past_the_client() -> None:
    with Server(Sqs()) as theirs, Server(sqs := Sqs()) as server:
        for queue in (opened(theirs, direct=False), opened(server)):
            messages = queue.receive()
            assert [message.body for message in messages] == ["one"]
            assert queue.delete(messages) == {}
            assert queue.keep_invisible(messages, 5) == {}
        for plain, direct in zip(theirs.requests, server.requests, strict=True):
            asked, given = json.loads(direct.body), json.loads(plain.body)
            assert asked | {"QueueUrl": ""} == given | {"QueueUrl": ""}
            assert (direct.method, direct.target) == (plain.method, plain.target)
            for name in ("content-type", "x-amz-target", "user-agent"):
                assert direct.headers[name] == plain.headers[name]
    assert [way for way, _ in sqs.calls] == ["client", "direct", "direct", "direct"]


@pytest.mark.parametrize("off", [{"direct": False}, {"retries": {"mode": "adaptive"}}])
def test_calls_come_through_the_client_where_the_direct_way_is_off(off: dict[str, Any]) -> None:
    with Server(sqs := Sqs()) as server:
        opened(server, **off).receive()
    assert sqs.calls == [("client", "GetQueueAttributes"), ("client", "ReceiveMessage")]


@pytest.mark.parametrize(
    "refusal",
    [
        Answer(503, b'{"__type": "com.amazonaws.sqs#ServiceUnavailable"}'),
        Answer(body=b"<html>Welcome to our WLAN</html>"),
        Answer(body=b"[]"),
        Answer(body=b"[" * 100_000),
        Answer(body=b""),
    ],
)
def test_client_asks_again_where_the_direct_way_gets_no_answer_of_sqs(refusal: Answer) -> None:
    with Server(sqs := Sqs()) as server:
        queue = opened(server)
        sqs.refusals = [refusal]
        assert len(queue.receive()) == 1
        assert len(queue.receive()) == 1
    assert [way for way, _ in sqs.calls] == ["client", "direct", "client", "direct"]
