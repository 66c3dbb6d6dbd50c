"""`--status`: what was collected, told from the state alone, without touching it."""

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from aws_s3.wazuh.ledger import NAME, Entries
from tests.harness.command import COMMAND, Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, SINCE, trail

BROKEN = {"AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/b.json.gz": b"no gzip"}


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_status_tells_of_partitions_and_of_what_failed(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a") | trail("c", region="eu-west-1") | BROKEN)
    home.run(*SINCE, "--skip_on_error")
    before = files(home.state.parent)
    ended = home.run("--status")
    told = json.loads(home.run("--status", "--json").output)
    assert files(home.state.parent) == before
    assert ended.code == 1
    today = datetime.now(timezone.utc).date()
    behind = (today - datetime(2021, 6, 10).date()).days
    head, titles, europe, america, failed, _, key, problem = ended.output.splitlines()
    assert problem == f"PROBLEM: {BUCKET} (cloudtrail): 1 object could not be read"
    assert head.startswith(f"cloudtrail in {BUCKET}: last complete run {today:%Y-%m-%d}T")
    assert titles.split("  ")[2] == "partition"
    assert europe.split() == [
        *("AWSLogs/123456789012/CloudTrail/eu-west-1/", "2021-06-01", "2021-06-10", f"{behind}", "d", "1"),
        "123456789012_Clou…210610Tc.json.gz",
    ]
    assert america.split()[:6] == [
        *("AWSLogs/123456789012/CloudTrail/us-east-1/", "2021-06-01", "2021-06-10", f"{behind}", "d", "2"),
    ]
    assert failed == "  objects that could not be read"
    assert "malformed: --retry-failed" in key
    assert key.endswith(("ends in .gz", "is not gzip data"))
    assert max(map(len, ended.output.splitlines())) <= 120
    [source] = told["sources"]
    named = {"type": "cloudtrail", "bucket": BUCKET, "path": "", "suffix": "", "organization": "", "layout": ""}
    assert source["source"] == named
    assert [partition["rows"] for partition in source["partitions"]] == [1, 2]
    [object_] = source["failed"]
    assert (object_["key"], object_["malformed"]) == (next(iter(BROKEN)), True)


def test_status_needs_neither_a_home_nor_aws_nor_a_reader(home: Home) -> None:
    ended = home.run("--status", "--state-dir", str(home.path / "nowhere"))
    assert (ended.code, ended.output) == (
        0,
        f"Nothing was collected yet: there is no state in {home.path / 'nowhere'}\n",
    )
    closed = subprocess.run(
        ["sh", "-c", f"exec {COMMAND} --status >&-"], env=home.environment, capture_output=True, text=True
    )
    assert (closed.returncode, closed.stderr) == (0, "")


def test_status_of_a_damaged_file_is_an_error(home: Home) -> None:
    home.state.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    ended = home.run("--status")
    assert ended.code == 5
    assert ended.output.startswith(f"ERROR: The state database {home.state} cannot be read: ")


def test_status_can_be_read_where_nothing_can_be_written(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    home.run(*SINCE)
    before = files(home.state.parent)
    home.state.chmod(0o400)
    home.state.parent.chmod(0o500)
    words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", str(COMMAND), "--status"]
    ended = subprocess.run(words, env=home.environment, capture_output=True, text=True)
    assert (ended.returncode, "2021-06-10" in ended.stdout) == (0, True)
    home.state.chmod(0)
    ended = subprocess.run(words, env=home.environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout[:7]) == (5, "ERROR: ")
    assert files(home.state.parent) == before


def test_status_while_a_run_is_going_on_shows_what_it_recorded(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    home.run(*SINCE)
    with closing(sqlite3.connect(home.state, isolation_level=None)) as run:
        run.execute("PRAGMA journal_mode = WAL")
        run.execute("BEGIN IMMEDIATE")
        run.execute("DELETE FROM cloudtrail")
        assert ".json.gz" in home.run("--status").output
        run.execute("COMMIT")
        assert ".json.gz" not in home.run("--status").output


def test_status_of_what_the_existing_module_collected(home: Home) -> None:
    with closing(sqlite3.connect(home.state)) as database, database:
        database.execute(
            "CREATE TABLE custom (bucket_path TEXT, aws_account_id TEXT, log_key TEXT, processed_date TEXT, "
            "created_date INTEGER, PRIMARY KEY (bucket_path, aws_account_id, log_key))"
        )
        row = ("other/p/", "1", "p/2021/06/10/a", "2021-06-10 01:00:00", 20210610)
        database.execute("INSERT INTO custom VALUES (?, ?, ?, ?, ?)", row)
    with closing(sqlite3.connect(home.state.with_name("aws_services.db"))) as database, database:
        database.execute(
            "CREATE TABLE cloudwatch_logs (aws_region TEXT, aws_log_group TEXT, aws_log_stream TEXT, "
            "next_token TEXT, start_time INTEGER, end_time INTEGER)"
        )
        database.execute("INSERT INTO cloudwatch_logs VALUES ('us-east-1', 'g', 's', 't', 1, 1623286800123)")
        database.execute(
            "CREATE TABLE aws_services (service_name TEXT, aws_account_id TEXT, aws_region TEXT, scan_date TEXT)"
        )
        database.execute("INSERT INTO aws_services VALUES ('inspector', '1', 'us-east-1', '2021-06-10 01:00:00.0')")
    output = home.run("--status").output
    assert "custom in other, path p/: last complete run unknown" in output
    assert re.search(r"- +- +- +- +1 +a$", output, re.MULTILINE)
    assert "2021-06-10T01:00:00.123+00:00" in output
    assert "2021-06-10 01:00:00.0" in output


def test_of_many_partitions_the_first_are_shown(home: Home, emulator: Emulator) -> None:
    for number in range(25):
        put_all(emulator, BUCKET, trail("a", account=f"{number:012}"))
    home.run(*SINCE)
    output = home.run("--status").output
    assert "    … and 5 more: --json shows all\n" in output
    assert len(output.splitlines()) == 23
    assert len(json.loads(home.run("--status", "--json").output)["sources"][0]["partitions"]) == 25


def test_key_cannot_forge_a_line(home: Home, emulator: Emulator) -> None:
    forged = "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/b\nERROR: forged\x1b[31m.gz"
    put_all(emulator, BUCKET, {forged: b"no gzip"})
    home.run(*SINCE, "--skip_on_error")
    output = home.run("--status").output
    assert "\x1b" not in output
    assert "\nERROR" not in output


def test_times_are_utc(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trail("a"))
    home.run(*SINCE, environment={"TZ": "America/New_York"})
    told = json.loads(home.run("--status", "--json", environment={"TZ": "Asia/Tokyo"}).output)
    last = datetime.fromisoformat(told["sources"][0]["last_complete_run"])
    assert abs(datetime.now(timezone.utc) - last) < timedelta(hours=1)


CONFIG = """<ossec_config><wodle name="aws-s3"><disabled>no</disabled><interval>10m</interval>
<run_on_start>yes</run_on_start><subscriber type="buckets"><sqs_name>{}</sqs_name></subscriber>
</wodle></ossec_config>"""


def test_status_tells_of_queues(home: Home, emulator: Emulator, tmp_path: Path) -> None:
    put_all(emulator, BUCKET, {"a.json": b'{"eventID": "a"}', "b.json.gz": b"no gzip"})
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="q1")["QueueUrl"]
    told = []
    for key, code in (("none.json", 7), ("a.json", 0), ("b.json.gz", 8)):
        body = {"Records": [{"s3": {"bucket": {"name": BUCKET}, "object": {"key": key}}}]}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))
        assert home.run("-sb", "buckets", "-q", "q1").code == code
        told.append(home.run("--status"))
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20 if code else 0).get("Messages", ()):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [ended.code for ended in told] == [1, 0, 1]
    first, second, third = (ended.output.splitlines() for ended in told)
    assert first[0] == "buckets in queue q1 in us-east-1: last complete run unknown, never had an object of its type"
    assert "none.json" in first[1] and first[2].startswith("PROBLEM: q1 in us-east-1 (buckets): Object s3://")
    assert second[0].startswith("buckets in queue q1 in us-east-1: last complete run 20") and "never" not in second[0]
    assert third[0] == second[0] and "b.json.gz" in third[1] and len(third) == 3
    for name, lines in (("q1", 3), ("https://sqs.us-east-1.amazonaws.com/123456789012/q1", 3), ("q2", 1)):
        config = tmp_path / "ossec.conf"
        config.write_text(CONFIG.format(name))
        assert len(home.run("--status", "--config", str(config)).output.splitlines()) == lines


def test_status_tells_that_a_queue_is_gone_but_not_of_a_name_that_never_was_one(home: Home, emulator: Emulator) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="q1")["QueueUrl"]
    assert home.run("-sb", "buckets", "-q", "q1").code == 0
    sqs.delete_queue(QueueUrl=url)
    for name in ("q1", "typo"):
        assert home.run("-sb", "buckets", "-q", name).code != 0
    told = home.run("--status")
    [problem] = [line for line in told.output.splitlines() if line.startswith("PROBLEM")]
    assert (told.code, "q1 in us-east-1" in problem, "typo" in told.output) == (1, True, False)


def test_time_that_runs_waited_for_wazuh_is_told(home: Home) -> None:
    content = Entries(waited=93.4, last_wait=31.0, ended=1_700_000_000).to_bytes("")
    (home.path / "wodles/aws" / NAME).write_bytes(content)
    line = home.run("--status").output.splitlines()[-1]
    assert line == "Runs waited 93 s for Wazuh so far, 31 s of it in the run that ended 2023-11-14T22:13:20Z"
    told = json.loads(home.run("--status", "--json").output)
    assert told["waiting_for_wazuh"] == {"seconds": 93.4, "seconds_of_last_run": 31.0}
