"""CloudWatch Logs: the events of log groups."""

import logging

from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.errors import DeniedError, MissingError, RequestError
from aws_s3.services.base import Context
from aws_s3.services.log_group import LogGroupCollector
from aws_s3.services.log_group_api import REQUESTS_A_SECOND, LogGroupApi
from aws_s3.settings import ServiceJob
from aws_s3.state.log_streams import Group

log = logging.getLogger(__name__)


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
        """Collect the groups in a region; a group that cannot be read does not stop the others."""
        api = self._context.connect(region, REQUESTS_A_SECOND)
        for selection in map(LogGroupSelection.parse, self._job.log_groups):
            if not selection.is_in(region):
                continue
            name = selection.arn or selection.name
            group = Group(region, selection.name, selection.prefix)
            try:
                logs = LogGroupApi(api, group, selection.arn)
                LogGroupCollector(self._job, self._context, logs, group).run()
                self._found.add(name)
            except MissingError as error:
                log.info("%s", error)
                self._missing.setdefault(name, []).append(region)
            except (RequestError, DeniedError) as error:
                self._found.add(name)
                self._context.fail(RequestError(str(error)))

    def finish(self) -> None:
        """Fail for the groups that no region has; a group may well be missing in some regions."""
        for name in sorted(self._missing.keys() - self._found):
            regions = ", ".join(dict.fromkeys(self._missing[name]))
            self._context.fail(
                MissingError(f"Log group {name} does not exist in {regions}. Check --aws_log_groups and --regions.")
            )
