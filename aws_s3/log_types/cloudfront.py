"""CloudFront: requests to distributions, as standard logs of version 1 and 2.

Formats and layouts: the CloudFront developer guide, "Standard logging reference" and "Configure standard logging (v2)".
"""

import re
from collections.abc import Iterator
from typing import IO

from aws_s3.codec.content import Kind
from aws_s3.codec.delimited import Columns, batch_events, percent_decoded
from aws_s3.codec.json_and_lines import check_start, holds_json, text_lines
from aws_s3.codec.parquet import is_parquet, parquet_columns
from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import JsonLogType
from aws_s3.log_types.layout import HIVE, SLASHED, Account, AnyFolder, DateFormat, Layout, NameStart

_FIELDS = (
    *("date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status"),
    *("cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id"),
    *("x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher"),
    *("x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port"),
    *("time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start"),
    "sc-range-end",
)
_DECODED = ("cs_user_agent", "cs_referer")
_NAMES = "#Fields:"

_NAME_DATE = DateFormat("%Y-%m-%d", re.compile(r"(\d{4})-(\d\d)-(\d\d)-\d\d\.[^/]+\Z", re.ASCII))
_DISTRIBUTION = NameStart("E", r"E[0-9A-Z]{6,30}")


class CloudFront(JsonLogType):
    """Requests of viewers. A path may hold objects in each form of delivery, so every layout is collected."""

    name = "cloudfront"
    example = "E1AAAAAAAAAAAA.2021-06-10-01.0a1b2c3d.gz"
    table = "collection_cloudfront"
    kinds = frozenset({Kind.TEXT, Kind.PARQUET})
    layouts = (
        Layout(_NAME_DATE, (_DISTRIBUTION,)),
        Layout(_NAME_DATE, (Account(), "CloudFront", _DISTRIBUTION), in_awslogs=True),
        Layout(SLASHED, (Account(), "CloudFront", AnyFolder()), in_awslogs=True),
        Layout(HIVE, (Account("aws-account-id="), "CloudFront", AnyFolder()), in_awslogs=True, stem="year="),
    )
    every_layout = True
    account_in_event = True

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield each request: the fields under their names as keys, with `source` = `cloudfront`.

        Values stay as logged, but User-Agent and Referer, which CloudFront percent-encodes, are decoded once.
        """
        for event in self._requests(body, key):
            if isinstance(event, BadRecord):
                yield event
            else:
                named = {_key(name): value for name, value in event.items()}
                for name in _DECODED:
                    if isinstance(named.get(name), str):
                        named[name] = percent_decoded(named[name])
                yield named

    def _requests(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        if is_parquet(body):
            for batch in parquet_columns(body):
                yield from ({**event, "source": self.name} for event in batch_events(batch))
        elif holds_json(body):
            yield from super().parse(body, key)
        else:
            check_start(body)
            yield from self._lines(body, key)

    def _lines(self, body: IO[bytes], key: str) -> Iterator[Event]:
        columns = Columns(_FIELDS, self.name, key)
        for line in text_lines(body, directives=True):
            if line.startswith("#"):
                if line.startswith(_NAMES):
                    columns.warn()
                    columns = Columns(line.removeprefix(_NAMES).split(), self.name, key)
                continue
            fields = line.split("\t")
            event = dict(zip(columns.for_line(fields), fields, strict=False))
            yield {**event, "source": self.name}
        columns.warn()


def _key(name: str) -> str:
    """Return a field's name as a key: `cs(User-Agent)` is `cs_user_agent`."""
    return name.lower().replace("-", "_").replace("(", "_").replace(")", "")
