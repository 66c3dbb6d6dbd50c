"""Locks on partitions between runs: POSIX record locks, which die with their process."""

import fcntl
import hashlib
import os
from pathlib import Path

from aws_s3.errors import StateCreateError, StateError
from aws_s3.state.database import share_with_group


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
        offset = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise StateError(
                f"The lock file {self._path} cannot be locked: {error.strerror}. "
                "Give a folder of a local disk with --state-dir."
            ) from error
        return True

    def close(self) -> None:
        """Release all locks."""
        os.close(self._descriptor)


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
