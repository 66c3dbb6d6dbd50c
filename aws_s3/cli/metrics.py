"""The metrics of runs, as a file for node_exporter's textfile collector. Needs prometheus-client, an optional extra."""

import logging
import os
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aws_s3.cli.state_metrics import FOUND, LAST_COMPLETE_RUN, MALFORMED, NEWEST, WAITING, state_figures
from aws_s3.pipeline.stats import RunStats
from aws_s3.secrets_mask import Secrets
from aws_s3.settings import BucketJob, Job, ServiceJob, SubscriberJob
from aws_s3.wazuh.extras import needs

log = logging.getLogger(__name__)

_MODE = 0o644
_EVERY = 60.0
"""Seconds between two writings of a run that goes on for ever."""

_EXIT_CODE = "aws_s3_run_exit_code"
_LAG = "aws_s3_run_lag_seconds"
_LAST_RUN = "aws_s3_last_run_timestamp_seconds"
_LAST_SUCCESS = "aws_s3_last_success_timestamp_seconds"

_HELP = {
    "aws_s3_run_objects": "S3 objects, log streams or regions' findings of which the last run sent all that was new.",
    "aws_s3_run_events": "Events that the last run sent and that were accepted.",
    "aws_s3_run_bytes": "Size of the S3 objects that the last run collected, as they are stored; 0 for services.",
    "aws_s3_run_discarded_events": "Events that the last run did not send because --discard-regex matches them.",
    "aws_s3_run_truncated_events": "Events that were too large for Wazuh and were cut by the last run.",
    "aws_s3_run_malformed_objects": "Objects that the last run fetched but could not decompress or parse.",
    "aws_s3_run_failed_objects": "Objects, log streams, groups or regions that the last run could not get from AWS.",
    "aws_s3_waiting_objects": "Objects that could not be had so far and wait to be tried again, of all runs.",
    "aws_s3_run_archived_objects": "Objects that the last run passed over because they are in an archive.",
    "aws_s3_run_known_objects": (
        "Duplicates avoided: objects (of services: events) that the last run passed over because they had been sent."
    ),
    "aws_s3_run_listing_seconds": "Seconds that the last run waited for listings, or for messages of the queue.",
    "aws_s3_run_downloading_seconds": "Seconds that the last run waited for objects or pages to be fetched and read.",
    "aws_s3_run_sending_seconds": "Seconds that the last run spent sending events; much of it: the receiver is slow.",
    "aws_s3_run_waiting_seconds": "Seconds that the last run waited until Wazuh had room for events.",
    "aws_s3_run_dropped_events": "Events that Wazuh took during the last run and dropped, as far as it tells.",
    "aws_s3_run_duration_seconds": "Seconds that the last run took.",
    _EXIT_CODE: "Exit code of the last run; 0 is success, 143 SIGTERM.",
    _LAG: "Seconds between the UTC day of the newest object collected so far, or the newest event, and the last run.",
    _LAST_RUN: "When the last run ended, in seconds since 1970, whether it succeeded or not.",
    _LAST_SUCCESS: "When the last run with exit code 0 ended, in seconds since 1970; 0: none has.",
    WAITING: "Objects that could not be read and are tried again by later runs.",
    MALFORMED: "Objects that were fetched but could not be decompressed or parsed: --retry-failed tries them again.",
    FOUND: "Whether any run ever found an object of the source: 1 or 0.",
    LAST_COMPLETE_RUN: "Start of the last run that failed nowhere, in seconds since 1970; 0: there was none.",
    NEWEST: (
        "UTC day of the newest object collected so far, or time of the newest event, in seconds since 1970; of a "
        "queue: when its last object was collected."
    ),
}


class Labels(NamedTuple):
    """The labels of a source: `name` is the bucket, the log groups, or the queue."""

    kind: str
    type: str
    name: str
    path: str = ""


@dataclass(frozen=True)
class RunMetrics:
    """The figures of one run that has ended. Times are seconds since 1970; `figures` can be added up."""

    labels: Labels
    figures: Mapping[str, float]
    exit_code: int
    ended: float
    newest: float | None = None
    did_nothing: bool = False
    known: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_run(
        cls, job: Job, stats: RunStats, exit_code: int, began: float, state_dir: Path | None = None
    ) -> "RunMetrics":
        """Return the metrics of a run that `began` then and ends now, with the figures that the state has, if any."""
        ended = time.time()
        figures = {
            "aws_s3_run_objects": stats.objects,
            "aws_s3_run_events": stats.events,
            "aws_s3_run_bytes": stats.bytes,
            "aws_s3_run_discarded_events": stats.reading.discarded,
            "aws_s3_run_truncated_events": stats.reading.truncated,
            "aws_s3_run_malformed_objects": stats.malformed,
            "aws_s3_run_failed_objects": stats.failed,
            "aws_s3_waiting_objects": stats.pending,
            "aws_s3_run_archived_objects": stats.archived.count,
            "aws_s3_run_known_objects": stats.known,
            "aws_s3_run_listing_seconds": stats.listing.seconds,
            "aws_s3_run_downloading_seconds": stats.downloading.seconds,
            "aws_s3_run_sending_seconds": stats.sending.seconds,
            "aws_s3_run_waiting_seconds": stats.waiting.seconds,
            "aws_s3_run_dropped_events": stats.dropped,
            "aws_s3_run_duration_seconds": max(ended - began, 0),
        }
        known = state_figures(state_dir, job) if state_dir else {}
        # The messages of a queue tell no day, but a queue that gives nothing any more must be seen, too.
        newest = stats.last_collected if isinstance(job, SubscriberJob) else stats.newest
        return cls(labels_of(job), figures, exit_code, ended, newest, stats.left_out_everything, known)

    @property
    def is_success(self) -> bool:
        """Whether it came to a good end: a run that left everything to another run did not."""
        return not self.exit_code and not self.did_nothing

    def __add__(self, other: "RunMetrics") -> "RunMetrics":
        """Return the metrics of two runs on the same source as if they were one."""
        return RunMetrics(
            self.labels,
            {name: value + other.figures[name] for name, value in self.figures.items()},
            self.exit_code or other.exit_code,
            max(self.ended, other.ended),
            max((moment for moment in (self.newest, other.newest) if moment is not None), default=None),
            self.did_nothing or other.did_nothing,
            {**self.known, **other.known},
        )

    def samples(self, before: Mapping[str, float]) -> dict[str, float]:
        """Return the values by metric; findings of earlier runs are taken over from `before`."""
        newest_known = (self.newest, self.known.get(NEWEST), before.get(NEWEST))
        known = [moment for moment in newest_known if moment is not None]
        earlier = before.get(_LAST_SUCCESS, 0) or self.known.get(LAST_COMPLETE_RUN, 0)
        samples = {
            **self.figures,
            **self.known,
            _EXIT_CODE: self.exit_code,
            _LAST_RUN: self.ended,
            _LAST_SUCCESS: self.ended if self.is_success else earlier,
        }
        if known:
            # A key that is dated 2099 says nothing about how late the rest is.
            newest = min(max(known), self.ended)
            samples |= {NEWEST: newest, _LAG: self.ended - newest}
        return samples


