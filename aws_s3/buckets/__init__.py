"""The registry of bucket types: a new type is one file beside this one and one line here."""

from aws_s3.buckets.base import Bucket
from aws_s3.buckets.cloudtrail import CloudTrail

_TYPES: tuple[type[Bucket], ...] = (CloudTrail,)

BUCKET_TYPES: dict[str, type[Bucket]] = {bucket.name: bucket for bucket in _TYPES}
