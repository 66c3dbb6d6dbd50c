"""The state file of the services: the read intervals of each log stream, and the scans for findings."""

from collections.abc import Callable
from pathlib import Path

from aws_s3.state import log_streams, scans
from aws_s3.state.database import Database
from aws_s3.state.log_streams import LogStreams
from aws_s3.state.scans import Scans

FILE = "aws_services.db"

_BYTES_AN_EVENT = 1024
"""A row of some 50 bytes for each event, mostly beside the others, and one that is forgotten for it."""


class ServiceState:
    """The state of all services. All methods of its parts raise StateError.

    `is_stopping` tells whether a signal asked the process to stop: then another program's lock is not
    waited for.
    """

    def __init__(self, folder: Path, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        migrations = (*log_streams.MIGRATIONS, *scans.MIGRATIONS)
        self._database = Database(folder / FILE, migrations, log_streams.TAKE_OVER, is_stopping=is_stopping)
        self.streams = LogStreams(self._database)
        self.scans = Scans(self._database)

    def ensure_writable(self, events: int) -> None:
        """Raise StateError unless the next `events` can be recorded together: call it before they are sent."""
        self._database.ensure_writable(events * _BYTES_AN_EVENT)

    def close(self) -> None:
        """Close the state file."""
        self._database.close()
