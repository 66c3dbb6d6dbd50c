"""Putting the program where Wazuh's daemon runs it, and taking it away again.

`wodles/aws/aws-s3` becomes a link to the command of an environment beside it, and what was there before
`aws-s3.orig`. The daemon may run it at any moment: a new environment is complete before the link is moved
to it, in one step, and the one before it stays until the next, for a run that is going on.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_PROGRAM = "aws-s3"
_ORIGINAL = "aws-s3.orig"
_ENVIRONMENTS = "aws-s3.env"
_SOURCE = Path(__file__).parent.parent.parent
_OF_SOURCE = ("aws_s3", "pyproject.toml", "README.md", "LICENSE")
_UMASK = 0o027
"""The owner writes, Wazuh's group reads and runs, others have no business there."""


class InstallError(Exception):
    """Why nothing was changed, for the user."""


def main(arguments: Sequence[str]) -> int:
    """Install or uninstall; return the exit code, 1 after an ERROR line."""
    parser = argparse.ArgumentParser(prog="python -m aws_s3.wazuh", description=__doc__.split("\n", 1)[0])
    parser.add_argument("action", choices=("install", "uninstall"))
    parser.add_argument("home", type=Path, help="Wazuh's folder")
    parser.add_argument("--extras", default="", help="extras to install, separated by commas")
    options = parser.parse_args(arguments)
    folder = options.home.absolute() / "wodles" / "aws"
    try:
        if not folder.is_dir():
            raise InstallError(f"{folder} is not a folder. Is Wazuh installed there? Give its home: WAZUH_HOME=…")
        uninstall(folder) if options.action == "uninstall" else install(folder, options.extras)
    except (InstallError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def install(folder: Path, extras: str = "") -> None:
    """Install into `wodles/aws`. Raises InstallError or OSError, with everything as it was."""
    os.umask(_UMASK)
    environments = folder / _ENVIRONMENTS
    before = _current(folder)
    made = environments / f"{time.time_ns()}"
    try:
        _make_environment(made, extras)
        _give_to_group(environments, folder.stat().st_gid)
        _keep_original(folder)
        _link(folder, made.relative_to(folder) / "bin" / _PROGRAM)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        if not any(environments.iterdir()):
            environments.rmdir()
        raise
    for old in environments.iterdir():
        if old not in (made, before):
            shutil.rmtree(old)
    print(f"Installed {folder / _PROGRAM}")


def uninstall(folder: Path) -> None:
    """Put back what was there before; the state files stay, they tell what was collected."""
    program, original = folder / _PROGRAM, folder / _ORIGINAL
    if _current(folder) is None:
        raise InstallError(f"{program} is not a link that was installed by this program, and stays as it is.")
    if original.is_symlink() or original.exists():
        original.replace(program)
    else:
        program.unlink()
    shutil.rmtree(folder / _ENVIRONMENTS)
    print(f"Uninstalled {program}")


def _current(folder: Path) -> Path | None:
    """Return the environment that the program is a link into; None when it is not ours."""
    program = folder / _PROGRAM
    if not program.is_symlink():
        return None
    target = program.readlink()
    return folder / target.parent.parent if target.parts[:1] == (_ENVIRONMENTS,) else None


def _make_environment(folder: Path, extras: str) -> None:
    _run(sys.executable, "-m", "venv", str(folder))
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    # What an earlier build left in the source would be installed with it.
    with TemporaryDirectory() as copy:
        for name in _OF_SOURCE:
            subprocess.run(["cp", "-R", str(_SOURCE / name), copy], check=True)  # noqa: S607
        _run(*pip, "install", f"{copy}[{extras}]" if extras else copy)
    _run(str(folder / "bin" / _PROGRAM), "--version")


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError as error:
        raise InstallError(f"{' '.join(command)} ended with exit code {error.returncode}: nothing changed.") from None


def _give_to_group(folder: Path, group: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, -1, group, follow_symlinks=False)
        if not path.is_symlink():
            # pip gives others the right to run its scripts, whatever the umask.
            path.chmod(path.stat().st_mode & ~_UMASK)


def _keep_original(folder: Path) -> None:
    """Keep what is there and is not ours under a name of its own, and where it is."""
    program, new = folder / _PROGRAM, folder / f"{_ORIGINAL}.new"
    if _current(folder) is None and (program.is_symlink() or program.exists()):
        new.unlink(missing_ok=True)
        os.link(program, new, follow_symlinks=False)
        new.replace(folder / _ORIGINAL)


def _link(folder: Path, target: Path) -> None:
    new = folder / f"{_PROGRAM}.new"
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    os.chown(new, -1, folder.stat().st_gid, follow_symlinks=False)
    new.replace(folder / _PROGRAM)
