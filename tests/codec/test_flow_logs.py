"""Tests of flow log lines, with records as Amazon VPC's user guide shows them."""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.delimited import batch_events
from aws_s3.codec.flow_logs import flow_log_batches

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
SSH = (
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
)
NODATA = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"
IPV6 = (
    "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 "
    "2001:db8:1234:a102:3304:8879:34cf:4071 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK"
)
# Of a subnet's flow log, with the fields that show what goes through a NAT gateway.
NAT_HEADER = "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr"
NAT = "- eni-1235b8ca123456789 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5"
TCP_HEADER = "version vpc-id pkt-srcaddr tcp-flags start end flow-direction"
TCP = "5 vpc-abcdefab012345678 52.213.180.42 3 1566848875 1566848933 ingress"


def events(*lines: str, iso_times: bool = True) -> list[dict[str, str]]:
    return list(flow_log_events(lines, iso_times=iso_times))


def flow_log_events(lines: Iterable[str], **options: Any) -> Iterator[dict[str, str]]:
    return chain.from_iterable(map(batch_events, flow_log_batches([lines], **options)))


def test_line_without_header_has_the_default_fields() -> None:
    [event] = events(SSH)

    assert list(event) == [*HEADER.replace("-", "_").split(), "source"]
    assert event["account_id"] == "123456789010"
    assert (event["srcport"], event["bytes"], event["log_status"]) == ("20641", "4249", "OK")
    assert event["source"] == "vpc"


def test_header_is_no_event_and_names_the_same_fields() -> None:
    assert events(HEADER, SSH, NODATA, IPV6) == events(SSH, NODATA, IPV6)


def test_epoch_seconds_become_utc_times() -> None:
    [event] = events(SSH)

    assert (event["start"], event["end"]) == ("2014-12-14T04:06:50Z", "2014-12-14T04:07:50Z")


def test_times_are_utc_wherever_the_host_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-9:30")
        time.tzset()
        [event] = events("version start", "2 1600000000")
    time.tzset()

    assert event["start"] == "2020-09-13T12:26:40Z"


def test_times_are_left_as_they_are_when_asked_so() -> None:
    [event] = events(SSH, iso_times=False)

    assert (event["start"], event["end"]) == ("1418530010", "1418530070")


def test_dashes_of_an_interval_without_traffic_stay() -> None:
    [event] = events(NODATA)

    assert {event[name] for name in ("srcaddr", "srcport", "packets", "action")} == {"-"}
    assert (event["start"], event["log_status"]) == ("2015-05-10T18:01:16Z", "NODATA")


def test_custom_fields_have_the_names_of_the_header() -> None:
    assert events(TCP_HEADER, TCP) == [
        {
            "version": "5",
            "vpc_id": "vpc-abcdefab012345678",
            "pkt_srcaddr": "52.213.180.42",
            "tcp_flags": "3",
            "start": "2019-08-26T19:47:55Z",
            "end": "2019-08-26T19:48:53Z",
            "flow_direction": "ingress",
            "source": "vpc",
        }
    ]


def test_header_without_version_is_known_by_having_no_digit() -> None:
    [event] = events(NAT_HEADER, NAT)

    assert (event["instance_id"], event["pkt_dstaddr"]) == ("-", "203.0.113.5")
    assert not {"start", "end", "version"} & event.keys()


def test_header_that_starts_with_version_may_hold_digits() -> None:
    [event] = events("version field-2", "2 x")

    assert event == {"version": "2", "field_2": "x", "source": "vpc"}


def test_a_line_that_repeats_the_names_is_no_event() -> None:
    assert events(HEADER, SSH, HEADER, SSH, HEADER) == events(SSH, SSH)
    assert events(SSH, HEADER, SSH) == events(SSH, SSH)
    assert events(TCP_HEADER, TCP, TCP_HEADER, TCP) == events(TCP_HEADER, TCP, TCP)


@pytest.mark.parametrize("lines", [(), ("", "  "), (HEADER,), ("", HEADER, "")])
def test_without_records_there_are_no_events(lines: tuple[str, ...]) -> None:
    assert events(*lines) == []


def test_blank_lines_and_stray_spaces_change_nothing() -> None:
    assert events("", f" {HEADER}", " ", f"{SSH} \r\n", "", f"{NODATA}\n") == events(SSH, NODATA)


def test_columns_that_a_line_lacks_are_left_out() -> None:
    short, whole = events("2 123456789010 eni-1", SSH)

    assert short == {"version": "2", "account_id": "123456789010", "interface_id": "eni-1", "source": "vpc"}
    assert len(whole) == 15


def test_columns_beyond_the_fields_have_a_number(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="aws_s3"):
        found = list(flow_log_events([f"{SSH} new 7", SSH], iso_times=True, key="the/key"))

    assert found == [{**events(SSH)[0], "column_15": "new", "column_16": "7"}, *events(SSH)]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "the/key" in record.getMessage()


@pytest.mark.parametrize(
    "value",
    ["-", "x", "-1", "+5", "1.5", "1e9", "1_000", "٣", "²", "999999999999", "1623286800000", "9" * 5000],
)
def test_what_is_no_epoch_second_is_left_as_it_is(value: str) -> None:
    [event] = events("version start end", f"2 {value} {value}")

    assert (event["start"], event["end"]) == (value, value)


@pytest.mark.parametrize(("value", "sent"), [("0", "1970-01-01T00:00:00Z"), ("99999999999", "5138-11-16T09:46:39Z")])
def test_every_epoch_second_in_reach_is_converted(value: str, sent: str) -> None:
    [event] = events("version start", f"2 {value}")

    assert event["start"] == sent


def test_lines_are_read_only_as_events_are_asked_for() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield SSH

    found = flow_log_events(endless(), iso_times=True)

    assert next(found) == next(found)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**11 - 1))
def test_time_is_that_of_the_clock(second: int) -> None:
    [event] = events("version start", f"2 {second}")

    found = datetime.strptime(event["start"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert found.timestamp() == second


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="version -1a\u00e9\x00\x1c", max_size=20) | st.text(max_size=20)))
def test_every_line_but_the_header_gives_an_event_of_strings(lines: list[str]) -> None:
    written = [line for line in lines if line.strip()]
    header = bool(written) and (
        written[0].lstrip().startswith("version") or not any(digit in written[0] for digit in "0123456789")
    )

    found = events(*lines)

    headers = sum(line.split() == written[0].split() for line in written) if header else 0
    assert len(found) == len(written) - headers
    assert all(isinstance(part, str) and part for event in found for pair in event.items() for part in pair)
