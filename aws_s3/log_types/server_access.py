"""S3 server access logs: the requests of a bucket.

Names and format: the S3 user guide, "Logging requests with server access logging" and "Amazon S3
server access log format".
"""

import re
from collections.abc import Iterator
from typing import IO, ClassVar

from aws_s3.codec.delimited import named, regular_fields, spaced_fields
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import Event
from aws_s3.log_types.base import TextLogType
from aws_s3.log_types.layout import Account, AnyFolder, DateFormat, Layout, Region

_TIME_AND_ID = r"-\d\d-\d\d-\d\d-[0-9A-Za-z]+\Z"
_BY_DAY = re.compile(rf"(\d{{4}})/(\d\d)/(\d\d)/\d{{4}}-\d\d-\d\d{_TIME_AND_ID}", re.ASCII)

FLAT = DateFormat("%Y-%m-%d", re.compile(rf"(\d{{4}})-(\d\d)-(\d\d){_TIME_AND_ID}", re.ASCII), by_year=True)
SLASHED_BY_YEAR = DateFormat("%Y/%m/%d", _BY_DAY, by_year=True, is_folder=True)
SLASHED = DateFormat("%Y/%m/%d", _BY_DAY, is_folder=True)

# Its day and its zone, as they stand among the fields split at spaces.
_TIME = slice(2, 4)

_QUOTES = 6
_BEFORE_REQUEST = 9
# `" 200 NoSuchKey 113 - 7 -` and what opens the next field.
_NUMBERS = re.compile(r'" ((?:\d{3}|-) [^ ]+(?: (?:\d+|-)){4}) (?=")', re.ASCII)


class ServerAccess(TextLogType):
    """Requests to a bucket. A path may hold both forms of delivery, so every layout is collected."""

    name = "server_access"
    example = "2021-06-10-01-15-00-3E57427F33A59F07"
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
        "source_region",
    )

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each line, with `source` = `s3_server_access`. All values are strings."""
        for event in named(map(_fields, text_lines(body)), self.columns, self.name, key):
            event["source"] = self.table
            yield event


def _fields(line: str) -> list[str]:
    """Return the fields of a line, the time as one of them, without its brackets."""
    fields = _quoted_fields(line)
    time = " ".join(fields[_TIME])
    if time.startswith("[") and time.endswith("]"):
        fields[_TIME] = [time[1:-1]]
    return fields


def _quoted_fields(line: str) -> list[str]:
    """Return the fields as single spaces separate them, without quotes around them.

    A client may write quotes into its User-Agent, so that the quotes are not the usual three pairs.
    """
    fields = regular_fields(line) if line.count('"') <= _QUOTES else None
    return fields or _from_both_ends(line) or spaced_fields(line)


def _from_both_ends(line: str) -> list[str] | None:
    """Return the fields of a line whose request, Referer or User-Agent holds quotes; None if that does not fit.

    The fields before the request and behind the User-Agent hold no quotes, and numbers follow the request: so a
    client shifts no column.
    """
    quoted, _, after = line.rstrip(" ").rpartition('" ')
    *before, rest = quoted.split(" ", _BEFORE_REQUEST)
    numbers = _NUMBERS.search(rest, 1)
    if '"' in after or numbers is None or len(before) < _BEFORE_REQUEST or rest[0] != '"':
        return None
    referer, _, user_agent = rest[numbers.end() + 1 :].partition('" "')
    return [*before, rest[1 : numbers.start()], *numbers[1].split(" "), referer, user_agent, *after.split(" ")]
