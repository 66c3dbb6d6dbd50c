"""The README says what is so: its output is real, its commands are understood, and its targets and files exist."""

import re
import shlex
from pathlib import Path

import pytest

from aws_s3.config.command_line import parse
from tests import ROOT, recorded
from tests.harness.emulator import Emulator

TEXT = recorded.README.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (.*?)(?: +#.*)?$", TEXT, re.MULTILINE)


def test_output_is_that_of_the_commands(emulator: Emulator, tmp_path: Path) -> None:
    """`python -m tests.recorded` writes it anew."""
    block = recorded.first_block(TEXT)
    recorded.fill(emulator)
    transcript = recorded.transcript(recorded.commands_of(block), emulator, tmp_path)
    assert recorded.without_times(transcript) == recorded.without_times(block)


def test_commands_on_a_bucket_run_in_an_empty_home(emulator: Emulator, tmp_path: Path) -> None:
    recorded.fill(emulator)
    wrong = {command for command in COMMANDS if "my-bukket" in command}
    for command in COMMANDS:
        if command.startswith("aws-s3 ") and command not in wrong:
            assert "ERROR" not in recorded.transcript([command], emulator, tmp_path)


def test_every_command_is_of_a_kind_that_is_tested_here() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"make", "pipx", "aws-s3", "wc"}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_make_target_exists_and_its_words_are_understood(command: str) -> None:
    _, target, *words = shlex.split(command)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for word in words:
        name, _, value = word.partition("=")
        assert f"$({name})" in makefile
        if name == "ARGS":
            parse(shlex.split(value))
