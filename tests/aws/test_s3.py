import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import S3Bucket
from aws_s3.errors import StorageError, UnavailableError
from tests.harness.aws_server import Answer, Server
from tests.harness.emulator import ACCOUNT, Emulator
from tests.harness.fakes import MemoryStore

BUCKET = "acme-logs"
STRANGE = ("a\x01b", "\x1f", "a b+c", "a%2Fb", "ключ", "😀", "?#&=;", "a//b", "'\"<>", "\x7f")
"""Names that a URL or XML does not hold as they are."""


@pytest.fixture
def client(emulator: Emulator) -> Any:
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def store(client: Any) -> S3Bucket:
    return S3Bucket(client, BUCKET, TransferConfig())


def put(emulator: Emulator, *keys: str) -> None:
    for key in keys:
        emulator.put_object(BUCKET, key, key.encode())


def keys(pages: Iterator[list[S3Object]]) -> list[str]:
    return [item.key for page in pages for item in page]


def test_objects_come_in_key_order_by_the_page(emulator: Emulator, store: S3Bucket) -> None:
    names = [f"p/{number:04}" for number in range(1500)]
    put(emulator, "o/1", *names, "q/1")
    pages = list(store.pages("p/"))
    assert [len(page) for page in pages] == [1000, 500]
    assert keys(iter(pages)) == names
    assert pages[0][7] == S3Object("p/0007", 6, pages[0][7].etag, "STANDARD")
    assert pages[0][7].etag.strip('"')


@pytest.mark.parametrize(
    ("after", "first"),
    [("", "p/0000"), ("p/0003", "p/0004"), ("p/00035", "p/0004"), ("p/1200", "p/1201"), ("p/9", None), ("a", "p/0000")],
)
def test_listing_begins_after_a_key_on_all_its_pages(
    emulator: Emulator, store: S3Bucket, after: str, first: str | None
) -> None:
    put(emulator, *(f"p/{number:04}" for number in range(1300)))
    found = keys(store.pages("p/", after))
    assert found == sorted(key for key in (f"p/{number:04}" for number in range(1300)) if key > after)
    assert found[:1] == [first][: len(found)]


def test_nothing_to_list_is_one_empty_page(store: S3Bucket) -> None:
    assert list(store.pages("p/")) == [[]]


def test_keys_that_need_encoding_are_listed_read_and_deleted_as_they_are(emulator: Emulator, store: S3Bucket) -> None:
    for name in STRANGE:
        emulator.put_object(BUCKET, f"p q/{name}", name.encode())
    found = [item for page in store.pages("p q/") for item in page]
    assert sorted(item.key for item in found) == sorted(f"p q/{name}" for name in STRANGE)
    for item in found:
        with store.get(item) as body:
            assert body.read().decode() == item.key.removeprefix("p q/")
    assert store.delete([item.key for item in found]) == []
    assert not store.holds("")


def test_control_characters_are_listed_as_they_are(emulator: Emulator, store: S3Bucket) -> None:
    put(emulator, "p/x\ny", "p/x\ty", "p/\x1b[31m")
    assert keys(store.pages("p/")) == ["p/\x1b[31m", "p/x\ty", "p/x\ny"]


def test_listing_begins_after_a_key_that_needs_encoding(client: Any, store: S3Bucket) -> None:
    for name in ("a b", "a+b", "é"):
        client.put_object(Bucket=BUCKET, Key=name, Body=b"")
    assert keys(store.pages("", "a b")) == ["a+b", "é"]


def test_folders_of_all_pages_are_found(emulator: Emulator, store: S3Bucket) -> None:
    names = [f"{number:012}" for number in range(1100)]
    put(emulator, "p/file", *(f"p/{name}/a" for name in names), "p/000000000007/b", "q/other/a")
    assert list(store.folders("p/")) == names
    assert list(store.folders("p/000000000007/")) == []
    assert list(store.folders("")) == ["p", "q"]


def test_folder_with_a_strange_name_is_found(client: Any, store: S3Bucket) -> None:
    client.put_object(Bucket=BUCKET, Key="p/a b+é/x", Body=b"")
    assert list(store.folders("p/")) == ["a b+é"]


def test_prefix_holds_something_or_nothing(emulator: Emulator, store: S3Bucket) -> None:
    assert not store.holds("")
    put(emulator, "p/a")
    assert store.holds("") and store.holds("p/") and store.holds("p/a")
    assert not store.holds("q")


