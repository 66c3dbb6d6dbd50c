"""Tests of VPC flow logs, with names and records as Amazon VPC's user guide shows them."""

import io

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from aws_s3.codec.records import Event
from aws_s3.codec.reshape import reshape
from aws_s3.errors import ParseError
from aws_s3.log_types.layout import HIVE, SLASHED, Account, Partition, Region
from aws_s3.log_types.vpcflow import VpcFlow

FOLDER = "AWSLogs/123456789012/vpcflowlogs/us-east-1/"
KEY = f"{FOLDER}2021/06/10/123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20210610T0115Z_abc0.log.gz"
LINE = "2 123456789012 eni-0 10.0.0.0 10.0.1.0 443 55000 6 10 840 1623286800 1623286860 REJECT OK"
NODATA = "2 123456789012 eni-9 - - - - - - - 1623286800 1623286860 - NODATA"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
FOREIGN = (
    "version vpc-id pkt-srcaddr tcp-flags start end flow-direction\n"
    "5 vpc-0a1b2c3d4e5f67890 203.0.113.5 19 1623286800 1623286860 ingress\n"
    "5 vpc-0a1b2c3d4e5f67890 - - 1623286800 1623286860 -\n"
)


def parse(body: bytes, key: str = KEY) -> list[Event]:
    return [shaped for event in VpcFlow().parse(io.BytesIO(body), key) for shaped in VpcFlow().reshape(event)]


def test_objects_lie_in_folders_of_accounts_and_regions() -> None:
    layout, hive = VpcFlow.layouts

    assert layout.in_awslogs
    assert layout.levels == (Account(), "vpcflowlogs", Region())
    assert layout.dates is SLASHED
    assert (hive.in_awslogs, hive.stem, hive.dates) == (True, "year=", HIVE)
    assert hive.levels == (Account("aws-account-id="), "aws-service=vpcflowlogs", Region(name="aws-region="))


def test_row_of_the_state_has_the_flow_log_after_the_region() -> None:
    assert VpcFlow.key_columns == ("bucket_path", "aws_account_id", "aws_region", "flow_log_id", "log_key")


@pytest.mark.parametrize(
    ("key", "flow_log"),
    [
        (KEY, "fl-0123456789abcdef0"),
        (KEY.replace("fl-0123456789abcdef0", "fl-1234abcd"), "fl-1234abcd"),
        (KEY.replace("us-east-1", "us-gov-west-1"), "fl-0123456789abcdef0"),
        (f"a_fl-0_b/{FOLDER}2021/06/10/object.log.gz", ""),
        (f"{FOLDER}2021/06/10/", ""),
        ("", ""),
    ],
)
def test_flow_log_is_that_of_the_objects_name(key: str, flow_log: str) -> None:
    assert VpcFlow().extra_columns(key) == {"flow_log_id": flow_log}


def test_folder_marker_is_passed_over() -> None:
    partition = Partition(FOLDER, SLASHED, "123456789012", "us-east-1")

    assert VpcFlow().accepts(KEY, partition)
    assert not VpcFlow().accepts(f"{FOLDER}2021/06/10/", partition)


def test_line_becomes_an_event_with_utc_times() -> None:
    assert parse(f"{LINE}\n".encode()) == [
        {
            "version": "2",
            "account_id": "123456789012",
            "interface_id": "eni-0",
            "srcaddr": "10.0.0.0",
            "dstaddr": "10.0.1.0",
            "srcport": "443",
            "dstport": "55000",
            "protocol": "6",
            "packets": "10",
            "bytes": "840",
            "start": "2021-06-10T01:00:00Z",
            "end": "2021-06-10T01:01:00Z",
            "action": "REJECT",
            "log_status": "OK",
            "source": "vpc",
        }
    ]


