"""WAF: requests to a web ACL, through Firehose or delivered by AWS itself.

Format and layout: the AWS WAF developer guide, "Logging AWS WAF web ACL traffic".
"""

from collections.abc import Iterator
from typing import IO, Any

from aws_s3.codec.json_and_lines import JsonScanner
from aws_s3.codec.records import BadRecord, Event, set_source
from aws_s3.errors import ParseError
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import SLASHED, AnyFolder, Layout, Region, aws_logs

_HEADERS = frozenset(
    (
        *("a-im", "accept", "accept-charset", "accept-encoding", "accept-language"),
        *("access-control-request-method", "access-control-request-headers"),
        *("authorization", "cache-control", "connection", "content-encoding", "content-length"),
        *("content-type", "cookie", "date", "expect", "forwarded", "from", "host", "http2-settings"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        *("max-forwards", "origin", "pragma", "prefer", "proxy-authorization", "range", "referer", "te"),
        *("trailer", "transfer-encoding", "user-agent", "upgrade", "via", "warning"),
        *("x-requested-with", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    )
)
"""The headers that are kept: a client may send any number of others."""


class Waf(LogType):
    """Requests that a web ACL allowed, counted or blocked."""

    name = "waf"
    example = (
        "AWSLogs/123456789012/WAFLogs/us-east-1/acl/2021/06/10/01/15/"
        "123456789012_waflogs_us-east-1_acl_20210610T0115Z_a1b2c3d4.log.gz"
    )
    table = "waf"
    layouts = (aws_logs("WAFLogs", SLASHED, AnyFolder(), region=Region(also=("cloudfront",))), Layout(SLASHED))
    every_layout = True
    account_in_name = True

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield each record, with `source` = `waf` and its headers as an object.

        A BadRecord stands for broken content: a line from where it is not JSON on, without an event; a record
        whose headers are not a list of names and values, with the record as the event.
        """
        del key
        scanner = JsonScanner(body)
        while scanner.peek():
            try:
                value = scanner.value()
            except ParseError as error:
                scanner.skip_line()
                yield BadRecord(str(error))
            else:
                yield from map(self._event, value if isinstance(value, list) else (value,))

    def _event(self, record: Any) -> Event | BadRecord:
        if not isinstance(record, dict):
            return BadRecord("expected a JSON object")
        event = record.copy()
        set_source(event, self.name)
        request = record.get("httpRequest")
        if not isinstance(request, dict) or not _are_headers(request.get("headers")):
            return BadRecord("its httpRequest.headers are not a list of names and values", event)
        return {**event, "httpRequest": {**request, "headers": _by_name(request["headers"])}}


def _are_headers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(header, dict) and isinstance(header.get("name"), str) and "value" in header for header in value
    )


def _by_name(headers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the headers that are kept under their names; several of one name are joined (RFC 9110, 5.3)."""
    kept: dict[str, Any] = {}
    for header in headers:
        name, value = header["name"], header["value"]
        if name.lower() in _HEADERS:
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept
