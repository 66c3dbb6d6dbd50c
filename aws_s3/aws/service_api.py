"""Requests to the API of a service: no faster than AWS allows, with the kinds of refusals that callers handle."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from aws_s3.aws.error_table import FAILURES, about, not_from, translate
from aws_s3.aws.rate_limiter import RateLimiter
from aws_s3.errors import CollectorError, DeniedError, InvalidRequestError, MissingError, RequestError, StorageError

_DENIALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_CREDIT = 0.2
"""Seconds: after a pause, the requests of this time may be made at once."""


class ServiceApi:
    """A boto3 client of a service in one region, which may be used by several threads."""

    def __init__(self, client: Any, rate: float) -> None:
        self._client = client
        self._limiter = RateLimiter(rate, _CREDIT)

    def call(self, operation: str, what: str, **request: Any) -> dict[str, Any]:
        """Return the answer to a request without its members that are None. Errors name `what`.

        Raises MissingError, InvalidRequestError, DeniedError; for other failures the error of
        `error_table`, or RequestError (exit 16) where the table has StorageError.
        """
        given = {name: value for name, value in request.items() if value is not None}
        self._limiter.wait()
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**given)
        except FAILURES as error:
            raise classify_error(error, what) from error
        return answer


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
