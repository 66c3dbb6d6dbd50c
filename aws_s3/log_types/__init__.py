"""The types of logs kept in buckets, and their registry: a type is one file here and one line below.

Begin with `base`, the contract of a type, and `route53_resolver`, which adds data alone to it. `layout` describes
folders as data.
"""

from aws_s3.log_types.alb_connection import AlbConnection
from aws_s3.log_types.alb_health_check import AlbHealthCheck
from aws_s3.log_types.base import LogType
from aws_s3.log_types.cisco_umbrella import CiscoUmbrella
from aws_s3.log_types.cloudfront import CloudFront
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.cloudtrail_insight import CloudTrailInsight
from aws_s3.log_types.cloudtrail_network_activity import CloudTrailNetworkActivity
from aws_s3.log_types.config import Config
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.guardduty import GuardDuty
from aws_s3.log_types.layout_pattern import parse_layout
from aws_s3.log_types.load_balancers import Alb, Clb, Nlb
from aws_s3.log_types.network_firewall import NetworkFirewall
from aws_s3.log_types.route53_resolver import Route53Resolver
from aws_s3.log_types.server_access import ServerAccess
from aws_s3.log_types.vpcflow import VpcFlow
from aws_s3.log_types.waf import Waf
from aws_s3.settings import BucketLocation

_TYPES: tuple[type[LogType], ...] = (
    CloudTrail,
    Config,
    VpcFlow,
    GuardDuty,
    Custom,
    Alb,
    Clb,
    Nlb,
    Waf,
    ServerAccess,
    CiscoUmbrella,
    CloudTrailInsight,
    CloudTrailNetworkActivity,
    Route53Resolver,
    NetworkFirewall,
    CloudFront,
    AlbConnection,
    AlbHealthCheck,
)

LAYOUT_TYPES = frozenset({Custom.name, Waf.name})
"""The types that `--layout` is for: objects of any service, and of WAF, in folders of any form."""

LOG_TYPES: dict[str, type[LogType]] = {log_type.name: log_type for log_type in _TYPES}


def log_type_of(location: BucketLocation) -> LogType:
    """Return the type of a location, with the location's own layout if there is one."""
    log_type = LOG_TYPES[location.type]
    return log_type.with_layout(parse_layout(location.layout)) if location.layout else log_type()
