"""The format of a recorded case."""

import gzip
import io
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.case import Case, Placeholders, StoredObject

PLACEHOLDERS = Placeholders(
    datetime(2024, 3, 1, tzinfo=timezone.utc), "http://127.0.0.1:1", Path("/files"), ["fl-0", "fl-1"]
)


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{{D:%Y/%m/%d}}", "2024/03/01"),
        ("a{{D-1:%Y%m%d}}T{{D+31:%Y-%b-%d}}", "a20240229T2024-Apr-01"),
        ("{{#D-1:%Y%m%d}}", 20240229),
        ("{{FLOW1}} {{EP}} {{FILES}}/x", "fl-1 http://127.0.0.1:1 /files/x"),
        (
            {"{{FLOW0}}": ["{{EP}}", 1, None, "{{other}}"]},
            {"fl-0": ["http://127.0.0.1:1", 1, None, "{{other}}"]},
        ),
    ],
)
def test_placeholders_are_filled_at_any_depth(value: Any, filled: Any) -> None:
    assert PLACEHOLDERS.fill(value) == filled


def test_an_object_is_wrapped_as_its_key_says_unless_told_otherwise() -> None:
    assert gzip.decompress(StoredObject("a.json.gz", json={"b": 1}).body()) == b'{"b": 1}'
    assert StoredObject("a.json.gz", text="ä", wrap="none").body() == "ä".encode()
    assert gzip.decompress(StoredObject("a", b64="AAE=", wrap="gzip").body()) == b"\x00\x01"
    with zipfile.ZipFile(io.BytesIO(StoredObject("a.zip", text="b").body())) as archive:
        assert archive.read("log") == b"b"


@pytest.mark.parametrize("place", ["setup", "runs", "expect"])
def test_a_misspelt_member_is_refused(place: str) -> None:
    setup: dict[str, Any] = {}
    run: dict[str, Any] = {"args": [], "expect": {"exit": 0}}
    recorded = {"name": "n", "why": "w", "setup": setup, "runs": [run]}
    Case.of(recorded)
    {"setup": setup, "runs": run, "expect": run["expect"]}[place]["mesages"] = []
    with pytest.raises(TypeError, match="mesages"):
        Case.of(recorded)
