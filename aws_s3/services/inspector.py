"""Inspector v2: the findings updated since the last scan."""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta, timezone
from functools import partial
from typing import Any

from aws_s3.aws.service_api import ServiceApi, next_token
from aws_s3.codec.messages import encode, shrink
from aws_s3.pipeline.event_rules import discards
from aws_s3.services.base import Context
from aws_s3.settings import ServiceJob
from aws_s3.state.scans import FindingVersion, ScanTarget

log = logging.getLogger(__name__)

Finding = dict[str, Any]

_SERVICE = "inspector"
_OVERLAP = timedelta(minutes=5)
_FINDINGS_A_PAGE = 100
_REQUESTS_A_SECOND = 10
_UPDATED = "%Y-%m-%dT%H:%M:%SZ"


class Inspector:
    """Collects the findings of the caller's account, which is asked for at once: without it no region can be read."""

    api = "inspector2"
    is_everywhere = False

    def __init__(self, job: ServiceJob, context: Context) -> None:
        self._job = job
        self._context = context
        self._state = context.state.scans
        self._rules = context.rules(job)
        self._account = context.account()

    def collect(self, region: str) -> None:
        """Collect the findings updated in a region. The scan is recorded after all of them were sent."""
        target = ScanTarget(_SERVICE, self._account, region)
        name = " ".join(target.key)
        if not self._context.locks.acquire(name):
            self._context.stats.held += 1
            self._context.locks.report_holder(name, f"the findings of {region}")
            return
        self._context.stats.taken += 1
        start = self._start(target)
        stats, sent = self._context.stats, 0
        pages = self._pages(self._context.connect(region, _REQUESTS_A_SECOND), region, start)
        for findings in stats.downloading.around(pages):
            seen = set() if self._job.reparse else self._state.seen(target, map(_version, findings))
            new = [finding for finding in findings if _version(finding) not in seen]
            stats.known += len(findings) - len(new)
            sent += self._context.deliver(new, self._message, partial(self._record, target))
            for finding in findings:
                stats.note_newest(finding["updatedAt"].timestamp())
        stats.collected(0)
        log.debug("+++ Sent %d events to %s", sent, self._context.delivery.receiver)
        self._state.complete(target, self._context.began, _exact(self._context.began - _OVERLAP))

    def finish(self) -> None:
        """Do nothing: each region is complete in itself."""

    def _start(self, target: ScanTarget) -> datetime:
        """Return the time from which findings are asked for.

        A finding has no time of ingestion, so nothing tells a late finding from one that Wazuh's own module
        has sent: right after a take-over, the 5 minutes before its last scan are sent again.
        """
        day = self._job.only_logs_after
        since = datetime.combine(day, time(), timezone.utc) if day else None
        today = datetime.combine(self._context.began.date(), time(), timezone.utc)
        if self._job.reparse:
            return since or today
        ours, theirs = self._state.last(target), self._state.last_of_wazuh(target)
        scans = [scan for scan in (ours and ours - _OVERLAP, theirs and theirs - _OVERLAP, since) if scan]
        if not ours and not theirs:
            return since or self._state.begin(target, today)
        return max(scans)

    def _pages(self, api: ServiceApi, region: str, start: datetime) -> Iterator[Sequence[Finding]]:
        token = None
        origin = f"the findings of Inspector in {region}"
        while True:
            page = api.call(
                "list_findings",
                origin,
                filterCriteria={"updatedAt": [{"startInclusive": start, "endInclusive": self._context.began}]},
                maxResults=_FINDINGS_A_PAGE,
                nextToken=token,
            )
            yield page.get("findings", [])
            token = next_token(page, token, origin)
            if not token:
                return

    def _message(self, finding: Finding) -> bytes | None:
        updated = finding["updatedAt"].astimezone(timezone.utc).strftime(_UPDATED)
        event = {**_with_texts(finding), "updatedAt": updated, "source": "inspector2"}
        if not self._rules.keeps(event, discards):
            return None
        message = {"integration": "aws", "aws": event}
        origin = f"finding {event.get('findingArn')}"
        return self._rules.fit(encode(message), origin, lambda limit: shrink(message, limit))

    def _record(self, target: ScanTarget, accepted: Sequence[Finding], _: int) -> None:
        self._state.record(target, map(_version, accepted))


def _version(finding: Finding) -> FindingVersion:
    return finding["findingArn"], _exact(finding["updatedAt"])


def _exact(moment: datetime) -> str:
    """Return the moment in UTC as text that sorts like the moments."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _with_texts(value: Any) -> Any:
    """Return a copy with moments as text in UTC, as Wazuh's own module writes them."""
    if isinstance(value, datetime):
        return str(value.astimezone(timezone.utc))
    if isinstance(value, dict):
        return {name: _with_texts(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_texts(element) for element in value]
    return value
