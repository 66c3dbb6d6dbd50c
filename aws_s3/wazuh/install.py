"""Putting the program where Wazuh's daemon runs it, and taking it away again.

HOME/wodles/aws then holds:

    aws-s3         a script of /bin/sh that runs the newest environment, or prints why it cannot
    aws-s3.orig    the program that was there before, if any
    aws-s3.env/    the environments, one for each installation, named by the time they were made

The daemon may start the program at any moment. A new environment is therefore complete before the script that runs
it takes the program's place, in one step; the environment before it stays until the next installation, because a run
may still use it.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from aws_s3 import __version__
from aws_s3.wazuh.environment import InstallError, Source, check_python, make_environment
from aws_s3.wazuh.extras import ENVIRONMENTS, EXTRAS
from aws_s3.wazuh.home import WazuhHome

_PROGRAM = "aws-s3"
_ORIGINAL = "aws-s3.orig"
_UMASK = 0o027
"""The owner writes, Wazuh's group reads and runs, nobody else has access."""

_RULES = "aws-s3_rules.xml"
_NONE = "none"

_SCRIPT = """#!/bin/sh
# Made by the installer of aws-s3 {version}. Wazuh's AWS module ends for good when its program cannot be executed,
# but goes on after an exit code: this script tests the interpreter first.
environment={environment}
if ! "$environment/bin/python" -ISc '' 2>/dev/null; then
    echo "ERROR: The Python of $environment does not run any more, perhaps after an upgrade of the system:" \\
        "put it there again (make install WAZUH_HOME={home}, or aws-s3-install {home}). {kept}"
    exit 1
fi
exec "$environment/bin/{program}" "$@"
"""
_OURS = re.compile(r"^environment=(.+)$", re.MULTILINE)


def main(arguments: Sequence[str]) -> int:
    """Install or uninstall; return the exit code, 1 after an ERROR line."""
    options = _parser().parse_args(arguments)
    try:
        folder = _folder(options.home.absolute())
        if options.uninstall:
            uninstall(folder)
            if options.prefix:
                _remove_from_prefix(folder, options.prefix)
        else:
            install(folder, _extras(options.extras), Source(options.wheelhouse))
            if options.prefix:
                _put_into_prefix(folder, options.prefix)
            if options.rules:
                _install_rules(options.home.absolute() / "etc" / "rules")
    except (InstallError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aws-s3-install", description="Put aws-s3 where Wazuh runs it: HOME/wodles/aws/aws-s3."
    )
    home = WazuhHome.of_this_machine().path
    parser.add_argument("home", nargs="?", type=Path, default=home, help=f"Wazuh's folder ({home})")
    parser.add_argument("--uninstall", action="store_true", help="take it away, and put back the program before it")
    parser.add_argument(
        "--extras",
        default="",
        metavar="LIST",
        help=f"extras beside those installed already, of {', '.join(EXTRAS)}; fast is tried anyway; none: no extra",
    )
    parser.add_argument(
        "--wheelhouse", type=Path, metavar="DIR", help="install from the wheels in this folder, without a network"
    )
    parser.add_argument(
        "--prefix",
        type=Path,
        metavar="DIR",
        help="also put the command into DIR/bin, and its man page and shell completion into DIR/share: /usr/local",
    )
    parser.add_argument(
        "--rules", action="store_true", help="also put rules for the new log types into HOME/etc/rules of a manager"
    )
    return parser


_SHELL_FILES = (
    "man/man1/aws-s3.1",
    "bash-completion/completions/aws-s3",
    "zsh/site-functions/_aws-s3",
    "fish/vendor_completions.d/aws-s3.fish",
)


def _put_into_prefix(folder: Path, prefix: Path) -> None:
    """Link the program into bin/, and copy the files that shells and `man` look for into share/."""
    environment = _current(folder)
    link = prefix / "bin" / _PROGRAM
    if environment is None or (link.exists() and not link.is_symlink()):
        raise InstallError(f"The program is installed, {link} is not: another program has that name.")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder / _PROGRAM)
    for name in _SHELL_FILES:
        target = prefix / "share" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(environment / "share" / name, target)
        target.chmod(0o644)
    print(f"Linked {link}, with its man page and the completion of bash, zsh and fish.")


def _remove_from_prefix(folder: Path, prefix: Path) -> None:
    link = prefix / "bin" / _PROGRAM
    if link.is_symlink() and link.readlink() == folder / _PROGRAM:
        link.unlink()
        for name in _SHELL_FILES:
            (prefix / "share" / name).unlink(missing_ok=True)


def _install_rules(folder: Path) -> None:
    """Copy the rules. Raises InstallError where Wazuh has no folder of rules: on an agent."""
    if not folder.is_dir():
        raise InstallError(
            f"The program is installed, the rules are not: {folder} is missing. Rules belong to a manager."
        )
    new = folder / f"{_RULES}.new"
    new.write_bytes(resources.files("aws_s3.wazuh.rules").joinpath(_RULES).read_bytes())
    new.chmod(0o660)
    os.chown(new, folder.stat().st_uid, folder.stat().st_gid)
    new.replace(folder / _RULES)
    print(f"Installed {folder / _RULES}: restart Wazuh's manager to load it.")


def _extras(text: str) -> list[str] | None:
    """Return the extras that are asked for; None for "none". Raises InstallError for an unknown name."""
    if text.strip() == _NONE:
        return None
    names = [name for name in re.split(r"[,\s]+", text) if name]
    if unknown := [name for name in names if name not in EXTRAS]:
        raise InstallError(f"There is no extra {unknown[0]}: the extras are {', '.join(EXTRAS)}. Nothing changed.")
    return names


