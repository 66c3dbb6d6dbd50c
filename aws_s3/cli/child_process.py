"""Runs work in a child process, so that its threads, memory and secrets end with it."""

import os
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from aws_s3.pipeline.processes import die_with

_STOPS = (signal.SIGINT, signal.SIGTERM)

_LOOK_SECONDS = 1.0
"""Seconds between two checks whether the child has ended, in case another thread of the caller takes its SIGCHLD."""

_SECONDS_TO_STOP = 20.0
"""How long a child may take to end after the first signal that asks it to: a stopped process never ends by itself."""


def run_in_child(work: Callable[[], int]) -> int:
    """Run `work` in a forked process and return its exit code; the negative number of the signal that killed it.

    `work` must handle signals itself: SIGINT and SIGTERM are blocked until it unblocks them. The caller
    must have no other thread. A signal that asks the caller to stop is passed on to the child, and goes to
    the caller's handler once the child has ended; a child that does not end soon is killed, and so is the child of
    a caller that ends.
    """
    # SIGCHLD may be inherited as ignored; waitpid would then fail with ECHILD.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPS, signal.SIGCHLD))
    caller = os.getpid()
    try:
        child = os.fork()
        if child == 0:
            _be_child(caller, work)
        code, stop = _wait(child)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if stop is not None:
        signal.raise_signal(stop)
    return code


def _be_child(caller: int, work: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        die_with(caller)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
        code = work()
    finally:
        # None of the caller's handlers, flushes or waits for threads may run here.
        os._exit(code)


def _wait(child: int) -> tuple[int, signal.Signals | None]:
    """Return the exit code, and the last signal to stop that came and was passed on."""
    stop, kill_at = None, float("inf")
    while True:
        received = signal.sigtimedwait((*_STOPS, signal.SIGCHLD), _LOOK_SECONDS)
        if received and received.si_signo != signal.SIGCHLD:
            stop = signal.Signals(received.si_signo)
            kill_at = min(kill_at, time.monotonic() + _SECONDS_TO_STOP)
            os.kill(child, stop)
        if time.monotonic() > kill_at:
            os.kill(child, signal.SIGKILL)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), stop
