"""Tests of S3 server access logs, with lines and names as the S3 user guide shows them."""

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.layout import Partition
from aws_s3.log_types.server_access import FLAT, SLASHED, SLASHED_BY_YEAR, ServerAccess

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
LINE = (
    f"{OWNER} DOC-EXAMPLE-BUCKET1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE "
    'REST.GET.VERSIONING - "GET /DOC-EXAMPLE-BUCKET1?versioning HTTP/1.1" 200 - 113 - 7 - "-" '
    '"S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 '
    "ECDHE-RSA-AES128-GCM-SHA256 AuthHeader DOC-EXAMPLE-BUCKET1.s3.us-west-1.amazonaws.com TLSV1.2 "
    "arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes"
)
NAME = "2021-06-10-01-15-00-3E57427F33A59F07"


def parse(text: str) -> list[Event]:
    events: list[Event] = []
    for event in ServerAccess().parse(io.BytesIO(text.encode()), "key"):
        assert not isinstance(event, BadRecord)
        events += ServerAccess().reshape(event)
    return events


def test_line_is_named_time_without_brackets_and_text_without_quotes() -> None:
    [event] = parse(LINE + "\n")

    assert set(event) == {*ServerAccess.columns, "source"} - {"source_region"}
    assert event["time"] == "06/Feb/2019:00:00:38 +0000"
    assert event["remote_ip"] == "192.0.2.3"
    assert event["request_uri"] == "GET /DOC-EXAMPLE-BUCKET1?versioning HTTP/1.1"
    assert (event["referer"], event["user_agent"]) == ("-", "S3Console/0.4")
    assert event["acl_required"] == "Yes"
    assert event["source"] == "s3_server_access"


@pytest.mark.parametrize(
    "agent",
    ["a  b   c ", 'Mozilla "odd" one', r"x \"y\" z", "with [brackets] in it]", "[all]", ""],
)
def test_user_agent_stays_as_it_is_and_shifts_no_column(agent: str) -> None:
    first, second = parse(f"{LINE.replace('S3Console/0.4', agent)}\n{LINE}\n")

    assert first["user_agent"] == agent
    assert first["acl_required"] == second["acl_required"] == "Yes"
    assert second["user_agent"] == "S3Console/0.4"


def test_request_that_was_not_logged_is_a_dash_without_quotes() -> None:
    [event] = parse(LINE.replace('"GET /DOC-EXAMPLE-BUCKET1?versioning HTTP/1.1"', "-"))

    assert (event["request_uri"], event["http_status"], event["acl_required"]) == ("-", "200", "Yes")


def test_line_of_before_the_newer_columns_lacks_them() -> None:
    [event] = parse(LINE[: LINE.index(" SigV4")])

    assert event["host_id"].startswith("s9lz")
    assert not {"signature_version", "acl_required"} & event.keys()


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("owner bucket [06/Feb/2019:00:00:38 +0000] ip", "06/Feb/2019:00:00:38 +0000"),
        ("owner bucket [06/Feb/2019:00:00:38 +0000]", "06/Feb/2019:00:00:38 +0000"),
        ("owner bucket [06/Feb/2019:00:00:38", "[06/Feb/2019:00:00:38"),
        ("owner bucket - ip]", "-"),
    ],
)
def test_time_of_short_lines(line: str, time: str) -> None:
    [event] = parse(line)

    assert event["time"] == time


def test_columns_that_aws_added_since_are_kept() -> None:
    [event] = parse(f'{LINE} us-west-1 "newer column"')

    assert set(event) == {*ServerAccess.columns, "source", "column_28"}
    assert (event["source_region"], event["column_28"]) == ("us-west-1", "newer column")


_CLIENT = st.text(alphabet='a1 -"\\[]', max_size=30)


