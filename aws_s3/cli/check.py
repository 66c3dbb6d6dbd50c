"""`--check`: does all that a run does but collect, and says of each step whether it works or how to mend it."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.service_api import ServiceApi
from aws_s3.aws.session import Session
from aws_s3.aws.sqs import SqsQueue
from aws_s3.buckets.trial import BucketTrial
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.console.line_format import printable
from aws_s3.console.summary import source_name
from aws_s3.console.tables import print_report
from aws_s3.errors import (
    CollectorError,
    MissingExtraError,
    SinkConnectError,
    StateCreateError,
)
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.services import SERVICES
from aws_s3.services.log_group_api import LogGroupApi
from aws_s3.services.run import regions_of
from aws_s3.settings import BucketJob, CollectJob, ServiceJob, ServiceName, Settings, SubscriberJob
from aws_s3.state.database import is_made
from aws_s3.state.log_streams import Group
from aws_s3.state.read_ranges import TimeRange
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.receivers import recognise

Step = tuple[str, Callable[[], str]]
"""A step: its name, and the function that takes it; it returns a remark, or raises CollectorError."""

_REQUESTS_A_SECOND = 5.0
_PAGES = 5


def check_job_setup(settings: Settings, job: CollectJob, stop_request: StopRequest, began: datetime) -> int:
    """Print a line for each step, ok or what to do, and return 0 if all are ok, else the first failure's code."""
    del began
    return _take(_Checks(settings, job, stop_request).steps(), settings)


def check_metrics(settings: Settings) -> int:
    """Print a line for each step of the metrics that the settings ask for; return 0 or the first failure's code."""
    return _take(_metrics_steps(settings), settings)


class _NotTriedError(Exception):
    """The step is left out; the text says why."""


def _take(steps: Iterable[Step], settings: Settings) -> int:
    code = 0
    told: set[str] = set()
    for name, take in steps:
        try:
            line = f"ok         {name}: {take()}"
        except _NotTriedError as reason:
            line = f"not tried  {name}: {reason}"
        except CollectorError as error:
            line = f"FAILED     {name}: {error if str(error) not in told else 'for the same reason'}"
            code = code or error.exit_code
            told.add(str(error))
        print_report(printable(line), settings.access.secrets)
    return code


def _metrics_steps(settings: Settings) -> Iterator[Step]:
    if settings.metrics_file is not None:
        path = settings.metrics_file
        yield "metrics", lambda: _metrics_file(path)
    if settings.metrics_listen is not None:
        address = settings.metrics_listen
        yield "metrics over HTTP", lambda: _metrics_address(*address)


def _metrics_file(path: Path) -> str:
    from aws_s3.cli.metrics import missing_client

    if missing := missing_client():
        raise MissingExtraError(missing)
    if not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise CollectorError(f"{path.absolute().parent} is missing, or cannot be written to. Check --metrics-file.")
    return f"{path} can be written"


def _metrics_address(host: str, port: int) -> str:
    from aws_s3.cli.metrics_server import listening, shown

    with listening(host, port):
        return f"{shown(host, port)} is free"


