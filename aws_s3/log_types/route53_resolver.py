"""Route 53 Resolver: DNS queries of a VPC, with the action of DNS Firewall.

Format and layout: the Route 53 developer guide, "Values that appear in VPC Resolver query logs" and "AWS resources
that you can send VPC Resolver query logs to".
"""

from aws_s3.log_types.base import JsonLogType
from aws_s3.log_types.layout import SLASHED, Account, AnyFolder, Layout


class Route53Resolver(JsonLogType):
    """DNS queries, in one folder for each VPC."""

    name = "route53_resolver"
    example = (
        "AWSLogs/123456789012/vpcdnsquerylogs/vpc-0a1b2c3d/2021/06/10/"
        "vpc-0a1b2c3d_vpcdnsquerylogs_123456789012_20210610T0115Z_a1b2c3d4.log.gz"
    )
    table = "collection_route53_resolver"
    layouts = (Layout(SLASHED, (Account(), "vpcdnsquerylogs", AnyFolder()), in_awslogs=True),)
    account_in_event = True
