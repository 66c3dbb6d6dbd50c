"""Collecting from the APIs of services: CloudWatch Logs and Inspector. The registry names them.

Begin with `run`, then `base`, the contract of a service; `log_group` reads the streams of one log group.
"""

from collections.abc import Mapping

from aws_s3.services.base import Service
from aws_s3.services.cloudwatch_logs import CloudWatchLogs
from aws_s3.services.inspector import Inspector

SERVICES: Mapping[str, type[Service]] = {"cloudwatchlogs": CloudWatchLogs, "inspector": Inspector}
