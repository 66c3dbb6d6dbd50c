"""The environment that an installation runs in, made by pip from a checkout, an installed wheel or a wheelhouse."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

from aws_s3.wazuh.extras import EXTRAS, FAST

DISTRIBUTION = "wazuh-aws-s3"

_PROGRAM = "aws-s3"
_FAST = "fast"
_ROOT = Path(__file__).parent.parent.parent
"""The checkout, the folder of installed packages, or the wheel that this module is read from."""

_CHECKOUT = ("aws_s3", "pyproject.toml", "README.md", "LICENSE")
_OF_THE_INSTALLER = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Files of an installed distribution that pip wrote, not the wheel."""


class InstallError(Exception):
    """An installation is not possible, and nothing was changed; the text is one line for the user."""


@dataclass(frozen=True)
class Source:
    """The place that packages come from: the index that pip is set up for, or a folder of wheels."""

    wheelhouse: Path | None = None

    def pip_options(self) -> list[str]:
        """Return the options of `pip install`."""
        return ["--no-index", "--find-links", str(self.wheelhouse.absolute())] if self.wheelhouse else []

    def requirement(self, folder: Path) -> str:
        """Return this program as pip takes it; `folder` may be filled with a copy. Raises InstallError."""
        if self.wheelhouse is not None:
            if not any(self.wheelhouse.glob("wazuh_aws_s3-*.whl")):
                raise InstallError(
                    f"{self.wheelhouse} holds no wheel of {DISTRIBUTION}: make wheelhouse fills it. Nothing changed."
                )
            return DISTRIBUTION
        if _ROOT.suffix == ".whl":
            return str(_ROOT)
        return str(_copy_of_checkout(folder) if (_ROOT / "pyproject.toml").is_file() else _wheel_of_installed(folder))


def _copy_of_checkout(folder: Path) -> Path:
    """Copy the files that make the package: a build in the checkout would pick up leftovers of earlier builds."""
    for name in _CHECKOUT:
        path = _ROOT / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(path, folder)
    return folder


def _wheel_of_installed(folder: Path) -> Path:
    """Pack the distribution that this module was installed with into a wheel again."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise InstallError(f"{_ROOT} holds neither a checkout nor {DISTRIBUTION} as pip installs it.") from None
    name = f"{DISTRIBUTION.replace('-', '_')}-{installed.version}"
    paths = {_path_in_wheel(file, name): str(file.locate()) for file in installed.files or ()}
    record = f"{name}.dist-info/RECORD"
    wheel = folder / f"{name}-py3-none-any.whl"
    with ZipFile(wheel, "w", ZIP_DEFLATED) as archive:
        for path, installed_path in paths.items():
            if path is not None:
                archive.write(installed_path, path)
        archive.writestr(record, "".join(f"{path},,\n" for path in (*filter(None, paths), record)))
    return wheel


def _path_in_wheel(file: PurePath, name: str) -> str | None:
    """Return the place of an installed file in its wheel, None for files that pip made."""
    if file.name in _OF_THE_INSTALLER or "__pycache__" in file.parts:
        return None
    if file.parts[0] in ("aws_s3", f"{name}.dist-info"):
        return str(file)
    # The man page and the completion of shells: ../../../share/…
    return f"{name}.data/data/{'/'.join(file.parts[file.parts.index('share') :])}" if "share" in file.parts else None


def check_python() -> None:
    """Raise InstallError if this Python cannot make environments."""
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = ".".join(map(str, sys.version_info[:2]))
            raise InstallError(
                f"{sys.executable} has no module {module}, which makes environments: install it (Debian, Ubuntu: "
                f"apt install python{version}-venv), or name another Python: PYTHON=…. Nothing changed."
            )


def make_environment(folder: Path, asked: Sequence[str] | None, kept: Sequence[str], source: Source) -> list[str]:
    """Make a complete environment; return its extras. Raises InstallError.

    The extra "fast" is tried also if nobody asked for it: a machine without wheels of its libraries goes without.
    """
    # The interpreter itself, by its full version: after an upgrade of the system it is gone, which can be noticed.
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    _run("the environment cannot be made", str(interpreter), "-m", "venv", str(folder))
    wanted = [extra for extra in EXTRAS if extra in (*kept, *(asked or ()))]
    with TemporaryDirectory() as copy:
        requirement = source.requirement(Path(copy))
        _pip(folder, source, f"{requirement}[{','.join(wanted)}]" if wanted else requirement)
    if asked is not None and _FAST not in wanted and _adds_speed(folder, source):
        wanted.insert(0, _FAST)
    _run("the program does not run", str(folder / "bin" / _PROGRAM), "--version")
    return wanted


def _adds_speed(folder: Path, source: Source) -> bool:
    """Install the libraries of the extra "fast" that have a wheel; tell whether the most important one has."""
    is_added, *_ = [_is_added(library, folder, source) for library in FAST]
    return is_added


def _is_added(library: str, folder: Path, source: Source) -> bool:
    try:
        _pip(folder, source, "--only-binary", ":all:", library)
    except InstallError:
        print(f"WARNING: {library} cannot be installed: collecting takes longer without it.", file=sys.stderr)
        return False
    return True


def _pip(folder: Path, source: Source, *words: str) -> None:
    pip = (str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    _run("pip cannot install it", *pip, "install", *source.pip_options(), *words)


def _run(failure: str, *command: str) -> None:
    """Run a command without its output. Raises InstallError with the reason that the command gave last."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace", env=environment)
    except (OSError, subprocess.CalledProcessError) as error:
        printed = error.stderr + error.stdout if isinstance(error, subprocess.CalledProcessError) else str(error)
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if "error" in line.lower()), (lines or ["no reason given"])[-1])
        raise InstallError(f"{failure}: {reason.removeprefix('ERROR: ')} Nothing changed.") from None
