"""The rules file: well formed, and each rule meets the events that it is for, and no others."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

from aws_s3.codec.messages import Envelope, bucket_log_info
from aws_s3.log_types import LOG_TYPES
from aws_s3.pipeline.decode import ObjectDecoder, messages_in
from aws_s3.pipeline.event_rules import EventRules
from aws_s3.wazuh.rules import RULES

Event = dict[str, Any]

BUILT_IN = {"80200": {}, "80202": {"aws.source": "cloudtrail"}}
"""The rules of Wazuh that ours stand on: each event of the AWS module, each of CloudTrail."""


ROOT: Element = ElementTree.fromstring(RULES.read_text(encoding="utf-8"))  # noqa: S314 (it is our own file)


def rules() -> dict[str, Element]:
    return {str(rule.get("id")): rule for rule in ROOT.iter("rule")}


def fields(event: Event, name: str = "") -> dict[str, str]:
    """Return the event's fields as Wazuh's JSON decoder names them."""
    found: dict[str, str] = {}
    for key, value in event.items():
        path = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            found |= fields(value, path)
        else:
            found[path] = value if isinstance(value, str) else json.dumps(value)
    return found


class Engine:
    """As much of the analysis engine as the rules use: parents, fields, and how often within the last events."""

    def __init__(self) -> None:
        self.rules = rules()
        self.history: list[tuple[set[str], dict[str, str]]] = []

    def matched(self, event: Event) -> set[str]:
        """Return the IDs of the rules that the event meets, our own ones only."""
        given = fields({"aws": event})
        met = {rule for rule, needed in BUILT_IN.items() if needed.items() <= given.items()}
        for number, rule in sorted(self.rules.items()):
            parents = (rule.findtext("if_sid") or "").split(",")
            if met.intersection(parents) and all(self._meets(field, given) for field in rule.iter("field")):
                met.add(number)
        self.history.append((met, given))
        repeated = {number for number, rule in self.rules.items() if self._is_repeated(rule, given, met)}
        return (met | repeated) - set(BUILT_IN)

    def _meets(self, field: Element, given: dict[str, str]) -> bool:
        value = given.get(str(field.get("name")))
        return value is not None and re.search(str(field.text), value) is not None

    def _is_repeated(self, rule: Element, given: dict[str, str], met: set[str]) -> bool:
        before, same = rule.findtext("if_matched_sid"), str(rule.findtext("same_field"))
        if before is None or before not in met:
            return False
        alike = Counter(values.get(same) for numbers, values in self.history if before in numbers)
        return alike[given.get(same)] >= int(str(rule.get("frequency")))


CLOUDFRONT: Event = {
    "date": "2021-06-10", "time": "01:15:00", "x_edge_location": "FRA2-C1", "sc_bytes": "1045", "c_ip": "192.0.2.7",
    "cs_method": "GET", "cs_host": "d111111abcdef8.cloudfront.net", "cs_uri_stem": "/index.html", "sc_status": "200",
    "cs_user_agent": "Mozilla/5.0", "x_edge_result_type": "Miss", "source": "cloudfront",
}  # fmt: skip
QUERY: Event = {
    "version": "1.100000", "account_id": "123456789012", "region": "us-east-1", "vpc_id": "vpc-0a",
    "query_name": "example.com.", "query_type": "A", "query_class": "IN", "rcode": "NOERROR", "srcaddr": "10.0.0.5",
    "srcport": "55000", "transport": "UDP", "srcids": {"instance": "i-0a"}, "source": "route53_resolver",
}  # fmt: skip
FIREWALL: Event = {
    "firewall_name": "edge", "availability_zone": "us-east-1a", "event_timestamp": "1623287700",
    "event": {
        "timestamp": "2021-06-10T01:15:00.000000+0000", "flow_id": 1, "event_type": "netflow", "src_ip": "10.0.0.5",
        "src_port": 1, "dest_ip": "198.51.100.9", "dest_port": 443, "proto": "TCP",
    },
    "source": "network_firewall",
}  # fmt: skip
ALERT: Event = {"action": "allowed", "signature_id": 2, "rev": 1, "signature": "s", "category": "c", "severity": 3}
CONNECTION: Event = {
    "timestamp": "2021-06-10T01:15:00.000000Z", "client_ip": "192.0.2.7", "client_port": "55000",
    "listener_port": "443", "tls_protocol": "TLSv1.2", "tls_cipher": "ECDHE-RSA-AES128-GCM-SHA256",
    "tls_handshake_latency": "0.041", "leaf_client_cert_subject": "-", "tls_verify_status": "Success",
    "conn_trace_id": "TID_1", "source": "alb_connection",
}  # fmt: skip
CHECK: Event = {
    "type": "http", "time": "2021-06-10T01:15:00Z", "latency": "0.01", "target_addr": "10.0.0.5:80",
    "target_group_id": "tg/1", "status": "PASS", "status_code": "200", "reason_code": "-",
    "source": "alb_health_check",
}  # fmt: skip
INSIGHT: Event = {
    "eventVersion": "1.08", "eventType": "AwsCloudTrailInsight", "awsRegion": "us-east-1", "source": "cloudtrail",
    "eventCategory": "Insight", "insightDetails": {
        "state": "Start", "eventSource": "ec2.amazonaws.com", "eventName": "RunInstances",
        "insightType": "ApiCallRateInsight",
    },
}  # fmt: skip
NETWORK: Event = {
    "eventVersion": "1.09", "eventCategory": "NetworkActivity", "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject", "vpcEndpointId": "vpce-1", "source": "cloudtrail",
}  # fmt: skip

EVENTS: list[tuple[Event, set[str]]] = [
    (CLOUDFRONT, {"100800"}),
    (CLOUDFRONT | {"sc_status": "404"}, {"100800", "100801"}),
    (CLOUDFRONT | {"sc_status": "000"}, {"100800"}),
    (CLOUDFRONT | {"sc_status": "502"}, {"100800", "100802"}),
    (QUERY, {"100810"}),
    (QUERY | {"firewall_rule_action": "BLOCK"}, {"100810", "100811"}),
    (QUERY | {"firewall_rule_action": "ALERT"}, {"100810", "100812"}),
    (QUERY | {"firewall_rule_action": "ALLOW"}, {"100810"}),
    (FIREWALL, {"100820"}),
    (FIREWALL | {"event": {"event_type": "alert", "alert": ALERT}}, {"100820", "100821"}),
    (
        FIREWALL | {"event": {"event_type": "alert", "alert": ALERT | {"action": "blocked"}}},
        {"100820", "100821", "100822"},
    ),
    (FIREWALL | {"event": {"event_type": "alert", "alert": ALERT | {"severity": 1}}}, {"100820", "100821", "100823"}),
    (FIREWALL | {"event": {"event_type": "tls"}}, {"100820"}),
    (CONNECTION, {"100830"}),
    (CONNECTION | {"tls_verify_status": "Failed:ClientCertUntrusted"}, {"100830", "100831"}),
    (CONNECTION | {"tls_verify_status": "-"}, {"100830"}),
    (CHECK, {"100840"}),
    (CHECK | {"status": "FAIL", "reason_code": "TargetError"}, {"100840", "100841"}),
    (INSIGHT, {"100850"}),
    (INSIGHT | {"insightDetails": {"state": "End"}}, {"100851"}),
    (NETWORK, set()),
    (NETWORK | {"errorCode": "VpceAccessDenied"}, {"100852"}),
    (NETWORK | {"errorCode": "VpceAccessDenied", "eventCategory": "Management"}, set()),
    ({"source": "cloudwatch", "log_group": "g", "full_log": "x"}, {"100860"}),
    ({"source": "cloudtrail", "eventName": "RunInstances"}, set()),
    ({"source": "vpc", "action": "ACCEPT"}, set()),
]

BURSTS: list[tuple[str, Event, str, int]] = [
    ("100803", CLOUDFRONT | {"sc_status": "403"}, "c_ip", 20),
    ("100804", CLOUDFRONT | {"sc_status": "503"}, "cs_host", 20),
    ("100813", QUERY | {"firewall_rule_action": "BLOCK"}, "srcaddr", 10),
    ("100832", CONNECTION | {"tls_verify_status": "Failed:ClientCertExpired"}, "client_ip", 10),
    ("100842", CHECK | {"status": "FAIL"}, "target_addr", 5),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS)
def test_event_meets_the_rules_for_it_and_no_others(event: Event, expected: set[str]) -> None:
    assert Engine().matched(event) == expected


@pytest.mark.parametrize(("rule", "event", "same", "count"), BURSTS, ids=[burst[0] for burst in BURSTS])
def test_burst_is_met_at_its_count_and_of_one_origin_only(rule: str, event: Event, same: str, count: int) -> None:
    engine = Engine()
    several = [engine.matched(event) for _ in range(count)]
    assert [rule in met for met in several] == [False] * (count - 1) + [True]
    others = Engine()
    assert not any(rule in others.matched(event | {same: f"x{number}"}) for number in range(count))


def test_every_rule_is_met_by_a_sample() -> None:
    met = set().union(*(expected for _, expected in EVENTS), (burst[0] for burst in BURSTS))
    assert met == set(rules())


def test_ids_are_unique_and_in_the_range_of_the_file() -> None:
    numbers = [int(str(rule.get("id"))) for rule in ROOT.iter("rule")]
    assert len(numbers) == len(set(numbers))
    assert all(100800 <= number <= 100899 for number in numbers)


def test_file_is_one_that_wazuh_reads() -> None:
    assert ROOT.tag == "group"
    assert ROOT.get("name", "").startswith("aws,")
    assert all(name.endswith(",") for name in _group_names(ROOT))


HEADER = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status\n"
REQUEST = "2021-06-10\t01:15:00\tFRA2-C1\t1045\t192.0.2.7\tGET\td1.cloudfront.net\t/index.html\t{}\n"
HANDSHAKE = (
    '2021-06-10T01:15:00Z 192.0.2.7 55000 443 TLSv1.2 ECDHE 0.041 "CN=a" NotBefore=2020;NotAfter=2022 0A {} TID_1\n'
)
PROBE = "http 2021-06-10T01:15:00Z 0.002 192.0.2.4:80 tg-1/0a1b2c {} 502 -\n"
BODIES: list[tuple[str, str, list[set[str]]]] = [
    (
        "cloudfront",
        HEADER + "".join(map(REQUEST.format, (200, 404, 502))),
        [{"100800"}, {"100800", "100801"}, {"100800", "100802"}],
    ),
    (
        "route53_resolver",
        "".join(json.dumps(QUERY | {"firewall_rule_action": action}) + "\n" for action in ("ALLOW", "BLOCK", "ALERT")),
        [{"100810"}, {"100810", "100811"}, {"100810", "100812"}],
    ),
    (
        "network_firewall",
        json.dumps(FIREWALL)
        + json.dumps(
            FIREWALL | {"event": {"event_type": "alert", "alert": ALERT | {"action": "blocked", "severity": 1}}}
        ),
        [{"100820"}, {"100820", "100821", "100822", "100823"}],
    ),
    (
        "alb_connection",
        HANDSHAKE.format("Success") + HANDSHAKE.format("Failed:ClientCertUntrusted"),
        [{"100830"}, {"100830", "100831"}],
    ),
    ("alb_health_check", PROBE.format("PASS") + PROBE.format("FAIL"), [{"100840"}, {"100840", "100841"}]),
    (
        "cloudtrail_insight",
        json.dumps({"Records": [INSIGHT, INSIGHT | {"insightDetails": {"state": "End"}}]}),
        [{"100850"}, {"100851"}],
    ),
    (
        "cloudtrail_network_activity",
        json.dumps({"Records": [NETWORK, NETWORK | {"errorCode": "VpceAccessDenied"}]}),
        [set(), {"100852"}],
    ),
    (
        "custom",
        json.dumps(
            {
                "messageType": "DATA_MESSAGE",
                "owner": "1",
                "logGroup": "g",
                "logStream": "s",
                "logEvents": [{"id": "1", "timestamp": 1623287700000, "message": "x"}],
            }
        ),
        [{"100860"}],
    ),
]
"""Content of objects, and the rules that their events meet, in order."""


@pytest.mark.parametrize(("name", "content", "expected"), BODIES, ids=[name for name, _, _ in BODIES])
def test_events_of_objects_as_they_are_sent_meet_the_rules(name: str, content: str, expected: list[set[str]]) -> None:
    key = LOG_TYPES[name].example.removesuffix(".gz")
    envelope = Envelope(bucket_log_info("", key, "bucket"))
    decoder = ObjectDecoder(LOG_TYPES[name](), skip_on_error=False, rules=EventRules(None, None))
    sent = [
        json.loads(each)
        for part in decoder.messages(key, BytesIO(content.encode()), envelope)
        for each in messages_in(part)
    ]
    engine = Engine()
    assert [engine.matched(message["aws"]) for message in sent] == expected


@pytest.mark.parametrize("number", sorted(rules()))
def test_rule_has_what_wazuh_needs_of_one(number: str) -> None:
    rule = rules()[number]
    assert 0 <= int(str(rule.get("level"))) <= 16
    assert rule.findtext("description")
    assert (rule.find("if_sid") is None) != (rule.find("if_matched_sid") is None)
    assert (rule.find("if_matched_sid") is None) == (rule.get("frequency") is None) == (rule.get("timeframe") is None)
    for parent in (rule.findtext("if_sid") or rule.findtext("if_matched_sid") or "").split(","):
        assert parent in BUILT_IN or parent in rules()
        assert parent in BUILT_IN or int(parent) < int(number)
    for field in rule.iter("field"):
        assert field.get("type") == "pcre2"
        re.compile(str(field.text))


@pytest.mark.parametrize("number", sorted(rules()))
def test_description_names_fields_that_the_events_have(number: str) -> None:
    named = set(re.findall(r"\$\(([^)]+)\)", str(rules()[number].findtext("description"))))
    known = [set(fields({"aws": event})) for event in _samples_of(number)]
    unknown = named - set().union(*known) - {"aws.event.alert.signature", "aws.event.src_ip", "aws.event.dest_ip"}
    assert unknown == set()


def _samples_of(number: str) -> Sequence[Event]:
    bursts: list[Event] = [event for rule, event, _, _ in BURSTS if rule == number]
    return bursts or [INSIGHT, *(event for event, expected in EVENTS if number in expected)]


def _group_names(root: Element) -> Iterator[str]:
    yield root.get("name", "")
    yield from (str(group.text) for group in root.iter("group") if group is not root)