def has_prometheus_client() -> bool:
    """Tell whether prometheus-client can be imported; without it a WARNING says that there are no metrics."""
    if missing := missing_client():
        log.warning("No metrics are written: %s", missing)
    return not missing


def missing_client() -> str:
    """Return the line that says why prometheus-client cannot be imported, and the next step; empty if it can."""
    try:
        import prometheus_client  # noqa: F401 - only to see whether it is there
    except ImportError as error:
        return needs("--metrics-file", "prometheus-client", error)
    return ""


class Report:
    """Writes the metrics of one run. It needs prometheus-client."""

    def __init__(
        self, path: Path, job: Job, stats: RunStats, every: float = _EVERY, state_dir: Path | None = None
    ) -> None:
        self._state_dir = state_dir
        self._path = path
        self._job = job
        self._stats = stats
        self._began = time.time()
        self._every = every
        self._next = time.monotonic() + every

    def write(self, exit_code: int) -> None:
        """Write the figures of the run as it stands."""
        run = RunMetrics.from_run(self._job, self._stats, exit_code, self._began, self._state_dir)
        write_textfile(self._path, [run])

    def write_now_and_then(self) -> None:
        """Write them if that was long ago, as those of a success: a run that goes on for ever has no end."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self.write(0)


def labels_of(job: Job) -> Labels:
    """Return the labels of the source that a job collects from; a file's blocks have jobs of their own."""
    if isinstance(job, BucketJob):
        source = job.source
        organization = f"{source.organization}/" if source.organization else ""
        below = f"AWSLogs/{source.suffix}{organization}" if source.suffix or organization else ""
        return Labels("bucket", source.type, source.bucket, source.path + below)
    if isinstance(job, ServiceJob):
        return Labels("service", job.name, ",".join(job.log_groups) or job.name)
    assert isinstance(job, SubscriberJob)
    return Labels("subscriber", job.type or job.name, job.queue)


def write_textfile(path: Path, runs: Sequence[RunMetrics], kept: Collection[Job] = ()) -> None:
    """Replace the file by one with the runs' metrics, in the Prometheus text format.

    Jobs that are `kept` and had no run keep the metrics of their last run. Runs on the same source count
    as one. Readers see the old file or the new one, whole, whatever ends this process. A file that cannot
    be written is told in a WARNING.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a regular file")
        before = _samples_of(path)
        samples = {labels: before[labels] for labels in map(labels_of, kept) if labels in before}
        samples |= {run.labels: run.samples(before.get(run.labels, {})) for run in _merged(runs)}
        text = _text(samples).decode()
        _replace(path, Secrets.of_environment(os.environ).mask(text).encode())
    except Exception as error:
        # Whatever is wrong with the metrics, the run has ended as it has.
        reason = getattr(error, "strerror", None) or error
        log.warning("The metrics cannot be written to %s: %s. Check --metrics-file.", path, reason)


def _merged(runs: Iterable[RunMetrics]) -> Iterable[RunMetrics]:
    by_source: dict[Labels, RunMetrics] = {}
    for run in runs:
        by_source[run.labels] = by_source[run.labels] + run if run.labels in by_source else run
    return by_source.values()


def _text(samples: Mapping[Labels, Mapping[str, float]]) -> bytes:
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    gauges = {name: Gauge(name, text, Labels._fields, registry=registry) for name, text in _HELP.items()}
    for labels, values in samples.items():
        for name, value in values.items():
            gauges[name].labels(*labels).set(value)
    return generate_latest(registry)


def _samples_of(path: Path) -> dict[Labels, dict[str, float]]:
    """Return the file's values by source and metric; nothing if it is missing or of another kind."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[Labels, dict[str, float]] = {}
    with suppress(FileNotFoundError, ValueError, LookupError, TypeError):
        for family in text_string_to_metric_families(path.read_bytes().decode()):
            for sample in family.samples:
                labels = Labels(**sample.labels)
                found.setdefault(labels, {})[sample.name] = sample.value
    return found


def _replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another; node_exporter reads only names that end with `.prom`."""
    with tempfile.NamedTemporaryFile(prefix=".aws-s3.", suffix=".tmp", dir=path.parent, delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.close()
            temporary.chmod(_MODE)
            temporary.replace(path)
        except OSError:
            temporary.unlink()
            raise
