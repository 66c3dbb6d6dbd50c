"""ossec.conf becomes the settings that the equivalent command lines give; what is wrong has file, line and tag."""

import logging
from collections.abc import Sequence
from datetime import date, datetime, tzinfo
from pathlib import Path

import pytest
from hypothesis import example as with_example
from hypothesis import given
from hypothesis import strategies as st

from aws_s3.config.command_line import parse
from aws_s3.config.ossec_conf import Wodle, read_ossec_conf
from aws_s3.config.schedule import Interval, Schedule, parse_time
from aws_s3.errors import OssecConfigError
from aws_s3.settings import BucketJob
from tests.config.files import EXAMPLES, bucket, example, wodle

ROLE = "arn:aws:iam::123456789012:role/logs"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ossec.conf"


def read(file: Path, text: str) -> Wodle:
    file.write_text(text, encoding="utf-8")
    return read_ossec_conf(file)


def refused(file: Path, text: str) -> str:
    """Return what is said of the file, from the line on."""
    with pytest.raises(OssecConfigError) as raised:
        read(file, text)
    assert raised.value.exit_code == 2
    return str(raised.value).removeprefix(f"{file}, ")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


ON = "--skip_on_error"
REGIONS = "-r us-east-1,us-east-2"
AS_PRINTED = "arn:aws:iam::xxxxxxxxxxx:role/wazuh-role"
VPCE = "us-east-2.vpce.amazonaws.com"
OF_THE_DOCUMENTATION = {
    "filtering": [
        f"-b wazuh-aws-bucket -p default {REGIONS} -c 123456789012 -l wazuh-logs -s 2018-JAN-01 -O AWS-ORG-1",
    ],
    "older_logs": [f"-b wazuh-aws-bucket -p default {REGIONS} -s 2018-JAN-01"],
    "older_log_groups": [
        "-sr cloudwatchlogs -p default -g log_group1,log_group2 -s 2018-JAN-01 -r us-east-1,us-west-1,eu-central-1"
    ],
    "multiple_services": [
        "-b wazuh-aws-bucket -t guardduty -l guardduty -p production",
        "-b wazuh-aws-bucket -t config -l config -p default",
        "-b wazuh-aws-bucket -t custom -l kms_compress_encrypted -p dev",
        "-b wazuh-cloudtrail -t cloudtrail -p default",
        "-b wazuh-aws-bucket -l cloudtrail-govcloud -r us-gov-east-1 -p gov1",
        "-b wazuh-aws-bucket -l cloudtrail-govcloud -r us-gov-west-1 -p gov2",
        f"-sr inspector -p default {REGIONS} -s 2018-JAN-01",
    ],
    "vpc_endpoints": [
        f"-b wazuh-cloudtrail -p default -se https://bucket.xxxxxx.s3.{VPCE}",
        f"-b wazuh-cloudtrail-2 -p default -i {AS_PRINTED} -st xxxxxx.sts.{VPCE} -se https://bucket.xxxxxx.s3.{VPCE}",
        f"-sr cloudwatchlogs -p default -r us-east-2 -g log_group_name -se https://xxxxxx.logs.{VPCE}",
    ],
    "fips_endpoints": [
        "-sr cloudwatchlogs -p default -r us-east-2 -g log_group_name -se logs-fips.us-east-2.amazonaws.com"
    ],
}


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_example_of_the_documentation(file: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    found = read(file, example(name))
    assert (found.disabled, found.run_on_start, found.schedule) == (False, True, Schedule(Interval(10, "m")))
    wanted = [parse([*line.split(), ON]) for line in OF_THE_DOCUMENTATION[name]]
    assert [block.settings for block in found.blocks] == wanted
    assert warnings(caplog) == []


EVERYWHERE = [
    ("aws_profile", "dev", "-p dev"),
    ("iam_role_arn", ROLE, f"-i {ROLE}"),
    ("sts_endpoint", "sts.example.com", "-st sts.example.com"),
    ("service_endpoint", "-se.example.com", "--service_endpoint=-se.example.com"),
]
LOGS = [
    ("aws_organization_id", "o-1", "-O o-1"),
    ("aws_account_id", "123456789012, 210987654321", "-c 123456789012,210987654321"),
    ("aws_account_alias", "-prod", "--aws_account_alias=-prod"),
    ("only_logs_after", "2021-Jun-10", "-s 2021-Jun-10"),
    ("regions", "us-east-1 , eu-west-1", "-r us-east-1,eu-west-1"),
]
TAGS = [
    *(("bucket", *row) for row in (*EVERYWHERE, *LOGS)),
    ("bucket", "path", "a\\b", "-l a/b"),
    ("bucket", "path", "", "--trail_prefix="),
    ("bucket", "path_suffix", "/c/", "-L c"),
    ("bucket", "layout", "{any}/{yyyy}/{mm}/{dd}/", "--layout {any}/{yyyy}/{mm}/{dd}/"),
    ("bucket", "remove_from_bucket", "yes", "-R"),
    ("bucket", "remove_from_bucket", "no", ""),
    *(("service", *row) for row in (*EVERYWHERE, *LOGS)),
    ("service", "aws_log_groups", "/a,/b:c", "-g /a,/b:c"),
    ("service", "remove_log_streams", "Yes", "-P"),
    *(("subscriber", *row) for row in EVERYWHERE),
    ("subscriber", "external_id", "-x", "--external_id=-x"),
]
BLOCKS = {
    "bucket": ('<bucket type="waf"><name>acme-logs</name>{}</bucket>', "-b acme-logs -t waf"),
    "service": ('<service type="Inspector">{}</service>', "-sr inspector"),
    "subscriber": ('<subscriber type="buckets"><sqs_name>q</sqs_name>{}</subscriber>', "-sb buckets -q q"),
}


@pytest.mark.parametrize(("kind", "tag", "text", "options"), TAGS)
def test_each_tag_is_its_option(file: Path, kind: str, tag: str, text: str, options: str) -> None:
    block, words = BLOCKS[kind]
    [found] = read(file, wodle(block.format(f"<{tag}>\n {text} </{tag}>"))).blocks
    expected = parse([*words.split(), *options.split()])
    assert (found.settings.job, found.settings.access) == (expected.job, expected.access)


def test_tags_that_need_another_come_with_it(file: Path) -> None:
    lines = [
        bucket(f"<iam_role_arn>{ROLE}</iam_role_arn><iam_role_duration>900</iam_role_duration>"),
        bucket("<secret_key>-s</secret_key><access_key>a</access_key>"),
        bucket('<discard_regex field=" a.b "> -x &amp; y z </discard_regex>'),
        '<service type="cloudwatchlogs"><aws_log_groups>/a</aws_log_groups><discard_regex>x</discard_regex></service>',
        HUB.format("<sqs_name>-q</sqs_name>", '<discard_regex field="a">x</discard_regex>'),
    ]
    found = read(file, wodle(*lines)).blocks
    assert [block.settings for block in found] == [
        parse(["-b", "acme-logs", "-i", ROLE, "-rd", "900"]),
        parse(["-b", "acme-logs", "-a", "a", "--secret_key=-s"]),
        parse(["-b", "acme-logs", "-df", "a.b", "--discard-regex=-x & y z"]),
        parse(["-sr", "cloudwatchlogs", "-g", "/a", "-dr", "x"]),
        parse(["-sb", "security_hub", "--queue=-q", "-df", "a", "-dr", "x"]),
    ]


def test_buckets_run_before_services_before_subscribers_each_in_their_order(file: Path) -> None:
    subscriber, service = BLOCKS["subscriber"][0].format(""), BLOCKS["service"][0].format("")
    found = read(file, wodle(subscriber, bucket(name="second-one"), service, bucket(name="first-one")))
    assert [block.name for block in found.blocks] == [
        "bucket second-one (line 4)",
        "bucket first-one (line 6)",
        "service Inspector (line 5)",
        "subscriber buckets (line 3)",
    ]


def test_skip_on_error_holds_for_every_block(file: Path) -> None:
    blocks = [block.format("") for block, _ in BLOCKS.values()]
    for text, skips in (("yes", True), ("no", False)):
        found = read(file, wodle(*blocks, f"<skip_on_error>{text}</skip_on_error>"))
        assert [block.settings.job.skip_on_error for block in found.blocks] == [skips] * 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tags", "schedule"),
    [
        ("", Schedule(Interval(10, "m"))),
        ("<interval> 1h </interval>", Schedule(Interval(1, "h"))),
        ("<interval>600</interval>", Schedule(Interval(600, "s"))),
        ("<interval>2d</interval><time>02:30</time>", Schedule(Interval(2, "d"), at=parse_time("02:30"))),
        ("<interval>1w</interval><wday>Friday</wday>", Schedule(Interval(1, "w"), wday=4)),
        ("<day>31</day><time>9:00</time>", Schedule(Interval(1, "M"), day=31, at=parse_time("09:00"))),
        ("<wday>sun</wday><time>9:00</time>", Schedule(Interval(1, "w"), wday=6, at=parse_time("09:00"))),
        ("<time>23:59</time>", Schedule(Interval(1, "d"), at=parse_time("23:59"))),
    ],
)
def test_the_schedule_is_read(file: Path, tags: str, schedule: Schedule) -> None:
    found = read(file, wodle(tags, bucket(), "<run_on_start>no</run_on_start>"))
    assert (found.schedule, found.run_on_start) == (schedule, False)


