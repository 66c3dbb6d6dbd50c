"""What ossec.conf says: its blocks one after the other, each in a process of its own (SPEC 13)."""

import logging
import os
import pickle
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from aws_s3.cli.child_process import run_in_child
from aws_s3.cli.daemon import Daemon, SystemClock
from aws_s3.cli.metrics import RunMetrics, check_extra, write
from aws_s3.config.ossec_conf import Block, Wodle, load
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, ConfiguredJob, Settings

log = logging.getLogger(__name__)

Run = Callable[[Settings, RunStats], int]

_FAILED = 1
_TERMINATED = 143
_PIPE_HOLDS = 1 << 16


def collect_configured(settings: Settings, job: ConfiguredJob, run: Run) -> int:
    """Run the blocks of the file, once or on its schedule, and return the exit code.

    `run` collects what one block's settings say, counts it, and returns its exit code; what else `settings`
    say holds for every block. Nothing runs where anything in the file is wrong.
    """
    if settings.metrics_file is not None:
        check_extra()
    read = partial(load, job.file)
    run_all = partial(_run_all, settings, job, run)
    return Daemon(read, run_all, SystemClock()).run() if job.daemon else run_all(read())


def _run_all(settings: Settings, job: ConfiguredJob, run: Run, wodle: Wodle) -> int:
    """Return the exit code of the first block that failed; one that fails does not stop the next."""
    ended: list[RunMetrics] = []
    try:
        for block in wodle.blocks:
            # One after the other: the metrics count those that ended, also when a later one raises.
            ended.append(_run_block(block, _complete(settings, job, block.settings), run))  # noqa: PERF401
    finally:
        if settings.metrics_file is not None and wodle.blocks:
            write(settings.metrics_file, ended, [block.settings.job for block in wodle.blocks])
    return next((metrics.exit_code for metrics in ended if metrics.exit_code), 0)


def _complete(settings: Settings, job: ConfiguredJob, block: Settings) -> Settings:
    """Return the settings of a block: its own job and access, and the rest as it is for all."""
    own = block.job
    if isinstance(own, BucketJob):
        own = replace(own, lookback_days=job.lookback_days)
    # The metrics of all blocks are one file.
    return replace(settings, job=own, access=block.access, metrics_file=None)


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
    if code < 0 or code == _TERMINATED:
        name = signal.Signals(-code).name if code < 0 else "SIGTERM"
        log.error("The process of %s got %s. What it sent is recorded; the next run goes on.", block.name, name)
    # Of one that was killed nothing is known but that.
    return metrics or RunMetrics.of(settings.job, RunStats(), _FAILED if code < 0 else code, began)


def _run_apart(settings: Settings, run: Run, began: float) -> tuple[int, RunMetrics | None]:
    """Run in a process of its own; return its exit code, and what it counted if it came to its end."""
    receiving, sending = os.pipe()
    os.set_blocking(receiving, False)

    def work() -> int:
        stats = RunStats()
        code = run(settings, stats)
        # Far less than a pipe holds: nobody reads before this has ended.
        os.write(sending, pickle.dumps(RunMetrics.of(settings.job, stats, code, began)))
        return code

    try:
        code = run_in_child(work)
        with suppress(BlockingIOError):
            return code, pickle.loads(os.read(receiving, _PIPE_HOLDS))
        return code, None
    finally:
        os.close(receiving)
        os.close(sending)