class _Checks:
    """The steps of one job's check."""

    def __init__(self, settings: Settings, job: CollectJob, stop_request: StopRequest) -> None:
        self._settings = settings
        self._job = job
        self._stop_request = stop_request
        self._session: Session | None = None
        self._regions: Sequence[str] = ()

    def steps(self) -> Iterator[Step]:
        """Yield the steps in the order of a run."""
        yield "options", lambda: source_name(self._job)
        yield "AWS configuration file", self._configuration
        yield "credentials", self._credentials
        yield from self._source_steps()
        yield "state", self._state
        yield "receiver", self._receiver
        yield from _metrics_steps(self._settings)
        if not_tried := self._not_tried():
            yield not_tried[0], lambda: _leave_out(not_tried[1])

    def _open_session(self) -> Session:
        """Return the one session; it reads the AWS configuration file when it is made."""
        if self._session is None:
            self._session = Session(self._settings.access, self._job.regions)
        return self._session

    def _configuration(self) -> str:
        region = self._open_session().region
        return f"region {region}" if region else "no region"

    def _credentials(self) -> str:
        return f"account {self._open_session().account()}"

    def _source_steps(self) -> Iterator[Step]:
        job = self._job
        if isinstance(job, BucketJob):
            trial = BucketTrial(job, self._open_session)
            yield "bucket", trial.find
            yield "object", lambda: _read(trial)
        elif isinstance(job, ServiceJob):
            yield "regions", lambda: self._find_regions(job)
            for region in self._regions:
                yield from self._service_steps(job, region)
        else:
            yield "queue", lambda: self._queue(job)

    def _find_regions(self, job: ServiceJob) -> str:
        service_type, session = SERVICES[job.name], self._open_session()
        self._regions = regions_of(session, job, service_type) or session.service_regions(service_type.api)
        return ", ".join(self._regions)

    def _service_steps(self, job: ServiceJob, region: str) -> Iterator[Step]:
        def connect() -> ServiceApi:
            return ServiceApi(self._open_session().client(SERVICES[job.name].api, region), _REQUESTS_A_SECOND)

        if job.name == ServiceName.INSPECTOR:
            yield f"findings in {region}", lambda: _findings(connect(), region)
        for selection in map(LogGroupSelection.parse, job.log_groups):
            if selection.is_in(region):
                yield f"log group {selection.name} in {region}", partial(_log_group, connect, selection, region)

    def _queue(self, job: SubscriberJob) -> str:
        address = QueueAddress.parse(job.queue)
        region = address.region or next(iter(job.regions), "")
        queue = SqsQueue(self._open_session().client("sqs", region or None, log_source=False), address)
        if queue.waiting is None:
            return f"{queue.name} is there; sqs:GetQueueAttributes, which a run can do without, is denied"
        messages = f"about {queue.waiting} messages"
        return f"{queue.name} is there, with {messages} and a visibility time-out of {queue.visibility} s"

    def _state(self) -> str:
        folder = self._settings.state_dir
        if not is_made(folder) and not folder.is_dir():
            raise StateCreateError(
                f"There is no folder {folder}. Is Wazuh installed there? Give its home with --wazuh-home, "
                "or another folder with --state-dir."
            )
        place = folder if folder.is_dir() else folder.absolute().parent
        files = [path for path in folder.glob("*.db") if not os.access(path, os.W_OK)] if folder.is_dir() else []
        if files or not os.access(place, os.W_OK | os.X_OK):
            name = files[0] if files else place
            raise StateCreateError(f"{name} cannot be written to. Check its permissions, or give --state-dir.")
        return f"{folder} can be written to" if place == folder else f"{folder} can be created"

    def _receiver(self) -> str:
        output = self._settings.output
        sink = open_sink(output, self._stop_request.check) if output.kind == "unix" else None
        if sink is None or output.path is None:
            return _file_receiver(output.path)
        try:
            sink.connect()
        finally:
            sink.close()
        home = WazuhHome.of_socket(output.path)
        receiver = recognise(home) if home else None
        name = receiver.name if receiver else "a receiver that cannot be recognised"
        return f"{name} listens on {output.path}"

    def _not_tried(self) -> tuple[str, str] | None:
        """Return the step that cannot be tried without doing it, and how it could fail."""
        job = self._job
        if isinstance(job, BucketJob) and job.remove:
            return "deletion of objects", "--remove needs s3:DeleteObject"
        if isinstance(job, ServiceJob) and job.remove_log_streams:
            return "deletion of log streams", "--remove-log-streams needs logs:DeleteLogStream"
        if isinstance(job, SubscriberJob):
            return (
                "messages",
                "only a run receives, reads and deletes them; --print-iam-policy names what it needs",
            )
        return None


def _leave_out(reason: str) -> NoReturn:
    raise _NotTriedError(reason)


def _read(trial: BucketTrial) -> str:
    if trial.partitions is None:
        raise _NotTriedError("the bucket's path cannot be listed")
    return trial.read()


def _findings(api: ServiceApi, region: str) -> str:
    answer = api.call("list_findings", f"the findings of {region}", maxResults=1)
    return "they can be listed" if answer.get("findings") else "they can be listed; there is none"


def _log_group(connect: Callable[[], ServiceApi], selection: LogGroupSelection, region: str) -> str:
    """List the group's streams, and read an event of one."""
    group = LogGroupApi(connect(), Group(region, selection.name, selection.prefix), selection.arn)
    stream = group.any_stream()
    if stream is None:
        return "it has no log stream yet: none is read"
    next(group.pages(stream, [TimeRange(0, 1)], 0))
    return f"its log streams can be listed and read, such as {stream.name}"


def _file_receiver(path: Path | None) -> str:
    if path is None:
        return "stdout"
    place = path if path.exists() else path.absolute().parent
    if not os.access(place, os.W_OK):
        raise SinkConnectError(f"{path} cannot be written to. Check --output.")
    return f"{path} can be written to"
