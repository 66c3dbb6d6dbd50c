"""The registry of subscribers: a new one is one file beside this one and one line here."""

from aws_s3.subscribers.any_object import Buckets
from aws_s3.subscribers.base import Subscriber
from aws_s3.subscribers.security_hub import SecurityHub
from aws_s3.subscribers.security_lake import SecurityLake

_SUBSCRIBERS: tuple[type[Subscriber], ...] = (Buckets, SecurityHub, SecurityLake)

SUBSCRIBERS: dict[str, type[Subscriber]] = {subscriber.name: subscriber for subscriber in _SUBSCRIBERS}
