"""AWS Network Firewall: alert, flow and TLS logs of the stateful engine.

Format and layout: the Network Firewall developer guide, "Contents of a firewall log" and "Amazon S3 log destination".
"""

from aws_s3.log_types.base import ACCOUNT_AND_REGION, JsonLogType
from aws_s3.log_types.layout import SLASHED, Account, AnyFolder, Layout, Region


class NetworkFirewall(JsonLogType):
    """Alerts, flows and TLS inspections, in one folder for each kind, region and firewall."""

    name = "network_firewall"
    example = (
        "AWSLogs/123456789012/network-firewall/alert/us-east-1/edge/2021/06/10/01/"
        "123456789012_network-firewall_alert_us-east-1_edge_202106100115_a1b2c3d4.log.gz"
    )
    table = "collection_network_firewall"
    key_columns = ACCOUNT_AND_REGION
    layouts = (Layout(SLASHED, (Account(), "network-firewall", AnyFolder(), Region(), AnyFolder()), in_awslogs=True),)
    account_in_event = True
