"""CloudTrail: `{"Records": [...]}`, one object a few minutes for each account and region."""

from collections.abc import Iterable, Iterator
from typing import IO, Any

from aws_s3.codec.blocks import Block, block_objects, list_blocks
from aws_s3.codec.json_and_lines import array_field, rest_of_array_field
from aws_s3.codec.records import Event, set_source
from aws_s3.codec.reshape import reshape, reshape_own
from aws_s3.log_types.base import ACCOUNT_AND_REGION, LogType
from aws_s3.log_types.layout import aws_logs

_RECORDS = "Records"
_OBJECTS = ("additionalEventData", "responseElements", "requestParameters")


class CloudTrail(LogType):
    """Events of AWS API calls."""

    name = "cloudtrail"
    example = (
        "AWSLogs/123456789012/CloudTrail/us-east-1/2021/06/10/"
        "123456789012_CloudTrail_us-east-1_20210610T0115Z_AbCdEfGhIjKlMnOp.json.gz"
    )
    table = "cloudtrail"
    key_columns = ACCOUNT_AND_REGION
    layouts = (aws_logs("CloudTrail"),)
    suffix_in_bucket_path = True
    account_in_event = True
    account_in_name = True

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each record, with `source` = `cloudtrail`."""
        del key
        return map(_with_source, array_field(body, _RECORDS))

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut the content between records."""
        del key
        return list_blocks(body, _RECORDS)

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the records of a block."""
        return map(_with_source, block_objects(block))

    def parse_rest(self, body: IO[bytes], key: str, names: tuple[str, ...]) -> Iterator[Event]:
        """Yield the records from a block on."""
        del key, names
        return map(_with_source, rest_of_array_field(body, _RECORDS))

    def reshape(self, event: Event) -> Iterable[Event]:
        """Make the members that Wazuh indexes as objects into objects."""
        return (_with_objects(reshape(event)),)

    def reshape_block_event(self, event: Event) -> Iterable[Event]:
        """Do the same to the event itself, which has no objects of other events."""
        return (_with_objects(reshape_own(event)),)


def _with_objects(shaped: Event) -> Event:
    for member in _OBJECTS:
        if member in shaped and not isinstance(shaped[member], dict):
            shaped[member] = {"string": str(shaped[member])}
    _wrap_termination_flag(shaped.get("requestParameters"))
    return shaped


def _with_source(record: Event) -> Event:
    if "source" in record:
        set_source(record, "cloudtrail")
    else:
        record["source"] = "cloudtrail"
    return record


def _wrap_termination_flag(parameters: Any) -> None:
    if isinstance(parameters, dict) and isinstance(parameters.get("disableApiTermination"), bool):
        parameters["disableApiTermination"] = {"value": parameters["disableApiTermination"]}
