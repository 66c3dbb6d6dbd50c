"""`--config` with the actions other than collecting, `--check` and `--forget`, as an operator runs them."""

import json
import re
import socket
import time

import pytest

from tests.config.files import bucket, wodle
from tests.harness.command import Home, free_port, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, trails
from tests.services.front import put_events

SINCE = "<only_logs_after>2021-JUN-01</only_logs_after>"
SERVICE = '<service type="cloudwatchlogs"><aws_log_groups>/aws/app</aws_log_groups></service>'
QUEUE = '<subscriber type="buckets"><sqs_name>q1</sqs_name></subscriber>'
LATE = ("-b", BUCKET, "--only_logs_after", "2021-JUN-01")


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(3))
    return home


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
    assert f"{BUCKET} (cloudtrail): 1 object could not be read" in json.loads(ended.output)["problems"]


STEPS = ("options", "AWS configuration file", "credentials", "bucket", "object", "state", "receiver")


def steps(output: str) -> list[tuple[str, str]]:
    """Return the verdict and the name of each step that `--check` printed."""
    return re.findall(r"^(ok|FAILED|not tried) +([^:]+): ", output, re.MULTILINE)


def test_a_good_set_up_is_ok_in_every_step(home: Home) -> None:
    ended = home.run(*LATE, "--check")
    assert ended.code == 0
    assert steps(ended.output) == [("ok", name) for name in STEPS]
    assert len(ended.output.splitlines()) == len(STEPS)
    assert ended.messages == []
    assert not home.state.exists()


@pytest.mark.parametrize(
    ("options", "step", "cure", "code"),
    [
        (("-b", "missing-logs"), "bucket", "Check the bucket's name.", 7),
        (("-b", BUCKET, "-l", "nowhere"), "bucket", "which these options collect: without -l.", 14),
        (("-b", BUCKET, "-l", "AWSLogs"), "bucket", "(the path must end before AWSLogs/)", 18),
        (("-b", BUCKET, "-t", "vpcflow"), "object", "which these options collect: -t cloudtrail.", 14),
        (("-b", BUCKET, "-c", "999999999999"), "object", "which these options collect: -c 123456789012.", 14),
        (("-sb", "buckets", "-q", "missing"), "queue", "Check --queue, and that the region is the queue's.", 20),
        (
            ("-sr", "cloudwatchlogs", "-g", "/a,/b", "-r", "us-east-1"),
            "log group /a in us-east-1",
            "Check its name, the region and the account.",
            16,
        ),
        (("-b", BUCKET, "-p", "missing"), "AWS configuration file", "or check --aws_profile and AWS_PROFILE.", 23),
        (("-b", BUCKET, "--output", "unix:/nowhere/queue"), "receiver", "Check that Wazuh is running", 11),
        (("-b", BUCKET, "--state-dir", "/dev/null/state"), "state", "or another folder with --state-dir.", 6),
        (("-b", BUCKET, "--wazuh-home", "/nowhere"), "state", "Give its home with --wazuh-home, or another", 6),
        (("-b", BUCKET, "--state-dir", "/nowhere/a/b"), "state", "or another folder with --state-dir.", 6),
        (("-b", BUCKET, "--output", "file:/proc/nowhere/x"), "receiver", "Check --output.", 11),
        (("-b", BUCKET, "--metrics-file", "/nowhere/x.prom"), "metrics", "Check --metrics-file.", 1),
        (("-b", BUCKET, "-se", "http://127.0.0.1:1"), "bucket", "Check the endpoint (--service_endpoint", 15),
        (("-sr", "inspector", "-r", "eu-nowhere-1"), "regions", "Check --regions", 22),
    ],
)
def test_a_broken_set_up_names_the_step_and_the_cure(
    home: Home, options: tuple[str, ...], step: str, cure: str, code: int
) -> None:
    ended = home.run(*options, "--check")
    failed = [line for line in ended.output.splitlines() if line.startswith("FAILED")]
    assert ended.code == code, ended.output
    assert failed[0].startswith(f"FAILED     {step}: "), ended.output
    assert cure in failed[0]
    assert not home.state.exists()


def test_a_failure_of_several_steps_is_told_once(home: Home) -> None:
    ended = home.run("-b", BUCKET, "-p", "missing", "--check")
    assert ended.output.count("Profile missing") == 1
    assert steps(ended.output)[:5] == [
        ("ok", "options"),
        *(("FAILED", name) for name in ("AWS configuration file", "credentials", "bucket")),
        ("not tried", "object"),
    ]


def test_a_bucket_whose_first_logs_are_still_to_come_is_ok(home: Home, emulator: Emulator) -> None:
    emulator.client("s3").create_bucket(Bucket="new-logs")
    emulator.put_object("new-logs", "AWSLogs/123456789012/CloudTrail/us-east-1/", b"")
    ended = home.run("-b", "new-logs", "--check")
    assert ended.code == 0
    assert "ok         object: no object of the type lies there yet: none is read\n" in ended.output