def _folder(home: Path) -> Path:
    """Return the folder of the AWS module. Raises InstallError where it is missing or must not be written."""
    folder = home / "wodles" / "aws"
    try:
        is_there, may_write = folder.is_dir(), os.access(folder, os.W_OK | os.X_OK)
    except PermissionError:
        is_there, may_write = True, False
    if not is_there:
        version = _major_version(home)
        if version is not None and version >= _WITHOUT_MODULE:
            raise InstallError(
                f"{home} is a manager of Wazuh {version}, whose AWS module belongs to the agent. Install an agent "
                "and give its home: WAZUH_HOME=…; to go on where this manager stood, copy its state there: "
                "wodles/aws/*.db. Nothing changed."
            )
        raise InstallError(f"{folder} is not a folder. Is Wazuh installed there? Give its home: WAZUH_HOME=…")
    if not may_write:
        raise InstallError(f"{folder} cannot be written by this user: run this as root. Nothing changed.")
    return folder


_WITHOUT_MODULE = 5
"""The first major version whose manager has no AWS module."""


def _major_version(home: Path) -> int | None:
    """Return the major version of the Wazuh there, None if it does not say so."""
    try:
        found = re.search(r'"version"\s*:\s*"v?(\d+)', (home / "VERSION.json").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(found[1]) if found else None


def install(folder: Path, asked: Sequence[str] | None = (), source: Source | None = None) -> None:
    """Install into `wodles/aws`. `asked`: extras; None for none at all, also of those installed before.

    Raises InstallError or OSError, with everything as it was.
    """
    check_python()
    os.umask(_UMASK)
    before = _current(folder)
    kept = [] if before is None or asked is None else _extras_of(before)
    with _new_environment(folder) as made:
        extras = make_environment(made, asked, kept, source or Source())
        _give_to_group(made.parent, folder.stat().st_gid)
        _keep_original(folder)
        _put_script(folder, made)
    for old in made.parent.iterdir():
        if old not in (made, before):
            shutil.rmtree(old)
    print(f"Installed {folder / _PROGRAM}: version {__version__}, {_list_of(extras, kept)}.")


def _list_of(extras: Sequence[str], kept: Sequence[str]) -> str:
    if not extras:
        return "without extras"
    return "extras " + ", ".join(f"{name} (as before)" if name in kept else name for name in extras)


@contextmanager
def _new_environment(folder: Path) -> Iterator[Path]:
    """Give the path of a new environment, which is removed when the block fails."""
    environments = folder / ENVIRONMENTS
    made = environments / f"{time.time_ns()}"
    try:
        yield made
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        if environments.is_dir() and not any(environments.iterdir()):
            environments.rmdir()
        raise


def uninstall(folder: Path) -> None:
    """Put back the program that was there before. The state files stay: they tell which objects were collected."""
    program, original = folder / _PROGRAM, folder / _ORIGINAL
    if _current(folder) is None:
        raise InstallError(f"{program} was not installed by this program, and stays as it is.")
    if original.is_symlink() or original.exists():
        original.replace(program)
    else:
        program.unlink()
    shutil.rmtree(folder / ENVIRONMENTS)
    print(f"Uninstalled {program}")


def _current(folder: Path) -> Path | None:
    """Return the environment that the program runs; None if the program is missing or not ours."""
    program = folder / _PROGRAM
    if program.is_symlink():
        # Version 0.1.0 installed a link.
        target = program.readlink()
        return folder / target.parent.parent if target.parts[:1] == (ENVIRONMENTS,) else None
    try:
        found = _OURS.search(program.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    environment = Path("".join(shlex.split(found[1]))) if found else None
    return folder / ENVIRONMENTS / environment.name if environment and environment.parent.name == ENVIRONMENTS else None


def _extras_of(environment: Path) -> list[str]:
    """Return the extras in an environment, whose interpreter may be gone."""
    packages = list(environment.glob("lib/python*/site-packages"))
    return [
        extra for extra, (_, module) in EXTRAS.items() if any((packages_ / module).is_dir() for packages_ in packages)
    ]


def _give_to_group(folder: Path, group: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, group, follow_symlinks=False)
        if not path.is_symlink():
            # pip lets everybody run its scripts, whatever the umask.
            path.chmod(path.stat().st_mode & ~_UMASK)


def _keep_original(folder: Path) -> None:
    """Give a program that is not ours a second name, and leave it where it is."""
    program, new = folder / _PROGRAM, folder / f"{_ORIGINAL}.new"
    if _current(folder) is None and (program.is_symlink() or program.exists()):
        new.unlink(missing_ok=True)
        os.link(program, new, follow_symlinks=False)
        new.replace(folder / _ORIGINAL)


def _put_script(folder: Path, environment: Path) -> None:
    home = folder.parent.parent
    kept = f"{folder / _ORIGINAL} is the program before it." if (folder / _ORIGINAL).exists() else ""
    new = folder / f"{_PROGRAM}.new"
    new.unlink(missing_ok=True)
    script = _SCRIPT.format(
        version=__version__, environment=shlex.quote(str(environment)), home=home, kept=kept, program=_PROGRAM
    )
    new.write_text(script, encoding="utf-8")
    new.chmod(0o750)
    os.chown(new, -1, folder.stat().st_gid)
    new.replace(folder / _PROGRAM)
