"""Tests of the load balancers' access logs, with lines as Elastic Load Balancing's guides show them."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import LogType
from aws_s3.log_types.layout import SLASHED, Partition
from aws_s3.log_types.load_balancers import Alb, Clb, Nlb, split_address

FOLDER = "AWSLogs/123456789012/elasticloadbalancing/us-east-1/"
PARTITION = Partition(FOLDER, SLASHED, "123456789012", "us-east-1")
START = "123456789012_elasticloadbalancing_us-east-1_"

ALB_HTTPS = (
    "https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "
    '0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" '
    "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "
    '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" '
    '"arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" '
    '1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" '
    'TID_1234abcd5678ef90 "m.example.com" "/x" "TransformSuccess"'
)
ALB_LAMBDA = (
    "http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - "
    '0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - '
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "
    '"Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "-" '
    '"-" "-" "-" "-"'
)
CLB_HTTP = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 "
    '200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'
)
CLB_TCP = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 "
    '- - 82 305 "- - - " "-" - -'
)
NLB_TLS = (
    "tls 2.0 2020-04-01T08:51:42 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd "
    "72.21.218.154:51341 172.100.100.185:443 5 2 98 246 - "
    "arn:aws:acm:us-east-2:671290407336:certificate/2a108f19-aded-46b0-8493-c63eb1ef4a99 - "
    "ECDHE-RSA-AES128-SHA tlsv12 - my-network-loadbalancer-c6e77e28c25b2234.elb.us-east-2.amazonaws.com "
    'h2 h2 "h2","http/1.1" 2020-04-01T08:51:20'
)


def parse(bucket: LogType, text: str) -> list[Event]:
    events: list[Event] = []
    for event in bucket.parse(io.BytesIO(text.encode()), "key"):
        assert not isinstance(event, BadRecord)
        events += bucket.reshape(event)
    return events


@pytest.mark.parametrize(
    ("name", "taken_by"),
    [
        (f"{START}app.my-lb.50dc6c495c0c9188_20210610T0115Z_172.160.1.1_2ab8.log.gz", "alb"),
        (f"{START}net.my-lb.50dc6c495c0c9188_20210610T0115Z_2ab8.log.gz", "nlb"),
        (f"{START}my-lb_20210610T0115Z_172.160.1.1_2ab8.log", "clb"),
        (f"{START}app_20210610T0115Z_172.160.1.1_2ab8.log", "clb"),
        (f"{START}net-app_20210610T0115Z_172.160.1.1_2ab8.log", "clb"),
        (f"conn_log.{START}app.my-lb.50dc6c495c0c9188_20210610T0115Z_172.160.1.1_2ab8.log.gz", None),
        (f"health_check_log.{START}app.my-lb.50dc_20210610T0115Z_172.160.1.1_2ab8.log.gz", None),
        ("210987654321_elasticloadbalancing_us-east-1_app.my-lb.50dc_20210610T0115Z_1.2.3.4_2.log.gz", None),
        ("123456789012_vpcflowlogs_us-east-1_fl-01_20210610T0115Z_2ab8.log.gz", None),
        ("ELBAccessLogTestFile", None),
        ("", None),
    ],
)
def test_the_name_decides_which_type_takes_an_object(name: str, taken_by: str | None) -> None:
    takers = [b.name for b in (Alb(), Clb(), Nlb()) if b.accepts(f"{FOLDER}2021/06/10/{name}", PARTITION)]

    assert takers == ([taken_by] if taken_by else [])


def test_alb_line_is_named_and_addresses_are_split() -> None:
    [event] = parse(Alb(), ALB_HTTPS + "\n")

    assert event["type"] == "https"
    assert event["request"] == "GET https://www.example.com:443/ HTTP/1.1"
    assert (event["client_ip"], event["client_port"]) == ("192.168.131.39", "2817")
    assert (event["target_ip"], event["target_port"]) == ("10.0.0.1", "80")
    assert (event["target_ip_list"], event["target_port_list"]) == ("10.0.0.1", "80")
    assert event["action_executed"] == "authenticate,forward"
    assert event["conn_trace_id"] == "TID_1234abcd5678ef90"
    assert event["request_transform_status"] == "TransformSuccess"
    assert event["source"] == "alb"
    assert set(event) == {*Alb.columns, "client_ip", "target_ip", "target_ip_list", "source"}


def test_alb_line_of_before_the_newer_columns_lacks_them() -> None:
    [event] = parse(Alb(), ALB_LAMBDA)

    assert event["classification_reason"] == "-"
    assert not {"conn_trace_id", "transformed_host"} & event.keys()


def test_alb_dash_is_no_address() -> None:
    [event] = parse(Alb(), ALB_LAMBDA)

    assert (event["target_port"], event["target_port_list"]) == ("-", "-")
    assert not {"target_ip", "target_ip_list"} & event.keys()


def test_alb_list_of_targets_is_split_into_two_lists() -> None:
    [event] = parse(Alb(), ALB_HTTPS.replace('"10.0.0.1:80"', '"10.0.0.1:80 [2001:db8::2]:81 -"'))

    assert event["target_ip_list"] == "10.0.0.1 2001:db8::2 -"
    assert event["target_port_list"] == "80 81 -"


def test_alb_ipv6_client() -> None:
    [event] = parse(Alb(), ALB_HTTPS.replace("192.168.131.39:2817", "[2001:db8::1]:443"))

    assert (event["client_ip"], event["client_port"]) == ("2001:db8::1", "443")


def test_alb_columns_that_aws_added_since_are_kept() -> None:
    [event] = parse(Alb(), f'{ALB_HTTPS} new "newer column"')

    assert all(isinstance(name, str) for name in event)
    assert (event["column_34"], event["column_35"]) == ("new", "newer column")


@pytest.mark.parametrize("agent", [r"Mozilla (\"odd\" one)", r"a \x22b\x22", 'stray "q" here', "two  spaces", "C:\\"])
def test_alb_user_agent_with_quotes_shifts_no_column_and_eats_no_line(agent: str) -> None:
    odd = ALB_HTTPS.replace("curl/7.46.0", agent)

    first, second = parse(Alb(), f"{odd}\n{ALB_LAMBDA}\n")

    assert first["user_agent"] == agent
    assert first["request_transform_status"] == "TransformSuccess"
    assert second["target_port"] == "-"


def test_alb_line_cut_off_inside_quotes_eats_no_other() -> None:
    cut, whole = parse(Alb(), f"{ALB_HTTPS[: ALB_HTTPS.index('7.46.0')]}\n{ALB_LAMBDA}\n")

    assert cut["user_agent"] == "curl/"
    assert "ssl_cipher" not in cut
    assert whole["user_agent"] == "curl/7.46.0"


def test_clb_lines_are_named_and_nothing_is_split() -> None:
    http, tcp = parse(Clb(), f"{CLB_HTTP}\n{CLB_TCP}\n")

    assert set(http) == {*Clb.columns, "source"}
    assert (http["client_port"], http["backend_port"]) == ("192.168.131.39:2817", "10.0.0.1:80")
    assert (http["user_agent"], http["source"]) == ("curl/7.38.0", "clb")
    assert (tcp["request"], tcp["user_agent"]) == ("- - - ", "-")


def test_nlb_line_is_named_and_addresses_are_split() -> None:
    [event] = parse(Nlb(), NLB_TLS)

    assert set(event) == {*Nlb.columns, "client_ip", "destination_ip", "source"}
    assert (event["client_ip"], event["client_port"]) == ("72.21.218.154", "51341")
    assert (event["destination_ip"], event["destination_port"]) == ("172.100.100.185", "443")
    assert (event["alpn_be_protocol"], event["alpn_client_preference_list"]) == ("h2", "h2,http/1.1")
    assert event["tls_connection_creation_time"] == "2020-04-01T08:51:20"
    assert event["source"] == "nlb"


def test_nlb_text_without_port_stays_whole_in_both() -> None:
    [event] = parse(Nlb(), NLB_TLS.replace("72.21.218.154:51341", "-").replace("172.100.100.185:443", "2001:db8::1"))

    assert (event["client_ip"], event["client_port"]) == ("-", "-")
    assert (event["destination_ip"], event["destination_port"]) == ("2001:db8::1", "2001:db8::1")


def test_nlb_line_of_before_the_newer_columns_lacks_them() -> None:
    [event] = parse(Nlb(), "tls 2.0 2018-12-20T02:59:40 net/my-lb/c6e77e28c25b2234 g3d4b5e8bb8464cd")

    assert event["listener"] == "g3d4b5e8bb8464cd"
    assert not {"client_port", "client_ip", "destination_ip", "alpn_client_preference_list"} & event.keys()


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.0.2.1:443", "192.0.2.1", "443"),
        ("[2001:db8::1]:443", "2001:db8::1", "443"),
        ("2001:db8::1:443", "2001:db8::1", "443"),
        ("2001:db8:0:0:0:0:0:1:443", "2001:db8:0:0:0:0:0:1", "443"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1"),
        ("[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]"),
        ("bad", "bad", "bad"),
        (":80", ":80", ":80"),
        ("192.0.2.1:", "192.0.2.1:", "192.0.2.1:"),
    ],
)
def test_address_and_port(text: str, address: str, port: str) -> None:
    assert split_address(text) == (address, port)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='a1 ":[]-\n\\', max_size=200).map(str.encode))
@pytest.mark.parametrize("bucket", [Alb(), Clb(), Nlb()], ids=lambda bucket: bucket.name)
def test_any_bytes_give_an_event_for_each_line(bucket: LogType, body: bytes) -> None:
    events = list(bucket.parse(io.BytesIO(body), "key"))

    assert len(events) == sum(bool(line.strip()) for line in body.decode("utf-8-sig", "replace").split("\n"))
    for event in events:
        assert isinstance(event, dict)
        assert all(type(name) is str and type(value) is str for name, value in event.items())
