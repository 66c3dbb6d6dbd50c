"""Optional libraries that an object's name shows to be needed, so that a missing one is told before it is read."""

import logging
from collections.abc import Collection

from aws_s3.codec.compression import ensure_zstd
from aws_s3.codec.content import Kind
from aws_s3.codec.parquet import find_parquet
from aws_s3.errors import CollectorError, MissingExtraError, UnavailableError

log = logging.getLogger(__name__)

_PARQUET = (".parquet", ".parquet.gz")
_ZSTD = (".zst", ".zstd")


def check_libraries(key: str, kinds: Collection[Kind]) -> None:
    """Raise UnavailableError if the object's name shows that it cannot be read before a library is installed."""
    if not key.endswith(_PARQUET + _ZSTD):
        return
    try:
        if key.endswith(_ZSTD):
            ensure_zstd()
        elif Kind.PARQUET in kinds:
            find_parquet()
    except MissingExtraError as error:
        raise UnavailableError(error) from error


class MissingLibraries:
    """The libraries that the objects of one run need and that are missing, each told in one line.

    `kinds` are the kinds of content that the run reads.
    """

    def __init__(self, kinds: Collection[Kind]) -> None:
        self._kinds = kinds
        self._told: set[str] = set()

    def look_at(self, key: str) -> None:
        """Write the line if the object, which was found and not read yet, is the first that needs the library."""
        try:
            check_libraries(key, self._kinds)
        except UnavailableError as error:
            self.tell(error)

    def tell(self, error: CollectorError) -> bool:
        """Write the line of a missing library unless it was written; False for another error."""
        cause = error.cause if isinstance(error, UnavailableError) else error
        if not isinstance(cause, MissingExtraError):
            return False
        if str(cause) not in self._told:
            self._told.add(str(cause))
            log.error("%s (the objects that need it wait until then)", cause)
        return True
