"""The completion of shells and the man page: made from the parser, so that they tell of every option."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aws_s3.config.command_line import parse
from aws_s3.config.options import build_parser
from aws_s3.log_types import LOG_TYPES
from tests import shell_files
from tests.harness.command import COMMAND

OPTIONS = {option for action in build_parser().actions for option in action.option_strings}
BASH = """
source "$0"
COMP_WORDS=(aws-s3 "$@")
COMP_CWORD=$#
_shtab_aws_s3
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completion(shell: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), "--print-completion", shell]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_script_of_a_shell_knows_every_long_option(shell: str) -> None:
    printed = completion(shell)
    assert (printed.returncode, printed.stderr) == (0, "")
    names = {option.lstrip("-") for option in OPTIONS if option.startswith("--")}
    assert [name for name in names if name not in printed.stdout] == []


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("--only",), {"--only_logs_after"}),
        (("-t", "c"), {name for name in LOG_TYPES if name.startswith("c")}),
        (("--service", ""), {"cloudwatchlogs", "inspector"}),
    ],
)
def test_bash_completes(words: tuple[str, ...], completed: set[str], tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(completion("bash").stdout)
    replies = subprocess.run(["bash", "-c", BASH, script, *words], capture_output=True, text=True, check=True)
    assert set(replies.stdout.split()) == completed


def test_without_the_extra_the_line_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "shtab.py").write_text("raise ImportError('it is not there')")
    printed = completion("bash", PYTHONPATH=str(tmp_path))
    assert printed.returncode == 10
    assert printed.stdout == (
        "ERROR: --print-completion needs shtab, which cannot be imported (it is not there). "
        f"Install it: {sys.executable} -m pip install shtab\n"
    )


def test_files_are_made_from_the_parser() -> None:
    """`make shell` writes them anew after a change of options."""
    for name, text in shell_files.contents().items():
        assert (shell_files.FOLDER / name).read_text(encoding="utf-8") == text, name


def test_man_page_has_every_option_and_exit_code_and_is_well_formed() -> None:
    page = shell_files.FOLDER / shell_files.MAN_PAGE
    told = page.read_text(encoding="utf-8").replace("\\-", "-")
    assert [option for option in OPTIONS - {"-h", "--help"} if option not in told] == []
    assert {"EXAMPLES", "EXIT STATUS", "FILES"} <= set(re.findall(r"^\.SH (.*)$", told, re.MULTILINE))
    if groff := shutil.which("groff"):
        shown = subprocess.run([groff, "-man", "-Tutf8", "-ww", page], capture_output=True, text=True, check=True)
        assert shown.stdout
        assert not shown.stderr


def test_examples_of_the_man_page_are_understood() -> None:
    for _, words in shell_files._EXAMPLES:
        parse(shlex.split(words))
