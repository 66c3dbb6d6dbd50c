"""Reading Parquet by row group, as rows or by column. Needs pyarrow, an optional library."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import IO, Any

from aws_s3.codec.delimited import ColumnBatch
from aws_s3.codec.records import Event
from aws_s3.errors import MissingExtraError, ParseError, UnavailableError
from aws_s3.wazuh.extras import needs

_PURPOSE = "Reading Parquet"
_MAGIC = b"PAR1"
_ROWS = 256
_ROWS_BY_COLUMN = 64
_ROWS_READ = 4096
_ROWS_CONVERTED = 512
_READ_BUFFER = 1 << 20

Convert = Callable[[Any], Any]


def ensure_parquet(purpose: str) -> None:
    """Raise MissingExtraError, which names the purpose, if the library is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401 - only to see whether it is there
    except ImportError as error:
        raise MissingExtraError(needs(purpose, "pyarrow", error)) from error


def find_parquet() -> None:
    """Raise MissingExtraError if the library is not there to be imported; the import itself costs time and memory."""
    if find_spec("pyarrow") is None:
        raise MissingExtraError(needs(_PURPOSE, "pyarrow", ImportError("it is not installed")))


def is_parquet(body: IO[bytes]) -> bool:
    """Tell whether the content is Parquet; `body` is at its start again."""
    found = body.read(len(_MAGIC)) == _MAGIC
    body.seek(0)
    return found


def parquet_rows(body: IO[bytes]) -> Iterator[Event]:
    """Yield each row. Times become ISO 8601 text, maps objects; memory does not grow with the rows.

    Raises ParseError for broken content, and UnavailableError if the library is not installed.
    """
    with _errors():
        yield from _rows(body)


def parquet_columns(body: IO[bytes]) -> Iterator[ColumnBatch]:
    """Yield the rows by column, each value as text: a number as in a line of a log, a null as `-`.

    Raises as `parquet_rows` does.
    """
    with _errors():
        yield from _columns(body)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        ensure_parquet(_PURPOSE)
    except MissingExtraError as error:
        raise UnavailableError(error) from error
    import pyarrow

    # The other allocators keep 30 MB for each process that a few row groups went through, and are no faster here.
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    try:
        yield
    # A file that is not Parquet; one that cannot be read; values that Python cannot hold.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ParseError(f"not parquet that can be read: {str(error).rstrip('.')}") from error


def check_parquet_columns(body: IO[bytes]) -> None:
    """Raise as `parquet_columns` does, in a third of the time: no value becomes an object of Python."""
    with _errors():
        for _ in _texts(body):
            pass


def _columns(body: IO[bytes]) -> Iterator[ColumnBatch]:
    for columns in _texts(body):
        count = len(next(iter(columns.values()), ()))
        for first in range(0, count, _ROWS_CONVERTED):
            lists = {name: column.slice(first, _ROWS_CONVERTED).to_pylist() for name, column in columns.items()}
            for start in range(0, min(_ROWS_CONVERTED, count - first), _ROWS_BY_COLUMN):
                yield {name: values[start : start + _ROWS_BY_COLUMN] for name, values in lists.items()}


def _texts(body: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield some thousand rows at a time as columns of Arrow strings."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    with ParquetFile(body, buffer_size=_READ_BUFFER, pre_buffer=False) as parquet:
        for batch in parquet.iter_batches(_ROWS_READ, use_threads=False):
            yield {
                name: column.cast(pyarrow.string(), safe=True).fill_null("-")
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }


def _rows(body: IO[bytes]) -> Iterator[Event]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    # Of each column only what the next rows need is read, not the whole row group.
    with ParquetFile(body, buffer_size=_READ_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us") as parquet:
        columns = [(field, *_plan(field.type)) for field in parquet.schema_arrow]
        schema = pyarrow.schema([field.with_type(kind) for field, kind, _ in columns])
        converters = {field.name: convert for field, _, convert in columns if convert}
        for batch in parquet.iter_batches(_ROWS, use_threads=False):
            for row in pyarrow.Table.from_batches([batch]).cast(schema, safe=False).to_pylist():
                yield _converted(row, converters)


def _plan(kind: Any) -> tuple[Any, Convert | None]:
    """Return the Arrow type to read a column as, and what makes JSON of its values; None: they are JSON.

    Python's times have no nanoseconds.
    """
    import pyarrow
    from pyarrow import types

    if types.is_timestamp(kind):
        unit = "us" if kind.unit == "ns" else kind.unit
        return pyarrow.timestamp(unit, "UTC" if kind.tz else None), _iso
    if types.is_time64(kind):
        return pyarrow.time64("us"), _iso
    if types.is_date(kind) or types.is_time32(kind):
        return kind, _iso
    if types.is_duration(kind):
        return pyarrow.duration("us"), timedelta.total_seconds
    if types.is_decimal(kind):
        return kind, str
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return kind, lambda data: data.decode("utf-8", "replace")
    if types.is_nested(kind):
        return _nested_plan(kind)
    return kind, None


def _nested_plan(kind: Any) -> tuple[Any, Convert | None]:
    import pyarrow
    from pyarrow import types

    if types.is_map(kind):
        key, item = _plan(kind.key_type), _plan(kind.item_type)
        return pyarrow.map_(key[0], item[0]), partial(_object, key=key[1], item=item[1])
    if types.is_struct(kind):
        members = [(field, *_plan(field.type)) for field in kind]
        converters = {field.name: convert for field, _, convert in members if convert}
        read_as = pyarrow.struct([field.with_type(kind) for field, kind, _ in members])
        return read_as, partial(_converted, converters=converters) if converters else None
    if types.is_list(kind) or types.is_large_list(kind):
        read_as, convert = _plan(kind.value_type)
        make = pyarrow.list_ if types.is_list(kind) else pyarrow.large_list
        return make(kind.value_field.with_type(read_as)), partial(_list, convert=convert) if convert else None
    return kind, None


def _iso(time: Any) -> str:
    text: str = time.isoformat()
    return text.replace("+00:00", "Z")


def _converted(value: Event, converters: Mapping[str, Convert]) -> Event:
    for name, convert in converters.items():
        value[name] = _unless_null(convert, value[name])
    return value


def _list(values: list[Any], convert: Convert) -> list[Any]:
    return [_unless_null(convert, value) for value in values]


def _object(pairs: list[tuple[Any, Any]], key: Convert | None, item: Convert | None) -> Event:
    return {str(key(name) if key else name): _unless_null(item, value) for name, value in pairs}


def _unless_null(convert: Convert | None, value: Any) -> Any:
    return value if value is None or convert is None else convert(value)
