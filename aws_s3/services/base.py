"""The contract of a service, and the parts that it works with."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from aws_s3.aws.service_api import ServiceApi
from aws_s3.errors import CollectorError
from aws_s3.pipeline.delivery import Delivery
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import ServiceJob
from aws_s3.state.locks import Locks
from aws_s3.state.service_state import ServiceState

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """The parts that a service works with.

    `connect(region, requests a second)` returns the service's API in the region; `account` asks AWS for the
    caller's account, once; `fail` logs and counts a failure that does not end the run. `began` is UTC.
    """

    connect: Callable[[str, float], ServiceApi]
    account: Callable[[], str]
    fail: Callable[[CollectorError], None]
    state: ServiceState
    locks: Locks
    delivery: Delivery
    requests: Executor
    stop_request: StopRequest
    began: datetime
    stats: RunStats = field(default_factory=RunStats)

    def rules(self, job: ServiceJob) -> EventRules:
        """Return the rules for the events of a job."""
        return EventRules(job.discard, self.delivery.limit, self.stats.reading)

    def deliver(
        self, items: Sequence[T], message: Callable[[T], bytes | None], record: Callable[[Sequence[T], int], None]
    ) -> int:
        """Send the items' messages, and `record` the items that were accepted; return how many were sent.

        `record` gets the items accepted since it was last called, and how many were until now. An item without
        a message counts as accepted with the message before it. When something ends the run midway, the items
        accepted until then are recorded first.
        """
        encoded = list(map(message, items))
        messages = [each for each in encoded if each is not None]
        ends = [number for number, each in enumerate(encoded) if each is not None] + [len(items)]
        if messages:
            recorded = 0

            def note(accepted: int) -> None:
                nonlocal recorded
                first, recorded = recorded, ends[accepted]
                record(items[first:recorded], recorded)

            self.state.ensure_writable(len(items))
            self.delivery.send(messages, note)
        else:
            with self.stop_request.deferred():
                record(items, len(items))
        self.stats.notify()
        return len(messages)


class Service(Protocol):
    """Collects from one service's API. The constructor refuses a job that the service cannot do.

    A failure that it raises ends the run, because it concerns all regions.
    """

    api: str
    """The service's name in botocore."""

    is_everywhere: bool
    """Whether every region of AWS has it."""

    def __init__(self, job: ServiceJob, context: Context) -> None: ...

    def collect(self, region: str) -> None:
        """Collect from a region. Raises the failure that ends the region."""

    def finish(self) -> None:
        """Report results that only the whole run shows, after the last region."""
