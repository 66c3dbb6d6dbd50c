"""GuardDuty findings: exported by GuardDuty itself, or (deprecated) sent by EventBridge and Firehose.

Format: the GuardDuty user guide, "Exporting findings".
"""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from aws_s3.codec.json_and_lines import json_values
from aws_s3.codec.records import BadRecord, Event, set_source
from aws_s3.log_types.base import LogType
from aws_s3.log_types.custom import firehose_events
from aws_s3.log_types.layout import SLASHED, Layout, aws_logs

log = logging.getLogger(__name__)

_EXPORTED = re.compile(r"(?:\A|/)AWSLogs/(?:.*/)?\d{12}/GuardDuty/", re.ASCII | re.DOTALL)


class GuardDuty(LogType):
    """Findings of suspicious activity."""

    name = "guardduty"
    example = "AWSLogs/123456789012/GuardDuty/us-east-1/2021/06/10/0a1b2c3d-0000-0000-0000-0123456789ab.jsonl.gz"
    table = "guardduty"
    layouts = (aws_logs("GuardDuty"), Layout(SLASHED))

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield each finding, with `source` = its `service.serviceName`; through Firehose as `custom` does."""
        if _EXPORTED.search(key):
            return map(self._finding, json_values(body))
        log.warning(
            "GuardDuty findings through Firehose are deprecated: export them to S3 from GuardDuty itself (%s)", key
        )
        return firehose_events(body, key)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return one event for each port of a port probe with several; nothing else of these is reshaped."""
        details = _port_probe(event).get("portProbeDetails")
        if not isinstance(details, list) or len(details) < 2:
            return super().reshape(event)
        return (_with_port_probe_detail(event, detail) for detail in details)

    def _finding(self, finding: Any) -> Event | BadRecord:
        if not isinstance(finding, dict):
            return BadRecord("expected a JSON object")
        service = finding.get("service")
        name = service.get("serviceName") if isinstance(service, dict) else None
        set_source(finding, name if isinstance(name, str) else self.name)
        return finding


def _port_probe(event: Event) -> dict[str, Any]:
    """Return the event's `service.action.portProbeAction`; empty if it has none."""
    for name in ("service", "action", "portProbeAction"):
        member = event.get(name)
        if not isinstance(member, dict):
            return {}
        event = member
    return event


def _with_port_probe_detail(event: Event, detail: Any) -> Event:
    """Return a copy of the event in which `detail` takes the place of the list of them."""
    service = event["service"]
    action = service["action"]
    probe = {**action["portProbeAction"], "portProbeDetails": detail}
    return {**event, "service": {**service, "action": {**action, "portProbeAction": probe}}}
