"""Answers to a GET that are not the listed object: from a portal, a cache, another server, or of a newer object."""

import errno
import os
import tempfile
from collections.abc import Callable
from typing import IO, Any

import boto3
import pytest
from botocore.config import Config

from aws_s3.aws import download
from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import S3Bucket
from aws_s3.errors import ObjectError, StorageError, UnavailableError
from tests.harness.aws_server import Answer, Request, Server, xml_error

BODY = bytes(range(256)) * 8
LISTED = S3Object("a", len(BODY), '"e"')
PORTAL = Answer(200, b"<html>Welcome to our WLAN</html>", {"Content-Type": "text/html"})
ERROR_DOCUMENT = Answer(200, b"<Error><Code>InternalError</Code></Error>", {"Content-Type": "application/xml"})
SMALL_RANGES = TransferConfig(multipart_threshold=1000, multipart_chunksize=1000)
WAYS = {"direct": TransferConfig(), "client": TransferConfig(direct_get=False), "ranges": SMALL_RANGES}

pytestmark = pytest.mark.usefixtures("http_parser")

Change = Callable[[Request, Answer], Answer]


class Objects:
    """A bucket whose objects all have the same content. `changes` are made to one answer each, in turn."""

    def __init__(self, body: bytes = BODY, etag: str = '"e"', ranges: bool = True) -> None:
        self.body = body
        self.etag = etag
        self.ranges = ranges
        self.changes: list[Change] = []
        self.always: Change = lambda request, answer: answer

    def __call__(self, request: Request) -> Answer:
        answer = self.always(request, self._answer(request))
        if request.method == "GET" and self.changes:
            return self.changes.pop(0)(request, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        headers = {"ETag": self.etag} if self.etag else {"x-amz-request-id": "1"}
        if request.headers.get("if-match", self.etag) != self.etag:
            return xml_error("PreconditionFailed", status=412)
        asked = request.headers.get("range") if self.ranges else None
        if asked is None:
            return Answer(200, self.body, headers)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        part = self.body[int(first) : int(last) + 1 if last else None]
        if not part:
            return xml_error("InvalidRange", status=416)
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(self.body)}"
        return Answer(206, part, headers)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0.001)


@pytest.fixture(params=sorted(WAYS))
def settings(request: pytest.FixtureRequest) -> TransferConfig:
    return WAYS[request.param]


def bucket(server: Server, settings: TransferConfig) -> S3Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 2}),
    )
    return S3Bucket(client, "logs", settings)


def swapped(answer: Answer) -> Change:
    return lambda request, original: answer


def read(store: S3Bucket, item: S3Object = LISTED) -> bytes:
    with store.get(item) as content:
        return content.read()


def requests(server: Server, method: str) -> int:
    return sum(request.method == method for request in server.requests)


@pytest.mark.parametrize("answer", [PORTAL, ERROR_DOCUMENT, Answer(200, BODY)], ids=["portal", "error", "nameless"])
def test_answer_without_etag_and_request_id_is_asked_for_again(settings: TransferConfig, answer: Answer) -> None:
    objects = Objects()
    with Server(objects) as server:
        store = bucket(server, settings)
        assert read(store) == BODY
        objects.changes = [swapped(answer)]
        assert read(store) == BODY
        assert objects.changes == []


def test_answer_that_never_comes_from_s3_makes_the_object_unavailable(settings: TransferConfig) -> None:
    objects = Objects()
    with Server(objects) as server:
        objects.always = lambda request, answer: PORTAL
        with pytest.raises(UnavailableError, match="does not come from AWS") as raised:
            read(bucket(server, settings))
        assert not raised.value.gone and "WLAN" not in str(raised.value)


@pytest.mark.parametrize("status", [403, 404, 401, 400, 503])
def test_page_of_a_proxy_is_neither_a_missing_permission_nor_a_removed_object(
    settings: TransferConfig, status: int
) -> None:
    objects = Objects()
    with Server(objects) as server:
        headers = {"Content-Type": "text/html; charset=utf-8", "Server": "squid/5.7"}
        objects.always = lambda request, answer: Answer(status, b"<html>Blocked</html>", headers)
        with pytest.raises(UnavailableError) as raised:
            read(bucket(server, settings))
        assert (raised.value.gone, raised.value.exit_code) == (False, 7)
        assert f"{status} " in str(raised.value) and "squid/5.7" in str(raised.value)
        assert "Blocked" not in str(raised.value) and "permissions" not in str(raised.value)


@pytest.mark.parametrize("listed", ['"e"', "e", ""])
def test_etag_of_the_listing_is_compared_without_its_quotes(settings: TransferConfig, listed: str) -> None:
    with Server(Objects()) as server:
        store = bucket(server, settings)
        for _ in range(2):
            assert read(store, S3Object("a", len(BODY), listed)) == BODY


@pytest.mark.parametrize("size", [10, len(BODY), 3 * len(BODY)])
def test_object_that_was_replaced_is_read_as_it_is_now(settings: TransferConfig, size: int) -> None:
    with Server(Objects()) as server:
        store = bucket(server, settings)
        read(store)
        heads = requests(server, "HEAD")
        assert read(store, S3Object("b", size, '"older"')) == BODY
        assert requests(server, "HEAD") == heads + 1


def test_object_that_s3_does_not_know_is_not_believed(settings: TransferConfig) -> None:
    objects = Objects()
    with Server(objects) as server:
        store = bucket(server, settings)
        cached = Answer(200, b"a page from a cache", {"ETag": '"page"'})
        objects.changes = [swapped(cached)]
        assert read(store) == BODY
        objects.always = lambda request, answer: cached if request.method == "GET" else answer
        with pytest.raises(UnavailableError, match="neither the listed object nor a newer one"):
            read(store)


def test_object_that_is_gone_after_a_foreign_answer_is_gone(settings: TransferConfig) -> None:
    objects = Objects()
    with Server(objects) as server:
        objects.always = lambda request, answer: (
            Answer(404) if request.method == "HEAD" else Answer(200, b"other", {"ETag": '"other"'})
        )
        if settings is SMALL_RANGES:
            return
        with pytest.raises(UnavailableError) as raised:
            read(bucket(server, settings))
        assert raised.value.gone


def test_server_without_etags_works(settings: TransferConfig) -> None:
    with Server(Objects(etag="")) as server:
        store = bucket(server, settings)
        for listed in ("", '"e"', ""):
            assert read(store, S3Object("a", len(BODY), listed)) == BODY


def test_object_replaced_on_a_server_without_etags_is_read_as_it_is_now() -> None:
    with Server(Objects(etag="")) as server:
        assert read(bucket(server, TransferConfig()), S3Object("a", 10, "")) == BODY


def test_server_that_ignores_ranges_is_read_whole() -> None:
    with Server(Objects(ranges=False)) as server:
        assert read(bucket(server, SMALL_RANGES)) == BODY


def test_body_longer_than_listed_is_not_held_in_memory() -> None:
    large = Objects(body=bytes(1 << 20), etag='"new"')
    with Server(large) as server:
        store = bucket(server, TransferConfig())
        for _ in range(2):
            with store.get(S3Object("a", 100, '"old"')) as content:
                assert content.fileno() >= 0
                assert len(content.read()) == 1 << 20


def test_full_disk_is_not_the_fault_of_the_object(settings: TransferConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> IO[bytes]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    large = bytes(1 << 18)
    with Server(Objects(body=large, etag='"new"')) as server:
        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        with pytest.raises(StorageError, match="TMPDIR") as raised:
            read(bucket(server, settings), S3Object("a", 2000, '"old"'))
        assert not isinstance(raised.value, ObjectError)
