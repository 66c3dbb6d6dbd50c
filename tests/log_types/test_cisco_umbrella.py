"""Tests of Cisco Umbrella's logs, with records as its documentation shows them."""

import io
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import InvalidTypeError, ParseError
from aws_s3.log_types.cisco_umbrella import CiscoUmbrella
from aws_s3.log_types.layout import Partition

NAME = "2021-06-10/2021-06-10-01-15-abcd.csv.gz"
DNS = (
    '"2015-01-16 17:48:41","ActiveDirectoryUserName","ActiveDirectoryUserName,ADSite,Network",'
    '"10.10.1.100","24.123.132.133","Allowed","1 (A)","NOERROR","domain-visited.com.",'
    '"Chat,Photo Sharing,Social Networking,Allow List","AD Users","AD Users,Network",""'
)
PROXY = (
    '"2017-10-02 23:52:53","TheComputerName","192.192.192.135","1.1.1.91","3.4.5.6","","ALLOWED",'
    '"http://google.com/the.js","www.google.com","Mozilla/5.0 (Windows NT 10.0; ""odd"", x64)","200","562",'
    '"1489","","","","","","","","","Networks","Malware"'
)
IP = '"2017-10-02 19:58:12","TheComputerName","198.198.198.1","55605","107.152.24.219","443","Unauthorized IP"'
AUDIT = (
    '"","2021-07-22 10:46:45","admin@company.com","Admin","logexportconfigurations","update",'
    '"209.165.200.227","version: 4","version: 5\nregion: eu\nbucket: ""x"""'
)


def parse(folder: str, text: str) -> list[Event]:
    events: list[Event] = []
    for event in CiscoUmbrella().parse(io.BytesIO(text.encode()), f"1234567_abc/{folder}/{NAME}"):
        assert not isinstance(event, BadRecord)
        events += CiscoUmbrella().reshape(event)
    return events


@pytest.mark.parametrize("path", ["dnslogs/", "1234567_abc/proxylogs/", "a/b/iplogs/", "auditlogs/"])
def test_path_that_says_the_kind_of_log_is_taken(path: str) -> None:
    CiscoUmbrella().check_path(path)


@pytest.mark.parametrize("path", ["", "dnslogs", "other/", "dnslogs/2021-06-10/", "DNSLOGS/"])
def test_another_path_is_refused_and_the_right_ones_named(path: str) -> None:
    with pytest.raises(InvalidTypeError, match="dnslogs/, proxylogs/, iplogs/, auditlogs/") as error:
        CiscoUmbrella().check_path(path)

    assert error.value.exit_code == 12
    assert repr(path) in str(error.value)


def test_objects_lie_in_folders_of_days() -> None:
    [layout] = CiscoUmbrella.layouts
    partition = Partition("dnslogs/", layout.dates)

    assert partition.day(f"dnslogs/{NAME}") == date(2021, 6, 10)
    assert partition.day("dnslogs/2021-06-10.csv") is None


def test_dns_record_keeps_empty_values() -> None:
    [event] = parse("dnslogs", DNS)

    assert event["identities"] == "ActiveDirectoryUserName,ADSite,Network"
    assert event["categories"] == "Chat,Photo Sharing,Social Networking,Allow List"
    assert (event["blocked_categories"], event["source"]) == ("", "cisco_umbrella")


def test_values_that_a_record_lacks_are_left_out() -> None:
    [event] = parse("dnslogs", DNS.removesuffix(',"AD Users,Network",""'))

    assert event["most_granular_identity_type"] == "AD Users"
    assert not {"identity_types", "blocked_categories"} & event.keys()


def test_proxy_record_with_doubled_quotes() -> None:
    [event] = parse("proxylogs", PROXY)

    assert event["user_agent"] == 'Mozilla/5.0 (Windows NT 10.0; "odd", x64)'
    assert (event["identity_type"], event["blocked_categories"]) == ("Networks", "Malware")


