"""The README says what is so: its tables against the parser and the registry, its commands against both."""

import argparse
import json
import re
import shlex

import botocore.session
import hcl2
import pytest

from aws_s3 import errors
from aws_s3.config.command_line import parse
from aws_s3.config.options import TYPE_ALIASES, build_parser
from aws_s3.log_types import LOG_TYPES
from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def option_rows() -> list[str]:
    """Return the README's option table as the parser has it."""
    rows = []
    for action in build_parser().actions:
        if not isinstance(action, argparse._HelpAction | argparse._VersionAction):
            metavar = f" {action.metavar}" if action.metavar else ""
            names = " ".join(action.option_strings)
            rows.append(f"| `{names}{metavar}` | {action.help} |")
    return rows


def commands() -> list[str]:
    return re.findall(r"^(?:\$ |.* )?(?:/usr/local/bin/)?(aws-s3 -.*?)(?: +#.*)?$", README, re.MULTILINE)


def test_option_table_is_what_help_says() -> None:
    table = [line for line in README.splitlines() if re.match(r"\| `--?\w", line)]
    assert table == option_rows()


def test_every_type_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", README, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert {*LOG_TYPES, *TYPE_ALIASES} <= named


def test_every_exit_code_is_in_the_table() -> None:
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for code in row.split(",")}
    raised = {error.exit_code for error in vars(errors).values() if isinstance(getattr(error, "exit_code", None), int)}
    assert raised | {0, 143} == codes


def test_there_are_commands() -> None:
    assert len(commands()) > 5


@pytest.mark.parametrize("command", commands())
def test_command_is_understood(command: str) -> None:
    parse(shlex.split(command)[1:])


@pytest.mark.parametrize("target", re.findall(r"^\$ make (\w+)", README, re.MULTILINE))
def test_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", blocks("json"))
def test_json_is_valid_also_inside_its_strings(block: str) -> None:
    for value in json.loads(block).values():
        if isinstance(value, str) and value.startswith("{"):
            json.loads(value)


@pytest.mark.parametrize("block", blocks("hcl"))
def test_terraform_is_valid(block: str) -> None:
    assert hcl2.loads(block)["resource"]


@pytest.mark.parametrize("command", re.findall(r"^\$ (aws (?:sqs|s3api) .*)$", README, re.MULTILINE))
def test_command_of_the_aws_cli_exists(command: str) -> None:
    _, service, operation, *words = command.split()
    model = botocore.session.get_session().get_service_model(service.removesuffix("api"))
    members = model.operation_model(_camel(operation)).input_shape.members
    assert {_camel(word) for word in words if word.startswith("--")} <= set(members)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.strip("-").split("-"))


def test_every_command_is_of_a_kind_that_is_tested_here() -> None:
    kinds = {line.split()[0] for line in re.findall(r"^\$ (.*)$", README, re.MULTILINE)}
    assert kinds == {"make", "pip", "aws-s3", "aws", "cp", "systemctl"}


def test_commands_name_files_and_units_that_are_there() -> None:
    [words] = re.findall(r"^\$ cp (.*) /etc/systemd/system/$", README, re.MULTILINE)
    copied = [ROOT / word for word in words.split()]
    assert all(path.is_file() for path in copied)
    units = re.findall(r"^\$ systemctl enable --now (.*)$", README, re.MULTILINE)
    assert set(units) <= {path.name for path in copied}


def test_extras_are_those_that_can_be_installed() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \| [a-z]+(?:-[a-z]+)?: ", README, re.MULTILINE)
    declared = re.search(
        r"^\[project.optional-dependencies\]\n(.*?)^\[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL
    )
    assert declared
    assert set(told) == {*re.findall(r"^([a-z-]+) = \[", declared[1], re.MULTILINE)} - {"dev", "fuzz"}
