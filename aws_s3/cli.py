"""The command: settings, wiring, and the one place that turns an error into a line and an exit code."""

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from aws_s3.arguments import check_job, parse
from aws_s3.errors import CollectorError, Interrupted, UsageError
from aws_s3.interruption import Interruption
from aws_s3.settings import BucketJob, ConfiguredJob, Purpose, ServiceJob, Settings, StatusJob
from aws_s3.terminal import STDERR, STDOUT, Lines, Terminal, open_standard_streams, printable

log = logging.getLogger(__name__)

Run = Callable[[Settings, Interruption], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (SPEC 10)."""
    open_standard_streams()
    return _reported(lambda: parse(sys.argv[1:] if arguments is None else arguments), _run)


def _reported(settings: Callable[[], Settings], run: Run) -> int:
    """Run with a terminal and handlers of signals of its own, and return the exit code."""
    terminal = Terminal()
    terminal.show(Lines(STDOUT), 0)
    code = _guarded(settings, run, terminal, Interruption())
    terminal.finish()
    return code


def _guarded(read: Callable[[], Settings], run: Run, terminal: Terminal, interruption: Interruption) -> int:
    """Run, and make one line and a code of whatever goes wrong."""
    try:
        try:
            interruption.listen()
            settings = read()
            lines = Lines(STDERR if settings.output.kind == "stdout" else STDOUT)
            terminal.show(lines, settings.debug, every=isinstance(settings.job, ConfiguredJob))
            return run(settings, interruption)
        finally:
            # Either this ends before a signal comes, or the signal was the first, and no other raises.
            interruption.end()
    except UsageError as error:
        Lines(STDERR).write(f"aws-s3: error: {printable(str(error))}. aws-s3 --help lists the options.")
        return error.exit_code
    except (CollectorError, Interrupted) as error:
        log.error("%s", error, exc_info=True)
        return error.exit_code
    except Exception as error:
        log.error("Unknown error: %s: %s", type(error).__name__, error, exc_info=True)
        return CollectorError.exit_code


def _run(settings: Settings, interruption: Interruption) -> int:
    """Run the job; of the program, only what it needs is imported."""
    check_job(settings)
    job, began = settings.job, datetime.now(timezone.utc)
    if isinstance(job, ConfiguredJob):
        from aws_s3.configured import collect_configured

        return collect_configured(settings, job, lambda block: _reported(lambda: block, _run_block))
    if isinstance(job, StatusJob):
        from aws_s3.status import show_status

        return show_status(settings, job, began.date())
    if settings.purpose is Purpose.POLICY:
        from aws_s3.iam_policy import print_policy

        return print_policy(settings, job)
    if isinstance(job, BucketJob) and settings.purpose is Purpose.DRY_RUN:
        from aws_s3.preview import preview_bucket

        return preview_bucket(settings, job, interruption, began)
    if isinstance(job, BucketJob):
        from aws_s3.collection import collect_bucket

        return collect_bucket(settings, job, interruption, began)
    if isinstance(job, ServiceJob):
        from aws_s3.service_collection import collect_service

        return collect_service(settings, job, interruption, began)
    from aws_s3.queue_collection import collect_queue

    return collect_queue(settings, job, interruption, began)


def _run_block(settings: Settings, interruption: Interruption) -> int:
    """Run one block of a file; the process that waits for it tells of signals."""
    try:
        return _run(settings, interruption)
    except Interrupted as request:
        log.info("%s", request)
        return request.exit_code
