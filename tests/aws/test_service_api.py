"""Requests to a service, and the errors that its refusals become."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import create_parser

from aws_s3.aws.service_api import ServiceApi, take_events
from aws_s3.errors import (
    CollectorError,
    CredentialsError,
    DeniedError,
    EndpointError,
    InvalidRequestError,
    MissingError,
    RequestError,
    ThrottledError,
)
from tests.harness.aws_server import Answer, Server


class Client:
    """A client whose one operation records what it is given, or fails."""

    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.requests: list[dict[str, Any]] = []

    def get(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self._failure:
            raise self._failure
        return {"found": 1}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Get")


REFUSALS: list[tuple[Exception, type[CollectorError], int]] = [
    (refused("ResourceNotFoundException"), MissingError, 16),
    (refused("InvalidParameterException"), InvalidRequestError, 16),
    (refused("ServiceUnavailableException"), RequestError, 16),
    (refused("SomethingNew"), RequestError, 16),
    (refused("AccessDeniedException"), DeniedError, 3),
    (refused("UnrecognizedClientException"), CredentialsError, 3),
    (refused("ThrottlingException"), ThrottledError, 16),
    (EndpointConnectionError(endpoint_url="http://nowhere"), EndpointError, 15),
]


@pytest.mark.parametrize(("failure", "kind", "code"), REFUSALS)
def test_refusals_are_told_apart(failure: Exception, kind: type[CollectorError], code: int) -> None:
    with pytest.raises(CollectorError) as raised:
        ServiceApi(Client(failure), 1000).call("get", "log group g")
    assert (raised.type, raised.value.exit_code) == (kind, code)
    assert str(raised.value).startswith("Log group g")


def test_members_that_are_none_are_left_out() -> None:
    client = Client()
    assert ServiceApi(client, 1000).call("get", "it", a=0, b=None, c="") == {"found": 1}
    assert client.requests == [{"a": 0, "c": ""}]


def read(body: bytes, *, taken: bool, status: int = 200) -> dict[str, Any]:
    """Return what the client makes of an answer to GetLogEvents."""
    model = botocore.session.Session().get_service_model("logs").operation_model("GetLogEvents")
    response: dict[str, Any] = {"headers": {}, "body": body, "status_code": status, "context": {}}
    ours: dict[str, Any] = {}
    if taken:
        take_events(response, ours)
    found: dict[str, Any] = create_parser("json").parse(response, model.output_shape)
    return found | ours


@pytest.mark.parametrize(
    "answer",
    [
        {"events": [], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"},
        {"events": [{"timestamp": 1, "message": "\ud83d\ude00 \udc00", "ingestionTime": 2}], "nextForwardToken": "f/1"},
        {"events": [{"timestamp": n, "message": "a", "ingestionTime": n} for n in range(3)]},
        {"nextForwardToken": "f/1"},
    ],
)
def test_log_events_are_as_botocore_reads_them(answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    assert read(body, taken=True) == read(body, taken=False)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"__type": "ThrottlingException"}', b"\xff"])
def test_what_holds_no_log_events_stays_as_it_is(body: bytes) -> None:
    response: dict[str, Any] = {"headers": {}, "body": body, "status_code": 400}
    ours: dict[str, Any] = {}
    take_events(response, ours)
    assert (response["body"], ours) == (body, {})


def test_requests_slow_down_where_aws_refuses_some_as_too_many() -> None:
    refused = json.dumps({"__type": "ThrottlingException", "message": "Rate exceeded"}).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    answers = iter([Answer(400, refused, headers), Answer(200, b'{"logStreams": []}', headers)])
    with Server(lambda _: next(answers)) as server:
        client = boto3.client(
            *("logs", "eu-west-1"),
            endpoint_url=server.url,
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
        )
        api = ServiceApi(client, 25)
        assert api.call("describe_log_streams", "log group g", logGroupName="g")["logStreams"] == []
    assert api.rate("DescribeLogStreams") == pytest.approx(12.5)
    assert api.rate("GetLogEvents") == 25
