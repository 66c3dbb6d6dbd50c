"""S3 server access logs: who asked what of a bucket.

Names and format: the S3 user guide, "Logging requests with server access logging" and "Amazon S3
server access log format".
"""

import re
from collections.abc import Iterator
from typing import IO, ClassVar

from aws_s3.codec.delimited import named, spaced_fields
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import Event
from aws_s3.log_types.base import TextLogType
from aws_s3.log_types.layout import Account, AnyFolder, DateFormat, Layout, Region

_TIME_AND_ID = r"-\d\d-\d\d-\d\d-[0-9A-Za-z]+\Z"
_BY_DAY = re.compile(rf"(\d{{4}})/(\d\d)/(\d\d)/\d{{4}}-\d\d-\d\d{_TIME_AND_ID}", re.ASCII)

FLAT = DateFormat("%Y-%m-%d", re.compile(rf"(\d{{4}})-(\d\d)-(\d\d){_TIME_AND_ID}", re.ASCII), by_year=True)
SLASHED_BY_YEAR = DateFormat("%Y/%m/%d", _BY_DAY, by_year=True)
SLASHED = DateFormat("%Y/%m/%d", _BY_DAY)

# Its day and its zone, as they stand among the fields split at spaces.
_TIME = slice(2, 4)


class ServerAccess(TextLogType):
    """Requests to a bucket. A path may hold both forms of delivery, so every layout is collected."""

    name = "server_access"
    table = "s3_server_access"
    layouts = (Layout(FLAT), Layout(SLASHED_BY_YEAR), Layout(SLASHED, (Account(), Region(), AnyFolder())))
    every_layout: ClassVar[bool] = True

    columns: ClassVar[tuple[str, ...]] = (
        "bucket_owner",
        "bucket",
        "time",
        "remote_ip",
        "requester",
        "request_id",
        "operation",
        "key",
        "request_uri",
        "http_status",
        "error_code",
        "bytes_sent",
        "object_sent",
        "total_time",
        "turn_around_time",
        "referer",
        "user_agent",
        "version_id",
        "host_id",
        "signature_version",
        "cipher_suite",
        "authentication_type",
        "host_header",
        "tls_version",
        "access_point_arn",
        "acl_required",
    )

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each line, with `source` = `s3_server_access`. All values are strings."""
        for event in named(map(_fields, text_lines(body)), self.columns, key):
            event["source"] = self.table
            yield event


def _fields(line: str) -> list[str]:
    """Return the fields of a line, `[time +0000]` as one of them, without its brackets."""
    fields = spaced_fields(line)
    time = " ".join(fields[_TIME])
    if time.startswith("[") and time.endswith("]"):
        fields[_TIME] = [time[1:-1]]
    return fields
