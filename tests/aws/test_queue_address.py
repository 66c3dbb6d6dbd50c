"""Tests of the ways to name a queue."""

import pytest

from aws_s3.aws.queue_address import QueueAddress

ACCOUNT = "123456789012"


@pytest.mark.parametrize("name", ["q1", "My_Queue-7", "a" * 80, "orders.fifo"])
def test_name_is_a_name(name: str) -> None:
    assert QueueAddress.parse(name) == QueueAddress(name)


@pytest.mark.parametrize(
    ("arn", "region"),
    [
        (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q1", "eu-west-1"),
        (f"arn:aws-us-gov:sqs:us-gov-west-1:{ACCOUNT}:q1", "us-gov-west-1"),
        (f"arn:aws-cn:sqs:cn-north-1:{ACCOUNT}:q1", "cn-north-1"),
    ],
)
def test_arn_tells_region_account_and_name(arn: str, region: str) -> None:
    assert QueueAddress.parse(arn) == QueueAddress("q1", region, ACCOUNT)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/q1", "eu-west-1"),
        (f"https://eu-west-1.queue.amazonaws.com/{ACCOUNT}/q1", "eu-west-1"),
        (f"https://sqs.cn-north-1.amazonaws.com.cn/{ACCOUNT}/q1", "cn-north-1"),
        (f"https://vpce-0a1.sqs.us-east-1.vpce.amazonaws.com/{ACCOUNT}/q1", "us-east-1"),
        (f"https://queue.amazonaws.com/{ACCOUNT}/q1", ""),
        (f"http://127.0.0.1:5000/{ACCOUNT}/q1", ""),
        (f"http://localhost:4566/queue/eu-west-1/{ACCOUNT}/q1", ""),
    ],
)
def test_url_stays_and_its_host_tells_the_region(url: str, region: str) -> None:
    assert QueueAddress.parse(url) == QueueAddress("q1", region, ACCOUNT, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 81,
        "a b",
        "q.fif",
        ".fifo",
        f"arn:aws:sns:eu-west-1:{ACCOUNT}:q1",
        "arn:aws:sqs:eu-west-1:12:q1",
        f"arn:aws:sqs::{ACCOUNT}:q1",
        f"ftp://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/q1",
        "https://sqs.eu-west-1.amazonaws.com/q1",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/a b",
        f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/q1\n",
        "q1\n",
    ],
)
def test_another_text_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a queue name, URL or ARN"):
        QueueAddress.parse(text)
