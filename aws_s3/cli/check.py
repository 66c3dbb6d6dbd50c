"""`--check`: does all that a run does but collect, and says of each step whether it works or how to mend it."""

import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import chain, islice
from pathlib import Path

from aws_s3.aws.queue_address import QueueAddress
from aws_s3.aws.s3 import S3Bucket
from aws_s3.aws.service_api import ServiceApi
from aws_s3.aws.session import Session, known_regions
from aws_s3.aws.sqs import SqsQueue
from aws_s3.buckets.discovery import Discovery
from aws_s3.buckets.object_source import Origin, WorkItem
from aws_s3.buckets.reader import BucketReader
from aws_s3.buckets.run import LISTING_THREADS
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.console.line_format import printable
from aws_s3.console.summary import source_name
from aws_s3.console.tables import print_report
from aws_s3.errors import CollectorError, EmptyBucketError, SinkConnectError, StateCreateError
from aws_s3.log_types import log_type_of
from aws_s3.log_types.layout import Partition
from aws_s3.pipeline.decode import messages_in
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.prefetch import DaemonExecutor
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.sinks import open_sink
from aws_s3.services import SERVICES
from aws_s3.services.log_group_api import LogGroupApi
from aws_s3.services.run import regions_of
from aws_s3.settings import BucketJob, CollectJob, ServiceJob, ServiceName, Settings, SubscriberJob
from aws_s3.state.log_streams import Group
from aws_s3.wazuh.home import WazuhHome
from aws_s3.wazuh.receivers import recognise

Step = tuple[str, Callable[[], str]]
"""A step: its name, and the function that takes it; it returns a remark, or raises CollectorError."""

_REQUESTS_A_SECOND = 5.0
_PAGES = 5


def check_job_setup(settings: Settings, job: CollectJob, stop_request: StopRequest, began: datetime) -> int:
    """Print a line for each step, ok or what to do, and return 0 if all are ok, else the first failure's code."""
    code = 0
    for name, take in _Checks(settings, job, stop_request, began.date()).steps():
        try:
            line = f"ok      {name}: {take()}"
        except CollectorError as error:
            line, code = f"FAILED  {name}: {error}", code or error.exit_code
        print_report(printable(line), settings.access.secrets)
    return code


class _Checks:
    """The steps of one job's check."""

    def __init__(self, settings: Settings, job: CollectJob, stop_request: StopRequest, today: date) -> None:
        self._settings = settings
        self._job = job
        self._stop_request = stop_request
        self._today = today
        self._session: Session | None = None

    def steps(self) -> Iterator[Step]:
        """Yield the steps in the order of a run."""
        yield "options", lambda: source_name(self._job)
        yield "AWS configuration file", self._configuration
        yield "credentials", self._credentials
        yield from self._source_steps()
        yield "state", self._state
        yield "receiver", self._receiver
        if not_tried := self._not_tried():
            yield "not tried", lambda: not_tried

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
        if isinstance(self._job, BucketJob):
            check = _BucketCheck(self._job, self._open_session)
            yield "bucket", check.list
            yield "object", check.read
        elif isinstance(self._job, ServiceJob):
            yield "service", self._service
        else:
            yield "queue", self._queue

    def _service(self) -> str:
        job = self._job
        assert isinstance(job, ServiceJob)
        service_type, session = SERVICES[job.name], self._open_session()
        regions = regions_of(session, job, service_type) or session.service_regions(service_type.api)
        seen = 0
        for region in regions:
            api = ServiceApi(session.client(service_type.api, region), _REQUESTS_A_SECOND)
            if job.name == ServiceName.INSPECTOR:
                api.call("list_findings", f"the findings of {region}", maxResults=1)
                seen += 1
                continue
            for selection in map(LogGroupSelection.parse, job.log_groups):
                group = Group(region, selection.name, selection.prefix)
                if selection.is_in(region):
                    seen += len(LogGroupApi(api, group, selection.arn).streams())
        noun = "log streams" if job.name == ServiceName.CLOUDWATCH_LOGS else "regions"
        return f"{seen} {noun} in {', '.join(regions)}"

    def _queue(self) -> str:
        job = self._job
        assert isinstance(job, SubscriberJob)
        address = QueueAddress.parse(job.queue)
        region = address.region or next(iter(job.regions), "")
        queue = SqsQueue(self._open_session().client("sqs", region or None, log_source=False), address)
        return f"{queue.name} is there, its attributes can be read; no message is received"

    def _state(self) -> str:
        folder = self._settings.state_dir
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        files = [path for path in folder.glob("*.db") if not os.access(path, os.W_OK)] if folder.is_dir() else []
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK) or files:
            name = files[0] if files else existing
            raise StateCreateError(f"{name} cannot be written to. Check its permissions, or give --state-dir.")
        return f"{folder} can be written to" if existing == folder else f"{folder} can be created"

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

    def _not_tried(self) -> str:
        job = self._job
        if isinstance(job, BucketJob) and job.remove:
            return "deleting objects, which --remove asks for: it needs s3:DeleteObject"
        if isinstance(job, ServiceJob) and job.remove_log_streams:
            return "deleting log streams, which --remove-log-streams asks for: it needs logs:DeleteLogStream"
        if isinstance(job, SubscriberJob):
            return "receiving and deleting messages, and reading the objects that they name"
        return ""


def _file_receiver(path: Path | None) -> str:
    if path is None:
        return "stdout"
    place = path if path.exists() else path.absolute().parent
    if not os.access(place, os.W_OK):
        raise SinkConnectError(f"{path} cannot be written to. Check --output.")
    return f"{path} can be written to"


class _BucketCheck:
    """Lists the bucket as a run does, and reads one object."""

    def __init__(self, job: BucketJob, session: Callable[[], Session]) -> None:
        self._job = job
        self._session = session
        self._log_type = log_type_of(job.source)
        self._partitions: list[Partition] = []

    def list(self) -> str:
        """List the path and find the partitions."""
        source, bucket = self._job.source, self._bucket()
        self._log_type.check_path(source.path)
        if not bucket.holds(source.path):
            raise EmptyBucketError(f"No files were found in '{source.bucket}/{source.path}'. Check the path.")
        executor = DaemonExecutor(LISTING_THREADS, "listing")
        regions = known_regions() if self._job.regions else frozenset[str]()
        self._partitions = Discovery(self._job, self._log_type, bucket, executor, regions).partitions()
        return f"s3://{source.bucket}/{source.path} can be listed, {len(self._partitions)} partitions"

    def read(self) -> str:
        """Read and parse the first object that the type accepts."""
        bucket = self._bucket()
        for partition in self._partitions:
            pages = islice(bucket.pages(partition.prefix), _PAGES)
            for item in chain.from_iterable(pages):
                if self._log_type.accepts(item.key, partition):
                    rules, name = EventRules(), self._job.source.bucket
                    reader = BucketReader(bucket, self._log_type, name, "", skip_on_error=False, rules=rules)
                    work = WorkItem(partition, item, Origin.NEW)
                    with reader.fetch(work) as content:
                        events = sum(len(messages_in(batch)) for batch in reader.decode(work, content))
                    return f"{item.key} holds {events} events"
        return "no object of the type lies there yet: none is read"

    def _bucket(self) -> S3Bucket:
        session = self._session()
        return S3Bucket(session.client("s3"), self._job.source.bucket, session.downloads)
