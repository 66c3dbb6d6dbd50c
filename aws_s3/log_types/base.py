"""The contract of a bucket type. A type has no I/O: it says where its objects lie and how they are parsed."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import IO, ClassVar

from aws_s3.codec.decoder import Decoder
from aws_s3.codec.delimited import ColumnBatch, batch_events
from aws_s3.codec.json_and_lines import check_lines, json_values
from aws_s3.codec.records import BadRecord, Event, set_source
from aws_s3.codec.reshape import reshape
from aws_s3.log_types.layout import Account, DateFormat, Layout, Partition

ACCOUNT_AND_REGION = ("bucket_path", "aws_account_id", "aws_region", "log_key")
ACCOUNT_ONLY = ("bucket_path", "aws_account_id", "log_key")
OWN_ROWS = "collection_"
"""The beginning of the names of tables that Wazuh's own module does not have."""

_EXTENSIONS = (
    *(".gz", ".zip", ".bz2", ".xz", ".zst", ".snappy", ".log", ".json", ".jsonl", ".ndjson", ".csv", ".parquet"),
    *(".avro", ".orc"),
)
"""The endings that AWS, Firehose and Umbrella give their objects."""


class LogType(Decoder):
    """One type of logs kept in a bucket.

    `name` is the value of `--type`, and `example` the key of an object as AWS writes it. `table` and `key_columns` are
    its rows in the state: a table of Wazuh's own module, or a name that begins with `collection_`. `layouts` say where
    its objects lie; `every_layout`: all of them are read, else only those under `AWSLogs/` where the path has it.
    `suffix_in_bucket_path`: the suffix is part of the rows' `bucket_path`. `account_in_event`: each event carries the
    account of its folder. `account_in_name`: the names of objects begin with the account.
    """

    name: ClassVar[str]
    example: ClassVar[str]
    table: ClassVar[str]
    key_columns: ClassVar[tuple[str, ...]] = ACCOUNT_ONLY
    layouts: ClassVar[tuple[Layout, ...]]
    every_layout: ClassVar[bool] = False
    suffix_in_bucket_path: ClassVar[bool] = False
    account_in_event: ClassVar[bool] = False
    account_in_name: ClassVar[bool] = False

    @classmethod
    def is_of_wazuh(cls) -> bool:
        """Tell whether Wazuh's own module and daemon know the type."""
        return not cls.table.startswith(OWN_ROWS)

    @classmethod
    def with_layout(cls, layout: Layout) -> "LogType":
        """Return the type for objects that lie in another layout; an account of the layout is in each event."""
        has_account = any(isinstance(level, Account) for level in layout.levels)
        members = {
            "layouts": (layout,),
            "every_layout": True,
            "account_in_event": has_account,
            "account_in_name": False,
        }
        of_layout: type[LogType] = type(cls.__name__, (cls,), members)
        return of_layout()

    @classmethod
    def table_of(cls, dates: DateFormat) -> str:
        """Return the table of rows of keys with such dates: our own where Wazuh's own module would mistake them."""
        return f"{OWN_ROWS}{cls.table}" if dates.own_rows else cls.table

    def check_path(self, path: str) -> None:
        """Raise InvalidTypeError when objects of this type cannot lie under `path`."""
        del path

    def accepts(self, key: str, partition: Partition) -> bool:
        """Tell whether the object is one of this type; the others of the partition are passed over."""
        del partition
        return not key.endswith("/")

    def is_typical(self, key: str, partition: Partition) -> bool:
        """Tell whether the object's name is of the form that the type's objects have.

        A malformed object stops its partition; one with another extension or without the account that such names
        begin with was put there by somebody else, and stops nothing.
        """
        name = key.rpartition("/")[2]
        if self.account_in_name and partition.account and not name.startswith(partition.account):
            return False
        return "." not in name or name.endswith(_EXTENSIONS)

    def extra_columns(self, key: str) -> dict[str, str]:
        """Return the values of key columns that only this type has, from the object's key."""
        del key
        return {}

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event as it is sent: usually one, of some types several."""
        return (reshape(event),)


class JsonLogType(LogType):
    """A type whose objects are JSON objects, one after the other."""

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Yield each object, with `source` = the type's name."""
        del key
        for value in json_values(body):
            if isinstance(value, dict):
                set_source(value, self.name)
                yield value
            else:
                yield BadRecord("expected a JSON object")


class TextLogType(LogType):
    """A type whose objects are lines of text, and whose events are strings whatever the lines hold."""

    cheap_to_validate = True

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Raise ParseError where `parse` would: lines may be too long, but not wrong."""
        del key
        check_lines(body)
        return iter(())

    def reshape(self, event: Event) -> Iterable[Event]:
        """Return the event: strings alone leave nothing to reshape."""
        return (event,)


class ColumnarLogType(TextLogType):
    """A type whose lines all have the same fields, most of the time."""

    @abstractmethod
    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch]:
        """Yield the lines; raise only ParseError."""

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each line as an event. All values are strings."""
        for batch in self.column_batches(body, key):
            yield from batch_events(batch)
