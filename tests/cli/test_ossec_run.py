"""`--config` and `--daemon` as an operator runs them: the command, HTTP, a socket, SQLite, signals."""

import errno
import gzip
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aws_s3.cli.ossec_run import run_configured
from aws_s3.config.command_line import parse
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import ConfiguredJob, Settings
from tests.config.files import bucket, example, wodle
from tests.harness.command import COMMAND, Home, decoded, new_home, put_all, wait_until
from tests.harness.emulator import ACCOUNT, Emulator
from tests.harness.listener import Listener

GOV_REGIONS = ("us-gov-east-1", "us-gov-west-1")
MAIN, TRAIL = "wazuh-aws-bucket", "wazuh-cloudtrail"
SINCE = "<only_logs_after>2021-JUN-01</only_logs_after>"


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    with new_home(emulator) as made:
        yield made


def write(home: Home, text: str) -> str:
    """Write the home's ossec.conf; return its path."""
    path = home.path / "ossec.conf"
    path.write_text(text, encoding="utf-8")
    return str(path)


def trail(name: str, events: int = 1, base: str = "AWSLogs/", region: str = "us-east-1") -> dict[str, bytes]:
    """Return one CloudTrail object of today; its events are called `name-0`, `name-1`, …"""
    day = datetime.now(timezone.utc)
    key = (
        f"{base}{ACCOUNT}/CloudTrail/{region}/{day:%Y/%m/%d}/{ACCOUNT}_CloudTrail_{region}_{day:%Y%m%d}T{name}.json.gz"
    )
    records = [{"eventID": f"{name}-{number}"} for number in range(events)]
    return {key: gzip.compress(json.dumps({"Records": records}).encode())}


def fill(emulator: Emulator, name: str, bodies: dict[str, bytes]) -> None:
    emulator.client("s3").create_bucket(Bucket=name)
    put_all(emulator, name, bodies)


def fill_documented(emulator: Emulator) -> None:
    """Give every block of the documentation's configuration of several services one event of today."""
    day = datetime.now(timezone.utc)
    finding = {"id": "guardduty", "service": {"serviceName": "guardduty"}}
    item = {"configurationItems": [{"resourceId": "config"}]}
    kms = {"source": "aws.kms", "detail": {"eventID": "kms"}}
    config_name = (
        f"{ACCOUNT}_Config_us-east-1_ConfigHistory_AWS::EC2::Volume_{day:%Y%m%dT%H%M%SZ}_{day:%Y%m%dT%H%M%SZ}_1"
    )
    config_day = f"{day.year}/{day.month}/{day.day}"
    bodies: dict[str, Any] = {
        f"guardduty/AWSLogs/{ACCOUNT}/GuardDuty/us-east-1/{day:%Y/%m/%d}/a1b2.jsonl": finding,
        f"config/AWSLogs/{ACCOUNT}/Config/us-east-1/{config_day}/ConfigHistory/{config_name}.json": item,
        f"kms_compress_encrypted/{day:%Y/%m/%d/%H}/firehose_kms-1-{day:%Y-%m-%d-%H-%M-%S}-a1b2": kms,
    }
    fill(emulator, MAIN, {key: json.dumps(body).encode() for key, body in bodies.items()})
    fill(emulator, TRAIL, trail("trail"))
    for region in GOV_REGIONS:
        put_all(emulator, MAIN, trail(region, base="cloudtrail-govcloud/AWSLogs/", region=region))
    for region in ("us-east-1", "us-east-2"):
        found = {"findingArn": f"inspector-{region}", "updatedAt": "2021-06-10T02:00:00Z"}
        content = {"results": [[found]], "account_id": ACCOUNT, "region": region}
        emulator.post("/moto-api/static/inspector2/findings-results", content)


def write_profiles(home: Home) -> None:
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    folder = home.path / ".aws"
    folder.mkdir()
    names = ("default", "production", "dev", "gov1", "gov2")
    (folder / "credentials").write_text("".join(f"[{name}]\n{keys}" for name in names))


def event_ids(messages: Any) -> list[str]:
    """Return what tells the events of the documentation's blocks apart."""
    events = [message["aws"] for message in messages]
    names = ("eventID", "resourceId", "id", "findingArn")
    return [next(event[name] for name in names if name in event) for event in events]


