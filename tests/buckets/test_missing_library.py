"""Objects that only a missing library keeps from being read: told once, first, and nothing else is lost."""

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.harness.command import Ended, Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET

FLOW_LOGS = ("-b", BUCKET, "-t", "vpcflow", "-s", "2021-JUN-01")
LINE = gzip.compress(b"2 1 eni-1 10.0.0.1 10.0.0.2 443 5 6 1 40 1623286800 1623286860 ACCEPT OK\n", mtime=0)
NAMED = "needs pyarrow"


@pytest.fixture
def without_pyarrow(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pyarrow'] = None\n")
    return {"PYTHONPATH": str(tmp_path)}


def rows() -> bytes:
    table = io.BytesIO()
    parquet.write_table(pa.table({"version": [5], "account_id": ["123456789012"]}), table)
    return table.getvalue()


def key(region: str, minute: int, ending: str) -> str:
    folder = f"AWSLogs/123456789012/vpcflowlogs/{region}/2021/06/10"
    return f"{folder}/123456789012_vpcflowlogs_{region}_fl-0123456789abcdef0_20210610T01{minute:02}Z_a.log.{ending}"


def files(ended: Ended) -> list[str]:
    return [message["aws"]["log_info"]["log_file"] for message in ended.messages]


def test_it_is_told_once_before_anything_is_sent_and_the_objects_wait(
    home: Home, emulator: Emulator, without_pyarrow: dict[str, str]
) -> None:
    texts = [key(region, minute, "gz") for region in ("eu-west-1", "us-east-1") for minute in (0, 9)]
    tables = [key("us-east-1", minute, "parquet") for minute in (1, 2, 3)]
    put_all(emulator, BUCKET, dict.fromkeys(texts, LINE) | dict.fromkeys(tables, rows()))
    ended = home.run(*FLOW_LOGS, "-d", "2", environment=without_pyarrow)
    # The other partition is collected, and this one up to its first object that cannot be read.
    assert (ended.code, files(ended)) == (10, texts[:3])
    [line] = ended.errors
    assert NAMED in line and "-m pip install pyarrow " in line
    assert ended.output.index(line) < ended.output.index("+++ Sent")
    skipping = home.run(*FLOW_LOGS, "-e", "-d", "1", environment=without_pyarrow)
    assert (skipping.code, files(skipping)) == (0, texts[3:])
    [line] = skipping.errors
    assert NAMED in line
    assert "WARNING: 3 objects could not be fetched: later runs" in skipping.output
    assert files(home.run(*FLOW_LOGS, "--retry-failed")) == tables
    assert files(home.run(*FLOW_LOGS)) == []


def test_a_queue_tells_it_once_and_keeps_the_messages(
    home: Home, emulator: Emulator, without_pyarrow: dict[str, str]
) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName="q1", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    tables = [key("us-east-1", minute, "parquet") for minute in (1, 2)]
    objects = {**dict.fromkeys(tables, rows()), key("us-east-1", 3, "gz"): LINE}
    put_all(emulator, BUCKET, objects)
    for name in objects:
        body = f'{{"Records": [{{"s3": {{"bucket": {{"name": "{BUCKET}"}}, "object": {{"key": "{name}"}}}}}}]}}'
        sqs.send_message(QueueUrl=url, MessageBody=body)
    queue = ("-sb", "buckets", "-q", "q1", "-t", "vpcflow")
    ended = home.run(*queue, "-d", "2", environment=without_pyarrow)
    assert (ended.code, files(ended)) == (10, [key("us-east-1", 3, "gz")])
    [line] = ended.errors
    assert NAMED in line
    assert ended.output.index(line) < ended.output.index("+++ Sent")
    assert sorted(files(home.run(*queue))) == tables
