"""Access logs of the three kinds of load balancer, which share one folder: alb, clb and nlb.

Formats: Elastic Load Balancing's user guides ("Access logs for your Application Load Balancer",
"… Classic Load Balancer", "… Network Load Balancer").
"""

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import IO, ClassVar

from aws_s3.codec.delimited import named, spaced_fields
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import Event
from aws_s3.log_types.base import TextLogType
from aws_s3.log_types.layout import Partition, aws_logs

_SERVICE = "elasticloadbalancing"
_OBJECT = f"AWSLogs/123456789012/{_SERVICE}/us-east-1/2021/06/10/123456789012_{_SERVICE}_us-east-1"
_KINDS = ("app", "net")


class LoadBalancerLogType(TextLogType):
    """A kind of logs in the load balancers' folder.

    `kind` is `app`, `net` or empty, as object names say it; `starts` are the beginnings of names before the account,
    empty for access logs; `columns` names the fields of a line.
    """

    layouts = (aws_logs(_SERVICE),)
    kind: ClassVar[str]
    starts: ClassVar[tuple[str, ...]] = ("",)
    columns: ClassVar[tuple[str, ...]]

    def accepts(self, key: str, partition: Partition) -> bool:
        """Take the logs of this kind and of these load balancers."""
        name = key.rpartition("/")[2]
        starts = (f"{start}{partition.account}_{_SERVICE}_" for start in self.starts)
        return any(name.startswith(start) and _kind_of(name[len(start) :]) == self.kind for start in starts)

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each line, with `source` = the type's name. All values are strings."""
        for event in named(map(spaced_fields, text_lines(body)), self.columns, self.name, key):
            event["source"] = self.name
            self.split(event)
            yield event

    def split(self, event: dict[str, str]) -> None:
        """Split the fields that hold more than one value."""


class Alb(LoadBalancerLogType):
    """Requests to Application Load Balancers."""

    name = "alb"
    example = f"{_OBJECT}_app.web.0a1b2c3d4e5f6789_20210610T0115Z_192.0.2.1_a1b2c3d4.log.gz"
    table = "alb"
    kind = "app"
    columns = (
        "type",
        "time",
        "elb",
        "client_port",
        "target_port",
        "request_processing_time",
        "target_processing_time",
        "response_processing_time",
        "elb_status_code",
        "target_status_code",
        "received_bytes",
        "sent_bytes",
        "request",
        "user_agent",
        "ssl_cipher",
        "ssl_protocol",
        "target_group_arn",
        "trace_id",
        "domain_name",
        "chosen_cert_arn",
        "matched_rule_priority",
        "request_creation_time",
        "action_executed",
        "redirect_url",
        "error_reason",
        "target_port_list",
        "target_status_code_list",
        "classification",
        "classification_reason",
        "conn_trace_id",
        "transformed_host",
        "transformed_uri",
        "request_transform_status",
    )

    def split(self, event: dict[str, str]) -> None:
        """Split addresses from ports; `-`, no address, stays alone."""
        if event.get("client_port", "-") != "-":
            _split_addresses(event, "client_port", "client_ip")
        if event.get("target_port", "-") != "-":
            _split_addresses(event, "target_port", "target_ip")
        if event.get("target_port_list", "-") != "-":
            _split_addresses(event, "target_port_list", "target_ip_list")


class Clb(LoadBalancerLogType):
    """Requests to Classic Load Balancers."""

    name = "clb"
    example = f"{_OBJECT}_web_20210610T0115Z_192.0.2.1_a1b2c3d4.log"
    table = "clb"
    kind = ""
    columns = (
        "time",
        "elb",
        "client_port",
        "backend_port",
        "request_processing_time",
        "backend_processing_time",
        "response_processing_time",
        "elb_status_code",
        "backend_status_code",
        "received_bytes",
        "sent_bytes",
        "request",
        "user_agent",
        "ssl_cipher",
        "ssl_protocol",
    )


class Nlb(LoadBalancerLogType):
    """TLS requests to Network Load Balancers."""

    name = "nlb"
    example = f"{_OBJECT}_net.web.0a1b2c3d4e5f6789_20210610T0115Z_192.0.2.1_a1b2c3d4.log.gz"
    table = "nlb"
    kind = "net"
    columns = (
        "type",
        "version",
        "time",
        "elb",
        "listener",
        "client_port",
        "destination_port",
        "connection_time",
        "tls_handshake_time",
        "received_bytes",
        "sent_bytes",
        "incoming_tls_alert",
        "chosen_cert_arn",
        "chosen_cert_serial",
        "tls_cipher",
        "tls_protocol_version",
        "tls_named_group",
        "domain_name",
        "alpn_fe_protocol",
        "alpn_be_protocol",
        "alpn_client_preference_list",
        "tls_connection_creation_time",
    )

    def split(self, event: dict[str, str]) -> None:
        """Split addresses from ports, and take the quotes off the list's elements: `"h2","http/1.1"`."""
        if "client_port" in event:
            _split_addresses(event, "client_port", "client_ip")
        if "destination_port" in event:
            _split_addresses(event, "destination_port", "destination_ip")
        if "alpn_client_preference_list" in event:
            protocols = event["alpn_client_preference_list"]
            event["alpn_client_preference_list"] = protocols.replace('"', "")


def split_address(text: str) -> tuple[str, str]:
    """Return address and port of `IP:PORT` or `[IPv6]:PORT`; a text without a port is both."""
    address, _, port = text.rpartition(":")
    if not address or not port.isdecimal():
        return text, text
    if address[0] == "[" and address[-1] == "]":
        return address[1:-1], port
    return (address, port) if ":" not in address or _is_ipv6(address) else (text, text)


def _split_addresses(event: dict[str, str], ports: str, addresses: str) -> None:
    text = event[ports]
    if " " in text:
        pairs = [split_address(one) for one in text.split(" ")]
        event[addresses], event[ports] = (" ".join(column) for column in zip(*pairs, strict=True))
    else:
        event[addresses], event[ports] = split_address(text)


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _kind_of(name: str) -> str:
    """Return the kind of the load balancer in `REG_app.NAME.ID_…`; a Classic Load Balancer's name has no dot."""
    kind = name.partition("_")[2].partition(".")[0]
    return kind if kind in _KINDS else ""
