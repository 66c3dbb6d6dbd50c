"""The state of the services: what of each log stream was read, and when findings were scanned (SPEC 9, 11)."""

from pathlib import Path

from aws_s3.state import log_streams, scans
from aws_s3.state.database import Database
from aws_s3.state.log_streams import LogStreams
from aws_s3.state.scans import Scans

FILE = "aws_services.db"


class ServiceState:
    """The state file of all services. All methods of its parts raise StateError."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, (*log_streams.MIGRATIONS, *scans.MIGRATIONS), log_streams.TAKE_OVER)
        self.streams = LogStreams(self._database)
        self.scans = Scans(self._database)

    def close(self) -> None:
        """Close the state file."""
        self._database.close()
