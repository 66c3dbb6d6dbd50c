"""`--forget`: takes a source out of the state, so that its next run is its first."""

from contextlib import ExitStack, closing
from datetime import datetime

from aws_s3.buckets.run import LOCKS as BUCKET_LOCKS
from aws_s3.config.log_groups import LogGroupSelection
from aws_s3.console.summary import source_name
from aws_s3.console.tables import print_report
from aws_s3.errors import StateError
from aws_s3.log_types import log_type_of
from aws_s3.services.run import LOCKS as SERVICE_LOCKS
from aws_s3.settings import BucketJob, CollectJob, ServiceJob, ServiceName, Settings
from aws_s3.state.bucket_state import BucketState
from aws_s3.state.locks import Locks
from aws_s3.state.log_streams import Group
from aws_s3.state.overview import overview
from aws_s3.state.scans import ScanTarget
from aws_s3.state.service_state import ServiceState
from aws_s3.subscribers.run import forget_queue


def forget_source(settings: Settings, job: CollectJob, began: datetime) -> int:
    """Take the job's source out of the state, print how much there was, and return 0.

    Raises StateError while another run works on a part of the source: then nothing is forgotten.
    """
    if isinstance(job, BucketJob):
        count, noun = _forget_bucket(settings, job, began)
    elif isinstance(job, ServiceJob):
        count, noun = _forget_service(settings, job)
    else:
        count, noun = forget_queue(settings, job), "objects sent in part"
    print_report(f"Forgotten: {source_name(job)}, {count} {noun}. Its next run is its first.")
    return 0


def _forget_bucket(settings: Settings, job: BucketJob, began: datetime) -> tuple[int, str]:
    log_type = log_type_of(job.source)
    with ExitStack() as opened:
        state = opened.enter_context(closing(BucketState(settings.state_dir, log_type, job.source, began, None)))
        locks = opened.enter_context(closing(Locks(settings.state_dir / BUCKET_LOCKS)))
        recorded = state.recorded_partitions()
        for entry in recorded:
            _acquire(locks, entry.lock_name, entry.partition.prefix)
        return sum(state.forget(entry.partition) for entry in recorded) + state.forget_source(), "objects"


def _forget_service(settings: Settings, job: ServiceJob) -> tuple[int, str]:
    """Forget the job's log groups or scans, in its regions or in all that the state knows."""
    known = overview(settings.state_dir)
    with ExitStack() as opened:
        state = opened.enter_context(closing(ServiceState(settings.state_dir)))
        locks = opened.enter_context(closing(Locks(settings.state_dir / SERVICE_LOCKS)))
        if job.name == ServiceName.INSPECTOR:
            targets = [
                ScanTarget(scan.service, scan.account, scan.region)
                for scan in known.scans
                if not job.regions or scan.region in job.regions
            ]
            for target in targets:
                _acquire(locks, " ".join(target.key), target.region)
            for target in targets:
                state.scans.forget(target)
            return len(targets), "scans"
        regions = job.regions or sorted({stream.region for stream in known.log_streams})
        selections = map(LogGroupSelection.parse, job.log_groups)
        groups = [
            Group(region, selection.name, selection.prefix)
            for selection in selections
            for region in ([selection.region] if selection.region else regions)
        ]
        for group in groups:
            for account in state.streams.accounts(group):
                _acquire(locks, group.lock_name(account), group.name)
        return sum(map(state.streams.forget_group, groups)), "log streams"


def _acquire(locks: Locks, name: str, label: str) -> None:
    if not locks.acquire(name):
        raise StateError(f"Another run is working on {label}: nothing is forgotten. Try again when it has ended.")
