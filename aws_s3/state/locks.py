"""Locks on partitions between runs: POSIX record locks, which die with their process."""

import fcntl
import hashlib
import logging
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aws_s3.errors import StateCreateError, StateError
from aws_s3.state.database import share_with_group

log = logging.getLogger(__name__)

_FLOCK = struct.Struct("hhqqi")
"""struct flock of Linux on 64 bits: type, whence, start, length, pid."""

_LONG_SECONDS = 3600.0


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock, and for how many seconds it has been running."""

    pid: int
    seconds: float


class Locks:
    """Locks by name, in one file; held until `close` or the end of the process.

    Each name is one byte of the file, far behind its end: nothing is ever written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise StateCreateError(
                f"The lock file {path} cannot be opened: {error.strerror}. Check its permissions, "
                "or give another folder with --state-dir."
            ) from error

    def acquire(self, name: str) -> bool:
        """Take the lock; False when another process holds it. Raises StateError where files cannot be locked."""
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(name))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise StateError(
                f"The lock file {self._path} cannot be locked: {error.strerror}. "
                "Give a folder of a local disk with --state-dir."
            ) from error
        return True

    def holder(self, name: str) -> Holder | None:
        """Return the process that holds the lock; None if nobody does, or it cannot be seen from here."""
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _offset(name), 1, 0)
        with suppress(OSError, ValueError, struct.error):
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(self._descriptor, fcntl.F_GETLK, query))
            if kind != fcntl.F_UNLCK and pid > 0:
                return Holder(pid, _running_seconds(pid))
        return None

    def report_holder(self, name: str, label: str) -> None:
        """Log that another run holds the lock on `label`: a WARNING once that run is over an hour old."""
        holder = self.holder(name)
        if holder is None or holder.seconds < _LONG_SECONDS:
            log.info("Another run is working on %s: it is passed over", label)
            return
        hours, minutes = divmod(int(holder.seconds // 60), 60)
        log.warning(
            "Another run is working on %s: it is passed over. That run, process %d, began %d h %d min ago: "
            "end it if it hangs.",
            label,
            holder.pid,
            hours,
            minutes,
        )

    def close(self) -> None:
        """Release all locks."""
        os.close(self._descriptor)


def _offset(name: str) -> int:
    """Return the byte of the file that stands for the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")


def _running_seconds(pid: int) -> float:
    """Return how long a process has been running, as /proc has it. Raises OSError or ValueError if it is gone."""
    # The name of the program, in parentheses, may hold spaces; the start is the 22nd field, in clock ticks after boot.
    start = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return max(uptime - int(start) / os.sysconf("SC_CLK_TCK"), 0.0)


def _opened(path: Path) -> int:
    """Return a descriptor of the file, which is created if it is missing.

    No link is followed, nor the mode of a file changed that was there before: the folder belongs to a
    group, and this process may well be root.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660)
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    share_with_group(descriptor, path)
    return descriptor
