"""What holds for every type of the registry: a new type is tested here without a line more."""

import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aws_s3.log_types
from aws_s3.codec.messages import PlainEncoder
from aws_s3.codec.records import BadRecord
from aws_s3.errors import CollectorError, InvalidTypeError, ParseError
from aws_s3.log_types import LOG_TYPES
from aws_s3.log_types.base import ACCOUNT_AND_REGION, ACCOUNT_ONLY, LogType, TextLogType
from aws_s3.log_types.layout import Account, DateFormat, Partition, Region, _pattern_of
from aws_s3.log_types.recognition import partition_of, readings
from aws_s3.pipeline.decode import ObjectDecoder, messages_in
from aws_s3.pipeline.event_rules import EventRules
from tests.harness.collecting import Collection, trail_key

FLOW_LOGS = ("bucket_path", "aws_account_id", "aws_region", "flow_log_id", "log_key")
TABLES = {
    "cloudtrail": ("cloudtrail", ACCOUNT_AND_REGION),
    "config": ("config", ACCOUNT_AND_REGION),
    "vpcflow": ("vpcflow", FLOW_LOGS),
    "custom": ("custom", ACCOUNT_ONLY),
    "guardduty": ("guardduty", ACCOUNT_ONLY),
    "waf": ("waf", ACCOUNT_ONLY),
    "alb": ("alb", ACCOUNT_ONLY),
    "clb": ("clb", ACCOUNT_ONLY),
    "nlb": ("nlb", ACCOUNT_ONLY),
    "server_access": ("s3_server_access", ACCOUNT_ONLY),
    "cisco_umbrella": ("cisco_umbrella", ACCOUNT_ONLY),
}
"""The tables that Wazuh's own module keeps, with their keys. Tables of other types are our own."""

TYPES = sorted(LOG_TYPES)
DATES = sorted({layout.dates for bucket in LOG_TYPES.values() for layout in bucket.layouts}, key=repr)
NO_MODULES_OF_TYPES = {"__init__", "base", "layout", "recognition", "strays", "layout_pattern"}


@pytest.fixture(params=TYPES)
def bucket(request: pytest.FixtureRequest) -> LogType:
    return LOG_TYPES[request.param]()


def test_every_module_is_registered() -> None:
    folder = Path(aws_s3.log_types.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - NO_MODULES_OF_TYPES
    assert {bucket.__module__.rpartition(".")[2] for bucket in LOG_TYPES.values()} == modules


def test_every_type_has_a_name_and_a_table_of_its_own() -> None:
    assert all(name == bucket.name for name, bucket in LOG_TYPES.items())
    assert len({bucket.table for bucket in LOG_TYPES.values()}) == len(LOG_TYPES)


def test_table_has_the_columns_of_its_key(bucket: LogType, tmp_path: Path) -> None:
    table, key = TABLES.get(bucket.name, (bucket.table, bucket.key_columns))
    assert bucket.name in TABLES or table.startswith("collection_")
    collection = Collection(tmp_path, bucket=bucket)
    state = collection.state()
    columns = state._database.query(f"PRAGMA table_info({table})")
    state.close()
    assert [column[1] for column in columns] == [*key, "processed_date", "created_date"]
    assert tuple(column[1] for column in sorted(columns, key=lambda column: column[5]) if column[5]) == key


def test_example_is_an_object_of_the_type_and_of_no_other_type_that_is_as_special(bucket: LogType) -> None:
    found = [partition for layout in bucket.layouts if (partition := partition_of(bucket.example, layout))]
    assert found
    assert bucket.accepts(bucket.example, found[0])
    assert found[0].day(bucket.example) == date(2021, 6, 10)
    assert readings(f"some/path/{bucket.example}", bucket.name)[0].type == bucket.name


def test_rows_have_a_value_for_each_column_of_the_key(bucket: LogType) -> None:
    common = {"bucket_path", "aws_account_id", "aws_region", "log_key"}
    assert set(bucket.key_columns) - common == set(bucket.extra_columns("no/key/of/the/type"))


def test_path_is_part_of_the_rows_where_wazuhs_own_module_has_it_there() -> None:
    with_suffix = {name for name, bucket in LOG_TYPES.items() if bucket.suffix_in_bucket_path}
    assert with_suffix & TABLES.keys() == {"cloudtrail", "config", "vpcflow"}


def test_account_is_in_the_events_of_the_types_that_had_it_there() -> None:
    with_account = {name for name in TABLES if LOG_TYPES[name].account_in_event}
    assert with_account == {"cloudtrail", "config", "vpcflow"}


def test_each_layout_has_at_most_one_account_and_one_region(bucket: LogType) -> None:
    for layout in bucket.layouts:
        kinds = [type(level) for level in layout.levels]
        assert kinds.count(Account) <= 1 >= kinds.count(Region)
        if layout.in_awslogs:
            # A source's rows are told by the account's folder right behind its base.
            assert kinds[0] is Account


@pytest.mark.parametrize("dates", DATES, ids=repr)
@given(days=st.lists(st.dates(), min_size=2, max_size=2).map(sorted))
def test_keys_of_a_later_day_sort_later(dates: DateFormat, days: list[date]) -> None:
    earlier, later = map(dates.written, days)
    if not dates.unpadded:
        assert earlier <= later
        assert len(earlier) == len(later)


@pytest.mark.parametrize("dates", DATES, ids=repr)
@given(st.dates(date(2006, 1, 1)), st.sampled_from(["/", "-01-15-00-x", "/2021-06-10-01-15-00-0123456789ABCDEF"]))
def test_listing_from_a_day_begins_before_its_first_key(dates: DateFormat, day: date, rest: str) -> None:
    if dates.unpadded:
        return
    key = f"{dates.written(day)}{rest}"
    if dates.day(f"{key}a") == day:
        assert dates.before(day) < f"{key}a"
    assert dates.before(day) >= dates.written(day)


def test_slash_follows_the_day_where_the_layout_has_a_folder_and_only_there() -> None:
    for dates in DATES:
        before, written = dates.before(date(2021, 6, 10)), dates.written(date(2021, 6, 10))
        if not dates.unpadded:
            behind = dates.pattern.pattern.removeprefix(_pattern_of(dates.text, r"\d\d"))
            assert before == written + ("/" if behind.startswith("/") else "")


@pytest.mark.parametrize("dates", DATES, ids=repr)
@given(st.text(alphabet="0123456789-/T_aZ٣²", max_size=40))
def test_any_key_has_a_day_or_none(dates: DateFormat, rest: str) -> None:
    assert isinstance(dates.day(rest), date | None)


@pytest.mark.parametrize(
    "rest", ["2021/02/30/", "0000/01/01/", "2021/13/01/", "2021/00/10/", "٢٠٢١/06/10/", "2021/06/10"]
)
def test_what_is_no_day_of_a_calendar_is_none(rest: str) -> None:
    assert all(dates.day(rest) is None for dates in DATES)


def test_folder_marker_is_no_object(bucket: LogType) -> None:
    for layout in bucket.layouts:
        assert not bucket.accepts("x/2021/06/10/", Partition("x/", layout.dates))


def test_path_of_no_type_but_umbrella_is_refused(bucket: LogType) -> None:
    if bucket.name == "cisco_umbrella":
        with pytest.raises(InvalidTypeError):
            bucket.check_path("anything/")
    else:
        bucket.check_path("anything/")
        bucket.check_path("")


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), name=st.sampled_from(TYPES))
def test_parsing_raises_nothing_but_parse_errors(name: str, body: bytes) -> None:
    kind = LOG_TYPES[name]()
    try:
        events = list(kind.parse(io.BytesIO(body), trail_key("a")))
        for event in events:
            if isinstance(event, BadRecord):
                event = event.event or {}
            assert all(isinstance(shaped, dict) for shaped in kind.reshape(event))
    except CollectorError as error:
        assert isinstance(error, ParseError)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode), name=st.sampled_from(TYPES))