def test_the_documented_configuration_of_several_services_is_collected(home: Home, emulator: Emulator) -> None:
    """Bucket after bucket, then the service; one block's bucket is missing, and does not stop the rest."""
    fill_documented(emulator)
    write_profiles(home)
    missing = bucket(name="missing-bucket")
    text = example("multiple_services").replace("</wodle>", f"{missing}{bucket(name='empty-bucket')}</wodle>")
    emulator.client("s3").create_bucket(Bucket="empty-bucket")
    ended = home.run("--config", write(home, text))
    inspector = ["inspector-us-east-1", "inspector-us-east-2"]
    assert event_ids(ended.messages) == [
        "guardduty",
        "config",
        "kms",
        "trail-0",
        "us-gov-east-1-0",
        "us-gov-west-1-0",
        *inspector,
    ]
    assert ended.code == 7
    assert [re.sub(r"\W", " ", line).split()[:3] for line in ended.errors] == [
        ["ERROR", "Bucket", "missing"],
        ["ERROR", "No", "files"],
    ]


def test_each_block_is_what_its_command_line_would_be(home: Home, emulator: Emulator) -> None:
    """What one ran, the other continues: path, alias, regions and all."""
    fill(emulator, "acme-logs", trail("a", base="p/AWSLogs/") | trail("b", base="p/AWSLogs/", region="eu-west-1"))
    tags = "<path>p</path><regions>eu-west-1</regions><aws_account_alias>prod</aws_account_alias>"
    file = write(home, wodle(bucket(tags, SINCE)))
    ended = home.run("--config", file)
    assert (ended.code, ended.events) == (0, ["b-0"])
    assert ended.messages[0]["aws"]["log_info"]["aws_account_alias"] == "prod"
    assert home.run("-b", "acme-logs", "-l", "p", "-s", "2021-JUN-01").events == ["a-0"]


def test_options_beside_the_file_hold_for_every_block(home: Home, emulator: Emulator) -> None:
    fill(emulator, "first-bucket", trail("a"))
    fill(emulator, "other-bucket", trail("b"))
    state = home.path / "elsewhere"
    state.mkdir()
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    ended = subprocess.run(
        [COMMAND, "--config", file, "--output", "stdout", "--state-dir", state, "--workers", "2", "-d", "1"],
        env=home.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert [json.loads(line)["aws"]["eventID"] for line in ended.stdout.splitlines()] == ["a-0", "b-0"]
    assert ended.stderr.index("Running bucket first-bucket") < ended.stderr.index("Running bucket other-bucket")
    with closing(sqlite3.connect(state / "s3_cloudtrail.db")) as database:
        assert database.execute("SELECT count(*) FROM cloudtrail").fetchone() == (2,)


def unstamped(output: str) -> list[str]:
    """Return the lines without the time stamps of a daemon."""
    return [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in output.splitlines()]


def test_value_that_aws_refuses_is_an_error_line_of_its_block(home: Home, emulator: Emulator) -> None:
    emulator.client("s3").create_bucket(Bucket=MAIN)
    ended = home.run("--config", write(home, wodle(bucket("<iam_role_arn>arn:aws:iam::1:role</iam_role_arn>"))))
    assert ended.code == 2
    [line] = ended.errors
    assert line.startswith("ERROR: Role arn:aws:iam::1:role: ") and ended.output == f"{line}\n"


@pytest.mark.parametrize("daemon", [(), ("--daemon",)])
def test_nothing_runs_where_anything_is_wrong(home: Home, emulator: Emulator, daemon: tuple[str, ...]) -> None:
    fill(emulator, "acme-logs", trail("a"))
    file = write(home, wodle(bucket(), "", bucket("<regions>nowhere</regions>")))
    ended = home.run("--config", file, *daemon)
    assert (ended.code, ended.messages) == (2, [])
    said = f"ERROR: {file}, line 5: <bucket>: <regions>: 'nowhere' is not a region. "
    assert [line.startswith(said) for line in unstamped(ended.output)] == [True]


@pytest.mark.parametrize("daemon", [(), ("--daemon",)])
def test_a_disabled_block_runs_nothing(home: Home, daemon: tuple[str, ...]) -> None:
    file = write(home, wodle("<disabled>yes</disabled>", bucket()))
    ended = home.run("--config", file, *daemon)
    said = f"WARNING: {file}, line 2: this <wodle> is disabled: nothing runs."
    assert (ended.code, unstamped(ended.output)) == (0, [said])


def test_a_block_that_is_killed_is_told_and_does_not_stop_the_next(home: Home, emulator: Emulator) -> None:
    fill(emulator, "first-bucket", trail("a", 8_000))
    fill(emulator, "other-bucket", trail("b"))
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    listener = Listener(home.socket, hold=1)
    process = home.start("--config", file)
    wait_until(lambda: listener.received, 60)
    [child] = psutil.Process(process.pid).children()
    child.kill()
    listener.release()
    output, _ = process.communicate(timeout=60)
    assert "b-0" in event_ids(decoded(listener.close()))
    assert output.startswith(
        "ERROR: The process of bucket first-bucket (line 3) was ended by SIGKILL. The events that it sent are recorded"
    )
    assert output.count("\n") == 1
    assert process.returncode == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 2)])
