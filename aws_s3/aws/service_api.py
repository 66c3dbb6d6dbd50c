"""Requests to the API of a service: no faster than AWS allows, its refusals told apart where that matters."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aws_s3.aws.error_table import FAILURES, translate
from aws_s3.errors import CollectorError, DeniedError, InvalidRequestError, MissingError, RequestError, StorageError

_DENIALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_CREDIT = 0.2
"""Seconds: after a pause, this many seconds' requests may be made at once."""


class RateLimiter:
    """Keeps several threads together at no more than `rate` requests a second."""

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may be made."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now - _CREDIT)
            self._next = turn + self._interval
        if turn > now:
            time.sleep(turn - now)


class ServiceApi:
    """A boto3 client of a service in one region, which may be used by several threads."""

    def __init__(self, client: Any, rate: float) -> None:
        self._client = client
        self._pace = RateLimiter(rate)

    def ask(self, operation: str, what: str, **request: Any) -> dict[str, Any]:
        """Return the answer of a request; its members that are None are left out. `what` is named in errors.

        Raises MissingError, InvalidRequestError, DeniedError; else what `aws_errors` makes of AWS's
        answer, and RequestError (exit 16) where that has no code of its own.
        """
        given = {name: value for name, value in request.items() if value is not None}
        self._pace.wait()
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**given)
        except FAILURES as error:
            raise _told_apart(error, what) from error
        return answer


@contextmanager
def reading_answer(what: str) -> Iterator[None]:
    """Raise RequestError where an answer lacks what AWS's have: it is that of something on the way."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        text = f"{what[:1].upper()}{what[1:]}: what answered is not AWS: check the endpoint and the proxy."
        raise RequestError(text) from error


def next_token(page: Mapping[str, Any], token: str | None, what: str) -> str | None:
    """Return the token of the page after the one that came for `token`; raises RequestError if they never end."""
    following: str | None = page.get("nextToken")
    if following and following == token:
        raise RequestError(f"{what[:1].upper()}{what[1:]}: the same page comes again and again. Check the endpoint.")
    return following


def _told_apart(error: Exception, what: str) -> CollectorError:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    failure = translate(error, what)
    if code == "ResourceNotFoundException":
        return MissingError(f"{what[:1].upper()}{what[1:]} does not exist. Check its name, the region and the account.")
    if code in ("InvalidParameterException", "ValidationException"):
        return InvalidRequestError(str(failure))
    if code in _DENIALS:
        return DeniedError(str(failure))
    return RequestError(str(failure)) if isinstance(failure, StorageError) else failure
