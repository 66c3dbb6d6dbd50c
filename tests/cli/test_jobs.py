"""The start of a run."""

import subprocess
import sys

import pytest

_NOT_FOR_BUCKETS = ("boto3", "pyarrow", "prometheus_client", "tqdm", "shtab", "aws_s3.services", "aws_s3.subscribers")

_START = """
import gc, sys
from unittest.mock import patch
with patch("aws_s3.buckets.run.collect_bucket", lambda *_: print(gc.isenabled(), *sys.modules) or 0):
    from aws_s3.__main__ import run
    sys.argv[1:] = ["-b", "acme-logs"]
    run()
"""


@pytest.fixture(scope="module")
def started() -> list[str]:
    """Whether Python looks for garbage once the collection begins, then the names of all modules imported."""
    ended = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_garbage_is_collected_once_the_start_is_over(started: list[str]) -> None:
    assert started[0] == "True"


def test_what_no_bucket_needs_is_not_imported(started: list[str]) -> None:
    assert "aws_s3.buckets.run" in started
    assert not set(_NOT_FOR_BUCKETS).intersection(started)