def test_what_is_proved_can_be_parsed(name: str, body: bytes) -> None:
    kind, key = LOG_TYPES[name](), "dnslogs/2021-06-10/a"
    try:
        proved = list(kind.validate(io.BytesIO(body), key))
    except ParseError:
        return
    bad = [event for event in kind.parse(io.BytesIO(body), key) if isinstance(event, BadRecord)]
    assert bad == [event for event in proved if isinstance(event, BadRecord)]


def decoded(bucket: LogType, content: bytes) -> list[bytes]:
    decoder = ObjectDecoder(bucket, skip_on_error=False, rules=EventRules(None, None))
    batches = decoder.messages(bucket.example.removesuffix(".gz"), io.BytesIO(content), PlainEncoder())
    return [message for batch in batches for message in messages_in(batch)]


@pytest.mark.parametrize(
    "page", [b"<html><body>Denied</body></html>\n", b'\xef\xbb\xbf\n<?xml version="1.0"?>\n<Error/>']
)
def test_a_page_is_no_log_of_any_type_but_text(bucket: LogType, page: bytes) -> None:
    if bucket.name == "custom":
        assert b"full_log" in decoded(bucket, page)[0]
        return
    with pytest.raises(ParseError):
        decoded(bucket, page)


@pytest.mark.parametrize("content", [b'{"Records": [{"a": 1}]}', b'[\n{"a": "b c"}]', b"\n {}"])
def test_json_is_no_line_of_fields(bucket: LogType, content: bytes) -> None:
    if isinstance(bucket, TextLogType):
        with pytest.raises(ParseError, match="it is JSON, and lines of fields are expected"):
            decoded(bucket, content)


@pytest.mark.parametrize("blank", [" ", "\t\t", " \t \r", "\u3000"])
def test_a_line_of_blanks_is_no_event(bucket: LogType, blank: str) -> None:
    if isinstance(bucket, TextLogType) or bucket.name == "custom":
        with_blanks = f"{blank}\n2 a 1\n{blank}\n{blank}\n 2 b 2\n{blank}".encode()
        assert decoded(bucket, with_blanks) == decoded(bucket, b"2 a 1\n 2 b 2")
        assert len(decoded(bucket, with_blanks)) == 2


def test_the_line_of_a_broken_object_names_it_once(bucket: LogType) -> None:
    for content in (b'{"Records": [', b'{"a": 1}\n{"b": ', b'{"configurationItems": [{}, 1 2', b"<a>"):
        try:
            decoded(bucket, content)
        except ParseError as error:
            assert str(error).count("Failed to parse file") == 1
