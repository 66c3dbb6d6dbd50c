"""The command: settings, wiring, and the one place that turns an error into a line and an exit code."""

import logging
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from aws_s3.arguments import parse
from aws_s3.errors import CollectorError, Interrupted, InvalidTypeError, UnknownRegionError, UsageError
from aws_s3.interruption import Interruption
from aws_s3.settings import BucketJob, Settings
from aws_s3.terminal import Terminal, open_standard_streams

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (SPEC 10)."""
    open_standard_streams()
    try:
        settings = parse(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print(f"aws-s3: error: {error}", file=sys.stderr)
        return error.exit_code
    except CollectorError as error:
        Terminal(sys.stdout, 0).install()
        log.error("%s", error)
        return error.exit_code
    terminal = Terminal(sys.stderr if settings.output.kind == "stdout" else sys.stdout, settings.debug)
    terminal.install()
    try:
        return _guarded(settings)
    finally:
        terminal.finish()


def _guarded(settings: Settings) -> int:
    """Run, and make one line and a code of whatever goes wrong."""
    interruption = Interruption()
    try:
        interruption.listen()
        return _run(settings, interruption)
    except (CollectorError, Interrupted) as error:
        log.error("%s", error, exc_info=True)
        return error.exit_code
    except Exception as error:
        log.error("Unknown error: %s: %s", type(error).__name__, error, exc_info=True)
        return CollectorError.exit_code


def _run(settings: Settings, interruption: Interruption) -> int:
    job = settings.job
    if isinstance(job, BucketJob):
        from aws_s3.collection import collect_bucket

        return collect_bucket(settings, job, interruption, datetime.now(timezone.utc))
    from aws_s3.session import Session, known_regions

    Session(settings.access, job.regions)
    if unknown := set(job.regions) - known_regions():
        raise UnknownRegionError(f"Unknown region: {', '.join(sorted(unknown))}. Check --regions.")
    raise InvalidTypeError(f"{job.name} is not supported yet.")
