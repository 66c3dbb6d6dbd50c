"""The registry of bucket types: a new type is one file beside this one and one line here."""

from aws_s3.buckets.base import Bucket
from aws_s3.buckets.cisco_umbrella import CiscoUmbrella
from aws_s3.buckets.cloudtrail import CloudTrail
from aws_s3.buckets.config import Config
from aws_s3.buckets.custom import Custom
from aws_s3.buckets.guardduty import GuardDuty
from aws_s3.buckets.load_balancers import Alb, Clb, Nlb
from aws_s3.buckets.server_access import ServerAccess
from aws_s3.buckets.vpcflow import VpcFlow
from aws_s3.buckets.waf import Waf

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
