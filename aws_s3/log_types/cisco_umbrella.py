"""Cisco Umbrella: CSV files, in one folder for each kind of log.

Formats: Umbrella's documentation, "Log Formats and Versioning".
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain, filterfalse
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
        "rule_id",
        "destination_countries",
        "organization_id",
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
        "all_identities",
        "identity_types",
        "request_method",
        "dlp_status",
        "certificate_errors",
        "file_name",
        "ruleset_id",
        "rule_id",
        "destination_list_ids",
        "isolate_action",
        "file_action",
        "warn_status",
    ),
    "iplogs": (
        "timestamp",
        "identity",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "categories",
        "identity_types",
    ),
    "auditlogs": ("id", "timestamp", "email", "user", "type", "action", "logged_in_from", "before", "after"),
    "cloudfirewalllogs": (
        "timestamp",
        "origin_id",
        "identity",
        "identity_type",
        "direction",
        "ip_protocol",
        "packet_size",
        "source_ip",
        "source_port",
        "destination_ip",
        "destination_port",
        "data_center",
        "rule_id",
        "verdict",
        "fqdn",
        "destination_list_ids",
    ),
    # A header names their columns, else their positions do.
    "firewalllogs": (),
    "intrusionlogs": (),
    "dlplogs": (),
    "rceventlogs": (),
}

DATED_FOLDERS = DateFormat("%Y-%m-%d", re.compile(r"(\d{4})-(\d\d)-(\d\d)/", re.ASCII), is_folder=True)

_FOLDER = re.compile(rf"(?:\A|/)({'|'.join(_COLUMNS)})/\d{{4}}-\d\d-\d\d/", re.ASCII)
_NO_WORD = re.compile(r"[^a-z0-9]+")
# Audit records begin with an ID, which may be empty.
_RECORD_START = re.compile(r'"?(?:[^",]*"?,"?)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', re.ASCII)


class CiscoUmbrella(TextLogType):
    """DNS, proxy, firewall, audit and other logs that Cisco Umbrella exports."""

    name = "cisco_umbrella"
    example = "dnslogs/2021-06-10/2021-06-10-01-15-a1b2.csv.gz"
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
        rows: Iterator[list[str]] = map(comma_fields, csv_records(text_lines(body), _RECORD_START))
        names: Sequence[str] = _COLUMNS[folder[1]]
        for first in rows:
            names = _with_surplus(names, first) if _is_header(first) else names
            rows = chain((first,), rows)
            break
        for event in named(filterfalse(_is_header, rows), names, self.name, key):
            event["source"] = self.name
            yield event


def _is_header(fields: Sequence[str]) -> bool:
    """Tell the header, an option of the export, from a record."""
    return [field.strip().lower() for field in fields[: 1 + (fields[0].lower() == "id")]][-1] == "timestamp"


def _with_surplus(names: Sequence[str], header: Sequence[str]) -> Sequence[str]:
    """Return the names, and those of the header for the columns behind them, each name once."""
    all_names = dict.fromkeys(names)
    for position, text in enumerate(header[len(names) :], len(names) + 1):
        name = _NO_WORD.sub("_", text.lower()).strip("_")
        all_names[name if name and name not in all_names else f"column_{position}"] = None
    return tuple(all_names)
