"""CloudWatch Logs: the events of log groups."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.errors import DeniedError, MissingError, RequestError
from aws_s3.services.base import Context
from aws_s3.services.interleave import Slots
from aws_s3.services.log_group import STREAMS_AT_ONCE, LogGroupCollector
from aws_s3.services.log_group_api import REQUESTS_A_SECOND, LogGroupApi
from aws_s3.settings import ServiceJob
from aws_s3.state.log_streams import Group

log = logging.getLogger(__name__)

_GROUPS_AT_ONCE = 8
_END = object()


class CloudWatchLogs:
    """Collects the groups of a job."""

    api = "logs"
    is_everywhere = True

    def __init__(self, job: ServiceJob, context: Context) -> None:
        self._job = job
        self._context = context
        self._found: set[str] = set()
        self._missing: dict[str, list[str]] = {}

    def collect(self, region: str) -> None:
        """Collect the groups in a region in their order; a group that cannot be read does not stop the others.

        While the events of one group are sent, the first pages of the next groups are fetched.
        """
        api = self._context.connect(region, REQUESTS_A_SECOND)
        slots = Slots(STREAMS_AT_ONCE)
        waiting = [each for each in map(LogGroupSelection.parse, self._job.log_groups) if each.is_in(region)]
        reading: list[_Reading] = []
        while waiting or reading:
            while len(reading) < _GROUPS_AT_ONCE and (selection := _next(waiting, reading)):
                group = Group(region, selection.name, selection.prefix)
                logs = LogGroupApi(api, group, selection.arn)
                collector = LogGroupCollector(self._job, self._context, logs, group, slots)
                reading.append(_Reading(selection, region, collector, collector.steps()))
            has_none = not any(each.has_begun for each in reading)
            for number, each in enumerate(tuple(reading)):
                may_begin = number == 0 or has_none or each.collector.is_listed
                if may_begin and not each.has_begun and not self._goes_on(each):
                    reading.remove(each)
            if reading and reading[0].has_begun and not self._goes_on(reading[0]):
                reading.pop(0)

    def _goes_on(self, reading: "_Reading") -> bool:
        """Take a step; tell whether more follow."""
        reading.has_begun = True
        name = reading.selection.arn or reading.selection.name
        try:
            if next(reading.steps, _END) is not _END:
                return True
            self._found.add(name)
        except MissingError as error:
            log.info("%s", error)
            self._missing.setdefault(name, []).append(reading.region)
        except (RequestError, DeniedError) as error:
            self._found.add(name)
            self._context.fail(RequestError(str(error)))
        return False

    def finish(self) -> None:
        """Fail for the groups that no region has; a group may well be missing in some regions."""
        for name in sorted(self._missing.keys() - self._found):
            regions = ", ".join(dict.fromkeys(self._missing[name]))
            self._context.fail(
                MissingError(f"Log group {name} does not exist in {regions}. Check --aws_log_groups and --regions.")
            )


@dataclass
class _Reading:
    """A group in work."""

    selection: LogGroupSelection
    region: str
    collector: LogGroupCollector
    steps: Iterator[None]
    has_begun: bool = False


def _next(waiting: list[LogGroupSelection], reading: Iterable[_Reading]) -> LogGroupSelection | None:
    """Take out the first selection of a group of which nothing is read: two may have streams in common."""
    names = {each.selection.name for each in reading}
    number = next((number for number, each in enumerate(waiting) if each.name not in names), None)
    return None if number is None else waiting.pop(number)
