"""What ossec.conf says: its blocks one after the other, each in a process of its own (SPEC 13)."""

import logging
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aws_s3.daemon import Daemon, SystemClock
from aws_s3.isolation import run_apart
from aws_s3.ossec.wodle import Block, Wodle, load
from aws_s3.settings import BucketJob, ConfiguredJob, Settings

log = logging.getLogger(__name__)

Run = Callable[[Settings], int]

_FAILED = 1
_TERMINATED = 143


def collect_configured(settings: Settings, job: ConfiguredJob, run: Run) -> int:
    """Run the blocks of the file, once or on its schedule, and return the exit code.

    `run` collects what one block's settings say, and returns its exit code; what else `settings` say
    holds for every block. Nothing runs where anything in the file is wrong.
    """
    read = partial(load, job.file)
    run_all = partial(_run_all, settings, job, run)
    return Daemon(read, run_all, SystemClock()).run() if job.daemon else run_all(read())


def _run_all(settings: Settings, job: ConfiguredJob, run: Run, wodle: Wodle) -> int:
    """Return the exit code of the first block that failed; one that fails does not stop the next."""
    codes = [_run_block(block, partial(run, _complete(settings, job, block.settings))) for block in wodle.blocks]
    return next(filter(None, codes), 0)


def _complete(settings: Settings, job: ConfiguredJob, block: Settings) -> Settings:
    """Return the settings of a block: its own job and access, and the rest as it is for all."""
    own = block.job
    if isinstance(own, BucketJob):
        own = replace(own, lookback_days=job.lookback_days)
    return replace(settings, job=own, access=block.access)


def _run_block(block: Block, work: Callable[[], int]) -> int:
    log.info("Running %s", block.name)
    try:
        code = run_apart(work)
    except OSError as error:
        log.error("Cannot start a process for %s: %s. The next run tries it again.", block.name, error.strerror)
        return _FAILED
    log.info("%s ended with exit code %d", block.name, code)
    if code < 0 or code == _TERMINATED:
        name = signal.Signals(-code).name if code < 0 else "SIGTERM"
        log.error("The process of %s got %s. What it sent is recorded; the next run goes on.", block.name, name)
    return _FAILED if code < 0 else code
