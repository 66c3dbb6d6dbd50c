"""A Wazuh home: which folder it is, and where its socket, state files and settings lie in it."""

import json
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path("/var/ossec")

_SOCKETS = ("queue", "sockets")
_VERSION = re.compile(r"v?(\d+)\.\d")
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True)
class WazuhHome:
    """The folder in which a manager or an agent of Wazuh lives, usually /var/ossec."""

    path: Path

    @classmethod
    def of_this_machine(cls) -> "WazuhHome":
        """Return the home that the environment names, else that of the program, else /var/ossec.

        WAZUH_HOME is ours and goes first; WAZUH_AGENT_HOME is that of agents of Wazuh 5.
        """
        if named := os.environ.get("WAZUH_HOME") or os.environ.get("WAZUH_AGENT_HOME"):
            return cls(Path(named))
        return cls.of_program() or cls(DEFAULT)

    @classmethod
    def of_program(cls) -> "WazuhHome | None":
        """Return the home that the program runs in: it lies below the `wodles/` of one. None if it lies elsewhere."""
        for program in (Path(sys.argv[0]), Path(__file__)):
            for folder in program.absolute().parents:
                if folder.name == "wodles":
                    return cls(folder.parent)
        return None

    @classmethod
    def of_socket(cls, path: Path) -> "WazuhHome | None":
        """Return the home that a socket belongs to: it lies in HOME/queue/sockets. None for a socket elsewhere."""
        with suppress(OSError, RuntimeError):
            for folder in (path.absolute().parent, path.resolve().parent):
                if folder.parts[-2:] == _SOCKETS:
                    return cls(folder.parent.parent)
        return None

    @property
    def events(self) -> Path:
        """The datagram socket that takes events."""
        return self.path.joinpath(*_SOCKETS, "queue")

    @property
    def analysis(self) -> Path:
        """The stream socket on which a manager's analysis engine answers requests."""
        return self.path.joinpath(*_SOCKETS, "analysis")

    @property
    def module_folder(self) -> Path:
        """The folder of the AWS module: its program and its state."""
        return self.path / "wodles" / "aws"

    @property
    def options_file(self) -> Path:
        """The file of options that are read before those of the command line."""
        return self.module_folder / "aws-s3.options"

    def state_file(self, daemon: str) -> Path:
        """Return the file in which a daemon writes its figures every few seconds."""
        return self.path / "var" / "run" / f"{daemon}.state"

    def started(self, daemon: str) -> float | None:
        """Return when the daemon started (seconds since 1970, from its newest pid file); None without a pid file."""
        times = []
        with suppress(OSError):
            for file in (self.path / "var" / "run").glob(f"{daemon}-*.pid"):
                with suppress(OSError):
                    times.append(file.stat().st_mtime)
        return max(times, default=None)

    def major_version(self) -> int | None:
        """Return 4 or 5, from VERSION.json; None without one, which is so before 4.13."""
        with suppress(OSError, ValueError, AttributeError, TypeError, RecursionError):
            text = read_text(self.path / "VERSION.json")
            if found := _VERSION.match(json.loads(text).get("version", "")):
                return int(found[1])
        return None

    def internal_option(self, name: str, default: int) -> int:
        """Return a number of local_internal_options.conf, else of internal_options.conf, else the default."""
        for file in ("local_internal_options.conf", "internal_options.conf"):
            with suppress(OSError):
                text = read_text(self.path / "etc" / file)
                lines = re.findall(rf"^\s*{re.escape(name)}\s*=\s*(\d{{1,9}})\s*(?:#.*)?$", text, re.MULTILINE)
                if lines:
                    return int(lines[-1])
        return default


def read_text(path: Path) -> str:
    """Return the text of a small file, whatever its bytes. Raises OSError, for a pipe or a device too."""
    return read_bytes(path).decode(errors="replace")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a small file. Raises OSError; a pipe in its place makes nobody wait."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LARGEST_FILE) or b""
