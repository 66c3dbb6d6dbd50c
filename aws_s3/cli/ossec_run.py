"""Runs the blocks of an ossec.conf one after the other, each in a process of its own."""

import logging
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from aws_s3.cli.child_process import run_in_child
from aws_s3.cli.daemon import Daemon, SystemClock
from aws_s3.cli.metrics import RunMetrics, has_prometheus_client, write_textfile
from aws_s3.config.ossec_conf import Block, Wodle, read_ossec_conf
from aws_s3.console.tables import print_report
from aws_s3.errors import TERMINATED
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, CollectJob, ConfiguredJob, Purpose, Settings

log = logging.getLogger(__name__)

Run = Callable[[Settings, RunStats], int]

_FAILED = 1
_PIPE_HOLDS = 1 << 16


def run_configured(settings: Settings, job: ConfiguredJob, run: Run) -> int:
    """Run the blocks of the file, once or on its schedule, and return the exit code.

    `run` collects from one block, counts in the statistics, and returns its exit code; the rest of
    `settings` holds for every block. Nothing runs if anything in the file is wrong.
    """
    if settings.purpose is Purpose.CHECK:
        return _check(settings, job, run)
    if settings.metrics_file is not None and not has_prometheus_client():
        settings = replace(settings, metrics_file=None)
    runner = _BlockRunner(settings, job, run)
    if job.daemon:
        return Daemon(runner.read, runner.run, SystemClock()).run()
    wodle = runner.read()
    if settings.purpose is Purpose.POLICY:
        return _print_policy(wodle)
    return runner.run(wodle, wodle.blocks)


def _check(settings: Settings, job: ConfiguredJob, run: Run) -> int:
    """Check each block, then the metrics, which all blocks share."""
    from aws_s3.cli.check import check_metrics

    runner = _BlockRunner(replace(settings, metrics_file=None), job, run)
    wodle = runner.read()
    # Both are run, whatever the first says.
    codes = runner.run(wodle, wodle.blocks), check_metrics(settings)
    return next(filter(None, codes), 0)


def _print_policy(wodle: Wodle) -> int:
    from aws_s3.cli.iam_policy import print_policy

    blocks = [block.settings for block in wodle.blocks]
    return print_policy([(block.access, block.job) for block in blocks if isinstance(block.job, CollectJob)])


class _BlockRunner:
    """Reads the file of a job, and runs its blocks."""

    def __init__(self, settings: Settings, job: ConfiguredJob, run: Run) -> None:
        self._settings = settings
        self._job = job
        self._run = run

    def read(self) -> Wodle:
        """Read the file. Raises OssecConfigError."""
        return read_ossec_conf(self._job.file)

    def run(self, wodle: Wodle, blocks: Sequence[Block]) -> int:
        """Run these blocks; a block that fails does not stop the next. Return the exit code of the first that failed.

        The metrics of the file's other blocks stay as they are.
        """
        ended: list[RunMetrics] = []
        try:
            for block in blocks:
                settings = _complete(self._settings, self._job, block.settings)
                if not _fits(settings, self._job):
                    log.info("%s is passed over: only buckets have objects that can be listed or retried", block.name)
                    continue
                if settings.purpose is not Purpose.COLLECT:
                    print_report(f"{block.name}:")
                ended.append(_run_block(block, settings, self._run))
        finally:
            if self._settings.metrics_file is not None and blocks:
                write_textfile(self._settings.metrics_file, ended, [block.settings.job for block in wodle.blocks])
        return next((metrics.exit_code for metrics in ended if metrics.exit_code), 0)


def _complete(settings: Settings, job: ConfiguredJob, block: Settings) -> Settings:
    """Return the settings of a block: its own job and access, the rest as for all blocks."""
    own = block.job
    if isinstance(own, BucketJob):
        own = replace(own, lookback_days=job.lookback_days, retry_failed=job.retry_failed, discover=job.discover)
    # All blocks share one file of metrics, which is written after them.
    return replace(
        settings, job=own, access=block.access, metrics_file=None, metrics_listen=None, keeps_running=job.daemon
    )


def _fits(settings: Settings, job: ConfiguredJob) -> bool:
    """Tell whether a block can be run for the purpose; dry runs and retries are those of buckets."""
    is_about_objects = settings.purpose is Purpose.DRY_RUN or job.retry_failed
    return isinstance(settings.job, BucketJob) or not is_about_objects


def _run_block(block: Block, settings: Settings, run: Run) -> RunMetrics:
    log.info("Running %s", block.name)
    began = time.time()
    try:
        code, metrics = _run_apart(settings, run, began)
    except OSError as error:
        log.error("Cannot start a process for %s: %s. The next run tries it again.", block.name, error.strerror)
        code, metrics = _FAILED, None
    else:
        log.info("%s ended with exit code %d", block.name, code)
    if code < 0 or code == TERMINATED:
        name = signal.Signals(-code).name if code < 0 else "SIGTERM"
        log.error(
            "The process of %s was ended by %s. The events that it sent are recorded; the next run goes on from there.",
            block.name,
            name,
        )
    # A killed process leaves no metrics.
    return metrics or RunMetrics.from_run(
        settings.job, RunStats(), _FAILED if code < 0 else code, began, settings.state_dir
    )


def _run_apart(settings: Settings, run: Run, began: float) -> tuple[int, RunMetrics | None]:
    """Run in a process of its own; return its exit code, and its figures if it came to its end."""
    receiving, sending = os.pipe()
    os.set_blocking(receiving, False)

    def work() -> int:
        stats = RunStats()
        code = run(settings, stats)
        # Fits in the pipe buffer, so the write cannot block although the parent reads only after this has ended.
        os.write(sending, pickle.dumps(RunMetrics.from_run(settings.job, stats, code, began, settings.state_dir)))
        return code

    try:
        code = run_in_child(work)
        with suppress(BlockingIOError):
            return code, pickle.loads(os.read(receiving, _PIPE_HOLDS))
        return code, None
    finally:
        os.close(receiving)
        os.close(sending)
