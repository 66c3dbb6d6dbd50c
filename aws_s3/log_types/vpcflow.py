"""VPC flow logs, of any account and with any fields: the objects alone name their fields.

Formats: Amazon VPC's user guide, "Flow log records" and "Flow log files".
"""

import re
from collections.abc import Iterator
from typing import IO

from aws_s3.codec.delimited import ColumnBatch
from aws_s3.codec.flow_logs import flow_log_batches
from aws_s3.codec.json_and_lines import line_blocks
from aws_s3.errors import ParseError
from aws_s3.log_types.base import ColumnarLogType
from aws_s3.log_types.layout import aws_logs

_FLOW_LOG_ID = re.compile(r"_(fl-[0-9a-z]+)_[^/]*\Z")


class VpcFlow(ColumnarLogType):
    """Traffic of network interfaces."""

    name = "vpcflow"
    table = "vpcflow"
    key_columns = ("bucket_path", "aws_account_id", "aws_region", "flow_log_id", "log_key")
    layouts = (aws_logs("vpcflowlogs"),)
    suffix_in_bucket_path = True
    account_in_event = True
    account_in_name = True

    def extra_columns(self, key: str) -> dict[str, str]:
        """Return the `flow_log_id` of the object's name, empty when it holds none."""
        found = _FLOW_LOG_ID.search(key)
        return {"flow_log_id": found[1] if found else ""}

    def column_batches(self, body: IO[bytes], key: str) -> Iterator[ColumnBatch]:
        """Return each line as an event, with `source` = `vpc`; Parquet raises ParseError."""
        if key.endswith(".parquet"):
            raise ParseError("Parquet is not supported; let the flow log deliver its logs as plain text")
        return flow_log_batches(line_blocks(body), iso_times=True, key=key)
