"""The services: a name for each (SPEC 11)."""

from collections.abc import Mapping

from aws_s3.services.base import Service
from aws_s3.services.cloudwatch_logs import CloudWatchLogs
from aws_s3.services.inspector import Inspector

SERVICES: Mapping[str, type[Service]] = {"cloudwatchlogs": CloudWatchLogs, "inspector": Inspector}
