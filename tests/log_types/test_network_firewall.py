import io
import json

import pytest

from aws_s3.log_types.network_firewall import NetworkFirewall
from aws_s3.log_types.recognition import partition_of

ALERT = {
    "firewall_name": "edge",
    "availability_zone": "us-east-1a",
    "event_timestamp": "1623287700",
    "event": {
        "timestamp": "2021-06-10T01:15:00.000000+0000",
        "event_type": "alert",
        "src_ip": "192.0.2.4",
        "dest_port": 443,
        "alert": {"action": "blocked", "signature_id": 2, "signature": "bad", "severity": 1},
    },
}


def test_each_line_is_an_event() -> None:
    body = "\n".join([json.dumps(ALERT)] * 2).encode()
    events = list(NetworkFirewall().parse(io.BytesIO(body), NetworkFirewall.example))
    assert events == [{**ALERT, "source": "network_firewall"}] * 2


@pytest.mark.parametrize("kind", ["alert", "flow", "tls"])
def test_each_kind_and_firewall_is_a_partition(kind: str) -> None:
    found = partition_of(NetworkFirewall.example.replace("alert", kind), NetworkFirewall.layouts[0])
    assert found is not None
    assert (found.account, found.region) == ("123456789012", "us-east-1")
    assert found.prefix == f"AWSLogs/123456789012/network-firewall/{kind}/us-east-1/edge/"
