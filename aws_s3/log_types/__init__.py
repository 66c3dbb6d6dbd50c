"""The registry of bucket types: a new type is one file beside this one and one line here."""

from aws_s3.log_types.base import Bucket
from aws_s3.log_types.cisco_umbrella import CiscoUmbrella
from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.config import Config
from aws_s3.log_types.custom import Custom
from aws_s3.log_types.guardduty import GuardDuty
from aws_s3.log_types.load_balancers import Alb, Clb, Nlb
from aws_s3.log_types.server_access import ServerAccess
from aws_s3.log_types.vpcflow import VpcFlow
from aws_s3.log_types.waf import Waf

_TYPES: tuple[type[Bucket], ...] = (
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
)

BUCKET_TYPES: dict[str, type[Bucket]] = {bucket.name: bucket for bucket in _TYPES}