def test_object_that_is_gone_is_unavailable(store: S3Bucket) -> None:
    with pytest.raises(UnavailableError, match=r"s3://acme-logs/missing.*NoSuchKey") as told:
        store.get(S3Object("missing", 1, "etag"))
    assert told.value.gone
    assert told.value.exit_code == 7


def test_bucket_that_is_missing_is_told_by_its_name(emulator: Emulator) -> None:
    missing = S3Bucket(emulator.client("s3"), "no-such-bucket", TransferConfig())
    for ask in (lambda: missing.holds(""), lambda: list(missing.folders("")), lambda: list(missing.pages(""))):
        with pytest.raises(StorageError, match=r"no-such-bucket.*NoSuchBucket") as told:
            ask()
        assert told.value.exit_code == 7
    with pytest.raises(StorageError, match="no-such-bucket") as told:
        missing.get(S3Object("a", 1, "etag"))
    assert not isinstance(told.value, UnavailableError)


def test_objects_are_deleted_by_the_thousand(emulator: Emulator, client: Any, store: S3Bucket) -> None:
    names = [f"p/{number:04}" for number in range(1100)]
    put(emulator, *names, "p/stays")
    sizes: list[int] = []
    client.meta.events.register(
        "before-parameter-build.s3.DeleteObjects",
        lambda params, **_: sizes.append(len(params["Delete"]["Objects"])),
    )
    assert store.delete(names) == []
    assert sizes == [1000, 100]
    assert keys(store.pages("")) == ["p/stays"]
    assert store.delete([]) == []


def test_objects_that_cannot_be_deleted_are_told_and_the_others_are_deleted(
    emulator: Emulator, client: Any, store: S3Bucket
) -> None:
    put(emulator, "a", "b")
    denied = {"Errors": [{"Key": "b", "Code": "AccessDenied", "Message": "no"}]}
    client.meta.events.register("after-call.s3.DeleteObjects", lambda parsed, **_: parsed.update(denied))
    [line] = store.delete(["a", "b"])
    assert "s3://acme-logs/b" in line and "AccessDenied" in line


def test_batch_that_fails_is_one_line_and_raises_nothing(emulator: Emulator) -> None:
    missing = S3Bucket(emulator.client("s3"), "no-such-bucket", TransferConfig())
    [line] = missing.delete(["a", "b"])
    assert "2 objects" in line and "no-such-bucket" in line


def test_bucket_in_memory_lists_as_s3_does(emulator: Emulator, client: Any, store: S3Bucket) -> None:
    """What other tests learn from the one must hold for the other."""
    names = ["2021/06/10/a", "2021/06/10/b", "AWSLogs/x/y", "AWSLogs/z", "a b/+/c", "é/ü", "top"]
    for name in names:
        client.put_object(Bucket=BUCKET, Key=name, Body=name.encode())
    memory = MemoryStore({name: name.encode() for name in names})
    for prefix in ("", "2021/", "AWSLogs/", "a b/", "no"):
        assert list(memory.folders(prefix)) == list(store.folders(prefix))
        assert memory.holds(prefix) == store.holds(prefix)
        for after in ("", "2021/06/10/a", "b", "AWSLogs/x"):
            assert list(memory.pages(prefix, after)) == list(store.pages(prefix, after)), (prefix, after)


def test_requests_name_the_bucket_only(client: Any, store: S3Bucket) -> None:
    asked: list[Any] = []
    client.meta.events.register("provide-client-params.s3.*", lambda params, **_: asked.append(dict(params)))
    list(store.pages("p/", "p/2021"))
    assert asked == [{"Bucket": BUCKET, "Prefix": "p/", "StartAfter": "p/2021"}]
    assert json.dumps(asked).count(ACCOUNT) == 0


def listing(keys: list[str], token: str) -> Answer:
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    head = f"<ListBucketResult><IsTruncated>{str(bool(token)).lower()}</IsTruncated>{more}"
    return Answer(body=f"{head}{contents}</ListBucketResult>".encode())


def test_key_that_a_listing_names_twice_comes_once() -> None:
    pages = iter([listing(["a", "b", "b", "a"], "1"), listing([], "2"), listing(["b", "c"], "3"), listing(["c"], "")])
    with Server(lambda request: next(pages)) as server:
        client = boto3.client(
            *("s3", "eu-west-1"),
            endpoint_url=server.url,
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=Config(proxies={}),
        )
        found = [keys(iter([page])) for page in S3Bucket(client, BUCKET, TransferConfig()).pages("")]
    assert found == [["a", "b"], [], ["c"], []]
