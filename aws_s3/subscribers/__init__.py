"""Collecting the objects that a queue's messages name. The registry names the formats of such objects.

Begin with `run`, then `collector`, the loop over the messages. A format is one file here and one line below.
"""

from aws_s3.subscribers.any_object import AnyObject
from aws_s3.subscribers.base import ObjectFormat
from aws_s3.subscribers.security_hub import SecurityHub
from aws_s3.subscribers.security_lake import SecurityLake

_SUBSCRIBERS: tuple[type[ObjectFormat], ...] = (AnyObject, SecurityHub, SecurityLake)

SUBSCRIBERS: dict[str, type[ObjectFormat]] = {subscriber.name: subscriber for subscriber in _SUBSCRIBERS}
