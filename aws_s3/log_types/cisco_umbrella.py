"""Cisco Umbrella: CSV files, in one folder for each kind of log.

Formats: Umbrella's documentation, "Log Formats and Versioning".
"""

import re
from collections.abc import Iterator
from typing import IO

from aws_s3.codec.delimited import comma_fields, csv_records, named
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import Event
from aws_s3.errors import InvalidTypeError, ParseError
from aws_s3.log_types.base import TextLogType
from aws_s3.log_types.layout import DateFormat, Layout

_COLUMNS: dict[str, tuple[str, ...]] = {
    "dnslogs": (
        "timestamp",
        "most_granular_identity",
        "identities",
        "internal_ip",
        "external_ip",
        "action",
        "query_type",
        "response_code",
        "domain",
        "categories",
        "most_granular_identity_type",
        "identity_types",
        "blocked_categories",
    ),
    "proxylogs": (
        "timestamp",
        "identities",
        "internal_ip",
        "external_ip",
        "destination_ip",
        "content_type",
        "verdict",
        "url",
        "referer",
        "user_agent",
        "status_code",
        "requested_size",
        "response_size",
        "response_body_size",
        "sha",
        "categories",
        "av_detections",
        "puas",
        "amp_disposition",
        "amp_malware_name",
        "amp_score",
        "identity_type",
        "blocked_categories",
    ),
    "iplogs": (
        "timestamp",
        "identity",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "categories",
    ),
    "auditlogs": ("id", "timestamp", "email", "user", "type", "action", "logged_in_from", "before", "after"),
}

DATED_FOLDERS = DateFormat("%Y-%m-%d", re.compile(r"(\d{4})-(\d\d)-(\d\d)/", re.ASCII))

_FOLDER = re.compile(rf"({'|'.join(_COLUMNS)})/\d{{4}}-\d\d-\d\d/", re.ASCII)
# Audit records begin with an ID, which may be empty.
_RECORD_START = re.compile(r'"?(?:[^",]*"?,"?)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', re.ASCII)


class CiscoUmbrella(TextLogType):
    """DNS, proxy, IP and audit logs that Cisco Umbrella exports."""

    name = "cisco_umbrella"
    table = "cisco_umbrella"
    layouts = (Layout(DATED_FOLDERS),)

    def check_path(self, path: str) -> None:
        """Raise InvalidTypeError unless the path's end says which kind of log lies there."""
        if not path.endswith(tuple(f"{folder}/" for folder in _COLUMNS)):
            raise InvalidTypeError(
                f"{self.name} logs cannot be read from the path {path!r}: give one that ends in {'/, '.join(_COLUMNS)}/"
            )

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each record, with `source` = `cisco_umbrella`. All values are strings."""
        folder = _FOLDER.search(key)
        if folder is None:
            raise ParseError(f"it lies in no folder of {', '.join(_COLUMNS)}")
        records = csv_records(text_lines(body), _RECORD_START)
        for event in named(map(comma_fields, records), _COLUMNS[folder[1]], key):
            event["source"] = self.name
            yield event
