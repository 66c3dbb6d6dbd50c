"""`--config` with the actions other than collecting, `--check` and `--forget`, as an operator runs them."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.buckets.test_run import BUCKET, trails
from tests.config.files import bucket, wodle
from tests.harness.command import Home, new_home, put_all
from tests.harness.emulator import Emulator
from tests.services.front import put_events

SINCE = "<only_logs_after>2021-JUN-01</only_logs_after>"
SERVICE = '<service type="cloudwatchlogs"><aws_log_groups>/aws/app</aws_log_groups></service>'
QUEUE = '<subscriber type="buckets"><sqs_name>q1</sqs_name></subscriber>'
LATE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    put_all(emulator, BUCKET, trails(3))
    with new_home(emulator) as made:
        yield made


def conf(home: Home, *blocks: str) -> tuple[str, str]:
    path = home.path / "ossec.conf"
    path.write_text(wodle(*blocks), encoding="utf-8")
    return ("--config", str(path))


def test_a_dry_run_of_a_file_previews_its_buckets(home: Home) -> None:
    ended = home.run(*conf(home, bucket(SINCE, name=BUCKET), QUEUE), "--dry-run")
    assert (ended.code, ended.messages) == (0, [])
    assert f"bucket {BUCKET} (line 3):\n" in ended.output
    assert "3 objects" in ended.output
    assert "subscriber" not in ended.output
    assert not home.state.exists()


def test_one_policy_is_printed_for_all_blocks(home: Home) -> None:
    file = conf(home, bucket(name=BUCKET), bucket(name="other-logs"), bucket(name=BUCKET), QUEUE)
    ended = home.run(*file, "--print-iam-policy")
    policy = json.loads(ended.output[: ended.output.rindex("}") + 1])
    assert [statement["Sid"] for statement in policy["Statement"]] == [
        *("ListBucket", "Objects", "ListBucket2", "Objects2", "Queue", "Objects3"),
    ]


def test_status_of_a_file_shows_its_sources_only(home: Home) -> None:
    home.run(*LATE)
    file = conf(home, bucket(name="other-logs"))
    assert [line.partition(":")[0] for line in home.run(*file, "--status").output.splitlines()] == [
        "cloudtrail in other-logs"
    ]
    told = json.loads(home.run(*conf(home, bucket(name=BUCKET)), "--status", "--json").output)
    assert [source["source"]["bucket"] for source in told["sources"]] == [BUCKET]


def test_failed_objects_of_a_file_are_retried(home: Home, emulator: Emulator) -> None:
    key = next(iter(trails(1)))
    emulator.put_object(BUCKET, key, b"no gzip")
    file = conf(home, bucket(SINCE, name=BUCKET), "<skip_on_error>yes</skip_on_error>", QUEUE)
    assert home.run(*LATE, "--skip_on_error").code == 0
    put_all(emulator, BUCKET, trails(4))
    ended = home.run(*file, "--retry-failed")
    assert (ended.code, ended.events) == (0, ["00000Z-0"])


def test_status_fails_for_monitoring(home: Home, emulator: Emulator) -> None:
    home.run(*LATE)
    assert home.run("--status").code == 0
    assert (
        home.run("--status", "--max-behind", "0")
        .output.splitlines()[-1]
        .startswith(f"PROBLEM: {BUCKET} (cloudtrail): the last complete run was ")
    )
    assert home.run("--status", "--max-behind", "0").code == 1
    emulator.put_object(BUCKET, next(iter(trails(1))).replace("00000Z", "00009Z"), b"no gzip")
    home.run(*LATE, "--skip_on_error")
    ended = home.run("--status", "--json")
    assert ended.code == 1
    assert f"{BUCKET} (cloudtrail): 1 objects could not be read" in json.loads(ended.output)["problems"]


def test_a_good_set_up_is_ok_in_every_step(home: Home) -> None:
    ended = home.run(*LATE, "--check")
    steps = [line.split(": ")[0].split(maxsplit=1) for line in ended.output.splitlines()]
    assert ended.code == 0
    assert steps == [
        ["ok", name]
        for name in ("options", "AWS configuration file", "credentials", "bucket", "object", "state", "receiver")
    ]
    assert ended.messages == []
    assert not home.state.exists()


@pytest.mark.parametrize(
    ("options", "step", "code"),
    [
        (("-b", "missing-logs"), "bucket", 7),
        (("-b", BUCKET, "-l", "nowhere"), "bucket", 14),
        (("-b", BUCKET, "-t", "vpcflow"), "", 0),
        (("-sb", "buckets", "-q", "missing"), "queue", 20),
        (("-sr", "cloudwatchlogs", "-g", "missing", "-r", "us-east-1"), "service", 16),
        (("-b", BUCKET, "-p", "missing"), "AWS configuration file", 23),
        (("-b", BUCKET, "--output", "unix:/nowhere/queue"), "receiver", 11),
        (("-b", BUCKET, "--state-dir", "/dev/null/state"), "state", 6),
        (("-b", BUCKET, "--output", "file:/proc/nowhere/x"), "receiver", 11),
    ],
)
def test_a_broken_set_up_names_the_step_and_the_cure(
    home: Home, options: tuple[str, ...], step: str, code: int
) -> None:
    ended = home.run(*options, "--check")
    failed = [line for line in ended.output.splitlines() if line.startswith("FAILED")]
    assert ended.code == code, ended.output
    assert failed[0].startswith(f"FAILED  {step}: ") if step else not failed, ended.output


def test_each_block_of_a_file_is_checked(home: Home) -> None:
    put_events("/aws/app", "s", [(int(time.time() * 1000), '{"eventID": "x"}')])
    ended = home.run(*conf(home, bucket(name=BUCKET), bucket(name="missing-logs"), SERVICE), "--check")
    assert ended.code == 7
    assert ended.output.count("FAILED") == 1
    assert "service cloudwatchlogs (line 5):\n" in ended.output
    assert "ok      service: 1 log streams in us-east-1" in ended.output


def test_a_source_that_is_forgotten_starts_anew(home: Home) -> None:
    assert len(home.run(*LATE).messages) == 3
    assert home.run(*LATE).messages == []
    ended = home.run(*LATE, "--forget")
    assert ended.code == 0
    assert ended.output == f"Forgotten: {BUCKET} (cloudtrail), 3 objects. Its next run is its first.\n"
    assert "cloudtrail" not in home.run("--status").output
    assert len(home.run(*LATE).messages) == 3


def test_forgotten_log_groups_are_read_again(home: Home) -> None:
    put_events("/aws/app", "s", [(int(time.time() * 1000), '{"eventID": "x"}')])
    service = ("-sr", "cloudwatchlogs", "-g", "/aws/app", "-r", "us-east-1")
    assert len(home.run(*service, "--only_logs_after", "today").messages) == 1
    said = "Forgotten: /aws/app (cloudwatchlogs), 1 log streams. Its next run is its first.\n"
    assert home.run(*service, "--forget").output == said
    assert "/aws/app" not in home.run("--status").output
