"""The limit of requests or bytes a second, over all threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aws_s3.aws.rate_limiter import RateLimiter


@pytest.mark.parametrize(("rate", "units"), [(200.0, 1), (20_000.0, 100)])
def test_rate_holds_for_all_threads_together(rate: float, units: int) -> None:
    limiter = RateLimiter(rate)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as executor:
        for wait in [executor.submit(limiter.wait, units) for _ in range(100)]:
            wait.result()
    assert time.monotonic() - began > 0.49


def test_pause_gives_no_more_credit_than_a_moment() -> None:
    limiter = RateLimiter(50, credit=0.2)
    limiter.wait()
    time.sleep(0.5)
    began = time.monotonic()
    for _ in range(21):
        limiter.wait()
    assert time.monotonic() - began > 0.19


def test_first_units_wait_for_nothing() -> None:
    began = time.monotonic()
    RateLimiter(0.001).wait()
    assert time.monotonic() - began < 60


def test_rate_is_halved_and_grows_back() -> None:
    limiter = RateLimiter(1000)
    for _ in range(2):
        limiter.slow_down()
    assert limiter.rate == pytest.approx(250)
    for _ in range(100):
        limiter.wait()
    assert limiter.rate == pytest.approx(1000)


def test_rate_is_never_below_one_a_second_nor_raised() -> None:
    fast, slow = RateLimiter(1000), RateLimiter(0.5)
    for limiter in (fast, slow):
        for _ in range(20):
            limiter.slow_down()
    assert (fast.rate, slow.rate) == (1, 0.5)
