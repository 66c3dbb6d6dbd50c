"""Child processes that end: with their parent, and by a deadline; and what a process lacks that cannot go on."""

import errno
import os
import signal
import time
from contextlib import suppress

from aws_s3.errors import CollectorError, ResourceError

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
    # Where SIGCHLD is ignored the kernel reaps the child, and waitpid finds none.
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


_NO_THREAD = "can't start new thread"


def missing_resource(error: BaseException) -> ResourceError | None:
    """Return the error that names what the process has too few of, if `error` or one of its causes says so.

    BlockingIOError is how a fork fails: `error` must not come from a pipe or a socket that does not block.
    """
    if isinstance(error, BlockingIOError):
        return _too_few_tasks("process")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or getattr(cause, "errno", None) == errno.ENOMEM:
            return ResourceError.of_memory()
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return ResourceError(
                f"Too few file descriptors: this process may open {_limit('RLIMIT_NOFILE')}. Raise the limit "
                "(ulimit -n, or LimitNOFILE of its systemd unit) to 1024 or more."
            )
        if isinstance(cause, RuntimeError) and str(cause) == _NO_THREAD:
            return _too_few_tasks("thread")
        cause = cause.__cause__ or cause.__context__
    return None


def _too_few_tasks(kind: str) -> ResourceError:
    return ResourceError(
        f"The system starts no further {kind}: its user may have {_limit('RLIMIT_NPROC')} processes and threads, and a "
        "service may have fewer. Raise the limit (ulimit -u, or TasksMax of its systemd unit), or give --workers 1."
    )


def _limit(name: str) -> str:
    import resource

    soft, _ = resource.getrlimit(getattr(resource, name))
    return "any number of" if soft == resource.RLIM_INFINITY else str(soft)
