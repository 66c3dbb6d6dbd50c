"""The command: settings, wiring, and the one place that turns an error into a line and an exit code."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

from aws_s3.cli.terminal import STDERR, STDOUT, ConsoleHandler, NonBlockingWriter, open_standard_streams, printable
from aws_s3.config.options import check_job, parse
from aws_s3.errors import CollectorError, Interrupted, UsageError
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, ConfiguredJob, Purpose, ServiceJob, Settings, StatusJob, SubscriberJob

log = logging.getLogger(__name__)

Run = Callable[[Settings, StopRequest, RunStats], int]


@dataclass
class _Outcome:
    """What a run has done, and who is told its exit code."""

    stats: RunStats
    report: Callable[[int], None] = lambda _: None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (SPEC 10)."""
    open_standard_streams()
    return _reported(lambda: parse(sys.argv[1:] if arguments is None else arguments), _run, RunStats())


def _reported(read: Callable[[], Settings], run: Run, stats: RunStats) -> int:
    """Run with a terminal and handlers of signals of its own, and return the exit code."""
    terminal = ConsoleHandler()
    terminal.attach(NonBlockingWriter(STDOUT), 0)
    outcome = _Outcome(stats)
    code = _guarded(read, run, terminal, StopRequest(), outcome)
    # No signal interrupts this any more.
    outcome.report(code)
    terminal.finish()
    return code


def _guarded(
    read: Callable[[], Settings], run: Run, terminal: ConsoleHandler, stop_request: StopRequest, outcome: _Outcome
) -> int:
    """Run, and make one line and a code of whatever goes wrong."""
    try:
        try:
            stop_request.install()
            settings = read()
            lines = NonBlockingWriter(STDERR if settings.output.kind == "stdout" else STDOUT)
            terminal.attach(lines, settings.debug, every=isinstance(settings.job, ConfiguredJob))
            _prepare(settings, outcome)
            with _watched(settings, terminal, outcome.stats):
                return run(settings, stop_request, outcome.stats)
        finally:
            # Either this ends before a signal comes, or the signal was the first, and no other raises.
            stop_request.end()
    except UsageError as error:
        NonBlockingWriter(STDERR).write(f"aws-s3: error: {printable(str(error))}. aws-s3 --help lists the options.")
        return error.exit_code
    except (CollectorError, Interrupted) as error:
        log.error("%s", error, exc_info=True)
        return error.exit_code
    except Exception as error:
        log.error("Unknown error: %s: %s", type(error).__name__, error, exc_info=True)
        return CollectorError.exit_code


def _prepare(settings: Settings, outcome: _Outcome) -> None:
    """See to it that the metrics are written when the run ends, if that was asked for."""
    if settings.metrics_file is None or isinstance(settings.job, ConfiguredJob | StatusJob):
        return
    from aws_s3.cli.metrics import Report

    report = Report(settings.metrics_file, settings.job, outcome.stats)
    outcome.report = report.write
    if isinstance(settings.job, SubscriberJob) and settings.job.follow:
        outcome.stats.observers.append(report.write_now_and_then)


@contextmanager
def _watched(settings: Settings, terminal: ConsoleHandler, stats: RunStats) -> Iterator[None]:
    """Show a progress bar until the block ends, where somebody sees it who does not read the events there."""
    is_shown = os.isatty(STDERR) and not (settings.output.kind == "stdout" and os.isatty(STDOUT))
    is_collection = isinstance(settings.job, BucketJob | ServiceJob | SubscriberJob)
    if not is_shown or not is_collection or settings.purpose is not Purpose.COLLECT:
        yield
        return
    from aws_s3.cli.progress import shown_progress

    with shown_progress(stats, terminal):
        yield


def _run(settings: Settings, stop_request: StopRequest, stats: RunStats) -> int:
    """Run the job; of the program, only what it needs is imported."""
    check_job(settings)
    job, began = settings.job, datetime.now(timezone.utc)
    if isinstance(job, ConfiguredJob):
        from aws_s3.cli.ossec_run import collect_configured

        return collect_configured(settings, job, lambda block, stats: _reported(lambda: block, _run_block, stats))
    if isinstance(job, StatusJob):
        from aws_s3.cli.status import show_status

        return show_status(settings, job, began.date())
    if settings.purpose is Purpose.POLICY:
        from aws_s3.cli.iam_policy import print_policy

        return print_policy(settings, job)
    if isinstance(job, BucketJob) and settings.purpose is Purpose.DRY_RUN:
        from aws_s3.cli.dry_run import preview_bucket

        return preview_bucket(settings, job, stop_request, began)
    if isinstance(job, BucketJob):
        from aws_s3.buckets.run import collect_bucket

        return collect_bucket(settings, job, stop_request, began, stats)
    if isinstance(job, ServiceJob):
        from aws_s3.services.run import collect_service

        return collect_service(settings, job, stop_request, began, stats)
    from aws_s3.subscribers.run import collect_queue

    return collect_queue(settings, job, stop_request, began, stats)


def _run_block(settings: Settings, stop_request: StopRequest, stats: RunStats) -> int:
    """Run one block of a file; the process that waits for it tells of signals."""
    try:
        return _run(settings, stop_request, stats)
    except Interrupted as request:
        log.info("%s", request)
        return request.exit_code
