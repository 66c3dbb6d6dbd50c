"""The metrics file: right, whole, and there after every run."""

import gzip
import json
import os
import pickle
import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aws_s3.cli.metrics import Labels, Report, RunMetrics, labels_of, write_textfile
from aws_s3.pipeline.stats import RunStats
from aws_s3.settings import BucketJob, BucketLocation, ServiceJob, SubscriberJob
from tests import ROOT
from tests.harness.command import Ended, Home, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import FullListener
from tests.harness.trails import BUCKET, trail, trails
from tests.services.front import put_events

OPERATIONS = (ROOT / "aws_s3/docs/operations.md").read_text(encoding="utf-8")
SINCE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")
DAY = 1623283200.0
"""2021-06-10, the day of the objects."""


def metrics_of(path: Path) -> dict[Labels, dict[str, float]]:
    """Return the file's values by source, without the prefix that all names have; no sample is there twice."""
    found: dict[Labels, dict[str, float]] = {}
    for family in text_string_to_metric_families(path.read_bytes().decode()):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            values = found.setdefault(Labels(**sample.labels), {})
            assert sample.name not in values
            values[sample.name.removeprefix("aws_s3_").removeprefix("run_")] = sample.value
    return found


def measured(
    home: Home, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[Ended, dict[str, float]]:
    path = home.path / "aws.prom"
    ended = home.run(*arguments, "--metrics-file", str(path), environment=environment)
    ((_, values),) = metrics_of(path).items()
    assert values["exit_code"] == ended.code
    assert abs(values["last_run_timestamp_seconds"] - time.time()) < 60
    return ended, values


def counts(values: Mapping[str, float], *names: str) -> list[float]:
    return [values[name] for name in names]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_tells_what_it_did(home: Home, emulator: Emulator, workers: str) -> None:
    large = gzip.compress(json.dumps({"Records": [{"eventID": "large", "text": "x" * 70_000}]}).encode())
    put_all(emulator, BUCKET, {**trails(250, records=3), next(iter(trail("zz"))): large})
    rule = ("--discard-field", "eventID", "--discard-regex", ".*-1$")
    ended, values = measured(home, *SINCE, *rule, "--workers", workers)
    assert (ended.code, len(ended.messages)) == (0, 501)
    assert counts(values, "objects", "events", "discarded_events", "truncated_events") == [251, 501, 250, 1]
    assert counts(values, "malformed_objects", "failed_objects", "known_objects") == [0, 0, 0]
    assert values["bytes"] == sum(map(len, trails(250, records=3).values())) + len(large)
    assert values["newest_object_timestamp_seconds"] == DAY
    assert values["lag_seconds"] == pytest.approx(time.time() - DAY, abs=60)
    seconds = counts(values, "listing_seconds", "downloading_seconds", "sending_seconds")
    assert min(seconds) > 0
    assert sum(seconds) <= values["duration_seconds"]
    _, again = measured(home, *SINCE, *rule)
    assert counts(again, "objects", "events", "known_objects") == [0, 0, 251]
    assert again["newest_object_timestamp_seconds"] == DAY


def test_a_failed_run_keeps_the_time_of_the_last_success(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(2))
    _, before = measured(home, *SINCE)
    put_all(emulator, BUCKET, {next(iter(trail("broken"))): b"no gzip"})
    archived = next(iter(trail("frozen", region="eu-west-1")))
    emulator.client("s3").put_object(Bucket=BUCKET, Key=archived, Body=b"", StorageClass="GLACIER")
    ended, values = measured(home, *SINCE, "--discover")
    assert (ended.code, ended.messages) == (8, [])
    assert counts(values, "objects", "malformed_objects", "failed_objects", "archived_objects") == [0, 1, 0, 1]
    kept = ("last_success_timestamp_seconds", "newest_object_timestamp_seconds")
    assert counts(values, *kept) == counts(before, *kept)
    assert values["last_run_timestamp_seconds"] > before["last_run_timestamp_seconds"]
    skipped, values = measured(home, *SINCE, "--skip_on_error")
    assert (skipped.code, len(skipped.messages)) == (0, 1)
    assert counts(values, "events", "malformed_objects", "failed_objects") == [1, 1, 0]
    assert values["last_success_timestamp_seconds"] > before["last_success_timestamp_seconds"]


def test_objects_that_wait_are_told_also_by_a_run_that_does_not_try_them(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    home.run(*SINCE)
    with closing(sqlite3.connect(home.state)) as state, state:
        state.execute(
            "INSERT INTO collection_failed SELECT id, 'AWSLogs/x', 1, '', 0, 'x', 3, 1, '2999-01-01T00:00:00', NULL "
            "FROM collection_source"
        )
    ended, text = home.run(*SINCE, "--metrics-file", str(home.path / "waiting.prom")), home.path / "waiting.prom"
    assert ended.code == 0
    assert re.search(r"^aws_s3_waiting_objects\{[^}]*\} 1\.0$", text.read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("-b", "no-such-bucket"), 7),
        (("-b", BUCKET, "-t", "nonsense"), 12),
        (("-sr", "inspector", "-r", "xx-no-1"), 22),
    ],
)
def test_a_run_that_fails_at_once_tells_so(home: Home, arguments: tuple[str, ...], code: int) -> None:
    ended, values = measured(home, *arguments)
    assert (ended.code, values["last_success_timestamp_seconds"], values["objects"]) == (code, 0, 0)
    assert "newest_object_timestamp_seconds" not in values


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_a_run_that_a_signal_ends_tells_what_it_did(
    home: Home, emulator: Emulator, number: signal.Signals, code: int
) -> None:
    put_all(emulator, BUCKET, trails(2, records=1000))
    path = home.path / "aws.prom"
    listener = FullListener(home.socket)
    process = home.start(*SINCE, "--metrics-file", str(path))
    wait_until(listener.has_some)
    process.send_signal(number)
    process.communicate(timeout=120)
    received = listener.close()
    ((_, values),) = metrics_of(path).items()
    assert (process.returncode, values["exit_code"]) == (code, code)
    assert 0 < values["events"] == len(received) < 2000


