"""Tests of GuardDuty's findings, exported by itself and sent through Firehose."""

import io
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import BadRecord, Event
from aws_s3.errors import ParseError
from aws_s3.log_types.guardduty import GuardDuty
from aws_s3.log_types.layout import Account, Partition, Region

EXPORTED = "AWSLogs/123456789012/GuardDuty/us-east-1/2021/06/10/01a1b2c3-d4e5-f6a7-b8c9-d0e1f2a3b4c5.jsonl.gz"
FIREHOSE = "guardduty/2021/06/10/01/stream-1-2021-06-10-01-15-00-rand"


def finding(identifier: str = "f1", **service: Any) -> dict[str, Any]:
    """Return a finding as GuardDuty exports it."""
    return {
        "schemaVersion": "2.0",
        "accountId": "123456789012",
        "region": "us-east-1",
        "partition": "aws",
        "id": identifier,
        "type": "Recon:EC2/PortProbeUnprotectedPort",
        "resource": {"resourceType": "Instance", "instanceDetails": {"productCodes": [], "platform": None}},
        "service": {"serviceName": "guardduty", "detectorId": "60b0", "archived": False, **service},
        "severity": 2,
    }


def port(number: int) -> dict[str, Any]:
    """Return the detail of one probed port."""
    return {
        "localPortDetails": {"port": number, "portName": None},
        "remoteIpDetails": {"ipAddressV4": "198.51.100.0", "list": ["x"]},
    }


def probe(*ports: Any) -> dict[str, Any]:
    """Return the action of a port probe."""
    return {"actionType": "PORT_PROBE", "portProbeAction": {"blocked": False, "portProbeDetails": list(ports)}}


def parse(body: bytes | str, key: str = EXPORTED) -> list[Event | BadRecord]:
    return list(GuardDuty().parse(io.BytesIO(body.encode() if isinstance(body, str) else body), key))


def sent(text: str, key: str = EXPORTED) -> list[Event]:
    """Return the events as they are sent."""
    events: list[Event] = []
    for event in parse(text, key):
        assert not isinstance(event, BadRecord)
        events += GuardDuty().reshape(event)
    return events


def one_a_line(*values: Any) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_exported_findings_come_one_a_line_with_the_service_as_their_source() -> None:
    first, second = sent(one_a_line(finding("f1"), finding("f2", serviceName="other")))

    assert (first["id"], first["source"]) == ("f1", "guardduty")
    assert (second["id"], second["source"]) == ("f2", "other")
    assert first["resource"] == {"resourceType": "Instance", "instanceDetails": {"productCodes": []}}


@pytest.mark.parametrize("service", [None, "text", {}, {"serviceName": None}, {"serviceName": ["guardduty"]}])
def test_finding_without_the_name_of_its_service_is_guardduty_s(service: Any) -> None:
    [event] = sent(one_a_line({"id": "f1", "service": service}))

    assert event["source"] == "guardduty"


def test_exported_finding_is_taken_whole_whatever_it_holds() -> None:
    [event] = sent(one_a_line({**finding(additionalInfo={"unusual": "x"}), "detail": {"a": 1}}))

    assert (event["id"], event["detail"]) == ("f1", {"a": 1})
    assert event["service"]["additionalInfo"] == {"unusual": "x"}


def test_probe_of_several_ports_is_one_event_for_each_and_nothing_else_changes() -> None:
    written = finding(action=probe(port(22), port(80), port(443)))

    events = sent(one_a_line(written, finding("f2")))

    assert events[:3] == [
        {**finding(action={**probe(), "portProbeAction": {"blocked": False, "portProbeDetails": port(number)}})}
        | {"source": "guardduty"}
        for number in (22, 80, 443)
    ]
    assert [event["id"] for event in events] == ["f1", "f1", "f1", "f2"]


def test_probe_of_one_port_is_reshaped_as_any_finding() -> None:
    [event] = sent(one_a_line(finding(action=probe(port(22)))))

    assert event["service"]["action"]["portProbeAction"]["portProbeDetails"] == {
        "localPortDetails": {"port": 22, "portName": None},
        "remoteIpDetails": {"ipAddressV4": "198.51.100.0", "list": ["x"]},
    }
    assert "platform" not in event["resource"]["instanceDetails"]


