"""`--inspect`: what a bucket holds, and that each command line it prints collects exactly that."""

import gzip
import json
import shlex
from typing import Any

import pytest

from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET
from tests.subscribers.test_bucket_type import KEYS
from tests.wazuh.test_install import BODIES

STRANGER = "notes/todo.txt"
HIVE = (
    "hive/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2021/month=06/day=10/"
    "hour=01/123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20210610T0115Z_a1b2c3d4.log.gz"
)
FIREHOSE = "firehose/app/year=2021/month=06/day=10/hour=01/app-1-2021-06-10-01-15-00-a1b2"
VENDED = "vended/AWSLogs/123456789012/globalaccelerator/us-east-1/2021/06/10/a.log.gz"
OBJECTS = {
    f"{name}/{key}": gzip.compress(BODIES.get(name, "1 2 3").encode(), mtime=0) for name, key in KEYS.items()
} | {HIVE: gzip.compress(b"1 2 3", mtime=0), FIREHOSE: b'{"a": 1}', VENDED: gzip.compress(b"a text")}
ARCHIVED = f"cold/{KEYS['cloudtrail']}"


def report(home: Home, *options: str) -> dict[str, Any]:
    ended = home.run("-b", BUCKET, "--inspect", "--json", *options)
    assert ended.code == 0, ended.output
    found: dict[str, Any] = json.loads(ended.output)
    return found


def test_each_command_line_collects_exactly_its_objects(home: Home, emulator: Emulator) -> None:
    # More keys than a page of a listing holds.
    many = {f"custom/2021/06/11/01/events-{number:04}": b"{}" for number in range(1000)}
    objects = {**OBJECTS, **many}
    put_all(emulator, BUCKET, {**objects, STRANGER: b"x"})
    emulator.client("s3").put_object(Bucket=BUCKET, Key=ARCHIVED, Body=b"x", StorageClass="GLACIER")
    found = report(home)
    assert sorted(source["type"] for source in found["sources"]) == sorted(
        [*KEYS, "vpcflow", "custom", "custom", "cloudtrail"]
    )
    assert found["not_recognised"] == [STRANGER]
    assert found["list_requests"] <= 40
    collected: set[str] = set()
    for source in found["sources"]:
        program, *words = shlex.split(source["command"])
        ended = home.run(*words)
        assert (program, ended.code) == ("aws-s3", 0), ended.output
        files = {message["aws"]["log_info"]["log_file"] for message in ended.messages}
        of_folder = {key for key in objects if key.startswith(source["example"].partition("/")[0] + "/")}
        assert files == of_folder
        collected |= files
    assert collected == set(objects)


def test_each_block_of_ossec_conf_collects_exactly_its_objects(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, OBJECTS)
    blocks = "".join(source["ossec_conf"] for source in report(home)["sources"])
    file = home.path / "ossec.conf"
    file.write_text(f'<ossec_config><wodle name="aws-s3">{blocks}</wodle></ossec_config>')
    ended = home.run("--config", str(file))
    assert ended.code == 0, ended.output
    assert {message["aws"]["log_info"]["log_file"] for message in ended.messages} == set(OBJECTS)


def test_report_is_read_by_people(home: Home, emulator: Emulator) -> None:
    key = KEYS["cloudtrail"]
    emulator.client("s3").put_object(Bucket=BUCKET, Key=f"p/{key}", Body=b"x", StorageClass="GLACIER")
    put_all(emulator, BUCKET, {STRANGER: b"x"})
    lines = home.run("-b", BUCKET, "--inspect").output.splitlines()
    assert lines[0] == "cloudtrail under p/, 2021-06-10 to 2021-06-10, for example"
    assert lines[1].strip().startswith("p/AWSLogs/123456789012/CloudTrail/us-east-1/2021/")
    assert lines[2:6] == [
        "  accounts: 123456789012",
        "  regions: us-east-1",
        "  storage classes: GLACIER",
        f"  aws-s3 -b {BUCKET} -t cloudtrail -l p/ --only_logs_after 2021-JUN-10",
    ]
    assert [line.strip() for line in lines[6:11]] == [
        '<bucket type="cloudtrail">',
        f"<name>{BUCKET}</name>",
        "<path>p/</path>",
        "<only_logs_after>2021-JUN-10</only_logs_after>",
        "</bucket>",
    ]
    assert not any("Wazuh's daemon" in line for line in lines)
    assert f"Not recognised: {STRANGER}" in lines
    assert lines[-1] == "1 LIST request"


def test_blocks_that_wazuhs_own_daemon_refuses_are_named(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, OBJECTS)
    told = [line.strip() for line in home.run("-b", BUCKET, "--inspect").output.splitlines() if "daemon" in line]
    assert len(told) == 9
    start, end = "Wazuh's daemon refuses this block, because it does not know ", ": keep it for aws-s3 --config FILE"
    assert told.count(f"{start}<layout>{end}") == 2
    assert f"{start}the type cloudfront{end}" in told
    refused = [source["type"] for source in report(home)["sources"] if not source["wazuh_daemon_takes_it"]]
    assert len(refused) == 9 and refused.count("custom") == 2


def test_only_the_path_is_inspected(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, OBJECTS)
    assert [source["type"] for source in report(home, "-l", "nlb")["sources"]] == ["nlb"]


def test_empty_bucket_and_wrong_path_are_told(home: Home, emulator: Emulator) -> None:
    assert home.run("-b", BUCKET, "--inspect").code == 14
    put_all(emulator, BUCKET, OBJECTS)
    ended = home.run("-b", BUCKET, "--inspect", "-l", "nowhere")
    assert ended.code == 14
    assert f"ERROR: No files were found in '{BUCKET}/nowhere/'" in ended.output


def test_nothing_is_recorded_and_nobody_needs_to_listen(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, OBJECTS)
    before = list(home.state.parent.iterdir())
    process = home.start("-b", BUCKET, "--inspect")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert list(home.state.parent.iterdir()) == before


@pytest.mark.parametrize("words", ["-sr inspector --inspect", "-b acme-logs --json"])
def test_options_that_do_not_go_with_it_are_refused(home: Home, words: str) -> None:
    assert home.run(*words.split()).code == 2