def test_a_signal_ends_the_block_at_hand_and_starts_no_other(
    home: Home, emulator: Emulator, number: signal.Signals, code: int
) -> None:
    fill(emulator, "first-bucket", trail("a", 8_000))
    fill(emulator, "other-bucket", trail("b"))
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    listener = Listener(home.socket, hold=1)
    process = home.start("--config", file)
    wait_until(lambda: listener.received, 60)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    first = event_ids(decoded(listener.close()))
    assert (process.returncode, output) == (code, f"ERROR: {number.name} received.\n")
    assert 0 < len(first) < 8_000
    assert Counter([*first, *home.run("--config", file).events]) == Counter(
        [*(f"a-{event}" for event in range(8_000)), "b-0"]
    )


def test_a_block_ends_with_its_caller_and_the_next_run_goes_on(home: Home, emulator: Emulator) -> None:
    fill(emulator, "first-bucket", trail("a", 5000))
    fill(emulator, "other-bucket", trail("b"))
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    listener = Listener(home.socket, hold=1)
    process = home.start("--config", file)
    wait_until(lambda: listener.received, 60)
    process.kill()
    # The output ends when whoever could write to it has ended.
    process.communicate(timeout=60)
    first = event_ids(decoded(listener.close()))
    assert 0 < len(first) < 5000
    assert {*first, *home.run("--config", file).events} == {*(f"a-{event}" for event in range(5000)), "b-0"}


def test_a_process_that_cannot_be_started_does_not_stop_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_memory() -> int:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr("os.fork", no_memory)
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    settings = parse(["--config", file])
    assert isinstance(settings.job, ConfiguredJob)
    assert run_configured(settings, settings.job, lambda block, stats: 0) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"Cannot start a process for bucket {name}: Cannot allocate memory. The next run tries it again."
        for name in ("first-bucket (line 3)", "other-bucket (line 4)")
    ]


