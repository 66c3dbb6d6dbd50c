"""Work in a process of its own: how it ends is told, and a signal reaches it whenever it comes."""

import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from aws_s3.cli.child_process import run_in_child
from tests.faults.ground import is_alive
from tests.harness.command import wait_until


def test_the_exit_code_is_that_of_the_work() -> None:
    for code in (0, 7, 143):
        assert run_in_child(lambda code=code: code) == code  # type: ignore[misc]


def test_the_work_has_a_process_of_its_own() -> None:
    here = os.getpid()
    assert run_in_child(lambda: int(os.getpid() == here or os.getppid() != here)) == 0
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_what_work_does_not_catch_is_a_failure_and_runs_nothing_of_the_callers() -> None:
    def fail() -> int:
        raise KeyboardInterrupt

    assert run_in_child(fail) == 1


def test_a_killed_process_is_told_from_one_that_failed() -> None:
    assert run_in_child(lambda: os.kill(os.getpid(), signal.SIGKILL) or 0) == -signal.SIGKILL  # type: ignore[func-returns-value]


def test_a_process_that_is_stopped_and_goes_on_is_waited_for() -> None:
    def stop() -> int:
        me = os.getpid()
        subprocess.Popen(
            ["sh", "-c", f"until grep -q State:.T /proc/{me}/status; do sleep 0.01; done; kill -CONT {me}"]
        )
        os.kill(me, signal.SIGSTOP)
        return 5

    assert run_in_child(stop) == 5


def test_that_a_child_ended_is_told_also_where_it_was_to_be_ignored() -> None:
    program = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    program += "from aws_s3.cli.child_process import run_in_child; raise SystemExit(run_in_child(lambda: 5))"
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 5


def test_the_callers_signals_are_as_before() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    run_in_child(lambda: 0)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


# A caller and its work, both listening as the command does; the work says how it ended by its code.
PROGRAM = """
import os, signal, sys, time
from aws_s3.errors import Interrupted
from aws_s3.pipeline.signals import StopRequest
from aws_s3.cli.child_process import run_in_child

def work():
    try:
        StopRequest().install()
        os.write(1, b"ready\\n")
        # Python may see a signal that comes right before a sleep only after it.
        for _ in range(12_000):
            time.sleep(0.01)
    except Interrupted as request:
        return request.exit_code
    return 0

try:
    StopRequest().install()
    os.write(1, b"begun\\n")
    for _ in range(3):
        os.write(1, b"%d\\n" % run_in_child(work))
except Interrupted as request:
    os.write(1, str(request).encode())
    sys.exit(request.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_and_then_ends_the_caller(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout
    assert [process.stdout.readline(), process.stdout.readline()] == [b"begun\n", b"ready\n"]
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert output.decode() == f"{number.name} received."
    assert process.returncode == {signal.SIGINT: 2, signal.SIGTERM: 143}[number]


def begun(program: str = PROGRAM) -> tuple["subprocess.Popen[bytes]", psutil.Process]:
    """Start the caller; return it and its child, which is at work."""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout
    assert [process.stdout.readline(), process.stdout.readline()] == [b"begun\n", b"ready\n"]
    [child] = psutil.Process(process.pid).children()
    return process, child


@pytest.mark.parametrize("stopped", [False, True])
def test_the_work_ends_with_its_caller_also_while_it_is_stopped(stopped: bool) -> None:
    process, child = begun()
    if stopped:
        child.suspend()
    process.kill()
    process.communicate(timeout=120)
    wait_until(lambda: not is_alive(child))


def test_work_that_is_stopped_does_not_keep_the_caller_from_ending() -> None:
    process, child = begun(
        PROGRAM.replace("import os,", "import aws_s3.cli.child_process as it, os,", 1).replace(
            "def work", "it._SECONDS_TO_STOP = 1\ndef work", 1
        )
    )
    child.suspend()
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert (process.returncode, output.decode()) == (143, "SIGTERM received.")
    assert not is_alive(child)


@pytest.mark.slow
def test_at_any_instant_a_signal_ends_both() -> None:
    dice = random.Random(3)
    for _ in range(15):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, bufsize=0)
        assert process.stdout
        process.stdout.readline()
        time.sleep(dice.random() * 0.004)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        assert (process.returncode, output.decode().removeprefix("ready\n")) == (143, "SIGTERM received.")
