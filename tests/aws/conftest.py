"""Fixtures of the tests that talk HTTP."""

import pytest

from aws_s3.aws import botocore_internals


@pytest.fixture(params=["httptools", "http.client"])
def http_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let either parser read the answers to direct GETs, as with and without the extra `fast`."""
    if request.param == "http.client":
        monkeypatch.setattr(botocore_internals, "_http_answer", lambda: None)
