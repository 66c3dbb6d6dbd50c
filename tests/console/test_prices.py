"""Requests and their price."""

import threading

import pytest

from aws_s3.console.prices import price, priced
from aws_s3.pipeline.stats import RequestCounts


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ({}, ""),
        ({"GET": 0}, ""),
        ({"LIST": 1}, "1 LIST (USD <0.0001)"),
        ({"LIST": 1000, "GET": 1000}, "1,000 LIST, 1,000 GET (USD 0.0054)"),
        ({"LIST": 158_000}, "158,000 LIST (USD 0.7900)"),
        ({"GET": 10_000_000, "DELETE": 10_000}, "10,000,000 GET, 10,000 DELETE (USD 4.00)"),
        ({"DELETE": 1}, "1 DELETE (USD 0.0000)"),
        ({"SQS": 1_000_000, "GET": 1}, "1,000,000 SQS, 1 GET (USD 0.4000)"),
        ({"GetLogEvents": 25}, "25 GetLogEvents (no list price)"),
        ({"LIST": 200, "ListFindings": 2}, "200 LIST (USD 0.0010), 2 ListFindings (no list price)"),
    ],
)
def test_requests_are_told_with_their_price(requests: dict[str, int], said: str) -> None:
    assert priced(requests) == said


def test_kinds_without_a_price_cost_nothing() -> None:
    assert price({"GetLogEvents": 10**9, "LIST": 200}) == "USD 0.0010"


def test_requests_are_counted_from_all_threads() -> None:
    counts = RequestCounts()

    def count() -> None:
        for _ in range(1000):
            counts.add("LIST")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.by_kind() == {"LIST": 8000}
