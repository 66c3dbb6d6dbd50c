"""AWS Config: `{"configurationItems": [...]}`, the histories and snapshots of resources.

The members of `configuration` differ from one resource type to the next: some members are made
alike, so that each can be indexed as one kind of value.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

from aws_s3.codec.blocks import Block, block_objects, list_blocks
from aws_s3.codec.json_and_lines import array_field, rest_of_array_field
from aws_s3.codec.records import Event, set_source
from aws_s3.log_types.base import ACCOUNT_AND_REGION, LogType
from aws_s3.log_types.layout import UNPADDED, Partition, aws_logs

log = logging.getLogger(__name__)

# Beside these AWS keeps OversizedChangeNotification/, whose items come in the history too.
_OBJECT = re.compile(r"\d{4}/\d{1,2}/\d{1,2}/Config(History|Snapshot)/(.*[^/])", re.ASCII | re.DOTALL)
_UTC_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", re.ASCII)

_ITEMS = "configurationItems"


class Config(LogType):
    """Configuration items of resources."""

    name = "config"
    example = (
        "AWSLogs/123456789012/Config/us-east-1/2021/6/10/ConfigHistory/123456789012_Config_us-east-1_ConfigHistory_"
        "AWS::EC2::Volume_20210610T011501Z_20210610T011600Z_1.json.gz"
    )
    table = "config"
    key_columns = ACCOUNT_AND_REGION
    layouts = (aws_logs("Config", UNPADDED),)
    suffix_in_bucket_path = True
    account_in_event = True
    account_in_name = True

    def accepts(self, key: str, partition: Partition) -> bool:
        """Take the histories and snapshots, not the folder markers and notifications beside them."""
        return _OBJECT.fullmatch(key, len(partition.prefix)) is not None

    def parse(self, body: IO[bytes], key: str) -> Iterator[Event]:
        """Yield each configuration item, with `source` = `config`."""
        del key
        return map(self._with_source, array_field(body, _ITEMS))

    def blocks(self, body: IO[bytes], key: str) -> Iterator[Block]:
        """Cut the content between configuration items."""
        del key
        return list_blocks(body, _ITEMS)

    def block_events(self, block: Block) -> Iterable[Event]:
        """Return the configuration items of a block."""
        return map(self._with_source, block_objects(block))

    def parse_rest(self, body: IO[bytes], key: str, names: tuple[str, ...]) -> Iterator[Event]:
        """Yield the configuration items from a block on."""
        del key, names
        return map(self._with_source, rest_of_array_field(body, _ITEMS))

    def _with_source(self, item: Event) -> Event:
        set_source(item, self.name)
        return item

    def reshape(self, event: Event) -> Iterable[Event]:
        """Make the members of `configuration` that differ between resource types alike."""
        for shaped in super().reshape(event):
            configuration = shaped.get("configuration")
            if isinstance(configuration, dict):
                shaped["configuration"] = {
                    name: _reshaped(name, value, shaped) for name, value in configuration.items()
                }
            yield shaped


def _reshaped(name: str, value: Any, item: Event) -> Any:
    """Return the value of the member `name` of the item's configuration as it is sent."""
    if name == "securityGroups":
        return _columns(value, ("groupId", "groupName"), of_text="groupId")
    if name == "availabilityZones":
        return _columns(value, ("subnetId", "zoneName"), of_text="zoneName")
    if name in ("state", "iamInstanceProfile") and isinstance(value, str):
        return {"name": value}
    if name == "createdTime":
        return _epoch(value, item)
    if isinstance(value, dict) and isinstance(value.get("Content"), dict):
        return {**value, "Content": list(value["Content"])}
    return value


def _columns(value: Any, names: tuple[str, ...], of_text: str) -> Any:
    """Return a list of objects as one object of lists; a string counts as an object with `of_text`.

    An object alone keeps all of its members. Other values stay as they are.
    """
    if isinstance(value, dict):
        return {name: member if isinstance(member, list) else [member] for name, member in value.items()}
    elements = value if isinstance(value, list) else [value]
    if not all(isinstance(element, (str, dict)) for element in elements):
        return value
    rows = [{of_text: element} if isinstance(element, str) else element for element in elements]
    columns = {name: [row[name] for row in rows if row.get(name) is not None] for name in names}
    return {name: column for name, column in columns.items() if column}


def _epoch(value: Any, item: Event) -> Any:
    """Return a number, or a time in UTC, as epoch seconds; anything else as it is, with a WARNING."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str) and (found := _UTC_TIME.fullmatch(value)):
            return datetime.fromisoformat(f"{found[1]}+00:00").timestamp()
    except (ValueError, OverflowError):
        pass  # A day such as February 30, or a number that is no float.
    log.warning(
        "The createdTime %.100r of %s %s is sent as it is: it is no number and no time like 2021-06-10T01:00:00.500Z",
        value,
        item.get("resourceType", "an item of no type"),
        item.get("resourceId", ""),
    )
    return value