def test_a_disabled_block_has_nothing_to_run_whatever_else_it_says(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(file, wodle("<bucket type='cloudtrail'/>", "<disabled> yes </disabled>")) == Wodle(disabled=True)
    assert warnings(caplog) == [f"{file}, line 2: this <wodle> is disabled: nothing runs."]


def test_the_last_block_wins_whatever_the_others_say(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(file, wodle("<nonsense/>") + wodle(bucket(name="last-one")))
    assert [block.name for block in found.blocks] == ["bucket last-one (line 8)"]
    assert warnings(caplog) == [f"{file}, line 2: this <wodle> is not used: a later one takes its place."]


def test_old_forms_work_with_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = ["<access_key>AKIA</access_key>", "<secret_key>hidden</secret_key>"]
    found = read(
        file,
        wodle("<bucket> old-one </bucket>", "<remove_from_bucket>yes</remove_from_bucket>", *old, bucket()),
    )
    assert [block.settings for block in found.blocks] == [
        parse(["-b", "old-one", "-R", "-a", "AKIA", "-k", "hidden", "-n", "LEGACY"]),
        parse(["-b", "acme-logs"]),
    ]
    assert [text.partition(", ")[2].partition(" is ")[0] for text in warnings(caplog)] == [
        "line 4: this <remove_from_bucket>",
        "line 5: this <access_key>",
        "line 6: this <secret_key>",
        "line 3: this <bucket> has no type, which",
    ]
    assert "hidden" not in "".join(warnings(caplog))


@pytest.mark.parametrize("tag", ["regions", "only_logs_after", "iam_role_arn", "iam_role_duration"])
def test_an_empty_tag_is_as_if_it_were_not_there(file: Path, tag: str, caplog: pytest.LogCaptureFixture) -> None:
    [found] = read(file, wodle(bucket(f"\n<{tag}> </{tag}>"))).blocks
    assert found.settings == parse(["-b", "acme-logs", "-t", "cloudtrail"])
    assert warnings(caplog) == [f"{file}, line 4: this <{tag}> is empty, which is as if it were not there."]


def test_the_last_of_several_tags_counts(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = wodle("<interval>1h</interval>", "<interval>2h</interval>", bucket("\n<path>a</path>", "\n<path>b</path>"))
    found = read(file, text)
    assert found.schedule == Schedule(Interval(2, "h"))
    assert found.blocks[0].settings == parse(["-b", "acme-logs", "-l", "b"])
    assert warnings(caplog) == [
        f"{file}, line 4: this <interval> takes the place of the one in line 3.",
        f"{file}, line 7: this <path> takes the place of the one in line 6.",
    ]


@pytest.mark.parametrize(
    ("tags", "schedule"),
    [
        ("<interval>1h</interval><time>02:00</time>", Schedule(Interval(1, "d"), at=parse_time("02:00"))),
        ("<interval>1d</interval><day>1</day>", Schedule(Interval(1, "M"), day=1)),
        ("<interval>3M</interval><wday>mon</wday>", Schedule(Interval(1, "w"), wday=0)),
    ],
)
def test_an_interval_that_does_not_go_with_a_day_or_time_is_replaced(
    file: Path, tags: str, schedule: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(file, wodle(tags, bucket())).schedule == schedule
    [warning] = warnings(caplog)
    assert warning.endswith(f"{schedule.interval} is used.")


def test_other_attributes_and_text_between_tags_are_ignored(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["# CloudTrail", '<bucket type="cloudtrail" x="y">text<name z="1">acme-logs</name></bucket>']
    [found] = read(file, wodle(*lines).replace('name="aws-s3"', 'name="aws-s3" x="y"')).blocks
    assert found.settings == parse(["-b", "acme-logs"])
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("text", "regex"),
    [
        (r"\\d+", r"\d+"),
        (r"a\\\\b\\d", r"a\\b\d"),
        (r"\d+", r"\d+"),
        (r"\\d\w", r"\\d\w"),
        ("plain", "plain"),
    ],
)
def test_a_regex_whose_backslashes_are_all_doubled_is_halved(
    file: Path, text: str, regex: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aws_s3")
    [found] = read(file, wodle(bucket(f'\n<discard_regex field="a">{text}</discard_regex>'))).blocks
    assert found.settings == parse(["-b", "acme-logs", "-df", "a", f"-dr={regex}"])
    said = [f"{file}, line 4: the backslashes of this <discard_regex> are halved, because all of them are doubled."]
    assert [record.getMessage() for record in caplog.records] == (said if text != regex else [])


def test_a_block_may_have_a_schedule_of_its_own(file: Path) -> None:
    own, shared = "<interval>1d</interval><time>04:00</time>", bucket(name="other-logs")
    first, second = read(file, wodle("<interval>1h</interval>", bucket(own), shared)).blocks
    assert first.settings == parse(["-b", "acme-logs", "-t", "cloudtrail"])
    assert (first.schedule, second.schedule) == (Schedule(Interval(1, "d"), at=parse_time("04:00")), None)


def test_a_block_for_all_agents_is_read_and_one_for_some_is_refused(file: Path) -> None:
    text = wodle(bucket()).replace("ossec_config", "agent_config")
    assert len(read(file, text).blocks) == 1
    filtered = text.replace("<agent_config>", '<agent_config os="Linux"\n name="a|b">')
    assert refused(file, filtered).startswith(
        'line 3: <wodle> stands in <agent_config os="Linux" name="a|b">, which is for some agents only: '
    )
    assert len(read(file, filtered + wodle(bucket())).blocks) == 1


def test_a_day_that_moves_is_that_of_the_run(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon reads the file once and runs it for months."""
    [block] = read(file, wodle(bucket("<only_logs_after>today</only_logs_after>"))).blocks

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Later":
            return cls(2031, 5, 6, tzinfo=tz)

    monkeypatch.setattr("aws_s3.config.values.datetime", Later)
    assert isinstance(block.settings.job, BucketJob)
    assert block.settings.job.only_logs_after == date(2031, 5, 6)


HUB = '<subscriber type="security_hub">{}{}</subscriber>'
SERVICE = '<service type="inspector">{}</service>'
LAKE = '<subscriber type="security_lake"><sqs_name>q</sqs_name></subscriber>'
REFUSED = [
    (["<nonsense>1</nonsense>", bucket()], "line 3: <nonsense> is unknown in <wodle>. Use <disabled>, "),
    ([bucket(), "", bucket("<nmae>x</nmae>")], "line 5: <nmae> is unknown in <bucket>. Did you mean <name>? "),
    ([SERVICE.format("<path>x</path>")], "line 3: <path> is unknown in <service>. It is for <bucket>. Use "),
    ([bucket("<external_id/>")], "line 3: <external_id> is unknown in <bucket>. It is for <subscriber>. Use "),
    (
        [LAKE.replace("><sqs", "><regions/><sqs")],
        "line 3: <regions> is unknown in <subscriber>. It is for <bucket> and <service>. Use ",
    ),
    (['<bucket type="waf">', "<path>x</path></bucket>"], "line 3: <bucket> needs <name>"),
    (['<bucket type="waf"/>'], "line 3: <bucket> needs <name>"),
    (["<bucket></bucket>"], "line 3: <bucket>: <name>: '' is not a bucket name"),
    (["<service/>"], 'line 3: <service> needs the attribute "type": cloudwatchlogs or inspector'),
    (["<subscriber/>"], 'line 3: <subscriber> needs the attribute "type": buckets or security_hub or security_lake'),
    (
        [bucket(type_="wafs")],
        "line 3: <bucket>: 'wafs' is not a supported type of bucket. Did you mean waf? Use one of alb, ",
    ),
    ([bucket(type_="")], "line 3: <bucket>: '' is not a supported type of bucket. Use one of alb, "),
    (['<service type="ec2"/>'], "line 3: <service>: 'ec2' is not a supported service. Use one of cloudwatchlogs, "),
    (['<subscriber type="sns"/>'], "line 3: <subscriber>: 'sns' is not a supported subscriber. Use one of buckets, "),
    ([LAKE], "line 3: <subscriber>: The subscriber security_lake needs <iam_role_arn>, <external_id>."),
    ([LAKE.replace(">q<", ">q q<")], "line 3: <subscriber>: <sqs_name>: "),
    (['<subscriber type="buckets"></subscriber>'], "line 3: <subscriber>: The subscriber buckets needs <sqs_name>."),
    (['<service type="cloudwatchlogs"/>'], "line 3: <service>: the service cloudwatchlogs needs <aws_log_groups>."),
    ([bucket(name="A_B")], "line 3: <bucket>: <name>: 'A_B' is not a bucket name, which "),
    ([bucket(name="--")], "line 3: <bucket>: <name>: '--' is no value."),
    ([bucket("\n<aws_account_id>1</aws_account_id>")], "line 4: <bucket>: <aws_account_id>: '1' is not a 12-digit "),
    ([bucket("\n<regions>,</regions>")], "line 4: <bucket>: <regions>: the list is empty."),
    ([bucket("\n<regions>-r</regions>")], "line 4: <bucket>: <regions>: '-r' is not a region."),
    ([bucket("\n<path>a*{b</path>")], "line 4: <bucket>: <path>: 'a*{b' holds '{', which is not allowed in a path."),
    ([bucket("\n<only_logs_after>2018-01-32</only_logs_after>")], "line 4: <bucket>: <only_logs_after>: '2018-01-32'"),
    ([bucket("\n<iam_role_arn>role</iam_role_arn>")], "line 4: <bucket>: <iam_role_arn>: 'role' is not of the form "),
    (
        [bucket("\n<iam_role_duration>900</iam_role_duration>")],
        "line 4: <bucket>: <iam_role_duration> needs <iam_role_arn>.",
    ),
    ([bucket("\n<access_key>a</access_key>")], "line 4: <bucket>: <access_key> and <secret_key> need each other."),
    ([bucket("\n<discard_regex>x</discard_regex>")], 'line 4: <bucket>: <discard_regex> needs its attribute "field".'),
    (
        [SERVICE.format("\n<discard_regex>x</discard_regex>")],
        'line 4: <service>: <discard_regex> needs its attribute "field".',
    ),
    ([bucket('\n<discard_regex field="a">(</discard_regex>')], "line 4: <bucket>: <discard_regex>: the regex '(' does"),
    (
        [bucket('\n<discard_regex filed="a">x</discard_regex>')],
        'line 4: <bucket>: <discard_regex> needs its attribute "field".',
    ),
    (["<bucket><name>old-one</name></bucket>"], 'line 3: <bucket> needs the attribute "type": cloudtrail or config'),
    ([bucket("\n<path>a<b/></path>")], "line 4: <path> must hold a value, not a tag."),
    (["<interval>1d<b/></interval>", bucket()], "line 3: <interval> must hold a value, not a tag."),
    ([bucket("\n<remove_from_bucket>1</remove_from_bucket>")], "line 4: <remove_from_bucket>: '1' is not yes or no."),
    (["<disabled></disabled>", bucket()], "line 3: <disabled>: '' is not yes or no."),
    (["<run_on_start>on</run_on_start>", bucket()], "line 3: <run_on_start>: 'on' is not yes or no."),
    (["<skip_on_error>true</skip_on_error>", bucket()], "line 3: <skip_on_error>: 'true' is not yes or no."),
    (["<interval>10x</interval>", bucket()], "line 3: <interval>: '10x' is not valid: use a number with s, m, h, "),
    (["<day>32</day>", bucket()], "line 3: <day>: '32' is not valid: use a number from 1 to 31."),
    (["<wday>someday</wday>", bucket()], "line 3: <wday>: 'someday' is not valid: use one of monday, "),
    (["<time>25:00</time>", bucket()], "line 3: <time>: '25:00' is not valid: use hh:mm, from 00:00 to 23:59."),
    (["<wday>mon</wday>", "<day>1</day>", bucket()], "line 3: <wday> and <day> exclude each other."),
    ([bucket("\n<interval>soon</interval>")], "line 4: <interval>: 'soon' is not valid: use a number with s, m, h, "),
    (["<interval>1d</interval>"], "line 2: <wodle> holds none of <bucket>, <service>, <subscriber>."),
]


@pytest.mark.parametrize(("lines", "said"), REFUSED)
def test_what_is_wrong_is_told_with_its_line_and_tag(file: Path, lines: Sequence[str], said: str) -> None:
    assert refused(file, wodle(*lines)).startswith(said)


def test_no_message_shows_a_secret(file: Path) -> None:
    secret = "wJalrXUtnFEMI"
    keys = f"<access_key>{secret}</access_key><secret_key>{secret}</secret_key>"
    for wrong in (f"<secret_key>{secret}</secret_key>", f"{keys}<regions>?</regions>", f"{keys}<x/>"):
        assert secret not in refused(file, wodle(bucket(wrong)))


@pytest.mark.parametrize(
    "text", ["", "<ossec_config>", "<wodle name='aws'></wodle>", "<!-- <wodle name='aws-s3'/> -->"]
)
def test_a_file_without_the_block_is_refused(file: Path, text: str) -> None:
    assert 'holds no <wodle name="aws-s3">' in refused(file, text)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "gone", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(OssecConfigError, match=f"Cannot read {path}: {reason}.*--config"):
            read_ossec_conf(path)


names = ["wodle", "bucket", "service", "subscriber", "name", "sqs_name", "interval", "day", "disabled", "regions"]
names += ["discard_regex", "aws_log_groups", "iam_role_arn", "iam_role_duration", "path", "time", "nonsense"]
values = st.text(max_size=4) | st.sampled_from(
    ["yes", "no", "acme-logs", "--", "-b", "1", "1M", "1w", "10:00", "us-east-1", ROLE, "(", "/aws/x", "900", "&#0;"]
)
attributes = st.sampled_from(["", ' type="waf"', ' type="inspector"', ' type="buckets"', ' field="a"', ' x="y"'])
leaves = st.builds(lambda tag, more, text: f"<{tag}{more}>{text}</{tag}>", st.sampled_from(names), attributes, values)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda tag, more, parts: f"<{tag}{more}>{''.join(parts)}</{tag}>",
        st.sampled_from(names[:4]),
        attributes,
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "ossec.conf"


@given(
    st.binary()
    | st.lists(trees, max_size=4).map(lambda parts: wodle(*parts).encode("utf-8", "surrogatepass"))
    | st.lists(trees, max_size=4).map(lambda parts: wodle(bucket(*parts)).encode("utf-8", "surrogatepass"))
)
@with_example(wodle(*["<bucket>" * 5000, "</bucket>" * 5000]).encode())
def test_any_file_is_read_or_refused_with_a_line(one_file: Path, content: bytes) -> None:
    one_file.write_bytes(content)
    try:
        found = read_ossec_conf(one_file)
    except OssecConfigError as error:
        assert str(one_file) in str(error)
    else:
        assert found.disabled or found.blocks
