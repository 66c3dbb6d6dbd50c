"""The streams and events of CloudWatch Logs, as its API returns them."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

from aws_s3.aws.service_api import ServiceApi, next_token, reading_answer
from aws_s3.errors import CollectorError, ExpiredTokenError, InvalidRequestError
from aws_s3.state.log_streams import EventFingerprint, Group
from aws_s3.state.read_ranges import LATE, TimeRange

REQUESTS_A_SECOND = 25
"""AWS's quota of GetLogEvents, and of DescribeLogStreams, for an account in a region."""

_STREAMS_A_PAGE = 50
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class LogStream:
    """A stream as a listing shows it. Times are milliseconds since 1970; those of the events lag behind.

    `ingested` is the time at which the last event came in, None if none did; `quiet_since` that time, or the
    time of the newest event if it is later.
    """

    name: str
    account: str
    ingested: int | None
    quiet_since: int


class LogEvent(NamedTuple):
    """An event. Times are milliseconds since 1970."""

    time: int
    ingested: int
    message: str

    @property
    def fingerprint(self) -> EventFingerprint:
        """Identifies the event within its stream; exact duplicates share it."""
        content = f"{self.ingested} {self.message}".encode("utf-8", "surrogatepass")
        return self.time, blake2b(content, digest_size=_DIGEST_BYTES).digest()


@dataclass(frozen=True)
class Page:
    """Events of a range, in the order of time. `token` is AWS's position behind them; `is_last` of the range."""

    range: TimeRange
    events: Sequence[LogEvent]
    token: str | None
    is_last: bool


class LogGroupApi:
    """A log group in one region. Every method raises the errors of `ServiceApi.call`.

    With its `arn`, the group may be that of a linked account.
    """

    def __init__(self, api: ServiceApi, group: Group, arn: str = "") -> None:
        self._api = api
        self._group = group
        self._arn = arn
        self._identity = {"logGroupIdentifier": arn} if arn else {"logGroupName": group.name}
        self._what = f"log group {group.name} in {group.region}"

    def streams(self) -> list[LogStream]:
        """Return the group's streams from all pages of the listing, by name."""
        with reading_answer(self._what):
            return [_stream(item) for page in self._listing() for item in page["logStreams"]]

    def any_stream(self) -> LogStream | None:
        """Return one stream of the group, with one request; None if it has none."""
        with reading_answer(self._what):
            return next(map(_stream, next(self._listing())["logStreams"]), None)

    def account(self) -> str | None:
        """Return the account of a group without streams; None if the credentials may not ask for it."""
        if self._arn:
            return _account(self._arn)
        try:
            answer = self._api.call("describe_log_groups", self._what, logGroupNamePrefix=self._group.name)
        except CollectorError:
            return None
        with reading_answer(self._what):
            arns = (group["arn"] for group in answer["logGroups"] if group["logGroupName"] == self._group.name)
            return next(map(_account, arns), None)

    def pages(self, stream: LogStream, ranges: Sequence[TimeRange], began: int) -> Iterator[Page]:
        """Yield the stream's events in the ranges; each range ends with a page that `is_last`.

        AWS repeats the token at the end of a range; pages may be empty before. A page whose events came in
        after the run `began` (milliseconds) ends its range, too: a busy stream would never end. Raises
        ExpiredTokenError, after which reading can go on by time.
        """
        for wanted in ranges:
            token = wanted.token
            is_last = False
            while not is_last:
                answer = self._get(stream, wanted, token)
                with reading_answer(f"log stream {stream.name} of {self._what}"):
                    events = _events(answer["events"], wanted)
                forward = answer.get("nextForwardToken")
                is_last = forward in (None, token) or min((e.ingested for e in events), default=0) > began + LATE
                token = forward
                yield Page(wanted, events, token, is_last)

    def delete(self, stream: LogStream) -> None:
        """Delete the stream, with all of its events."""
        what = f"deletion of log stream {stream.name} of {self._what}"
        self._api.call("delete_log_stream", what, logGroupName=self._group.name, logStreamName=stream.name)

    def _listing(self) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            page = self._api.call(
                "describe_log_streams",
                self._what,
                **self._identity,
                logStreamNamePrefix=self._group.prefix or None,
                limit=_STREAMS_A_PAGE,
                nextToken=token,
            )
            yield page
            token = next_token(page, token, self._what)
            if not token:
                return

    def _get(self, stream: LogStream, wanted: TimeRange, token: str | None) -> dict[str, Any]:
        try:
            return self._api.call(
                "get_log_events",
                f"log stream {stream.name} of {self._what}",
                **self._identity,
                logStreamName=stream.name,
                startTime=wanted.start,
                endTime=wanted.end,
                startFromHead=True,
                nextToken=token,
            )
        except InvalidRequestError as error:
            if token is None:
                raise
            raise ExpiredTokenError(str(error)) from error


def _stream(item: dict[str, Any]) -> LogStream:
    times = (item.get(name, 0) for name in ("creationTime", "lastEventTimestamp", "lastIngestionTime"))
    return LogStream(item["logStreamName"], _account(item["arn"]), item.get("lastIngestionTime"), max(times))


def _account(arn: str) -> str:
    return arn.split(":")[4]


def _events(items: Sequence[dict[str, Any]], wanted: TimeRange) -> list[LogEvent]:
    """Return the events of the range in the order of time. Raises TypeError for a message that is no text."""
    start, end = wanted.start, sys.maxsize if wanted.end is None else wanted.end
    events = [LogEvent(item["timestamp"], item.get("ingestionTime", 0), item["message"] + "") for item in items]
    return sorted((event for event in events if start <= event.time < end), key=itemgetter(0))
