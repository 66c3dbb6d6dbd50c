"""Requests to a service, and the errors that its refusals become."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from aws_s3.aws.service_api import ServiceApi
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


class Client:
    """A client whose one operation records what it is given, or fails."""

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
