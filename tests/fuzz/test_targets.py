"""The targets of `make fuzz`, a little of it each time: good inputs, damaged."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\n", b"\r", b" ", b"\\", b"\\ud800", b"\\u0000", b"null", b"true"),
    *(b"NaN", b"1e999", b"-", b"007", b"9" * 5000, b"[" * 5000, b'{"a":' * 3000, b"x" * 70_000, b"\xff", b"\x00"),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", "\u2028\u202e".encode(), b"\x1f\x8b", b"&#0;", b"<Key>", b"</Key>"),
)


def damaged(seed: bytes, dice: random.Random) -> bytes:
    """Return the seed with some of its bytes cut out, replaced, repeated, or with tokens in their place."""
    data = bytearray(seed)
    for _ in range(dice.randint(1, 6)):
        first = dice.randint(0, len(data))
        last = min(first + dice.randint(0, 9), len(data))
        data[first:last] = dice.choice((b"", bytes([dice.randrange(256)]), dice.choice(TOKENS), data[last:][:99]))
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_good_input_is_good(target: Target) -> None:
    for seed in target.seeds:
        target.run(seed)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(max_examples=40)
@given(dice=st.randoms(use_true_random=False), rubbish=st.binary(max_size=64))
def test_damaged_input_breaks_nothing(target: Target, dice: random.Random, rubbish: bytes) -> None:
    target.run(damaged(dice.choice(target.seeds), dice))
    target.run(rubbish)


FOUND = [
    ("notifications", b'{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"%ED%A0%80"}}}]}'),
    ("listings", b"<Error><Code>SlowDown</Code><Code>SlowDown</Code></Error>"),
    ("listings", b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
    (
        "listings",
        b"<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
    ),
    (
        "listings",
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken/></ListBucketResult>",
    ),
    ("log group answers", b'{"events":[],"logGroups":[],"logStreams":[],"nextToken":"t"}'),
    ("queue answers", b"\xff"),
    ("queue answers", b"9" * 30),
    ("queue answers", b'{"Messages":[{"MessageId":"m"}]}'),
    ("queue answers", b'{"Attributes":{"VisibilityTimeout":"30null"}}'),
    (
        "queue answers",
        b'{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Attributes":{"ApproximateReceiveCount":"x"}}]}',
    ),
    ("log group answers", b"{}"),
    ("log group answers", b'{"events":[{"timestamp":99999999999999999,"message":"m"}]}'),
]
"""What fuzzing found, and was mended."""


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_stays_mended(name: str, data: bytes) -> None:
    [target] = [target for target in TARGETS if target.name == name]
    target.run(data)
