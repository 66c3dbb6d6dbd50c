"""Collecting the objects that a queue's messages name. The registry names the formats of such objects.

Begin with `run`, which puts the parts together, then `collector`, which decides about messages and objects.
A format is one file here and one line below.
"""

from aws_s3.subscribers.any_object import AnyObject
from aws_s3.subscribers.base import ContentFormat
from aws_s3.subscribers.security_hub import SecurityHub
from aws_s3.subscribers.security_lake import SecurityLake

_SUBSCRIBERS: tuple[type[ContentFormat], ...] = (AnyObject, SecurityHub, SecurityLake)

SUBSCRIBERS: dict[str, type[ContentFormat]] = {subscriber.name: subscriber for subscriber in _SUBSCRIBERS}