def test_log_streams_are_counted(home: Home) -> None:
    now = int(time.time() * 1000)
    put_events("/aws/app", "a", [(now, '{"n": 1}'), (now, '{"n": 2}'), (now, "drop")])
    put_events("/aws/app", "b", [(now, json.dumps({"text": "x" * 70_000}))])
    ended, values = measured(
        home, "-sr", "cloudwatchlogs", "-g", "/aws/app,/missing", "-r", "us-east-1", "--discard-regex", "drop"
    )
    assert ended.code == 16
    assert counts(values, "objects", "events", "discarded_events", "truncated_events") == [2, 3, 1, 1]
    assert values["failed_objects"] == 1
    assert values["newest_object_timestamp_seconds"] == pytest.approx(now / 1000)
    _, again = measured(home, "-sr", "cloudwatchlogs", "-g", "/aws/app", "-r", "us-east-1")
    assert counts(again, "objects", "events") == [2, 0]


def test_findings_are_counted(home: Home, emulator: Emulator) -> None:
    today = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    finding = {"findingArn": "arn:1", "updatedAt": today}
    content = {"results": [[finding]], "account_id": "123456789012", "region": "us-east-1"}
    for sent, known in ((1, 0), (0, 1)):
        emulator.post("/moto-api/static/inspector2/findings-results", content)
        ended, values = measured(home, "-sr", "inspector", "-r", "us-east-1")
        assert (ended.code, *counts(values, "objects", "events", "known_objects")) == (0, 1, sent, known)
        assert values["lag_seconds"] < 60


def test_objects_of_a_queue_are_counted(home: Home, emulator: Emulator) -> None:
    url = emulator.client("sqs").create_queue(QueueName="q1", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    put_all(emulator, BUCKET, {"a.json": b'{"id": 1} {"id": 2}', "b.json.gz": b"broken"})
    for key in ("a.json", "b.json.gz", "gone.json"):
        record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}
        # Two records about the same writing.
        emulator.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record, record]}))
    ended, values = measured(home, "-sb", "buckets", "-q", "q1")
    assert len(ended.messages) == 2
    assert counts(values, "objects", "events", "malformed_objects", "failed_objects") == [1, 2, 1, 1]
    assert values["newest_object_timestamp_seconds"] == pytest.approx(time.time(), abs=120)


def test_a_queue_that_gives_nothing_any_more_is_late(home: Home, emulator: Emulator) -> None:
    url = emulator.client("sqs").create_queue(QueueName="q1")["QueueUrl"]
    put_all(emulator, BUCKET, {"a.json": b'{"id": 1}'})
    record = {"s3": {"bucket": {"name": BUCKET}, "object": {"key": "a.json"}}}
    emulator.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))
    _, first = measured(home, "-sb", "buckets", "-q", "q1")
    _, second = measured(home, "-sb", "buckets", "-q", "q1")
    assert counts(second, "objects") == [0]
    assert second["newest_object_timestamp_seconds"] == first["newest_object_timestamp_seconds"]
    assert second["lag_seconds"] > first["lag_seconds"]


