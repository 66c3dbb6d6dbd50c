"""The requests of a run and their price, at AWS's list price of us-east-1 in US dollars, without any free tier."""

from collections.abc import Mapping

_A_MILLION = {"LIST": 5.0, "GET": 0.4, "DELETE": 0.0, "SQS": 0.4}
"""The price of a million requests, by kind.

S3 Standard: 0.005 for 1,000 LIST and 0.0004 for 1,000 GET; DELETE is free (aws.amazon.com/s3/pricing). SQS standard
queues: 0.40 for a million after the first million of a month (aws.amazon.com/sqs/pricing). No price of CloudWatch
Logs' and Inspector's reading operations was found in AWS's documentation: they stay without one.
"""

_LEAST = 0.0001


def price(requests: Mapping[str, int]) -> str:
    """Return the price of requests that have one: `USD 0.0050`."""
    cost = sum(count * _A_MILLION.get(kind, 0.0) for kind, count in requests.items()) / 1_000_000
    if 0 < cost < _LEAST:
        return f"USD <{_LEAST}"
    return f"USD {cost:,.4f}" if cost < 1 else f"USD {cost:,.2f}"


def priced(requests: Mapping[str, int]) -> str:
    """Return `1,000 LIST, 20 GET (USD 0.0050)`; kinds without a price are told so. The text is empty without any."""
    counted = {kind: count for kind, count in requests.items() if count}
    known = {kind: count for kind, count in counted.items() if kind in _A_MILLION}
    others = {kind: count for kind, count in counted.items() if kind not in known}
    told = [f"{_told(known)} ({price(known)})"] if known else []
    return ", ".join([*told, f"{_told(others)} (no list price)"] if others else told)


def _told(requests: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in requests.items())
