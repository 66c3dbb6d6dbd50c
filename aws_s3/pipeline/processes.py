"""Child processes that end: with their parent, and by a deadline."""

import os
import signal
import time
from contextlib import suppress

from aws_s3.errors import CollectorError

_PR_SET_PDEATHSIG = 1
_FIRST_PAUSE = 0.0005
_LONGEST_PAUSE = 0.05


def die_with(parent: int) -> None:
    """Let the kernel kill this process once its parent ends, whatever this process does then, or if it is stopped.

    `parent` is the process ID of the parent, which may have ended already. Linux alone offers this: elsewhere
    a child has to notice the end of a pipe.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes

        arguments = map(ctypes.c_ulong, (signal.SIGKILL, 0, 0, 0))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, *arguments)
    if os.getppid() != parent:
        os._exit(0)


def end_child(child: int, seconds: float) -> None:
    """Wait for the end of a child, and kill it after `seconds`.

    A killed child is waited for as long again: the kernel keeps a process of a frozen cgroup until it thaws.
    """
    if not _has_ended(child, seconds):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _has_ended(child, seconds)


def _has_ended(child: int, seconds: float) -> bool:
    """Wait up to `seconds` for the end of a child; tell whether it has ended."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    # The kernel reaps the child where SIGCHLD is ignored, and waitpid finds none.
    with suppress(ChildProcessError):
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    return True


def worker_gone() -> CollectorError:
    """Return the error for a worker process that ended while it was needed."""
    return CollectorError(
        "A worker process ended unexpectedly: it was killed, or memory ran out. What was sent until then "
        "is recorded; the next run goes on. Use --workers 1 where memory is short."
    )
