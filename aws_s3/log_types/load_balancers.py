"""Access logs of the three kinds of load balancer, which share one folder: alb, clb and nlb.

Formats: Elastic Load Balancing's user guides ("Access logs for your Application Load Balancer",
"… Classic Load Balancer", "… Network Load Balancer").
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv6Address
from itertools import accumulate, chain, groupby, pairwise
from typing import IO, ClassVar

from aws_s3.codec.blocks import Block, IrregularError, block_lines, line_blocks
from aws_s3.codec.delimited import ColumnBatch, batch_events, named, spaced_columns, spaced_fields
from aws_s3.codec.json_and_lines import text_lines
from aws_s3.codec.records import Event
from aws_s3.log_types.base import TextLogType
from aws_s3.log_types.layout import Partition, aws_logs

_SERVICE = "elasticloadbalancing"
_OBJECT = f"AWSLogs/123456789012/{_SERVICE}/us-east-1/2021/06/10/123456789012_{_SERVICE}_us-east-1"
_KINDS = ("app", "net")
_ALB_ADDRESSES = {"client_port": "client_ip", "target_port": "target_ip", "target_port_list": "target_ip_list"}


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

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut the content between lines."""
        del key
        return line_blocks(body)

    def block_columns(self, block: Block) -> Iterable[ColumnBatch]:
        """Return the lines of a block by column. Lines with more columns than are known are left to `parse`."""
        lines = block_lines(block)
        columns = spaced_columns(lines)
        if columns is not None and len(columns) <= len(self.columns):
            named = dict(zip(self.columns, columns, strict=False))
            return self.split_columns({**named, "source": [self.name] * len(lines)})
        return map(_as_columns, self._events(map(spaced_fields, lines), block))

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the lines of a block as events."""
        return chain.from_iterable(map(batch_events, self.block_columns(block)))

    def parse_rest(self, body: IO[bytes], key: str, names: tuple[str, ...]) -> Iterator[Event]:
        """Yield the lines from a block on."""
        del names
        return self.parse(body, key)

    def _events(self, rows: Iterable[list[str]], block: Block) -> Iterator[dict[str, str]]:
        for fields in rows:
            if len(fields) > len(self.columns):
                raise IrregularError(block.start)
            event = dict(zip(self.columns, fields, strict=False))
            event["source"] = self.name
            self.split(event)
            yield event

    def split_columns(self, columns: dict[str, Sequence[str]]) -> Iterable[ColumnBatch]:
        """Do what `split` does with all rows of a batch."""
        if type(self).split is LoadBalancerLogType.split:
            return (columns,)
        return map(_as_columns, map(self._with_split, batch_events(columns)))

    def _with_split(self, event: dict[str, str]) -> dict[str, str]:
        self.split(event)
        return event

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
        for ports, addresses in _ALB_ADDRESSES.items():
            if event.get(ports, "-") != "-":
                _split_addresses(event, ports, addresses)

    def split_columns(self, columns: dict[str, Sequence[str]]) -> Iterable[ColumnBatch]:
        """Split addresses from ports, in batches of rows that follow each other and have the same addresses."""
        mixed = [columns[ports] for ports in _ALB_ADDRESSES if "-" in columns.get(ports, ())]
        if not mixed:
            return (_with_addresses(columns),)
        runs = (
            len(list(run)) for _, run in groupby(zip(*mixed, strict=True), lambda row: [text == "-" for text in row])
        )
        ends = list(accumulate(runs, initial=0))
        return (
            _with_addresses({name: column[start:end] for name, column in columns.items()})
            for start, end in pairwise(ends)
        )


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


def _with_addresses(columns: dict[str, Sequence[str]]) -> ColumnBatch:
    """Return the batch with the addresses of an ALB's lines apart, where its first row has any."""
    for ports, addresses in _ALB_ADDRESSES.items():
        if columns.get(ports, ("-",))[0] != "-":
            columns[addresses], columns[ports] = _split_column(columns[ports])
    return columns


def _split_column(texts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return addresses and ports of a column: of plain `IPv4:PORT` at once."""
    addresses, _, ports = zip(*[text.rpartition(":") for text in texts], strict=True)
    is_plain = "".join(addresses).replace(".", "").isdecimal() and "".join(ports).isdecimal()
    if is_plain and all(addresses) and all(ports):
        return addresses, ports
    addresses, ports = zip(*map(_split_text, texts), strict=True)
    return addresses, ports


def _as_columns(event: dict[str, str]) -> ColumnBatch:
    return {name: (value,) for name, value in event.items()}


def split_address(text: str) -> tuple[str, str]:
    """Return address and port of `IP:PORT` or `[IPv6]:PORT`; a text without a port is both."""
    address, _, port = text.rpartition(":")
    if not address or not port.isdecimal():
        return text, text
    if address[0] == "[" and address[-1] == "]":
        return address[1:-1], port
    return (address, port) if ":" not in address or _is_ipv6(address) else (text, text)


def _split_addresses(event: dict[str, str], ports: str, addresses: str) -> None:
    event[addresses], event[ports] = _split_text(event[ports])


def _split_text(text: str) -> tuple[str, str]:
    """Return addresses and ports of one or several addresses with blanks between."""
    if " " not in text:
        return split_address(text)
    addresses, ports = zip(*map(split_address, text.split(" ")), strict=True)
    return " ".join(addresses), " ".join(ports)


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
