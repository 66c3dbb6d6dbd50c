"""Tests of Security Lake's parquet files."""

import io
import subprocess
import sys
from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from aws_s3.codec.messages import encode
from aws_s3.errors import ParseError
from aws_s3.subscribers.notifications import NotifiedObject
from aws_s3.subscribers.security_lake import SecurityLake

NOON = datetime(2021, 6, 10, 12, 0, 0, 500_000, tzinfo=timezone.utc)


def written(table: pa.Table, **options: Any) -> bytes:
    body = io.BytesIO()
    parquet.write_table(table, body, **options)
    return body.getvalue()


def parse(body: bytes) -> list[Any]:
    lake = SecurityLake()
    return [shaped for event in lake.parse(io.BytesIO(body), "k") for shaped in lake.reshape(event)]


def value(kind: pa.DataType, written_value: Any) -> Any:
    [row] = parse(written(pa.table({"v": pa.array([written_value], kind)})))
    encode(row)
    return row["v"]


def test_rows_are_sent_bare_with_their_nulls() -> None:
    rows = [{"time": 1, "nested": {"x": 1, "y": None}, "none": None}, {"time": 2, "nested": None, "none": None}]
    [first, second] = parse(written(pa.Table.from_pylist(rows)))

    assert [first, second] == rows
    assert SecurityLake().envelope(NotifiedObject("b", "k"), "q").message(first) == rows[0]


@pytest.mark.parametrize(
    ("kind", "written_value", "expected"),
    [
        (pa.timestamp("us", "UTC"), NOON, "2021-06-10T12:00:00.500000Z"),
        (pa.timestamp("ms"), NOON.replace(tzinfo=None), "2021-06-10T12:00:00.500000"),
        (pa.timestamp("ns", "UTC"), 1_623_326_400_000_000_123, "2021-06-10T12:00:00Z"),
        (pa.timestamp("us", "America/New_York"), NOON, "2021-06-10T12:00:00.500000Z"),
        (pa.date32(), date(2021, 6, 10), "2021-06-10"),
        (pa.time64("us"), time(1, 2, 3), "01:02:03"),
        (pa.duration("ms"), timedelta(seconds=1.5), 1.5),
        (pa.decimal128(10, 2), Decimal("12.50"), "12.50"),
        (pa.binary(), b"caf\xc3\xa9", "café"),
        (pa.binary(2), b"\xff\x00", "�\x00"),
        (pa.map_(pa.string(), pa.string()), [("a", "b"), ("c", None)], {"a": "b", "c": None}),
        (pa.map_(pa.int32(), pa.date32()), [(7, date(2021, 6, 10))], {"7": "2021-06-10"}),
        (pa.map_(pa.string(), pa.string()), [], {}),
        (pa.list_(pa.date32()), [date(2021, 6, 10), None], ["2021-06-10", None]),
        (
            pa.list_(pa.struct([("t", pa.timestamp("ns"))])),
            [{"t": 1_123}, None],
            [{"t": "1970-01-01T00:00:00.000001"}, None],
        ),
        (pa.struct([("b", pa.binary()), ("n", pa.int64())]), {"b": None, "n": 2**62}, {"b": None, "n": 2**62}),
        (pa.dictionary(pa.int8(), pa.string()), "a", "a"),
        (pa.float64(), float("nan"), pytest.approx(float("nan"), nan_ok=True)),
        (pa.null(), None, None),
    ],
)
def test_values_become_json(kind: pa.DataType, written_value: Any, expected: Any) -> None:
    assert value(kind, written_value) == expected
    assert value(kind, None) is None


def test_times_of_old_writers_are_read() -> None:
    body = written(pa.table({"t": pa.array([NOON], pa.timestamp("us"))}), use_deprecated_int96_timestamps=True)
    assert parse(body) == [{"t": "2021-06-10T12:00:00.500000"}]


def test_file_without_rows_has_no_events() -> None:
    assert parse(written(pa.table({"a": pa.array([], pa.int64())}))) == []


def test_all_row_groups_are_read_in_order() -> None:
    table = pa.table({"n": list(range(1000))})
    assert [row["n"] for row in parse(written(table, row_group_size=300))] == list(range(1000))


@pytest.mark.parametrize("body", [b"", b"PAR1", b'{"a": 1}', b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_another_file_is_malformed(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse(body)


def test_cut_file_is_malformed() -> None:
    body = written(pa.table({"n": list(range(1000))}))
    with pytest.raises(ParseError):
        parse(body[: len(body) // 2])


def test_time_that_no_calendar_holds_is_malformed() -> None:
    with pytest.raises(ParseError):
        parse(written(pa.table({"t": pa.array([2**61], pa.timestamp("ms"))})))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_damaged_file_is_read_or_malformed(at: int, damage: bytes) -> None:
    body = bytearray(written(pa.table({"n": [1, 2, 3], "s": ["a", "b", None]}), compression="none"))
    body[at : at + len(damage)] = damage
    with suppress(ParseError):
        parse(bytes(body))


def test_without_pyarrow_it_says_how_to_install_it_and_the_rest_works() -> None:
    program = (
        "import sys\n"
        "sys.modules['pyarrow'] = None\n"
        "from aws_s3.errors import MissingExtraError\n"
        "from aws_s3.subscribers import SUBSCRIBERS\n"
        "SUBSCRIBERS['buckets'](), SUBSCRIBERS['security_hub']()\n"
        "try:\n"
        "    SUBSCRIBERS['security_lake']()\n"
        "except MissingExtraError as error:\n"
        "    print(error.exit_code, error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)

    assert ended.stdout.startswith("10 ")
    assert f"{sys.executable} -m pip install pyarrow" in ended.stdout