def test_without_the_extra_the_run_collects_with_a_warning(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(1))
    (home.path / "prometheus_client.py").write_text("raise ImportError('no such module')")
    hidden = {"PYTHONPATH": str(home.path)}
    ended = home.run(*SINCE, "--metrics-file", str(home.path / "aws.prom"), environment=hidden)
    assert (ended.code, ended.events) == (0, ["00000Z-0"])
    assert ended.output == (
        "WARNING: No metrics are written: --metrics-file needs prometheus-client, which cannot be imported "
        f"(no such module). Install it: {sys.executable} -m pip install prometheus-client\n"
    )


@pytest.mark.parametrize("place", ["missing/aws.prom", "wodles", "queue/sockets/queue", "wodles/aws.prom/x", "n" * 300])
def test_a_file_that_cannot_be_written_changes_nothing_else(home: Home, emulator: Emulator, place: str) -> None:
    put_all(emulator, BUCKET, trails(1))
    (home.path / "wodles/aws.prom").touch()
    ended = home.run(*SINCE, "--metrics-file", str(home.path / place))
    assert (ended.code, ended.events) == (0, ["00000Z-0"])
    assert len(ended.output.splitlines()) == 1
    assert ended.output.startswith("WARNING: The metrics cannot be written to ")
    assert not list(home.path.rglob(".aws-s3.*"))


