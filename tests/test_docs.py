"""The documents: links lead somewhere, commands are understood, code runs, tables name what there is."""

import argparse
import json
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import botocore.session
import hcl2
import pytest

from aws_s3 import errors
from aws_s3.config.command_line import parse
from aws_s3.config.options import build_parser
from aws_s3.log_types import LOG_TYPES
from aws_s3.state import failed_objects, log_streams, partitions, queue_state, scans, sources
from aws_s3.wazuh.extras import EXTRAS
from tests import ROOT
from tests.harness import command as harness
from tests.harness.emulator import Emulator
from tests.shell_files import with_types
from tests.structure import FOLDERS

DOCS = ROOT / "aws_s3/docs"
FILES = sorted([ROOT / "README.md", *DOCS.glob("*.md"), *(ROOT / ".github").glob("*.md")])
TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
BEHAVIOUR, OPERATIONS, ADDING = (TEXTS[DOCS / f"{name}.md"] for name in ("behaviour", "operations", "log-types"))

BLOCK = re.compile(r"^```([a-z]*)[ ]?(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
MADE_UP = "acme_portal"
"""The type of log-types.md, which no parser knows."""


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [block for name, _, block in BLOCK.findall(text) if name == language]


def commands(program: str) -> list[str]:
    """Return the commands of a program in all documents, also those of crontabs."""
    found = [
        command.partition(" | ")[0]
        for text in TEXTS.values()
        for command in re.findall(rf"^(?:\$ |.* root )(?:/\S*/)?({program} .*?)(?: +#.*)?$", text, re.MULTILINE)
    ]
    return sorted(set(found) - {"aws-s3 --help"})


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(re.sub(r"`[^`]*`", "", TEXTS[path])):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_document_can_be_reached_from_the_readme(path: Path) -> None:
    seen: set[Path] = set()
    left = [ROOT / "README.md"]
    while left:
        file = left.pop()
        if file not in seen and file.suffix == ".md" and file.exists():
            seen.add(file)
            text = file.read_text(encoding="utf-8")
            left += [(file.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text)]
    assert path in seen


@pytest.mark.parametrize("command", commands("aws-s3"))
def test_command_is_understood(command: str) -> None:
    parse([word.replace(MADE_UP, "custom") for word in shlex.split(command)[1:]])


@pytest.mark.parametrize("action", build_parser().actions, ids=lambda action: action.option_strings[-1])
def test_option_is_explained_in_a_document(action: argparse.Action) -> None:
    names = "|".join(map(re.escape, action.option_strings))
    assert re.search(rf"(?<![\w-])({names})(?![\w-])", "\n".join(TEXTS.values()))


def test_there_are_commands() -> None:
    assert len(commands("aws-s3")) > 20


@pytest.mark.parametrize("command", commands("make"))
def test_target_exists(command: str) -> None:
    target = command.split()[1]
    is_example = "=" in target
    assert is_example or re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", commands("aws (?:sqs|s3api)"))
def test_command_of_the_aws_cli_exists(command: str) -> None:
    _, service, operation, *words = command.split()
    model = botocore.session.get_session().get_service_model(service.removesuffix("api"))
    members = model.operation_model(_camel(operation)).input_shape.members
    assert {_camel(word) for word in words if word.startswith("--")} <= set(members)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.strip("-").split("-"))


@pytest.mark.parametrize("block", [block for text in TEXTS.values() for block in blocks(text, "json")])
def test_json_is_valid_also_inside_its_strings(block: str) -> None:
    for value in json.loads(block).values():
        if isinstance(value, str) and value.startswith("{"):
            json.loads(value)


@pytest.mark.parametrize("block", blocks(OPERATIONS, "hcl"))
def test_terraform_is_valid(block: str) -> None:
    assert hcl2.loads(block)["resource"]


def test_files_and_units_of_commands_are_there() -> None:
    [words] = re.findall(r"^\$ cp (.*) /etc/systemd/system/$", OPERATIONS, re.MULTILINE)
    copied = [ROOT / word for word in words.split()]
    assert all(path.is_file() for path in copied)
    units = re.findall(r"^\$ systemctl enable --now (.*)$", OPERATIONS, re.MULTILINE)
    assert set(units) <= {path.name for path in copied}


INSTRUCTIONS = {"FROM", "COPY", "RUN", "USER", "VOLUME", "ENTRYPOINT", "CMD", "ENV", "WORKDIR"}


def dockerfile() -> str:
    """Return the Dockerfile of the document."""
    [block] = blocks(OPERATIONS, "dockerfile")
    return block


def test_dockerfile_runs_a_command_that_is_understood() -> None:
    lines = [line.split(maxsplit=1) for line in dockerfile().splitlines()]
    assert {name for name, _ in lines} <= INSTRUCTIONS
    assert lines[0][0] == "FROM"
    called = {name: json.loads(value) for name, value in lines if name in ("ENTRYPOINT", "CMD")}
    program, *options = called["ENTRYPOINT"] + called["CMD"]
    assert program == "aws-s3"
    parse(options)


def test_type_table_is_that_of_the_registry() -> None:
    assert with_types(BEHAVIOUR) == BEHAVIOUR
    assert re.findall(r"^\| `(\w+)` \| [A-Z].* \| `.*` \|$", BEHAVIOUR, re.MULTILINE) == list(LOG_TYPES)