@pytest.mark.parametrize(
    "service",
    [
        {"action": None},
        {"action": "PORT_PROBE"},
        {"action": [probe(port(22), port(80))]},
        {"action": {"portProbeAction": "x"}},
        {"action": {"portProbeAction": {}}},
        {"action": {"portProbeAction": {"portProbeDetails": "two"}}},
        {"action": probe()},
    ],
)
def test_finding_without_a_list_of_ports_is_one_event(service: dict[str, Any]) -> None:
    [event] = sent(one_a_line(finding(**service)))

    assert event["id"] == "f1"


def test_event_is_not_changed_when_it_is_reshaped() -> None:
    [event] = parse(one_a_line(finding(action=probe(port(22), port(80)))))
    assert isinstance(event, dict)
    before = json.dumps(event)

    assert list(GuardDuty().reshape(event)) == list(GuardDuty().reshape(event))
    assert json.dumps(event) == before


def test_findings_through_firehose_are_events_of_eventbridge() -> None:
    records = [
        {"version": "0", "source": "aws.guardduty", "detail": finding("f1", action=probe(port(22), port(80)))},
        {"version": "0", "source": "aws.guardduty", "detail": finding("f2")},
    ]

    events = sent("".join(map(json.dumps, records)), FIREHOSE)

    assert [event["id"] for event in events] == ["f1", "f1", "f2"]
    assert {event["source"] for event in events} == {"guardduty"}


def test_firehose_is_told_to_be_deprecated(caplog: pytest.LogCaptureFixture) -> None:
    parse(one_a_line(finding()))
    assert not caplog.records

    parse(one_a_line({"detail": finding()}), FIREHOSE)
    [told] = caplog.records
    assert told.levelname == "WARNING"
    assert "deprecated" in told.getMessage()


@pytest.mark.parametrize(
    ("key", "exported"),
    [
        (EXPORTED, True),
        (f"some/path/{EXPORTED}", True),
        (EXPORTED.replace("AWSLogs/", "AWSLogs/suffix/o-0123456789/"), True),
        (FIREHOSE, False),
        ("GuardDuty/2021/06/10/01/name", False),
        ("AWSLogs/GuardDuty/2021/06/10/01/name", False),
        ("myAWSLogs/123456789012/GuardDuty/2021/06/10/01/name", False),
    ],
)
def test_key_tells_exported_findings_from_firehose(key: str, exported: bool) -> None:
    [event] = parse(one_a_line({"detail": {"id": "inner"}, "id": "outer", "source": "aws.guardduty"}), key)

    assert isinstance(event, dict)
    assert event["id"] == ("outer" if exported else "inner")


@pytest.mark.parametrize("text", ['{"a": 1', "not json", f"{one_a_line(finding())}{{broken\n"])
def test_broken_export_is_malformed(text: str) -> None:
    with pytest.raises(ParseError):
        parse(text)


def test_value_that_is_no_object_is_told() -> None:
    first, bad, last = parse(f'{{"id": 1}}\nnull\n{one_a_line(finding())}')

    assert isinstance(first, dict)
    assert isinstance(last, dict)
    assert isinstance(bad, BadRecord)


def test_exported_findings_lie_in_folders_of_accounts_and_regions_others_at_the_end_of_the_path() -> None:
    exported, firehose = GuardDuty.layouts

    assert exported.in_awslogs
    assert exported.levels == (Account(), "GuardDuty", Region())
    assert not firehose.in_awslogs
    assert not firehose.levels
    assert not GuardDuty.every_layout
    for layout, prefix, key in (
        (exported, EXPORTED.partition("2021")[0], EXPORTED),
        (firehose, "guardduty/", FIREHOSE),
    ):
        assert Partition(prefix, layout.dates).day(key) == date(2021, 6, 10)


MEMBERS = st.sampled_from(["service", "serviceName", "action", "portProbeAction", "portProbeDetails", "detail"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(MEMBERS, VALUES), max_size=4), st.sampled_from([EXPORTED, FIREHOSE]))
def test_every_finding_gives_an_event(findings: list[Any], key: str) -> None:
    events = parse(one_a_line(*findings), key)

    assert len(events) == len(findings)
    for event in events:
        assert isinstance(event, dict)
        assert list(GuardDuty().reshape(event))


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=100) | st.text(alphabet='{}[]":,0 1a\n', max_size=40).map(str.encode),
    st.sampled_from([EXPORTED, FIREHOSE]),
)
def test_any_bytes_give_events_or_a_parse_error(body: bytes, key: str) -> None:
    try:
        events = parse(body, key)
    except ParseError:
        return
    # A first line of text without digits names fields: it gives no event.
    assert events or key == FIREHOSE or not body.strip(b"[] \t\r\n\xef\xbb\xbf")