def test_a_device_is_not_replaced(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write_textfile(tmp_path / "pipe", [RunMetrics.from_run(BucketJob(BucketLocation("waf", BUCKET)), RunStats(), 0, 0)])
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert "it is not a regular file" in caplog.text


def test_node_exporter_may_read_it_whatever_the_umask_and_finds_no_other_file(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_textfile(
            tmp_path / "aws.prom", [RunMetrics.from_run(BucketJob(BucketLocation("waf", BUCKET)), RunStats(), 0, 0)]
        )
    finally:
        os.umask(before)
    assert (tmp_path / "aws.prom").stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [tmp_path / "aws.prom"]


WRITER = """
import sys
from pathlib import Path
from aws_s3.cli.metrics import RunMetrics, write_textfile
from aws_s3.settings import BucketJob, BucketLocation
from aws_s3.pipeline.stats import RunStats
jobs = [BucketJob(BucketLocation("waf", f"bucket-{n}")) for n in range(30)]
runs = [RunMetrics.from_run(job, RunStats(events=7), 0, 0) for job in jobs]
while True:
    write_textfile(Path(sys.argv[1]), runs)
    print(flush=True)
"""


def test_a_kill_at_any_instant_leaves_a_whole_file(tmp_path: Path) -> None:
    dice = random.Random(5)
    path = tmp_path / "aws.prom"
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(dice.random() * 0.02)
        process.kill()
        process.communicate()
        assert len(metrics_of(path)) == 30
    assert list(tmp_path.glob("*.prom")) == [path]


def run_of(name: str, code: int = 0, newest: float | None = None, events: int = 1) -> RunMetrics:
    job = BucketJob(BucketLocation("waf", name))
    return RunMetrics.from_run(job, RunStats(events=events, newest=newest), code, time.time())


def test_one_file_holds_many_runs_and_those_on_the_same_source_as_one(tmp_path: Path) -> None:
    path = tmp_path / "aws.prom"
    write_textfile(path, [run_of("a", newest=5.0), run_of("b"), run_of("a", 7, 9.0, 2), run_of("a")])
    found = {labels.name: values for labels, values in metrics_of(path).items()}
    assert [(name, values["events"], values["exit_code"]) for name, values in found.items()] == [
        ("a", 4, 7),
        ("b", 1, 0),
    ]
    assert found["a"]["newest_object_timestamp_seconds"] == 9.0


def test_the_figures_of_a_run_go_from_one_process_to_another() -> None:
    run = run_of("a", newest=5.0)
    assert pickle.loads(pickle.dumps(run)) == run


def test_each_source_keeps_its_own_success(tmp_path: Path) -> None:
    path = tmp_path / "aws.prom"
    write_textfile(path, [run_of("a"), run_of("b", 7)])
    first = {labels.name: values["last_success_timestamp_seconds"] for labels, values in metrics_of(path).items()}
    assert first["a"] > first["b"] == 0
    write_textfile(path, [run_of("a", 3), run_of("b")])
    second = {labels.name: values["last_success_timestamp_seconds"] for labels, values in metrics_of(path).items()}
    assert second["a"] == first["a"] < second["b"]


def test_an_object_of_the_future_is_no_lead(tmp_path: Path) -> None:
    write_textfile(tmp_path / "aws.prom", [run_of("a", newest=time.time() + 1e9)])
    ((_, values),) = metrics_of(tmp_path / "aws.prom").items()
    assert values["lag_seconds"] == 0


def test_a_run_that_goes_on_tells_how_it_stands(tmp_path: Path) -> None:
    stats = RunStats(objects=3)
    job = SubscriberJob("buckets", "q1", follow=True)
    Report(tmp_path / "seldom.prom", job, stats).write_now_and_then()
    assert list(tmp_path.iterdir()) == []
    report = Report(tmp_path / "aws.prom", job, stats, every=0)
    for objects in (3, 4):
        stats.objects = objects
        report.write_now_and_then()
        ((_, values),) = metrics_of(tmp_path / "aws.prom").items()
        assert counts(values, "objects", "exit_code") == [objects, 0]
        assert values["last_success_timestamp_seconds"] > 0


@given(name=st.text(st.characters(codec="utf-8")), path=st.text(st.characters(codec="utf-8")))
def test_labels_are_found_again_whatever_they_hold(
    name: str, path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("any") / "aws.prom"
    labels = Labels("bucket", "waf", name, path)
    write_textfile(file, [RunMetrics(labels, {}, 0, 10.0)])
    write_textfile(file, [RunMetrics(labels, {}, 1, 20.0)])
    values = metrics_of(file)[labels]
    assert (values["last_success_timestamp_seconds"], values["last_run_timestamp_seconds"]) == (10.0, 20.0)


@given(
    content=st.binary()
    | st.text().map(str.encode)
    | st.sampled_from([b'a{b="c"} 1', b"aws_s3_x{} NaN", b'x{y="', b"\xff"])
)
def test_whatever_lies_there_is_replaced(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("any") / "aws.prom"
    file.write_bytes(content)
    write_textfile(file, [run_of("a", 1)])
    assert len(metrics_of(file)) == 1


@pytest.mark.parametrize(
    ("job", "labels"),
    [
        (BucketJob(BucketLocation("waf", "b1", "p/")), ("bucket", "waf", "b1", "p/")),
        (
            BucketJob(BucketLocation("cloudtrail", "b1", "p/", "s/", "o-1")),
            ("bucket", "cloudtrail", "b1", "p/AWSLogs/s/o-1/"),
        ),
        (ServiceJob("cloudwatchlogs", log_groups=("g1", "g2")), ("service", "cloudwatchlogs", "g1,g2", "")),
        (ServiceJob("inspector"), ("service", "inspector", "inspector", "")),
        (SubscriberJob("buckets", "q1", type="waf"), ("subscriber", "waf", "q1", "")),
    ],
)
def test_labels_name_the_source(job: BucketJob | ServiceJob | SubscriberJob, labels: tuple[str, ...]) -> None:
    assert labels_of(job) == labels


def test_the_alerts_of_the_readme_are_about_metrics_that_are_written(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", OPERATIONS, re.MULTILINE | re.DOTALL)
    write_textfile(tmp_path / "aws.prom", [run_of("a", newest=5.0)])
    written = {family.name for family in text_string_to_metric_families((tmp_path / "aws.prom").read_text())}
    named = set(re.findall(r"\baws_s3_\w+", block))
    assert len(named) >= 4
    assert named <= written
    assert set(re.findall(r"\$labels\.(\w+)", block)) <= set(Labels._fields)
    shortened = re.findall(r"`(aws_s3_\w+|…_\w+)`", OPERATIONS)
    assert all(any(name.endswith(each.lstrip("…")) for name in written) for each in shortened)


def test_the_state_s_figures_survive_a_lost_file_and_a_run_without_anything_new(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(2) | {key.replace("T00000Z", "Tzz"): b"no gzip" for key in trails(1)})
    path = home.path / "aws.prom"
    home.run(*SINCE, "--skip_on_error", "--metrics-file", str(path))
    path.unlink()
    home.run(*SINCE, "--skip_on_error", "--metrics-file", str(path))
    [values] = metrics_of(path).values()
    assert values["newest_object_timestamp_seconds"] == DAY
    assert (values["waiting_objects"], values["waiting_malformed_objects"], values["source_found"]) == (0, 1, 1)
    assert values["last_complete_run_timestamp_seconds"] > time.time() - 600


def test_a_source_that_never_found_anything_says_so(home: Home) -> None:
    path = home.path / "aws.prom"
    home.run(*SINCE, "--metrics-file", str(path))
    [values] = metrics_of(path).values()
    assert (values["source_found"], values["last_complete_run_timestamp_seconds"]) == (0, 0)
    assert "newest_object_timestamp_seconds" not in values
