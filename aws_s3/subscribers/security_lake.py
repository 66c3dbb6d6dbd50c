"""Security Lake: parquet files, of which each row is an OCSF event. Needs pyarrow, an optional extra."""

from collections.abc import Iterable, Iterator
from typing import IO

from aws_s3.codec.content import Kind
from aws_s3.codec.messages import PlainEncoder
from aws_s3.codec.parquet import ensure_parquet, parquet_rows
from aws_s3.codec.records import Event
from aws_s3.subscribers.base import ContentFormat
from aws_s3.subscribers.notifications import NotifiedObject


class SecurityLake(ContentFormat):
    """Rows are sent as they are: without envelope, nulls kept."""

    name = "security_lake"
    kinds = frozenset({Kind.PARQUET})

    def __init__(self) -> None:
        ensure_parquet("Reading Security Lake")

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each row. Times become ISO 8601 text, maps objects; memory does not grow with the rows."""
        del key
        return parquet_rows(body)

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the row as it is."""
        return (event,)

    def envelope(self, notified: NotifiedObject, queue: str) -> PlainEncoder:
        """Return none: the rows are sent as they are."""
        del notified, queue
        return PlainEncoder()
