"""Requests to the API of a service: no faster than AWS allows, with the kinds of refusals that callers handle."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from aws_s3.aws.botocore_internals import on_answered, on_throttled
from aws_s3.aws.error_table import FAILURES, about, not_from, translate
from aws_s3.aws.rate_limiter import RateLimiter
from aws_s3.codec.json_and_lines import json_value
from aws_s3.errors import CollectorError, DeniedError, InvalidRequestError, MissingError, RequestError, StorageError

_DENIALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_OK = 200
_CREDIT = 0.2
"""Seconds: after a pause, the requests of this time may be made at once."""


class ServiceApi:
    """A boto3 client of a service in one region, which may be used by several threads.

    `rate`: the requests a second that AWS allows, for each operation. `count` is called with the name of each
    request's operation.
    """

    def __init__(self, client: Any, rate: float, count: Callable[[str], None] = lambda _: None) -> None:
        self._client = client
        self._count = count
        self._rate = rate
        self._limiters: dict[str, RateLimiter] = {}
        on_answered(client, "GetLogEvents", take_events)
        on_throttled(client, self._slow_down)

    def call(self, operation: str, what: str, **request: Any) -> dict[str, Any]:
        """Return the answer to a request without its members that are None. Errors name `what`.

        Raises MissingError, InvalidRequestError, DeniedError; for other failures the error of
        `error_table`, or RequestError (exit 16) where the table has StorageError.
        """
        given = {name: value for name, value in request.items() if value is not None}
        name = operation.title().replace("_", "")
        self._limiter(name).wait()
        self._count(name)
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**given)
        except FAILURES as error:
            raise classify_error(error, what) from error
        return answer

    def rate(self, operation: str) -> float:
        """Return the requests a second that are made now, at most: fewer after AWS refused some as too many."""
        return self._limiter(operation).rate

    def _limiter(self, operation: str) -> RateLimiter:
        return self._limiters.setdefault(operation, RateLimiter(self._rate, _CREDIT))

    def _slow_down(self, operation: str) -> None:
        self._limiter(operation).slow_down()


def take_events(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Move the events of GetLogEvents into botocore's result: its parser takes 10 µs for each.

    botocore emits `before-parse` with both dictionaries. An answer without the form of AWS's stays unchanged.
    """
    try:
        answer = json_value(response_dict["body"])
        events = answer.pop("events")
        rest = json.dumps(answer).encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    if response_dict["status_code"] == _OK:
        response_dict["body"] = rest
        customized_response_dict["events"] = events


@contextmanager
def reading_answer(what: str) -> Iterator[None]:
    """Raise RequestError if an answer lacks a member that AWS's answers have: something else answered."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(not_from("AWS", what)) from error


def next_token(page: Mapping[str, Any], token: str | None, what: str) -> str | None:
    """Return the token of the page after the one that came for `token`; raises RequestError if they never end."""
    following: str | None = page.get("nextToken")
    if following and following == token:
        raise RequestError(about(what, "the same page comes again and again. Check the endpoint."))
    return following


def classify_error(error: Exception, what: str) -> CollectorError:
    """Return the failure as an error whose class says how a service goes on."""
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    failure = translate(error, what)
    if code == "ResourceNotFoundException":
        return MissingError(about(what, "it does not exist. Check its name, the region and the account."))
    if code in ("InvalidParameterException", "ValidationException"):
        return InvalidRequestError(str(failure))
    if code in _DENIALS:
        return DeniedError(str(failure))
    return RequestError(str(failure)) if isinstance(failure, StorageError) else failure
