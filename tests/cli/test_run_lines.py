"""The lines of whole runs: summaries, JSON, time stamps, and what Wazuh's daemon gets."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.command import Home, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.harness.trails import BUCKET, trails

SINCE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")
SUMMARY = re.compile(
    rf"INFO: {BUCKET} \(cloudtrail\): 3 objects, 6 events, \d+ B in \d+\.\d s, newest 2021-06-10, "
    r"4 LIST, 3 GET \(USD <0\.0001\)"
)


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(3, records=2))
    return home


def test_a_run_ends_with_its_summary_at_level_1_and_says_nothing_at_level_0(home: Home) -> None:
    assert SUMMARY.fullmatch(home.run(*SINCE, "--debug", "1").output.splitlines()[-1])
    assert home.run(*SINCE, "--reparse").output == ""
    last = home.run(*SINCE, "--debug", "1").output.splitlines()[-1]
    assert re.search(r"nothing new in \d+\.\d s, 4 LIST \(USD <0\.0001\)$", last)


def test_a_first_day_that_has_not_come_is_told(home: Home) -> None:
    ended = home.run("-b", BUCKET, "--only_logs_after", "2199-01-31")
    assert ended.code == 0
    [line] = ended.output.splitlines()
    assert line.startswith("WARNING: only_logs_after is 2199-01-31, which is after today's date in UTC, ")


def test_level_1_has_no_line_for_an_object_and_level_2_has(home: Home) -> None:
    keys = list(trails(3, records=2))
    output = {level: home.run(*SINCE, "--reparse", "--debug", level).output for level in "123"}
    assert [key in output["1"].replace("+++ Marker", "") for key in keys] == [False] * 3
    for key in keys:
        assert f"DEBUG: +++ Sent 2 events of {key} to Wazuh\n" in output["2"]
    assert "Settings: " in output["2"]
    assert '"eventID":' not in output["2"]
    assert output["3"].count('"eventID":') == 6


def test_lines_name_the_receiver(home: Home) -> None:
    path = home.path / "events.jsonl"
    assert f" to {path}\n" in home.run(*SINCE, "--debug", "2", "--output", f"file:{path}").output


def test_json_lines_name_source_and_key(home: Home) -> None:
    lines = [json.loads(line) for line in home.run(*SINCE, "-d", "2", "--log-format", "json").output.splitlines()]
    assert {line["source"] for line in lines} == {f"{BUCKET} (cloudtrail)"}
    found = [line for line in lines if line["message"].startswith("++ Found new log: ")]
    assert [line["key"] for line in found] == list(trails(3))
    assert {line["level"] for line in found} == {"DEBUG"}
    assert lines[-1]["message"].startswith(f"{BUCKET} (cloudtrail): 3 objects, ")


def test_a_run_that_follows_stamps_its_lines_and_ends_with_a_summary(home: Home, emulator: Emulator) -> None:
    url = emulator.client("sqs").create_queue(QueueName="q1")["QueueUrl"]
    record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": next(iter(trails(1)))}}}
    emulator.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))
    listener = Listener(home.socket)
    process = home.start("-sb", "buckets", "-q", "q1", "--follow", "--metrics-file", str(home.path / "m.prom"))
    assert process.stdout
    with closing(process.stdout):
        os.set_blocking(process.stdout.fileno(), False)
        wait_until(lambda: len(listener.received) == 2)
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        last = process.stdout.read().splitlines()[-1]
    listener.close()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO: q1 \(buckets\): \d objects?, 2 events in .*", last)


STANDING = """
import logging, sys
import aws_s3.cli.main as cli
from aws_s3.pipeline.levels import STANDING

def run(settings, stop_request, stats):
    logging.getLogger("aws_s3.x").warning("%d nothing", stats.events, extra=STANDING)
    logging.getLogger("aws_s3.x").warning("another")
    return 0

cli.run_job = run
sys.argv[0] = sys.argv[1]
sys.exit(cli.main(sys.argv[2:]))
"""


def test_a_standing_warning_comes_once_a_day_for_a_source_under_the_daemon(tmp_path: Path) -> None:
    """Wazuh's daemon runs the program every few minutes, and takes each line as an event."""
    (tmp_path / "wodles/aws").mkdir(parents=True)

    def printed(bucket: str, stdin: str) -> list[str]:
        words = [sys.executable, "-c", STANDING, str(tmp_path / "wodles/aws/aws-s3"), "-b", bucket]
        command = ["sh", "-c", f'exec "$@" {stdin}', "sh", *words]
        environment = {**os.environ, "WAZUH_HOME": str(tmp_path)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return ended.stdout.splitlines()

    both = ["WARNING: 0 nothing", "WARNING: another"]
    assert [printed("first-one", "<&-") for _ in range(2)] == [both, both[1:]]
    assert printed("other-one", "<&-") == both
    assert printed("first-one", "") == both


def test_a_run_that_left_everything_to_another_is_no_success(home: Home) -> None:
    path = home.path / "m.prom"
    with home.state.with_suffix(".lock").open("w") as locks:
        fcntl.lockf(locks, fcntl.LOCK_EX)
        ended = home.run(*SINCE, "--metrics-file", str(path), "-d", "1")
    assert (ended.code, ended.messages) == (0, [])
    assert "1 left to another run" in ended.output
    assert re.search(r"^aws_s3_last_success_timestamp_seconds\{.*\} 0.0$", path.read_text(), re.MULTILINE)
    assert home.run(*SINCE, "--metrics-file", str(path)).events
    assert not re.search(r"^aws_s3_last_success_timestamp_seconds\{.*\} 0.0$", path.read_text(), re.MULTILINE)
