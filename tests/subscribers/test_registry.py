"""Tests over all subscribers."""

import pytest

from aws_s3.config import options as arguments
from aws_s3.subscribers import SUBSCRIBERS
from aws_s3.subscribers.base import ContentFormat


def test_names_are_those_of_the_command_line() -> None:
    assert sorted(SUBSCRIBERS) == sorted(arguments.SUBSCRIBERS) == ["buckets", "security_hub", "security_lake"]


@pytest.mark.parametrize("subscriber", SUBSCRIBERS.values(), ids=lambda subscriber: subscriber.name)
def test_subscriber_is_found_under_its_name(subscriber: type[ContentFormat]) -> None:
    assert SUBSCRIBERS[subscriber.name] is subscriber
    assert isinstance(subscriber(), ContentFormat)
