"""SIGINT and SIGTERM: real ones, in this process and, at any instant, in others."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from aws_s3.errors import Interrupted
from aws_s3.pipeline.signals import StopRequest

SIGNALS = {signal.SIGINT: 2, signal.SIGTERM: 143}


@pytest.fixture
def stop_request() -> Iterator[StopRequest]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    listening = StopRequest()
    listening.install()
    yield listening
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    """Send this process a signal; its handler has run when this returns."""
    signal.raise_signal(number)


@pytest.mark.parametrize(("number", "code"), SIGNALS.items())
def test_a_signal_raises_at_once(stop_request: StopRequest, number: signal.Signals, code: int) -> None:
    with pytest.raises(Interrupted, match=f"^{number.name} received\\.$") as raised:
        send(number)
    assert raised.value.exit_code == code
    with pytest.raises(Interrupted):
        stop_request.check()


def test_no_signal_is_no_interruption(stop_request: StopRequest) -> None:
    with stop_request.deferred():
        stop_request.check()
    stop_request.check()


def test_a_shield_holds_a_signal_back_to_its_end(stop_request: StopRequest) -> None:
    done = []
    with pytest.raises(Interrupted), stop_request.deferred():
        send(signal.SIGTERM)
        done.append("inside")
    assert done == ["inside"]


def test_inside_a_shield_a_check_raises(stop_request: StopRequest) -> None:
    with stop_request.deferred():
        send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            stop_request.check()
        stop_request.end()


def test_shields_hold_until_the_outermost_ends(stop_request: StopRequest) -> None:
    done = []
    with pytest.raises(Interrupted), stop_request.deferred():
        with stop_request.deferred():
            send(signal.SIGINT)
        done.append("outer")
    assert done == ["outer"]


def test_an_error_inside_a_shield_is_not_replaced(stop_request: StopRequest) -> None:
    with pytest.raises(KeyError), stop_request.deferred():
        send(signal.SIGINT)
        raise KeyError


def test_after_a_shield_a_signal_raises_at_once_again(stop_request: StopRequest) -> None:
    with stop_request.deferred():
        pass
    with pytest.raises(Interrupted):
        send(signal.SIGINT)


def test_what_the_first_signal_set_off_is_not_cut_short_by_others(stop_request: StopRequest) -> None:
    with pytest.raises(Interrupted, match="SIGTERM") as first:
        send(signal.SIGTERM)
    send(signal.SIGINT)
    send(signal.SIGTERM)
    with pytest.raises(Interrupted) as again:
        stop_request.check()
    assert again.value is first.value


def test_after_the_end_no_signal_raises(stop_request: StopRequest) -> None:
    stop_request.end()
    send(signal.SIGINT)


def test_no_except_exception_swallows_it(stop_request: StopRequest) -> None:
    with pytest.raises(Interrupted):
        try:
            send(signal.SIGINT)
        except Exception:
            pytest.fail("swallowed")


# The command itself. What it does between is a stand-in, which works as a collection does: sometimes
# shielded, sometimes not, always logging, with something to close.

PROGRAM = """
import itertools, logging, os, sys, time
from contextlib import ExitStack, closing
import aws_s3.cli.main as cli
log = logging.getLogger("aws_s3.stand_in")

class Resource:
    def close(self):
        time.sleep(0.002)
        print("closed", file=sys.stderr, flush=True)

def run(settings, stop_request, stats):
    with ExitStack() as stack:
        stack.enter_context(closing(Resource()))
        os.write(2, b"ready\\n")
        for number in range({rounds}):
            with stop_request.deferred():
                log.debug("sending %d", number)
                stop_request.check()
            log.debug("listing %d", number)
    return 0

cli.run_job = run
code = cli.main(["-b", "acme-logs", "-d", "{debug}"])
print("code", code, file=sys.stderr)
sys.exit(code)
"""


def start(debug: int = 0, rounds: int = 10_000_000) -> "subprocess.Popen[bytes]":
    return execute(PROGRAM.format(debug=debug, rounds=rounds))


def execute(program: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    # Unbuffered: what `wait_ready` does not take is left to `communicate`.
    return subprocess.Popen([sys.executable, "-c", program], bufsize=0, stdout=pipe, stderr=pipe)


def wait_ready(process: "subprocess.Popen[bytes]") -> None:
    assert process.stderr
    assert process.stderr.readline() == b"ready\n"


@pytest.mark.parametrize(("number", "code"), SIGNALS.items())
def test_the_command_ends_with_its_line_and_code(number: signal.Signals, code: int) -> None:
    process = start()
    wait_ready(process)
    process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert output.decode() == f"ERROR: {number.name} received.\n"
    assert errors.decode() == f"closed\ncode {code}\n"


@pytest.mark.slow
def test_at_any_instant_also_several_signals_end_it_in_order() -> None:
    """The last instants of a run too: here it ends by itself while signals arrive."""
    dice = random.Random(8)
    processes = [start(debug=dice.choice((0, 2)), rounds=dice.choice((20, 10_000_000))) for _ in range(12)]
    for process in processes:
        wait_ready(process)
        time.sleep(dice.random() * 0.004)
        for number in dice.choices(list(SIGNALS), k=dice.randint(1, 6)):
            process.send_signal(number)
            time.sleep(dice.random() * 0.002)
    for process in processes:
        output, errors = process.communicate(timeout=120)
        assert process.returncode in (0, 2, 143)
        # A signal that comes while a run that is over closes what it opened may cut that short.
        assert errors.decode().removeprefix("closed\n") == f"code {process.returncode}\n"
        names = [name for name in ("SIGINT", "SIGTERM") if f"ERROR: {name} received." in output.decode()]
        expected = {0: [], 2: ["SIGINT"], 143: ["SIGTERM"]}
        assert names == expected[process.returncode]


def test_a_signal_that_is_held_back_ends_a_wait_for_the_sink() -> None:
    """Nobody reads Wazuh's socket: the wait is shielded, and yet it ends."""
    program = PROGRAM.format(debug=0, rounds=1).replace("stop_request.check()", "wait(stop_request)")
    program = program.replace("cli.run_job = run", WAIT + "cli.run_job = run")
    process = execute(program)
    wait_ready(process)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert (process.returncode, output) == (143, b"ERROR: SIGTERM received.\n")


WAIT = """
def wait(stop_request):
    import socket, tempfile
    from pathlib import Path
    from aws_s3.pipeline.sinks import UnixSink
    with tempfile.TemporaryDirectory() as folder:
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind(folder + "/queue")
        sink = UnixSink(Path(folder, "queue"), stop_request.check)
        while True:
            sink.send(b"x" * 1000)

"""


def test_the_handlers_are_in_place_before_the_arguments_are_read() -> None:
    program = "import aws_s3.cli.main as cli, os, signal\n"
    program += "def parse(arguments):\n    os.kill(os.getpid(), signal.SIGTERM)\n    [None for _ in range(1000)]\n"
    program += "cli.parse = parse\nraise SystemExit(cli.main([]))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, env=os.environ)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, b"ERROR: SIGTERM received.\n", b"")


IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "aws_s3.cli.main":
            os.kill(os.getpid(), signal.{name})
sys.meta_path.insert(0, Finder())
from aws_s3.__main__ import run
run()
"""


@pytest.mark.parametrize(("number", "code"), SIGNALS.items())
def test_signal_while_the_program_is_imported_waits_for_its_handler(number: signal.Signals, code: int) -> None:
    program = IMPORTING.replace("{name}", number.name)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (ended.returncode, ended.stdout) == (code, f"ERROR: {number.name} received.\n".encode())
