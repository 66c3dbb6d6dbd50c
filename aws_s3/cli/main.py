"""The command: one run from its arguments to its exit code. Every error becomes a line and a code here."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING

from aws_s3.cli.jobs import collect_garbage, run_job
from aws_s3.config.combinations import check_job
from aws_s3.config.command_line import parse
from aws_s3.console.daily_warnings import DailyWarnings
from aws_s3.console.line_format import JsonFormat, LineFormat, StampedFormat, TextFormat, printable
from aws_s3.console.summary import RunSummary, source_name
from aws_s3.console.terminal import (
    STDERR,
    STDOUT,
    ConsoleHandler,
    NonBlockingWriter,
    is_stdin_closed,
    open_standard_streams,
)
from aws_s3.errors import CollectorError, Interrupted, LimitReached, UsageError, missing_resource
from aws_s3.pipeline.levels import DEBUG_2
from aws_s3.pipeline.signals import StopRequest
from aws_s3.pipeline.stats import RunStats
from aws_s3.secrets_mask import Secrets
from aws_s3.settings import CollectJob, ConfiguredJob, Purpose, Settings, SubscriberJob
from aws_s3.wazuh.home import WazuhHome

if TYPE_CHECKING:
    from aws_s3.cli.metrics import Report

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    stdin_was_closed = is_stdin_closed()
    open_standard_streams()
    application = Application(RunStats(), stdin_was_closed=stdin_was_closed)
    return application.run(sys.argv[1:] if arguments is None else arguments)


def run_block(settings: Settings, stats: RunStats) -> int:
    """Run one block of a file in this process, a child: its parent reports a signal that both get."""
    return Application(stats, level_of_interruption=logging.INFO).run(settings)


class Application:
    """One run in this process: its console, its signals, its figures."""

    def __init__(
        self, stats: RunStats, *, stdin_was_closed: bool = False, level_of_interruption: int = logging.ERROR
    ) -> None:
        self._stats = stats
        self._stdin_was_closed = stdin_was_closed
        self._level_of_interruption = level_of_interruption
        self._stop_request = StopRequest()
        self._report: Report | None = None
        self._summary: RunSummary | None = None
        self._secrets = Secrets.of_environment(os.environ)
        self._console = ConsoleHandler()
        self._console.attach(NonBlockingWriter(STDOUT), 0, secrets=self._secrets)

    def run(self, request: Sequence[str] | Settings) -> int:
        """Run a command line, or settings; return the exit code."""
        if not isinstance(request, Settings):
            self._secrets.add_arguments(request)
        try:
            code = self._run(request)
        except UsageError as error:
            if isinstance(request, Settings):
                log.error("%s", error, exc_info=True)
            else:
                self._write_usage_error(error)
            code = error.exit_code
        except LimitReached as error:
            log.info("%s", error)
            code = error.exit_code
        except Interrupted as error:
            log.log(self._level_of_interruption, "%s", error, exc_info=True)
            code = error.exit_code
        except CollectorError as error:
            log.error("%s", error, exc_info=True)
            code = error.exit_code
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".rstrip(".: ")
            unknown = CollectorError(f"Unknown error: {reason}. --debug 2 shows where it came up.")
            log.error("%s", missing_resource(error) or unknown, exc_info=True)
            code = CollectorError.exit_code
        self._finish(code)
        return code

    def _run(self, request: Sequence[str] | Settings) -> int:
        try:
            self._stop_request.install()
            settings = request if isinstance(request, Settings) else parse(request)
            self._prepare(settings)
            check_job(settings)
            with _metrics_served(settings), self._progress(settings):
                if isinstance(settings.job, ConfiguredJob):
                    from aws_s3.cli.ossec_run import run_configured

                    collect_garbage()
                    return run_configured(settings, settings.job, run_block)
                return run_job(settings, self._stop_request, self._stats)
        finally:
            # At most one Interrupted can be raised: later signals are ignored.
            self._stop_request.end()

    def _prepare(self, settings: Settings) -> None:
        """Write lines as the settings say from now on, and prepare the summary and the metrics of a collection."""
        settings.access.secrets.add_environment(os.environ)
        job = settings.job
        source = source_name(job) if isinstance(job, CollectJob) else ""
        descriptor = STDERR if settings.output.kind == "stdout" else STDOUT
        self._console.attach(
            NonBlockingWriter(descriptor),
            settings.debug,
            deduplicate=not isinstance(job, ConfiguredJob),
            add_up=not settings.keeps_running,
            line_format=_line_format(settings, source),
            daily=DailyWarnings(settings.state_dir, source, _today()) if self._is_under_daemon else None,
            secrets=settings.access.secrets,
        )
        log.log(DEBUG_2, "Settings: %s", settings)
        if isinstance(job, CollectJob) and settings.purpose is Purpose.COLLECT:
            if settings.debug or settings.keeps_running or os.isatty(descriptor):
                self._summary = summary = RunSummary(job, self._stats)
                if settings.keeps_running:
                    self._stats.observers.append(lambda: summary.tell_hourly(self._console.announce))
            self._prepare_metrics(settings, job)

    def _prepare_metrics(self, settings: Settings, job: CollectJob) -> None:
        if settings.metrics_file is None:
            return
        from aws_s3.cli.metrics import Report, has_prometheus_client

        if not has_prometheus_client():
            return
        self._report = Report(settings.metrics_file, job, self._stats, state_dir=settings.state_dir)
        if isinstance(job, SubscriberJob) and job.follow:
            self._stats.observers.append(self._report.write_now_and_then)

    @contextmanager
    def _progress(self, settings: Settings) -> Iterator[None]:
        """Show a progress bar until the block ends if stderr is a terminal and events do not go to the same one."""
        is_shown = os.isatty(STDERR) and not (settings.output.kind == "stdout" and os.isatty(STDOUT))
        if not is_shown or not isinstance(settings.job, CollectJob) or settings.purpose is not Purpose.COLLECT:
            yield
            return
        from aws_s3.console.progress import shown_progress

        with shown_progress(self._stats, self._console):
            yield

    def _write_usage_error(self, error: UsageError) -> None:
        """Write the error to stderr; Wazuh's daemon shows its user only the text after `aws.py: error:`."""
        program = "aws.py" if self._is_under_daemon else "aws-s3"
        text = printable(self._secrets.mask(str(error))).rstrip(".?")
        mark = "?" if str(error).endswith("?") else "."
        NonBlockingWriter(STDERR).write(f"{program}: error: {text}{mark} aws-s3 --help lists the options.")

    @property
    def _is_under_daemon(self) -> bool:
        """Whether Wazuh's daemon runs this: it closes stdin, and runs the program in `wodles/`."""
        return self._stdin_was_closed and WazuhHome.of_program() is not None

    def _finish(self, code: int) -> None:
        """Write the summary, the metrics and the last lines. No signal interrupts this any more."""
        if self._summary is not None:
            self._console.announce(self._summary.text(code))
        if self._report is not None:
            self._report.write(code)
        self._console.finish()


def _metrics_served(settings: Settings) -> AbstractContextManager[None]:
    """Serve the metrics file until the block ends, if that is asked for and prometheus-client is there."""
    if settings.metrics_listen is None or settings.metrics_file is None or settings.purpose is not Purpose.COLLECT:
        return nullcontext()
    from aws_s3.cli.metrics import has_prometheus_client

    if not has_prometheus_client():
        return nullcontext()
    from aws_s3.cli.metrics_server import serving

    return serving(*settings.metrics_listen, settings.metrics_file)


def _line_format(settings: Settings, source: str) -> LineFormat:
    if settings.json_lines:
        return JsonFormat(source)
    return StampedFormat() if settings.keeps_running else TextFormat()


def _today() -> date:
    return datetime.now(timezone.utc).date()