@settings(max_examples=300, deadline=None)
@given(agent=_CLIENT, referer=_CLIENT.filter(lambda text: '" "' not in text and not text.endswith('"')))
def test_nothing_that_a_client_writes_shifts_a_column(agent: str, referer: str) -> None:
    [plain] = parse(LINE)
    [event] = parse(LINE.replace('"-" "S3Console/0.4"', f'"{referer}" "{agent}"'))

    assert {**event, "referer": "", "user_agent": ""} == {**plain, "referer": "", "user_agent": ""}


def test_forged_fields_stay_in_the_user_agent() -> None:
    forged = 'x" - owner SigV4 "200 - 1 - 1 - "-" "y'
    [event] = parse(LINE.replace("S3Console/0.4", forged))

    assert event["user_agent"] == forged
    assert (event["http_status"], event["host_id"], event["acl_required"]) == ("200", parse(LINE)[0]["host_id"], "Yes")


@pytest.mark.parametrize("part", ['" "', '" 200 - 1 - 1 - "', '"'])
def test_quotes_all_over_take_no_time(part: str) -> None:
    for end in ("", " - -", '"x'):
        assert parse(LINE.replace("S3Console/0.4", part * 50_000) + end)


@pytest.mark.parametrize(
    "rest",
    [
        f"2021/06/10/{NAME}",
        f"123456789012/us-west-2/some-bucket/2021/06/10/{NAME}",
        f"{NAME}.gz",
        f"{NAME}/",
        f"{NAME}/file",
        "2021-06-10/2021-06-10-01-15-abcd.csv.gz",
        "2021-06-10-report.csv",
        "2021-06-10-01-15-00-",
        "2021-13-10-01-15-00-3E57427F33A59F07",
        f"{NAME}\n",
        "AWSLogs/123456789012/",
    ],
)
def test_flat_layout_takes_nothing_but_log_names(rest: str) -> None:
    assert Partition("logs/", FLAT).day(f"logs/{rest}") is None


def test_flat_layout_takes_log_names() -> None:
    assert Partition("logs/", FLAT).day(f"logs/{NAME}") == date(2021, 6, 10)
    assert Partition("", FLAT).day("2021-06-10-01-15-00-AAAA") == date(2021, 6, 10)


@pytest.mark.parametrize(
    "rest",
    [
        NAME,
        "2021/06/10/01/firehose_name-1-2021-06-10-01-15-00-rand",
        "2021/06/10/123456789012_CloudTrail_us-east-1_20210610T0115Z_16chars.json.gz",
        f"2021/06/10/deeper/{NAME}",
        "2021/06/10/",
        f"2021/02/30/{NAME}",
    ],
)
def test_date_partitioned_layout_takes_nothing_but_log_names(rest: str) -> None:
    assert Partition("logs/", SLASHED).day(f"logs/{rest}") is None


def test_date_partitioned_layout_takes_log_names_by_the_day_of_their_folder() -> None:
    prefix = "logs/123456789012/us-west-2/some-bucket/"

    assert Partition(prefix, SLASHED).day(f"{prefix}2021/06/09/{NAME}") == date(2021, 6, 9)
    assert Partition("logs/", SLASHED_BY_YEAR).day(f"logs/2021/06/10/{NAME}") == date(2021, 6, 10)


def test_layouts_that_share_a_path_are_listed_by_the_year() -> None:
    layouts = ServerAccess.layouts

    assert ServerAccess.every_layout
    assert [layout.dates.by_year for layout in layouts if not layout.levels] == [True, True]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='a1 "[]-\n\\', max_size=200).map(str.encode))
def test_any_bytes_give_an_event_for_each_line(body: bytes) -> None:
    events = list(ServerAccess().parse(io.BytesIO(body), "key"))

    assert len(events) == sum(bool(line.strip()) for line in body.decode("utf-8-sig", "replace").split("\n"))
    for event in events:
        assert isinstance(event, dict)
        assert all(type(name) is str and type(value) is str for name, value in event.items())
