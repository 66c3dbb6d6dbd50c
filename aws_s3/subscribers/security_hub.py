"""Security Hub's events, as EventBridge hands them on to S3.

Format: the Security Hub user guide, "EventBridge event types and message formats".
"""

from collections.abc import Iterator
from typing import IO, Any

from aws_s3.codec.json_and_lines import json_values
from aws_s3.codec.records import Event
from aws_s3.errors import ParseError
from aws_s3.subscribers.base import ContentFormat

_MEMBERS = (
    *("actionName", "actionDescription"),
    *("insightName", "insightArn", "resultType", "insightResults"),
)


class SecurityHub(ContentFormat):
    """Findings imported, and custom actions on findings and insights."""

    name = "security_hub"

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield an event for each finding, else one for the content that stands in for findings."""
        del key
        for value in json_values(body):
            yield from _events(value)


def _events(value: Any) -> Iterator[Event]:
    detail = value.get("detail") if isinstance(value, dict) else None
    if not isinstance(detail, dict):
        raise ParseError("it holds something else than events of Security Hub: 'detail' is missing")
    common: Event = {"source": "securityhub"}
    if "detail-type" in value:
        common["detail_type"] = value["detail-type"]
    present = {name: detail[name] for name in _MEMBERS if name in detail}
    findings = detail.get("findings")
    if not isinstance(findings, list):
        if not present:
            raise ParseError("it holds something else than events of Security Hub: there are no findings")
        yield {**common, **present}
        return
    for finding in findings:
        yield {**common, "finding": finding, **present}