def test_metrics_of_all_blocks_are_one_file(home: Home, emulator: Emulator) -> None:
    fill(emulator, "first-bucket", trail("a", events=3))
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="missing-bucket"), bucket(name="first-bucket")))
    path = home.path / "aws_s3.prom"
    assert home.run("--config", file, "--metrics-file", str(path)).code == 7
    samples = {
        (sample.name, sample.labels["name"]): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    # Two blocks of one source count as one.
    assert samples["aws_s3_run_events", "first-bucket"] == 3
    assert samples["aws_s3_run_known_objects", "first-bucket"] == 1
    assert samples["aws_s3_run_exit_code", "missing-bucket"] == 7
    assert samples["aws_s3_last_success_timestamp_seconds", "missing-bucket"] == 0
    assert samples["aws_s3_last_success_timestamp_seconds", "first-bucket"] > time.time() - 60


def test_metrics_of_blocks_that_a_signal_kept_from_running_stay(home: Home) -> None:
    path = home.path / "aws_s3.prom"
    file = write(home, wodle(bucket(name="first-bucket"), bucket(name="other-bucket")))
    settings = parse(["--config", file, "--metrics-file", str(path)])
    assert isinstance(settings.job, ConfiguredJob)
    assert run_configured(settings, settings.job, lambda block, stats: 0) == 0
    before = last_success(path, "other-bucket")

    def stop(block: Settings, stats: RunStats) -> int:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("aws_s3.cli.ossec_run.run_in_child", lambda work: stop(settings, RunStats()))
        run_configured(settings, settings.job, stop)
    assert last_success(path, "other-bucket") == before > 0


def last_success(path: Path, name: str) -> float:
    [value] = [
        sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
        if sample.name == "aws_s3_last_success_timestamp_seconds" and sample.labels["name"] == name
    ]
    return float(value)


def test_block_that_is_killed_is_in_the_metrics_as_a_failure(home: Home) -> None:
    path = home.path / "aws_s3.prom"
    settings = parse(["--config", write(home, wodle(bucket(name="first-bucket"))), "--metrics-file", str(path)])
    assert isinstance(settings.job, ConfiguredJob)
    killed = run_configured(settings, settings.job, lambda block, stats: os.kill(os.getpid(), signal.SIGKILL) or 0)  # type: ignore[func-returns-value]
    assert killed == 1
    assert 'aws_s3_run_exit_code{kind="bucket",name="first-bucket",path="",type="cloudtrail"} 1.0' in path.read_text()


def test_a_run_without_a_file_imports_nothing_of_it() -> None:
    program = (
        "import sys, aws_s3.cli.main; print(*(name for name in sys.modules if name.startswith(('aws_s3', 'boto'))))"
    )
    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    imported = set(ended.stdout.split())
    assert "aws_s3.cli.main" in imported
    assert not [
        name for name in imported if re.match(r"boto|aws_s3\.(ossec|schedule|configured|daemon|isolation)", name)
    ]


@contextmanager
def running(home: Home, *arguments: str, hold: int | None = None) -> Iterator["tuple[subprocess.Popen[str], Listener]"]:
    """Give a daemon and what listens to it; kill what is left of it."""
    listener = Listener(home.socket, hold)
    process = home.start("--config", str(home.path / "ossec.conf"), "--daemon", *arguments)
    try:
        yield process, listener
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        listener.close()


def test_a_daemon_stopped_within_an_object_loses_and_repeats_nothing(home: Home, emulator: Emulator) -> None:
    fill(emulator, "acme-logs", trail("a", 12_000))
    write(home, wodle("<interval>1h</interval>", bucket()))
    with running(home, hold=101) as (process, listener):
        wait_until(lambda: len(listener.received) > 100)
        for child in psutil.Process(process.pid).children():
            # A terminal that goes away says so to all of them: to the daemon alone that means something.
            child.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    first = event_ids(decoded(listener.received))
    [summary] = unstamped(output)
    assert (process.returncode, summary[-15:]) == (0, ", exit code 143")
    assert 100 < len(first) < 12_000
    with running(home) as (process, listener):
        wait_until(lambda: len(listener.received) == 12_000 - len(first), 60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        then = event_ids(decoded(listener.received))
    assert [*first, *then] == [f"a-{event}" for event in range(12_000)]


def test_a_daemon_runs_on_its_schedule_and_takes_up_a_changed_file(home: Home, emulator: Emulator) -> None:
    fill(emulator, "first-bucket", trail("a"))
    fill(emulator, "other-bucket", trail("b"))
    write(home, wodle("<interval>1h</interval>", bucket(name="first-bucket")))
    with running(home) as (process, listener):
        wait_until(lambda: len(listener.received) == 1, 60)
        write(home, wodle("<interval>1s</interval>", bucket(name="other-bucket")))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(listener.received) == 2, 60)
        write(home, "<wodle name='aws-s3'>\n<broken>")
        process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        put_all(emulator, "other-bucket", trail("c"))
        wait_until(lambda: len(listener.received) == 3, 60)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
        assert event_ids(decoded(listener.received)) == ["a-0", "b-0", "c-0"]
    assert process.returncode == 0
    errors = [line for line in unstamped(output) if line.startswith("ERROR")]
    assert len(errors) == 1
    assert "line 2: this is not XML" in errors[0]
    assert errors[0].endswith("Keeping the previous configuration.")


def test_a_daemon_that_waits_has_one_thread_and_nothing_of_aws(home: Home, emulator: Emulator) -> None:
    """It lives for years: all that collecting needs has ended with the process that collected."""
    fill(emulator, "acme-logs", trail("a"))
    write(home, wodle("<interval>1h</interval>", bucket()))
    with running(home) as (process, listener):
        daemon = psutil.Process(process.pid)
        wait_until(lambda: listener.received and not daemon.children(), 60)
        assert daemon.num_threads() == 1
        assert not [line for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines() if "ssl" in line]
        assert daemon.num_fds() == 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
