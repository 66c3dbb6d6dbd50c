"""Warnings that say the same in each run come once a day."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from aws_s3.console.daily_warnings import DailyWarnings

DAY = date(2026, 11, 27)


def due(folder: Path, wording: str = "w", source: str = "s", day: date = DAY) -> bool:
    return DailyWarnings(folder, source, day).is_due(wording)


def test_each_wording_is_due_once_a_day_for_each_source(tmp_path: Path) -> None:
    assert [due(tmp_path), due(tmp_path)] == [True, False]
    assert due(tmp_path, wording="another")
    assert due(tmp_path, source="another")
    assert due(tmp_path, day=DAY + timedelta(1))
    assert not due(tmp_path, day=DAY + timedelta(1))
    assert [path.name for path in tmp_path.iterdir()] == ["aws-s3.warnings"]


def test_old_warnings_are_forgotten(tmp_path: Path) -> None:
    assert due(tmp_path, "old")
    assert due(tmp_path, "new", day=DAY + timedelta(31))
    assert '"s: old"' not in (tmp_path / "aws-s3.warnings").read_text()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"s: w": 7}', b"\xff"])
def test_a_broken_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "aws-s3.warnings").write_bytes(content)
    assert [due(tmp_path), due(tmp_path)] == [True, False]


def test_a_pipe_in_its_place_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "aws-s3.warnings")
    assert [due(tmp_path), due(tmp_path)] == [True, False]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    planted = tmp_path / f"aws-s3.warnings.{os.getpid()}.new"
    planted.symlink_to(tmp_path / "other")
    assert due(tmp_path)
    assert not (tmp_path / "other").exists()


def test_without_a_folder_warnings_come_each_time(tmp_path: Path) -> None:
    assert [due(tmp_path / "gone"), due(tmp_path / "gone")] == [True, True]


def test_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    """The folder belongs to a group, and the process may well be root."""
    target = tmp_path / "cron.d"
    for name in ("aws-s3.warnings", f"aws-s3.warnings.{os.getpid()}.new"):
        (tmp_path / name).symlink_to(target)
    assert due(tmp_path)
    assert not target.exists()