@pytest.mark.parametrize("start", [b"", HEADER.encode() + b"\n", HEADER.encode() + b"\r\n\r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_header_and_line_ends_change_no_event(start: bytes, end: bytes) -> None:
    first, second = parse(start + end.join((LINE.encode(), NODATA.encode(), b"")))

    assert (first["version"], first["log_status"]) == ("2", "OK")
    assert (second["version"], second["srcaddr"], second["log_status"]) == ("2", "-", "NODATA")


def test_foreign_account_with_fields_of_its_own() -> None:
    traffic, nodata = parse(FOREIGN.encode(), KEY.replace("123456789012", "999999999999"))

    assert traffic == {
        "version": "5",
        "vpc_id": "vpc-0a1b2c3d4e5f67890",
        "pkt_srcaddr": "203.0.113.5",
        "tcp_flags": "19",
        "start": "2021-06-10T01:00:00Z",
        "end": "2021-06-10T01:01:00Z",
        "flow_direction": "ingress",
        "source": "vpc",
    }
    assert (nodata["pkt_srcaddr"], nodata["end"]) == ("-", "2021-06-10T01:01:00Z")


def test_the_general_reshape_would_change_nothing() -> None:
    found = parse(f"{HEADER}\n{LINE}\n{NODATA}\n".encode()) + parse(FOREIGN.encode())

    assert [reshape(event) for event in found] == found


PARQUET_KEY = KEY.replace(".log.gz", ".log.parquet")


def parquet_file(columns: dict[str, pa.Array], rows_in_group: int = 1000) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, row_group_size=rows_in_group)
    return file.getvalue()


def test_parquet_gives_the_events_of_the_same_lines() -> None:
    columns = {
        "version": pa.array([2, 2], pa.int32()),
        "account_id": pa.array(["123456789012", None]),
        "srcaddr": pa.array(["10.0.0.1", None]),
        "srcport": pa.array([443, None], pa.int32()),
        "bytes": pa.array([2**40, 0], pa.int64()),
        "start": pa.array([1623286800, 1623286800], pa.int64()),
        "action": pa.array(["ACCEPT", "-"]),
    }
    lines = (
        "version account-id srcaddr srcport bytes start action\n"
        "2 123456789012 10.0.0.1 443 1099511627776 1623286800 ACCEPT\n2 - - - 0 1623286800 -\n"
    )
    assert parse(parquet_file(columns), PARQUET_KEY) == parse(lines.encode())


def test_parquet_is_read_by_row_group() -> None:
    columns = {"version": pa.array([2] * 10_000), "start": pa.array(range(10_000))}
    events = parse(parquet_file(columns, 100), PARQUET_KEY)
    assert [event["start"] for event in events][-1] == "1970-01-01T02:46:39Z"
    assert len(events) == 10_000


@pytest.mark.parametrize("body", [b"PAR1", b"PAR1" + bytes(100) + b"PAR1", parquet_file({"a": pa.array([1])})[:-20]])
def test_broken_parquet_is_malformed_before_the_first_event(body: bytes) -> None:
    with pytest.raises(ParseError, match="parquet"):
        list(VpcFlow().validate(io.BytesIO(body), PARQUET_KEY))
    with pytest.raises(ParseError, match="parquet"):
        parse(body, PARQUET_KEY)


def test_bytes_that_are_no_text_are_replaced() -> None:
    [event] = parse(LINE.encode().replace(b"REJECT", b"\xff\xfe"))

    assert event["action"] == "\ufffd\ufffd"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.lists(st.sampled_from([*b"version -12\r\n\xc2"])).map(bytes))
@example(HEADER.encode())
def test_any_bytes_give_an_event_for_each_line_but_the_header(body: bytes) -> None:
    text = body.removeprefix(b"\xef\xbb\xbf")
    written = [line for line in text.split(b"\n") if line.decode(errors="replace").strip()]

    found = parse(body)

    words = [line.decode(errors="replace").split() for line in written]
    repeated = sum(line == words[0][: len(line)] for line in words)
    assert len(written) - len(found) in (0, repeated)
    assert all(isinstance(part, str) for event in found for pair in event.items() for part in pair)
