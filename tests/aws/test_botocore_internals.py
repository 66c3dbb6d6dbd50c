"""Each part of botocore and urllib3 that may change without notice: a release that breaks one fails here."""

import os
from dataclasses import replace
from typing import Any

import boto3
import botocore
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError
from botocore.parsers import ResponseParserError

from aws_s3.aws.botocore_internals import (
    BotocoreSession,
    ClientParts,
    ExpectedAnswer,
    FirstContact,
    StrictParserFactory,
    get_through,
    on_answered,
    on_get_answered,
    on_sent,
    prompt_reader,
    steady_body,
)
from aws_s3.aws.listings import PARSED, Listing, S3Object, parse_early
from tests.harness.aws_server import Answer, Request, Server

LISTING = b"""<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size><LastModified>2021-06-10T01:15:00Z</LastModified></Contents>
</ListBucketResult>"""


def answer(request: Request) -> Answer:
    if "list-type" in request.target:
        return Answer(body=LISTING)
    if request.target.endswith("/missing"):
        return Answer(404)
    return Answer(body=b"content", headers={"ETag": '"e"'})


def client(server: Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(proxies={}),
    )


def test_parts_of_a_client_are_where_they_were() -> None:
    with Server(answer) as server:
        parts = ClientParts.of(client(server))
    assert parts is not None
    assert callable(parts.pools.connection_from_url)
    assert parts.proxies.proxy_url_for(server.url) is None
    assert parts.credentials.get_frozen_credentials().access_key == "k"


def test_client_without_the_parts_is_used_without_them() -> None:
    assert ClientParts.of(object()) is None


def test_pool_gives_connections_for_gets_and_takes_them_back() -> None:
    with Server(answer) as server:
        parts = ClientParts.of(client(server))
        assert parts is not None
        pool = parts.pools.connection_from_url(server.url)
        expected = ExpectedAnswer(len(b"content"), '"e"', 60)
        for _ in range(3):
            assert get_through(pool, "/logs/a", {"x-one": "1"}, expected) == b"content"
        assert pool.num_connections == 1
        assert get_through(pool, "/logs/missing", {}, expected) is None
        assert get_through(pool, "/logs/a", {}, replace(expected, etag='"other"')) is None
        assert get_through(pool, "/logs/a", {}, replace(expected, size=8)) is None
        assert get_through(pool, "/logs/a", {}, replace(expected, etag="")) == b"content"
        assert [request.headers["x-one"] for request in server.requests[:3]] == ["1"] * 3


def test_body_of_an_answer_is_read_steadily_by_this_botocore_and_urllib3() -> None:
    with Server(answer) as server:
        body = client(server).get_object(Bucket="logs", Key="a")["Body"]
        assert prompt_reader(body._raw_stream)
        steady = steady_body(body, server.url, 60)
        assert steady is not body and steady.read(3) == b"con"
        assert list(steady.iter_chunks(2)) == [b"te", b"nt"]


def test_get_is_seen_signed_before_it_is_sent_and_checked_when_answered() -> None:
    sent: list[Any] = []
    answered: list[dict[str, Any]] = []
    with Server(answer) as server:
        s3 = client(server)
        on_sent(s3, "GetObject", sent.append)
        on_get_answered(s3, lambda parsed, url: answered.append(parsed | {"url": url}))
        s3.get_object(Bucket="logs", Key="a b")
        assert sent[0].url == f"{server.url}/logs/a%20b"
        assert b"Credential=k/" in sent[0].headers["Authorization"] and sent[0].headers["User-Agent"]
        assert answered[0]["ETag"] == '"e"' and answered[0]["url"] == sent[0].url


def test_exception_of_the_check_is_that_of_the_call() -> None:
    def refuse(parsed: dict[str, Any], url: str) -> None:
        raise KeyError(parsed["ETag"])

    with Server(answer) as server:
        s3 = client(server)
        on_get_answered(s3, refuse)
        with pytest.raises(KeyError):
            s3.get_object(Bucket="logs", Key="a")


def test_listing_is_taken_before_botocore_parses_it_or_is_botocores_own() -> None:
    with Server(answer) as server:
        s3 = client(server)
        on_answered(s3, "ListObjectsV2", parse_early)
        page = s3.list_objects_v2(Bucket="logs")
    assert (page.get(PARSED) or Listing.of_page(page)) == Listing([S3Object("a", 1, "")], [], None)
    # Early releases of 1.35 and those before have no event there.
    assert PARSED in page or tuple(map(int, botocore.__version__.split(".")[:2])) < (1, 36)


def test_parser_raises_one_class_for_every_answer_that_is_not_awss() -> None:
    shape = botocore.session.Session().get_service_model("sqs").operation_model("ListQueues").output_shape
    parse = StrictParserFactory().create_parser("json").parse
    for body in (b"[]", b'{"__type": 5}', b'{"__type": []}', b"\xff"):
        with pytest.raises(ResponseParserError):
            parse({"headers": {}, "status_code": 400, "body": body, "context": {}}, shape)


def test_attempts_at_an_endpoint_that_never_answered_end_after_three() -> None:
    session = botocore.session.Session()
    FirstContact().register(session)
    with Server(answer) as server:
        pass
    s3 = session.create_client(
        "s3",
        "eu-west-1",
        endpoint_url=server.url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 10}),
    )
    attempts: list[Any] = []
    on_sent(s3, "GetObject", attempts.append)
    with pytest.raises(EndpointConnectionError):
        s3.get_object(Bucket="logs", Key="a")
    assert len(attempts) == 3


def test_session_puts_our_profile_before_botocores_and_asks_our_provider(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(
        "[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = s\nregion = eu-north-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    session = BotocoreSession("dev", {"endpoint_url": "http://127.0.0.1:1"})
    assert session.use_profile().region == session.get_config_variable("region") == "eu-north-1"
    credentials = session.default_chain().load_credentials()
    assert credentials is not None and credentials.access_key == "AKIADEV"
    assert session.create_client("sts", "eu-west-1").meta.endpoint_url == "http://127.0.0.1:1"
