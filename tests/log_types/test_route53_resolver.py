import io
import json

from aws_s3.codec.records import BadRecord
from aws_s3.log_types.recognition import partition_of
from aws_s3.log_types.route53_resolver import Route53Resolver

QUERY = {
    "version": "1.100000",
    "account_id": "123456789012",
    "vpc_id": "vpc-0a1b2c3d",
    "query_timestamp": "2021-06-10T01:15:10Z",
    "query_name": "bad.example.",
    "rcode": "NOERROR",
    "answers": [{"Rdata": "203.0.113.9", "Type": "A", "Class": "IN"}, {"Rdata": "203.0.113.10", "Type": "A"}],
    "srcids": {"instance": "i-0a1b"},
    "firewall_rule_action": "BLOCK",
}


def test_each_line_is_a_query() -> None:
    body = "".join(json.dumps(QUERY) + "\n" for _ in range(3)).encode()
    events = list(Route53Resolver().parse(io.BytesIO(body), Route53Resolver.example))
    assert events == [{**QUERY, "source": "route53_resolver"}] * 3


def test_another_value_is_a_bad_record() -> None:
    assert list(Route53Resolver().parse(io.BytesIO(b"[7]"), "k")) == [BadRecord("expected a JSON object")]


def test_each_vpc_is_a_partition_of_its_account() -> None:
    found = partition_of(Route53Resolver.example, Route53Resolver.layouts[0])
    assert found is not None
    assert (found.account, found.prefix) == ("123456789012", "AWSLogs/123456789012/vpcdnsquerylogs/vpc-0a1b2c3d/")
