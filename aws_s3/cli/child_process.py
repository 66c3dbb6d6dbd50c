"""Work in a process of its own: what it leaves behind, threads and memory and secrets, ends with it."""

import os
import signal
from collections.abc import Callable
from typing import NoReturn

_STOPS = (signal.SIGINT, signal.SIGTERM)

_LOOK_SECONDS = 1.0
"""How often to look for the end of the child: no thread of the caller's, should it have one, takes that away."""


def run_in_child(work: Callable[[], int]) -> int:
    """Run `work` in a forked process and return its exit code; the negative number of the signal that killed it.

    `work` is to handle signals on its own: SIGINT and SIGTERM are held back until it unblocks them. The
    caller must have no other thread. A signal that asks the caller to stop is passed on; once the process
    has ended, the caller's handler gets it.
    """
    # Who started this process may let it be ignored, and then no end of a child can be asked for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_STOPS, signal.SIGCHLD))
    try:
        child = os.fork()
        if child == 0:
            _be_child(work)
        code, stop = _wait(child)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if stop is not None:
        signal.raise_signal(stop)
    return code


def _be_child(work: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
        code = work()
    finally:
        # Nothing of the caller's may run here: no handler, no flush, no wait for threads.
        os._exit(code)


def _wait(child: int) -> tuple[int, signal.Signals | None]:
    """Return the exit code, and the last signal to stop that came and was passed on."""
    stop = None
    while True:
        received = signal.sigtimedwait((*_STOPS, signal.SIGCHLD), _LOOK_SECONDS)
        if received and received.si_signo != signal.SIGCHLD:
            stop = signal.Signals(received.si_signo)
            os.kill(child, stop)
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), stop
