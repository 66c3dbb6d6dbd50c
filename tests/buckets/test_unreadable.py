"""Objects that nobody can read, through the installed command: no event, no deletion, each named once."""

import bz2
import gzip
import lzma

import pytest

from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET

DAY = "2021/06/10/01/"
HOSTILE = b'{"a": [' + b'{"":{"":[]}},' * 1_200_000 + b"0]}"
UNREADABLE = {
    "parquet": (b"PAR1\x15\x04\x15\x14PAR1", "it is Parquet"),
    "avro": (b"Obj\x01\x04\x14avro.codec\x08null", "it is Avro"),
    "orc": (b"ORC\x0a\x03\0\0\0\x12\x04", "it is ORC"),
    "binary": (bytes(range(256)) * 4, "it is binary data"),
    "in-gzip": (gzip.compress(bytes(range(256)), mtime=0), "it is binary data"),
    "too-deep": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"{}")))), "compressed more than 3 times"),
    "log.snappy": (b"\x0b\x28hello world", "snappy compression is not supported"),
    "cut.bz2": (bz2.compress(b"text" * 1000)[:-8], "the compressed data is cut off"),
    "cut.xz": (lzma.compress(b"text" * 1000)[:-8], "the compressed data is cut off"),
    "no-zip.zip": (b"text", "not a zip file"),
    "no-gzip.gz": (b"text", "it is not gzip data"),
    "broken-json": (b'{"a": 1}\n{"b": \n', "the JSON is cut off"),
    "members.gz": (gzip.compress(HOSTILE, mtime=0), "more than 250,000 members"),
}


def test_none_is_an_event_or_deleted_and_each_is_named_once(home: Home, emulator: Emulator) -> None:
    objects = {DAY + name: body for name, (body, _) in UNREADABLE.items()}
    put_all(emulator, BUCKET, {**objects, f"{DAY}readable": b"a line of text\n"})
    options = ("-b", BUCKET, "-t", "custom", "-s", "2021-JUN-01", "-R")
    ended = home.run(*options, "-e", "-d", "1")
    assert ended.code == 0
    told = {message["aws"]["log_info"]["log_file"]: message for message in ended.messages}
    assert told.pop(f"{DAY}readable")["aws"]["full_log"] == "a line of text"
    assert len(ended.messages) == len(told) + 1
    for name, (_, reason) in UNREADABLE.items():
        error = told.pop(DAY + name)
        assert set(error["aws"]) == {"log_info"}
        assert reason in error["error_msg"], name
        assert len([line for line in ended.errors if f"{DAY}{name}:" in line]) == 1, name
    assert told == {}
    left = emulator.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert {item["Key"] for item in left} == set(objects)
    assert home.run(*options, "-e").messages == []
    assert len(emulator.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]) == len(objects)


@pytest.mark.parametrize("name", sorted(UNREADABLE))
def test_without_skip_on_error_it_ends_with_the_code_of_its_kind(name: str, home: Home, emulator: Emulator) -> None:
    body, reason = UNREADABLE[name]
    put_all(emulator, BUCKET, {DAY + name: body})
    ended = home.run("-b", BUCKET, "-t", "custom", "-s", "2021-JUN-01", "-R")
    of_compression = ("compressed", "snappy", "zip")
    assert (ended.code, ended.messages) == (8 if any(word in reason for word in of_compression) else 9, [])
    [line] = ended.errors
    assert reason in line and DAY + name in line