def test_an_object_that_cannot_be_parsed_fails_the_check(home: Home, emulator: Emulator) -> None:
    for key in trails(3):
        emulator.put_object(BUCKET, key, b"no gzip")
    ended = home.run(*LATE, "--check")
    assert ended.code == 8
    assert [name for verdict, name in steps(ended.output) if verdict == "FAILED"] == ["object"]


def test_steps_that_change_something_are_not_tried(home: Home, emulator: Emulator) -> None:
    emulator.client("sqs").create_queue(QueueName="q1")
    emulator.client("sqs").send_message(QueueUrl=f"{emulator.url}/123456789012/q1", MessageBody="x")
    ended = home.run(*LATE, "--remove", "--check")
    assert ("not tried", "deletion of objects") in steps(ended.output)
    for _ in range(2):
        ended = home.run("-sb", "buckets", "-q", "q1", "--check")
        assert ended.code == 0
        assert "queue: q1 is there, with about 1 messages and a visibility time-out of 30 s\n" in ended.output
        assert ("not tried", "messages") in steps(ended.output)


def test_a_check_takes_the_options_of_the_run_that_it_tries(home: Home) -> None:
    metrics = ("--metrics-file", str(home.path / "x.prom"), "--metrics-listen", str(free_port()))
    file = conf(home, bucket(SINCE, name=BUCKET))
    for job in (("-sb", "buckets", "-q", "missing", "--follow"), (*file, "--daemon")):
        ended = home.run(*job, *metrics, "--check")
        assert steps(ended.output)[-2:] == [("ok", "metrics"), ("ok", "metrics over HTTP")] or steps(ended.output)[
            -3:
        ] == [("ok", "metrics"), ("ok", "metrics over HTTP"), ("not tried", "messages")]
    assert ended.code == 0
    assert not (home.path / "x.prom").exists()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = home.run(*file, "--daemon", "--metrics-listen", str(taken.getsockname()[1]), "--check")
    assert ended.code == 1
    assert "FAILED     metrics over HTTP: Cannot listen on 127.0.0.1:" in ended.output


def test_each_block_of_a_file_is_checked(home: Home) -> None:
    put_events("/aws/app", "s", [(int(time.time() * 1000), '{"eventID": "x"}')])
    ended = home.run(*conf(home, bucket(name=BUCKET), bucket(name="missing-logs"), SERVICE), "--check")
    assert ended.code == 7
    assert ended.output.count("FAILED") == 1
    assert "service cloudwatchlogs (line 5):\n" in ended.output
    said = "ok         log group /aws/app in us-east-1: its log streams can be listed and read, such as s\n"
    assert said in ended.output


def test_a_source_that_is_forgotten_starts_anew(home: Home) -> None:
    assert len(home.run(*LATE).messages) == 3
    assert home.run(*LATE).messages == []
    ended = home.run(*LATE, "--forget")
    assert ended.code == 0
    assert ended.output == f"Forgotten: {BUCKET} (cloudtrail), 3 objects. Its next run is its first.\n"
    assert "cloudtrail" not in home.run("--status").output
    assert len(home.run(*LATE).messages) == 3


def test_a_queue_that_is_gone_is_forgotten_without_a_request(home: Home, emulator: Emulator) -> None:
    queue = ("-sb", "buckets", "-q", "q1")
    url = emulator.client("sqs").create_queue(QueueName="q1")["QueueUrl"]
    assert home.run(*queue).code == 0
    assert home.run("--status").code == 0
    emulator.client("sqs").delete_queue(QueueUrl=url)
    assert home.run(*queue).code == 20
    assert "q1" in home.run("--status").output
    ended = home.run(*queue, "--forget")
    assert ended.output == "Forgotten: q1 (buckets), 0 objects sent in part. Its next run is its first.\n"
    assert home.run("--status").output.startswith("Nothing was collected yet")


def test_forgotten_log_groups_are_read_again(home: Home) -> None:
    put_events("/aws/app", "s", [(int(time.time() * 1000), '{"eventID": "x"}')])
    service = ("-sr", "cloudwatchlogs", "-g", "/aws/app", "-r", "us-east-1")
    assert len(home.run(*service, "--only_logs_after", "today").messages) == 1
    said = "Forgotten: /aws/app (cloudwatchlogs), 1 log streams. Its next run is its first.\n"
    assert home.run(*service, "--forget").output == said
    assert "/aws/app" not in home.run("--status").output


@pytest.mark.parametrize("folder", ["new", "new/deeper", "wodles/aws", "home/wodles/aws", "file/x"])
def test_a_check_and_a_run_agree_on_the_folder_of_the_state(home: Home, folder: str) -> None:
    (home.path / "file").touch()
    options = (*LATE, "--output", "stdout", "--state-dir", str(home.path / folder))
    checked, ran = home.run(*options, "--check"), home.run(*options)
    assert checked.code == ran.code
    assert ran.code == (0 if folder in ("new", "wodles/aws") else 6)
