"""CloudWatch Logs in memory, and runs against it in this process: every part is real but AWS and the socket."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aws_s3.aws.service_api import ServiceApi
from aws_s3.errors import CollectorError, InvalidRequestError, MissingError, SinkSendError
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import Sink
from aws_s3.pipeline.stats import RunStats
from aws_s3.services.base import Context
from aws_s3.services.cloudwatch_logs import CloudWatchLogs
from aws_s3.settings import ServiceJob
from aws_s3.state.locks import Locks
from aws_s3.state.service_state import ServiceState
from tests.harness.collecting import AtOnce

REGION = "us-east-1"
ACCOUNT = "123456789012"
GROUP = "g"
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def at(text: str) -> int:
    """Return the milliseconds of a moment, UTC: `2021-06-10 12:00`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp() * 1000)


@dataclass
class Event:
    time: int
    message: str
    ingested: int


class MemoryLogs(ServiceApi):
    """Groups of streams of events. `page` is how many events one answer holds at most.

    As with AWS, a page can be empty before the last one, and the last token comes back as it was
    given; a token that is `expired` is refused. `lag`: listings never tell of new events.
    """

    def __init__(self, page: int = 3) -> None:
        self.page = page
        self.account = ACCOUNT
        self.groups: dict[str, dict[str, list[Event]]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.expired = False
        self.lag = False
        self.before: Callable[[str, dict[str, Any]], None] = lambda operation, request: None

    def put(self, stream: str, time: int, message: str, ingested: int | None = None, group: str = GROUP) -> None:
        """Add an event; it comes in as it happens unless told otherwise."""
        events = self.groups.setdefault(group, {}).setdefault(stream, [])
        events.append(Event(time, message, time if ingested is None else ingested))

    def call(self, operation: str, what: str, **request: Any) -> dict[str, Any]:
        """Answer as AWS does."""
        self.calls.append((operation, request))
        self.before(operation, request)
        name = request.get("logGroupName")
        if operation == "describe_log_groups":
            arns = (f"arn:aws:logs:{REGION}:{self.account}:log-group:{group}:*" for group in self.groups)
            return {"logGroups": [{"arn": arn, "logGroupName": arn.split(":")[6]} for arn in arns]}
        if name not in self.groups:
            raise MissingError(f"{what} does not exist.")
        if operation == "describe_log_streams":
            return self._describe(name, request)
        if request["logStreamName"] not in self.groups[name]:
            raise MissingError(f"{what} does not exist.")
        if operation == "delete_log_stream":
            del self.groups[name][request["logStreamName"]]
            return {}
        return self._get(self.groups[name][request["logStreamName"]], request)

    def _describe(self, group: str, request: dict[str, Any]) -> dict[str, Any]:
        prefix = request.get("logStreamNamePrefix") or ""
        streams = sorted(name for name in self.groups[group] if name.startswith(prefix))
        first = int(request.get("nextToken") or 0)
        shown = [self._shown(group, name) for name in streams[first : first + 2]]
        more = {"nextToken": str(first + 2)} if first + 2 < len(streams) else {}
        return {"logStreams": shown, **more}

    def _shown(self, group: str, name: str) -> dict[str, Any]:
        arn = f"arn:aws:logs:{REGION}:{self.account}:log-group:{group}:log-stream:{name}"
        events = [] if self.lag else self.groups[group][name]
        times = {
            "lastEventTimestamp": max((event.time for event in events), default=0),
            "lastIngestionTime": max((event.ingested for event in events), default=0),
        }
        return {"logStreamName": name, "arn": arn, "creationTime": 1, **(times if events else {})}

    def _get(self, events: list[Event], request: dict[str, Any]) -> dict[str, Any]:
        token = request.get("nextToken")
        if token and self.expired:
            raise InvalidRequestError("The token has expired.")
        start = int(request["startTime"]) if token is None else -1
        end = request.get("endTime")
        # A token stands for a position: behind a time, and behind so many events of that time.
        position = (start - 1, 1 << 60) if token is None else tuple(map(int, token.split("/")[:2]))
        ordered = sorted(events, key=lambda event: event.time)
        found = []
        for index, event in enumerate(ordered):
            number = sum(other.time == event.time for other in ordered[:index])
            if (event.time, number) > position and (end is None or event.time < end):
                found.append((event, (event.time, number)))
        if token is None:
            return self._answer([], (start - 1, 1 << 60))
        page = found[: self.page]
        return self._answer([event for event, _ in page], page[-1][1] if page else position)

    def _answer(self, events: list[Event], position: Any) -> dict[str, Any]:
        return {
            "events": [{"timestamp": e.time, "message": e.message, "ingestionTime": e.ingested} for e in events],
            "nextForwardToken": f"{position[0]}/{position[1]}",
            "nextBackwardToken": "b",
        }


class KilledError(BaseException):
    """The end of a process."""


@dataclass
class ListSink(Sink):
    """Keeps the messages. When `left` more have been taken, `fail` is called instead of taking one."""

    messages: list[str] = field(default_factory=list)
    limit: int | None = None
    left: int | None = None
    fail: Callable[[], None] = lambda: None

    def connect(self) -> None:
        pass

    def send(self, message: bytes) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.fail()
        self.messages.append(message.decode())

    def close(self) -> None:
        pass


@dataclass
class Ran:
    """What a run sent, and how it failed."""

    messages: list[str]
    failures: list[CollectorError]


class Collecting:
    """Runs against logs in memory, with a state in a folder."""

    def __init__(self, folder: Path, page: int = 3) -> None:
        self.folder = folder
        self.logs = MemoryLogs(page)
        self.sink = ListSink()
        self.now = at("2021-06-10 12:00")
        self._open: ServiceState

    def put(self, message: str, ago: int = 0, stream: str = "s", ingested_ago: int | None = None) -> None:
        """Add an event of so many minutes ago."""
        ingested = None if ingested_ago is None else self.now - ingested_ago * MINUTE
        self.logs.put(stream, self.now - ago * MINUTE, message, ingested)

    def run(self, *groups: str, minutes: int = 10, **options: Any) -> Ran:
        """Run once, so many minutes after the last time."""
        self.now += minutes * MINUTE
        job = ServiceJob("cloudwatchlogs", log_groups=groups or (GROUP,), **options)
        failures: list[CollectorError] = []
        before = len(self.sink.messages)
        for context in self.context(failures):
            service = CloudWatchLogs(job, context)
            service.collect(REGION)
            service.finish()
        return Ran(self.sink.messages[before:], failures)

    def context(self, failures: list[CollectorError]) -> Iterator[Context]:
        """Yield what a run works with, once."""
        with closing(ServiceState(self.folder)) as state, closing(Locks(self.folder / "lock")) as locks:
            self._open = state
            stop_request, stats = StopRequest(), RunStats()
            yield Context(
                connect=lambda region, rate: self.logs,
                account=lambda: self.logs.account,
                fail=failures.append,
                state=state,
                locks=locks,
                delivery=Delivery(self.sink, stop_request, stats),
                requests=AtOnce(),
                stop_request=stop_request,
                began=datetime.fromtimestamp(self.now / 1000, timezone.utc),
                stats=stats,
            )

    def refuse(self) -> None:
        """Fail as a sink does that nobody listens to."""
        raise SinkSendError("refused")

    def kill(self) -> None:
        """End the run as a power cut would: nothing can be recorded any more."""
        self._open.close()
        raise KilledError