def test_ip_record() -> None:
    [event] = parse("iplogs", IP)

    assert (event["identity"], event["source_port"]) == ("TheComputerName", "55605")
    assert event["categories"] == "Unauthorized IP"


def test_audit_record_goes_on_over_lines() -> None:
    first, second = parse("auditlogs", f"{AUDIT}\r\n{AUDIT}\r\n")

    assert first == second
    assert (first["id"], first["email"]) == ("", "admin@company.com")
    assert first["after"] == 'version: 5\nregion: eu\nbucket: "x"'


def test_columns_that_cisco_added_since_are_kept() -> None:
    [event] = parse("iplogs", f'{IP},"Networks","new"')

    assert (event["identity_types"], event["column_9"]) == ("Networks", "new")


def test_a_header_names_the_columns_behind_the_known_ones() -> None:
    header = '"Timestamp","Identity","Src IP","S Port","Dst","Port","Category","Identity Type(s)","Verdict - 2",""'
    [first, second] = parse("iplogs", f'{header}\n{IP},"Networks","new","x"\n{header}\n{IP}')

    assert (first["source_ip"], first["identity_types"], first["verdict_2"]) == (second["source_ip"], "Networks", "new")
    assert first["column_10"] == "x"
    assert parse("iplogs", header) == []


def test_a_header_of_audit_logs_begins_with_an_id() -> None:
    header = '"ID","Timestamp","Email","User","Type","Action","Logged In From","Before","After"'
    assert parse("auditlogs", f"{header}\n{AUDIT}") == parse("auditlogs", AUDIT)


@pytest.mark.parametrize("folder", ["firewalllogs", "intrusionlogs", "dlplogs", "rceventlogs"])
def test_folders_without_published_columns(folder: str) -> None:
    record = '"2021-06-10 01:02:03","a, b","c"'
    assert parse(folder, record) == [
        {"column_1": "2021-06-10 01:02:03", "column_2": "a, b", "column_3": "c", "source": "cisco_umbrella"}
    ]
    assert parse(folder, f'"Timestamp","Origin ID"\n{record}') == [
        {"timestamp": "2021-06-10 01:02:03", "origin_id": "a, b", "column_3": "c", "source": "cisco_umbrella"}
    ]


@pytest.mark.parametrize(("folder", "record"), [("dnslogs", DNS), ("iplogs", IP), ("auditlogs", AUDIT)])
def test_stray_quote_eats_no_other_record(folder: str, record: str) -> None:
    stray = '"2021-06-10 01:00:00","stray'

    events = parse(folder, f"{record}\n{stray}\n{record}\n{stray}\n{record}\n")

    assert len(events) == 5
    assert events[0] == events[2] == events[4]


def test_the_folder_before_the_day_decides() -> None:
    body = io.BytesIO(IP.encode())

    [event] = CiscoUmbrella().parse(body, f"dnslogs/iplogs/{NAME}")

    assert not isinstance(event, BadRecord)
    assert event["identity"] == "TheComputerName"


def test_object_in_no_known_folder_is_malformed() -> None:
    with pytest.raises(ParseError, match="dnslogs"):
        list(CiscoUmbrella().parse(io.BytesIO(DNS.encode()), f"other/{NAME}"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='a1,"-\n\\', max_size=200).map(str.encode))
@pytest.mark.parametrize("folder", ["dnslogs", "auditlogs"])
def test_any_bytes_give_events_and_no_text_is_lost(folder: str, body: bytes) -> None:
    key = f"{folder}/{NAME}"
    held = sum(bool(line.strip()) for line in body.decode("utf-8-sig", "replace").split("\n"))

    events = list(CiscoUmbrella().parse(io.BytesIO(body), key))

    assert bool(events) == bool(held)
    assert len(events) == held or (b'"' in body and len(events) < held)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet='a,"\\', max_size=20), max_size=10))
def test_every_line_that_begins_as_a_record_gives_an_event(rests: list[str]) -> None:
    text = "\n".join(f'"2021-06-10 01:00:00",{rest}' for rest in rests)

    assert len(parse("dnslogs", text)) == len(rests)
