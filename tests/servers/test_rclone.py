"""A server that checks signatures: botocore's, and those of the direct GET."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_s3.aws.config_file import TransferConfig
from aws_s3.aws.listings import S3Object
from aws_s3.aws.s3 import S3Bucket
from tests.harness.command import Home, new_home
from tests.servers.processes import Endpoint, rclone
from tests.servers.test_ministack import BUCKET, SINCE, both, trail

pytestmark = pytest.mark.slow

STRANGE = ("a b+c", "a%2Fb", "ключ", "😀", "&=;", "'<>", "~.-_")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / BUCKET).mkdir()
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Endpoint]:
    with rclone(folder) as running:
        yield running


@pytest.fixture
def home(server: Endpoint) -> Iterator[Home]:
    with new_home(server) as home:
        yield home


def write(folder: Path, name: str) -> None:
    key, body = trail(name)
    path = folder / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


@pytest.mark.parametrize("switch", ["0", "1"])
def test_bucket_comes_whole_then_nothing_then_late_objects_once(folder: Path, home: Home, switch: str) -> None:
    names = [f"a{number:02}" for number in range(20)]
    for name in names:
        write(folder, name)
    run, environment = ("-b", BUCKET, *SINCE), {"AWS_S3_DIRECT_GET": switch}
    first = home.run(*run, environment=environment)
    assert (first.code, first.events) == (0, both(*names))
    assert home.run(*run, environment=environment).events == []
    write(folder, "a01-late")
    assert home.run(*run, environment=environment).events == both("a01-late")


def test_wrong_secret_is_refused(folder: Path, home: Home) -> None:
    write(folder, "a")
    ended = home.run("-b", BUCKET, *SINCE, environment={"AWS_SECRET_ACCESS_KEY": "another"})
    assert (ended.code, ended.messages) == (3, [])


def test_direct_get_signs_every_key_as_the_server_does(folder: Path, server: Endpoint) -> None:
    for name in STRANGE:
        (folder / BUCKET / name).write_bytes(name.encode())
    bucket = S3Bucket(server.client("s3"), BUCKET, TransferConfig())
    listed = [item for page in bucket.pages("") for item in page]
    assert sorted(item.key for item in listed) == sorted(STRANGE)
    for item in [*listed, *listed]:
        with bucket.get(S3Object(item.key, item.size, item.etag)) as content:
            assert content.read().decode() == item.key


def test_direct_listing_signs_every_prefix_as_the_server_does(folder: Path, server: Endpoint) -> None:
    for name in STRANGE:
        (folder / BUCKET / name).mkdir()
        (folder / BUCKET / name / name).touch()
    bucket = S3Bucket(server.client("s3"), BUCKET, TransferConfig())
    assert bucket.holds("")
    for name in STRANGE:
        assert bucket.holds(f"{name}/"), name
