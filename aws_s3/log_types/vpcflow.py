"""VPC flow logs, of any account and with any fields: the objects alone name their fields.

Formats: Amazon VPC's user guide, "Flow log records" and "Flow log files".
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO

from aws_s3.codec import blocks
from aws_s3.codec.blocks import Block, IrregularError, block_lines
from aws_s3.codec.content import Kind
from aws_s3.codec.delimited import ColumnBatch, batch_events
from aws_s3.codec.flow_logs import (
    flow_log_batches,
    flow_log_block,
    flow_log_header,
    named_flow_logs,
    rest_of_flow_log,
)
from aws_s3.codec.json_and_lines import line_blocks, text_lines
from aws_s3.codec.parquet import check_parquet_columns, is_parquet, parquet_columns
from aws_s3.codec.records import BadRecord, Event
from aws_s3.log_types.base import ColumnarLogType
from aws_s3.log_types.layout import aws_logs, hive_logs

_FLOW_LOG_ID = re.compile(r"_(fl-[0-9a-z]+)_[^/]*\Z")


class VpcFlow(ColumnarLogType):
    """Traffic of network interfaces."""

    name = "vpcflow"
    example = (
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2021/06/10/"
        "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20210610T0115Z_a1b2c3d4.log.gz"
    )
    table = "vpcflow"
    key_columns = ("bucket_path", "aws_account_id", "aws_region", "flow_log_id", "log_key")
    kinds = frozenset({Kind.TEXT, Kind.PARQUET})
    layouts = (aws_logs("vpcflowlogs"), hive_logs("vpcflowlogs"))
    suffix_in_bucket_path = True
    account_in_event = True
    account_in_name = True

    def extra_columns(self, key: str) -> dict[str, str]:
        """Return the `flow_log_id` of the object's name, empty when it holds none."""
        found = _FLOW_LOG_ID.search(key)
        return {"flow_log_id": found[1] if found else ""}

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch]:
        """Yield each line or row as an event, with `source` = `vpc`."""
        if not is_parquet(body):
            return flow_log_batches(line_blocks(body), iso_times=True, key=key)
        return map(named_flow_logs, parquet_columns(body))

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut text between lines; each block carries the fields' names."""
        del key
        if is_parquet(body):
            raise IrregularError(0)
        header = flow_log_header(text_lines(body))
        body.seek(0)
        return blocks.line_blocks(body, header)

    def block_columns(self, block: Block) -> Iterable[ColumnBatch]:
        """Return the lines of a block by column."""
        batches = flow_log_block(block_lines(block), block.names)
        if batches is None:
            raise IrregularError(block.start, block.names)
        return batches

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the lines of a block as events."""
        return chain.from_iterable(map(batch_events, self.block_columns(block)))

    def parse_rest(self, body: IO[bytes], key: str, names: tuple[str, ...]) -> Iterator[Event]:
        """Yield the lines from a block on."""
        return chain.from_iterable(map(batch_events, rest_of_flow_log(line_blocks(body), names, key)))

    def validate(self, body: IO[bytes], key: str) -> Iterator[Event | BadRecord]:
        """Raise ParseError where `parse` would: all of a Parquet file is read."""
        if not is_parquet(body):
            return super().validate(body, key)
        check_parquet_columns(body)
        return iter(())