def test_every_exit_code_is_in_the_table() -> None:
    codes = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", BEHAVIOUR, re.MULTILINE) for code in row.split(",")}
    raised = {error.exit_code for error in vars(errors).values() if isinstance(getattr(error, "exit_code", None), int)}
    assert raised | {0, 143} == codes


def test_architecture_has_every_folder_and_the_module_to_begin_with() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| .* \| `(\w+)` \|$", TEXTS[DOCS / "architecture.md"], re.MULTILINE)
    assert {folder for folder, _ in rows} == FOLDERS
    for folder, module in rows:
        assert (ROOT / "aws_s3" / folder / f"{module}.py").is_file()
        assert f"Begin with `{module}`" in (ROOT / "aws_s3" / folder / "__init__.py").read_text(encoding="utf-8")


def test_modules_that_documents_name_exist() -> None:
    folders = "|".join(sorted(FOLDERS))
    named = {name for text in TEXTS.values() for name in re.findall(rf"`(?:aws_s3/)?((?:{folders})/[a-z_0-9]+)", text)}
    assert len(named) > 10
    assert not [name for name in named if not list((ROOT / "aws_s3").glob(f"{name}*")) and MADE_UP not in name]


@pytest.mark.parametrize("path", sorted((ROOT / "aws_s3").glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_modules_that_a_folder_names_to_begin_with_exist(path: Path) -> None:
    docstring = path.read_text(encoding="utf-8").split('"""')[1]
    named = set(re.findall(r"`([a-z_0-9]+)/?`", docstring))
    assert named
    assert not [name for name in named if not list(path.parent.glob(f"{name}*"))]


def test_changelog_has_each_kind_of_change_once_for_a_version() -> None:
    for version in re.split(r"^## ", TEXTS[ROOT / ".github/CHANGELOG.md"], flags=re.MULTILINE)[1:]:
        kinds = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert kinds == sorted(set(kinds) & {"Added", "Changed", "Deprecated", "Fixed", "Removed", "Security"})


def test_extras_table_has_every_extra() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z]+(?:-[a-z]+)?): ", OPERATIONS, re.MULTILINE)
    assert dict(rows) == {extra: library for extra, (library, _) in EXTRAS.items()}


@pytest.mark.slow
def test_type_of_the_document_is_added_by_its_blocks_and_collects(emulator: Emulator, tmp_path: Path) -> None:
    """In a fresh copy: one file, one registry entry and one test file; the tests over the registry take it up."""
    copy = tmp_path / "copy"
    fresh_copy(copy)
    follow(ADDING, copy)
    names = [f"tests/log_types/test_{name}.py" for name in (MADE_UP, "registry")]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *names], cwd=copy, capture_output=True, encoding="utf-8"
    )
    assert tested.returncode == 0, tested.stdout
    emulator.client("s3").create_bucket(Bucket="my-bucket")
    key = "AWSLogs/123456789012/acme-portal/us-east-1/2021/06/10/a.json"
    harness.put_all(emulator, "my-bucket", {key: b'{"user": "ana"}\n{"user": "ben"}\n'})
    [command] = [command for command in commands("aws-s3") if MADE_UP in command]
    with harness.new_home(emulator) as home:
        # `-m` looks into the current folder first: the copy runs, not the package that is tested here.
        run = [sys.executable, "-m", "aws_s3", *shlex.split(command)[1:]]
        ended = subprocess.run(run, cwd=copy, env=home.environment, capture_output=True, encoding="utf-8")
    assert (ended.returncode, ended.stderr) == (0, "")
    events = [json.loads(line)["aws"] for line in ended.stdout.splitlines()]
    assert [(event["user"], event["source"], event["aws_account_id"]) for event in events] == [
        ("ana", MADE_UP, "123456789012"),
        ("ben", MADE_UP, "123456789012"),
    ]


def fresh_copy(folder: Path) -> None:
    """Copy the files of the repository."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())


def follow(text: str, folder: Path) -> None:
    """Do as the document says: write the files of its blocks, and put the added lines of diffs before the others."""
    for language, name, block in BLOCK.findall(text):
        if language == "python" and name:
            (folder / name).write_text(block, encoding="utf-8")
        elif language == "diff":
            changed = (folder / name).read_text(encoding="utf-8")
            added = ""
            for line in block.splitlines(keepends=True):
                if line.startswith("+"):
                    added += line[1:]
                else:
                    assert changed.count(line[1:]) == 1
                    changed = changed.replace(line[1:], added + line[1:])
                    added = ""
            (folder / name).write_text(changed, encoding="utf-8")


def test_state_names_every_table_of_ours_and_its_columns() -> None:
    modules = (partitions, failed_objects, sources, log_streams, scans, queue_state)
    with closing(sqlite3.connect(":memory:")) as made:
        for module in modules:
            for _, sql in module.MIGRATIONS:
                made.executescript(sql)
        names = [name for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: {row[1] for row in made.execute(f"PRAGMA table_info({name})")} for name in names}
    told = dict(re.findall(r"^\| `(collection_\w+)` \| (.*) \|$", TEXTS[DOCS / "state.md"], re.MULTILINE))
    ours = {name: found for name, found in columns.items() if name.startswith("collection_")}
    assert set(told) == {*ours, "collection_migration", "collection_reserve"}
    for name, found in ours.items():
        assert set(re.findall(r"`(\w+)`", told[name])) == found, name
