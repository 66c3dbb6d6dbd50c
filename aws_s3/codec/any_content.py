"""Reading objects whose content nothing but their bytes tells: JSON in any arrangement, flow logs, lines of text."""

from collections.abc import Iterator
from typing import IO

from aws_s3.codec.blocks import Block, block_objects, list_blocks
from aws_s3.codec.containers import STREAMED, open_container, open_record
from aws_s3.codec.delimited import batch_events
from aws_s3.codec.flow_logs import LINES_TO_RECOGNISE, flow_log_batches, is_flow_log
from aws_s3.codec.json_and_lines import first_lines, line_blocks, text_lines, values_and_lines
from aws_s3.codec.records import BadRecord, Event, TextLine, set_source


def json_events(body: IO[bytes], source: str) -> Iterator[Event | BadRecord]:
    """Yield the events of JSON values in any arrangement, and lines of text among lines of JSON.

    An event of EventBridge gives its `detail`, with the event's `source` less `aws.`; containers give an event for each
    of their records; others are taken whole. `source` is for those that have none which is a string. A value that is
    not an object is a BadRecord. Raises ParseError where JSON is broken.
    """
    for value in values_and_lines(body, STREAMED):
        if isinstance(value, TextLine):
            yield value
        elif isinstance(value, dict):
            yield from _events(value, source)
        else:
            yield BadRecord("expected a JSON object")


def record_blocks(body: IO[bytes]) -> Iterator[Block]:
    """Cut content that is one container of records between these. Raises IrregularError for other content."""
    return list_blocks(body, "Records")


def block_events(block: Block, source: str) -> Iterator[Event]:
    """Yield the events of a block of `record_blocks` as `json_events` does. Raises IrregularError."""
    return (_with_source(open_record(record), source) for record in block_objects(block))


def _with_source(event: Event, source: str) -> Event:
    if type(event) is dict and not isinstance(event.get("source"), str):
        set_source(event, source)
    return event


def _events(value: Event, source: str) -> Iterator[Event]:
    detail = value.get("detail")
    outer = value.get("source")
    for event in open_container(detail if isinstance(detail, dict) else value):
        if type(event) is not dict:  # It has the source of its own kind.
            yield event
            continue
        if isinstance(detail, dict) and isinstance(outer, str):
            set_source(event, outer.removeprefix("aws."))
        elif not isinstance(event.get("source"), str):
            set_source(event, source)
        yield event


def text_events(body: IO[bytes], key: str) -> Iterator[Event]:
    """Yield the lines of a flow log with their fields under their names, those of other text as TextLine."""
    if is_flow_log(first_lines(body, LINES_TO_RECOGNISE)):
        for batch in flow_log_batches(line_blocks(body), iso_times=False, key=key):
            yield from batch_events(batch)
    else:
        yield from map(TextLine, text_lines(body))
