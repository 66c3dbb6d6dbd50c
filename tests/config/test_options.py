"""The options, one by one: which values are taken, which are refused, and that no secret is ever shown."""

import locale
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_s3.config.combinations import check_job
from aws_s3.config.command_line import parse
from aws_s3.config.options import SERVICES, SUBSCRIBERS, build_parser
from aws_s3.config.spelling import Spelling
from aws_s3.errors import CollectorError, InvalidTypeError, QueueError, UsageError
from aws_s3.log_types import LOG_TYPES
from aws_s3.services import SERVICES as SERVICE_REGISTRY
from aws_s3.settings import (
    Access,
    BucketJob,
    BucketLocation,
    ConfiguredJob,
    DiscardRule,
    Output,
    ServiceJob,
    ServiceName,
    SubscriberJob,
    SubscriberName,
)
from aws_s3.subscribers import SUBSCRIBERS as SUBSCRIBER_REGISTRY

ROLE = "arn:aws:iam::123456789012:role/logs"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BUCKET = ("-b", "acme-logs")
GROUP_ARN = "arn:aws-us-gov:logs:us-gov-west-1:123456789012:log-group:/aws/lambda/f"
CLOUDWATCH = ("-sr", "cloudwatchlogs")
QUEUE = ("-sb", "buckets", "-q")


def bucket_job(*options: str) -> BucketJob:
    job = parse([*BUCKET, *options]).job
    assert isinstance(job, BucketJob)
    return job


def service_job(*options: str) -> ServiceJob:
    job = parse([*CLOUDWATCH, *options]).job
    assert isinstance(job, ServiceJob)
    return job


def subscriber_job(*options: str) -> SubscriberJob:
    job = parse(options).job
    assert isinstance(job, SubscriberJob)
    return job


def access(*options: str) -> Access:
    return parse([*BUCKET, *options]).access


def refused(arguments: Sequence[str]) -> str:
    with pytest.raises(UsageError) as raised:
        parse(arguments)
    assert raised.value.exit_code == 2
    return str(raised.value)


def test_a_bucket_alone_has_the_documented_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAZUH_HOME", "/home/of/wazuh")
    home = Path("/home/of/wazuh")
    settings = parse(BUCKET)
    assert settings.job == BucketJob(BucketLocation("cloudtrail", "acme-logs"))
    assert settings.access == Access()
    assert settings.output == Output("unix", home / "queue/sockets/queue")
    assert settings.state_dir == home / "wodles/aws"
    assert settings.debug == 0


def test_every_option_of_a_bucket_arrives() -> None:
    options = "-t cloudtrail -O o-1 -c 210987654321,123456789012 -n prod -r us-east-2,us-east-1 -l a/b -L c"
    more = "-s 2021-JUN-10 -o -R -e -df a.b -dr ^x --lookback-days 30"
    assert bucket_job(*options.split(), *more.split()) == BucketJob(
        BucketLocation("cloudtrail", "acme-logs", path="a/b/", suffix="c/", organization="o-1"),
        accounts=("123456789012", "210987654321"),
        regions=("us-east-1", "us-east-2"),
        only_logs_after=date(2021, 6, 10),
        lookback_days=30,
        reparse=True,
        remove=True,
        skip_on_error=True,
        account_alias="prod",
        discard=DiscardRule("a.b", re.compile("^x")),
        path_as_given="a/b",
    )


def test_every_option_of_a_service_arrives() -> None:
    options = "-g g1,g2:stream -r us-east-1 -s 2021-JUN-10 --reparse --remove-log-streams --skip_on_error -dr x"
    assert service_job(*options.split()) == ServiceJob(
        "cloudwatchlogs",
        regions=("us-east-1",),
        log_groups=("g1", "g2:stream"),
        only_logs_after=date(2021, 6, 10),
        reparse=True,
        remove_log_streams=True,
        skip_on_error=True,
        discard=DiscardRule("", re.compile("x")),
    )


def test_every_option_of_a_subscriber_arrives() -> None:
    options = "-sb buckets -q q -t vpc -n prod --follow -r us-east-1 -e -dr x"
    assert subscriber_job(*options.split()) == SubscriberJob(
        "buckets",
        "q",
        type="vpcflow",
        follow=True,
        account_alias="prod",
        regions=("us-east-1",),
        skip_on_error=True,
        discard=DiscardRule("", re.compile("x")),
    )


def test_every_option_of_the_access_arrives() -> None:
    options = f"-p dev -a AKIA -k {SECRET} -i {ROLE} -rd 900 -x ext -st sts.local -se http://s3.local"
    assert access(*options.split()) == Access("dev", "AKIA", SECRET, ROLE, 900, "ext", "sts.local", "http://s3.local")


def test_the_long_names_are_those_of_the_existing_module() -> None:
    long = {name for action in build_parser().actions for name in action.option_strings if name[:2] == "--"}
    assert long >= {
        *("--bucket", "--service", "--subscriber", "--queue", "--type", "--aws_organization_id"),
        *("--aws_account_id", "--aws_account_alias", "--regions", "--trail_prefix", "--trail_suffix"),
        *("--only_logs_after", "--reparse", "--remove", "--skip_on_error", "--aws_log_groups"),
        *("--remove-log-streams", "--discard-field", "--discard-regex", "--aws_profile", "--access_key"),
        *("--secret_key", "--iam_role_arn", "--iam_role_duration", "--external_id", "--sts_endpoint"),
        *("--service_endpoint", "--debug", "--output", "--wazuh-home", "--state-dir", "--lookback-days"),
    }


@pytest.mark.parametrize("name", ["abc", "a" * 63, "0.a-b.9", "a--b", "xn-a", "my-s3alias-b"])
def test_a_bucket_name_is_taken(name: str) -> None:
    job = parse(["-b", name]).job
    assert isinstance(job, BucketJob)
    assert job.source.bucket == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "ab", "a" * 64, "Bad_Name", "UPPER", "-abc", "abc-", ".abc", "abc.", "a_b", "a b", "a/b", "abc\n"),
        *("xn--abc", "abc-s3alias", "abc--ol-s3", "s3://abc", "arn:aws:s3:::abc", "äbc", "abc١"),
    ],
)
def test_what_is_no_bucket_name_is_refused(name: str) -> None:
    assert "is not a bucket name" in refused([f"--bucket={name}"])


@pytest.mark.parametrize("name", ["q", "Q-_9", "q" * 80, "q.fifo"])
def test_a_queue_name_is_taken(name: str) -> None:
    assert subscriber_job(*QUEUE, name).queue == name


@pytest.mark.parametrize("name", ["", "q" * 81, "no spaces", "q.", "q.fifo.fifo", "q/r", "ü"])
def test_what_is_no_queue_name_is_refused(name: str) -> None:
    assert "is not a queue name" in refused([*QUEUE, name])


@pytest.mark.parametrize(
    ("words", "accounts"),
    [
        (["123456789012"], ("123456789012",)),
        (["123456789012,", "210987654321"], ("123456789012", "210987654321")),
        (["210987654321 , 123456789012"], ("123456789012", "210987654321")),
        (["123456789012,123456789012,"], ("123456789012",)),
    ],
)
def test_accounts_are_taken(words: list[str], accounts: tuple[str, ...]) -> None:
    assert bucket_job("-c", *words).accounts == accounts


@pytest.mark.parametrize("text", ["123", "1234567890123", "12345678901a", "", ",", "123456789012 210987654321"])
def test_what_are_no_accounts_is_refused(text: str) -> None:
    assert refused([*BUCKET, "-c", text])


@pytest.mark.parametrize(
    ("words", "regions"),
    [
        (["us-east-1"], ("us-east-1",)),
        (["us-east-2,us-east-1,us-east-2"], ("us-east-1", "us-east-2")),
        (["us-east-1,", "us-east-2"], ("us-east-1", "us-east-2")),
        (["us-gov-west-1,cn-north-1,us-isob-east-1,eusc-de-east-1,ap-southeast-10"], None),
    ],
)
def test_regions_are_taken(words: list[str], regions: tuple[str, ...] | None) -> None:
    assert bucket_job("-r", *words).regions == (regions or tuple(sorted(words[0].split(","))))


@pytest.mark.parametrize("text", ["mars", "US-EAST-1", "us-east", "us-east-1 us-east-2", "us-east-1;us-east-2", ""])
def test_what_are_no_regions_is_refused(text: str) -> None:
    assert refused([*BUCKET, "-r", text])


@pytest.mark.parametrize("option", ["-l", "-L"])
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("logs", "logs/"),
        ("logs/", "logs/"),
        ("/logs/", "logs/"),
        ("a/b", "a/b/"),
        ("a\\b\\", "a/b/"),
        ("\\a", "a/"),
        ("/", ""),
        ("\\", ""),
        ("", ""),
        ("a & b;c", "a & b;c/"),
        ("año=2021", "año=2021/"),
    ],
)
def test_a_path_is_taken_in_any_way_users_write_it(option: str, text: str, path: str) -> None:
    job = bucket_job(option, text)
    assert (job.source.path, job.source.suffix) == ((path, "") if option == "-l" else ("", path))
    assert job.path_as_given == (text.replace("\\", "/") if option == "-l" else "")


@pytest.mark.parametrize("option", ["-l", "-L"])
@pytest.mark.parametrize("part", [*"{}^%`[]'\"<>~#|", "&amp;", "&lt;", "&#60;", "&#x3c;"])
def test_what_no_path_may_hold_is_refused(option: str, part: str) -> None:
    assert "not allowed in a path" in refused([*BUCKET, option, f"a{part}b"])


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2018-AUG-21", date(2018, 8, 21)),
        ("2021-Jun-10", date(2021, 6, 10)),
        ("2024-feb-29", date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29)),
    ],
)
def test_a_date_is_taken(text: str, day: date) -> None:
    assert bucket_job("-s", text).only_logs_after == day


@pytest.mark.parametrize(
    "text",
    [
        *("2021-13-10", "2021-02-30", "2021-6-10", "2021-06-10T00", "tomorrow", "7 d", "7D", "d", "999999d"),
        *("2021-JUN-1", "2021-JUN-31", "2023-FEB-29", "2021-JUNE-10", "2021-JUX-10", "21-JUN-10"),
        *("", "2021-JUN-10 ", " 2021-JUN-10", "2021-JUN-10T00:00", "0000-JAN-01", "0999-JAN-01"),
        *("２０２１-JUN-10", "2021/JUN/10", "10-JUN-2021"),
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    assert "2018-AUG-21" in refused([*BUCKET, "-s", text])


def test_months_are_english_whatever_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "es_ES.UTF-8", "fr_FR.UTF-8"):
            with suppress(locale.Error):
                locale.setlocale(locale.LC_TIME, name)
            assert bucket_job("-s", "2021-DEC-10").only_logs_after == date(2021, 12, 10)
            refused([*BUCKET, "-s", "2021-DEZ-10"])
    finally:
        locale.setlocale(locale.LC_TIME, before)


@given(st.dates(min_value=date(1000, 1, 1)), st.sampled_from([str.upper, str.lower, str.title]))
@settings(max_examples=30, deadline=None)
def test_every_day_is_read_back(day: date, case: Any) -> None:
    months = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"
    text = f"{day.year}-{case(months[day.month * 3 - 3 : day.month * 3])}-{day.day:02}"
    assert bucket_job("-s", text).only_logs_after == day


@pytest.mark.parametrize(
    ("words", "groups"),
    [
        (["g1,g2"], ("g1", "g2")),
        (["/aws/lambda/f-1_2.x#y,", "g"], ("/aws/lambda/f-1_2.x#y", "g")),
        (["g:2021/06/10/[$LATEST]ab"], ("g:2021/06/10/[$LATEST]ab",)),
        ([f"{GROUP_ARN}:*"], (GROUP_ARN,)),
        ([f"{GROUP_ARN}:log-stream:a/b"], (f"{GROUP_ARN}:a/b",)),
    ],
)
def test_log_groups_are_taken(words: list[str], groups: tuple[str, ...]) -> None:
    assert service_job("-g", *words).log_groups == groups


@pytest.mark.parametrize(
    "text", ["", "g 1", "g?", "arn:aws:logs:us-east-1:1:log-group:g", "g*", "g:", ":s", "g:s:t", "ü", "g" * 513]
)
def test_what_are_no_log_groups_is_refused(text: str) -> None:
    assert refused([*CLOUDWATCH, "-g", text])


@pytest.mark.parametrize(
    "arn",
    [ROLE, "arn:aws-us-gov:iam::xxxxxxxxxxx:role/r", "arn:aws:iam:us-east-1::role/a:b", "arn:aws-cn:iam::1:role/x/y"],
)
def test_a_role_is_taken(arn: str) -> None:
    assert access("-i", arn).role_arn == arn


@pytest.mark.parametrize(
    "arn", ["nope", "", "arn:aws:iam::123456789012", "arn:aws:iam::1:", "arn::iam::1:role/r", "x:aws:iam::1:role/r"]
)
def test_what_is_no_role_is_refused(arn: str) -> None:
    assert "arn:PARTITION" in refused([*BUCKET, "-i", arn])


@pytest.mark.parametrize(
    ("option", "good", "bad"),
    [
        ("-rd", ["900", "3600", "43200"], ["899", "43201", "-900", "1h", "900.0", "", "９００", "9" * 5000]),
        ("-d", ["0", "1", "2", "3"], ["4", "-1", "x", "", "1.0", "²"]),
        ("--lookback-days", ["0", "1", "30"], ["31", "-1", "x", ""]),
    ],
)
def test_numbers_stay_in_their_range(option: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        parsed = parse([*BUCKET, "-i", ROLE, option, text])
        assert isinstance(parsed.job, BucketJob)
        assert int(text) in (parsed.access.role_duration, parsed.debug, parsed.job.lookback_days)
    for text in bad:
        assert refused([*BUCKET, "-i", ROLE, option, text])


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("stdout", Output("stdout")),
        ("file:out.jsonl", Output("file", Path("out.jsonl"))),
        ("file:/a:b", Output("file", Path("/a:b"))),
        ("unix:/run/queue", Output("unix", Path("/run/queue"))),
    ],
)
def test_an_output_is_taken(text: str, output: Output) -> None:
    assert parse([*BUCKET, "--output", text]).output == output


@pytest.mark.parametrize("text", ["", "stderr", "stdout:", "stdout:x", "file", "file:", "unix:", "tcp:1514", "FILE:x"])
def test_what_is_no_output_is_refused(text: str) -> None:
    assert "file:PATH" in refused([*BUCKET, "--output", text])


@pytest.mark.parametrize("regex", ["(", "[a", "*", "(?P<x", "a{2,1}", "\\"])
def test_a_regex_that_does_not_compile_is_refused(regex: str) -> None:
    assert "does not compile" in refused([*BUCKET, "-df", "f", "-dr", regex])


def test_an_empty_regex_discards_nothing() -> None:
    assert bucket_job("-df", "f", "-dr", "").discard is None


def test_a_field_without_a_regex_discards_nothing() -> None:
    assert bucket_job("-df", "f").discard is None


@pytest.mark.parametrize("source", [BUCKET, ("-sr", "inspector")])
def test_a_regex_needs_a_field_where_events_are_objects(source: Sequence[str]) -> None:
    assert "--discard-field" in refused([*source, "-dr", "x"])


def test_words_without_quotes_are_one_value() -> None:
    """Wazuh's daemon passes what stands in ossec.conf word by word."""
    words = "-r us-east-1, us-east-2 -n my own account -df a field -dr any of (this|that) -c 123456789012 ,210987654321"
    job = bucket_job(*words.split())
    assert job.regions == ("us-east-1", "us-east-2")
    assert job.account_alias == "my own account"
    assert job.discard == DiscardRule("a field", re.compile("any of (this|that)"))
    assert job.accounts == ("123456789012", "210987654321")
    assert service_job("-g", "g1,", "g2", ",g3").log_groups == ("g1", "g2", "g3")


def test_options_that_begin_alike_are_told_apart() -> None:
    assert parse([*BUCKET, "-df", "f", "-d", "2"]).debug == 2
    assert parse([*BUCKET, "-d2"]).debug == 2
    assert bucket_job("-s", "2021-JUN-10").only_logs_after == bucket_job("-s2021-JUN-10").only_logs_after
    assert access("-st", "sts", "-se", "s3") == Access(sts_endpoint="sts", service_endpoint="s3")
    assert access("-rd=900", "-i", ROLE).role_duration == 900


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--only_logs", " Did you mean --only_logs_after?"),
        ("--only-log-after", " Did you mean --only_logs_after?"),
        ("--reg", " Did you mean --regions?"),
        ("--skip_on", " Did you mean --skip_on_error?"),
        ("--Bucket", " Did you mean --bucket?"),
        ("--quite-another-thing", ""),
        ("-z", ""),
        ("-K", ""),
    ],
)
def test_unknown_and_shortened_options_are_refused_with_the_nearest_known(option: str, hint: str) -> None:
    assert refused([*BUCKET, option]) == f"unknown option: {option}" + (f".{hint}" if hint else "")


def test_several_unknown_options_are_named_together() -> None:
    assert refused([*BUCKET, "--reg", "us-east-1", "-z"]) == "unknown options: --reg -z. Did you mean --regions?"


LONG_NAMES = sorted({name for action in build_parser().actions for name in action.option_strings if name[:2] == "--"})


@pytest.mark.parametrize("name", LONG_NAMES)
def test_dashes_and_underscores_are_alike(name: str) -> None:
    for other in ("--" + name[2:].replace("_", "-"), "--" + name[2:].replace("-", "_")):
        spelling = Spelling([other, f"{other}=x"], build_parser().actions)
        assert spelling.words == [name, f"{name}=x"]
        assert list(spelling.written.values()) == [other]


def test_values_keep_their_dashes() -> None:
    assert access("--aws-profile=my-own_profile", "--sts-endpoint", "a_b-c").profile == "my-own_profile"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "A_B"], "-b: 'A_B' is not a bucket name"),
        (["--bucket=A_B"], "--bucket: 'A_B' is not a bucket name"),
        ([*BUCKET, "--iam-role-duration", "900"], "--iam-role-duration needs --iam_role_arn"),
        ([*BUCKET, "-rd=900"], "-rd needs --iam_role_arn"),
        ([*BUCKET, "-rx"], "-r: 'x' is not a region"),
        ([*BUCKET, "-s"], "-s: needs a value"),
        ([*BUCKET, "-s", "2021-JUN-31"], "-s: '2021-JUN-31' is not a date. Use 2018-AUG-21, 2018-08-21, today, "),
        ([*BUCKET, "--print-iam-policy", "--metrics-file", "m"], "--metrics-file goes with a collection"),
        (
            ["--config", "f", "--follow", "-o"],
            "--config runs the blocks of a file: leave out --follow and -o, for one source only",
        ),
        ([*BUCKET, "-sr", "inspector"], "-b and -sr exclude each other: give exactly one"),
        ([], "nothing to collect from: give --bucket, --service, --subscriber, --config or --status"),
    ],
)
def test_a_message_names_the_option_as_it_was_written(arguments: list[str], message: str) -> None:
    assert refused(arguments).startswith(message)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("s3://acme-logs", ". Write acme-logs here"),
        ("s3://acme-logs/a/b/", ". Write acme-logs here, and a/b/ as the path (-l, or <path> in ossec.conf)"),
        ("arn:aws:s3:::acme-logs", ". Write acme-logs here"),
        ("arn:aws-us-gov:s3:::acme-logs/a", ". Write acme-logs here, and a as the path (-l, or <path> in ossec.conf)"),
        ("ACME", ", which has 3 to 63 lower-case letters, digits, '-' and '.'"),
    ],
)
def test_a_bucket_s_address_is_refused_with_a_hint(text: str, hint: str) -> None:
    assert refused(["-b", text]) == f"-b: '{text}' is not a bucket name{hint}"


@pytest.mark.parametrize(("text", "days"), [("today", 0), ("Yesterday", 1), ("0d", 0), ("7d", 7), ("400d", 400)])
def test_a_day_is_taken_as_seen_from_today(text: str, days: int) -> None:
    before = datetime.now(timezone.utc).date()
    found = bucket_job("-s", text).only_logs_after
    assert found in (before - timedelta(days), datetime.now(timezone.utc).date() - timedelta(days))


@pytest.mark.parametrize("arguments", [[], ["-d", "1"], [*BUCKET, *CLOUDWATCH], [*BUCKET, *QUEUE, "q"], ["-b"]])
def test_there_is_exactly_one_source(arguments: list[str]) -> None:
    assert refused(arguments)


def test_a_value_of_no_option_is_refused() -> None:
    assert "a value that holds spaces needs quotes" in refused([*BUCKET, "-l", "my", "path"])


def test_a_duration_needs_a_role() -> None:
    assert "--iam_role_arn" in refused([*BUCKET, "-rd", "900"])


@pytest.mark.parametrize("half", [("-a", "AKIA"), ("-k", SECRET)])
def test_an_access_key_needs_both_halves(half: Sequence[str]) -> None:
    assert "need each other" in refused([*BUCKET, *half])


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "UTF-8" in refused([*BUCKET, "-l", "a\udcff"])


@pytest.mark.parametrize("option", ["--bucket", "-b", "--regions"])
def test_dashes_alone_are_no_value(option: str) -> None:
    """argparse would drop them, and leave a list in the value's place."""
    assert refused([f"{option}=--"]) == f"{option}: '--' is no value"


@pytest.mark.parametrize("arguments", [("-b", "acme-logs"), ("-sr", "inspector"), ("-sb", "buckets", "-q", "q")])
def test_the_daemon_is_that_of_a_file(arguments: Sequence[str]) -> None:
    assert "--config" in refused([*arguments, "--daemon"])
    assert parse(["--config", "f", "--daemon"]).job == ConfiguredJob(Path("f"), daemon=True)


def test_beside_a_file_only_what_holds_for_all_its_blocks_is_taken() -> None:
    common = "--debug 2 --output stdout --wazuh-home /w --state-dir /s --workers 3 --lookback-days 5"
    settings = parse(["--config", "ossec.conf", *common.split()])
    assert settings.job == ConfiguredJob(Path("ossec.conf"), lookback_days=5)
    assert (settings.debug, settings.output.kind, settings.state_dir) == (2, "stdout", Path("/s"))
    assert settings.workers == 3
    check_job(settings)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("-t", "waf"), "-t"),
        (("--regions", "us-east-1"), "--regions"),
        (("-o",), "-o"),
        (("-k", SECRET), "-k"),
        (("-b", "acme-logs"), "-b"),
    ],
)
def test_what_the_file_says_is_refused_beside_it(options: Sequence[str], name: str) -> None:
    said = refused(["--config", "ossec.conf", *options])
    assert name in said
    assert "--config" in said
    assert SECRET not in said


def test_types_services_and_subscribers_are_taken_in_any_case() -> None:
    for name in LOG_TYPES:
        check_job(parse([*BUCKET, "-t", name.upper()]))
    for name in SERVICES:
        check_job(parse(["-sr", name.title(), "-g", "/aws/app"]))
    for name in SUBSCRIBERS:
        check_job(parse(["-sb", name.upper(), "-q", "q", "-i", ROLE, "-x", "ext"]))


def test_vpc_is_another_name_of_vpcflow() -> None:
    assert bucket_job("-t", "VPC").source.type == "vpcflow"


@pytest.mark.parametrize("arguments", [[*BUCKET, "-t"], ["-sr"], ["-q", "q", "-sb"]])
@pytest.mark.parametrize("name", ["nonsense", ""])
def test_an_unknown_type_is_told_with_the_known_ones(arguments: list[str], name: str) -> None:
    with pytest.raises(InvalidTypeError, match=f"'{name}' .*(cloudtrail|inspector|security_lake)") as raised:
        check_job(parse([*arguments, name]))
    assert raised.value.exit_code == 12


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["-sb", "buckets"], ["--queue"]),
        (["-sb", "security_hub"], ["--queue"]),
        (["-sb", "security_lake"], ["--queue", "--iam_role_arn", "--external_id"]),
        (["-sb", "security_lake", "-q", "q", "-x", "e"], ["--iam_role_arn"]),
        (["-sb", "security_lake", "-q", "q", "-i", ROLE], ["--external_id"]),
    ],
)
def test_what_a_subscriber_lacks_is_named(arguments: list[str], missing: list[str]) -> None:
    with pytest.raises(QueueError, match=f"needs {', '.join(missing)}\\.") as raised:
        check_job(parse(arguments))
    assert raised.value.exit_code == 21


@pytest.mark.parametrize(
    "wrong",
    [("-d", "9"), ("-s", "2021-06-31"), ("-r", "mars"), ("-rd", "900"), ("--nonsense",), ("-df", "f", "-dr", "(")],
)
@pytest.mark.parametrize("source", [(*BUCKET, "-t", "nonsense"), ("-sr", "nonsense"), ("-sb", "nonsense")])
def test_usage_is_checked_before_types(source: Sequence[str], wrong: Sequence[str]) -> None:
    assert refused([*source, *wrong])


@pytest.mark.parametrize(
    "arguments",
    [
        [*BUCKET, "-k", SECRET],
        [*BUCKET, "-a", "AKIA", "-k", SECRET, "-d", "9"],
        [*BUCKET, "--secret_key", SECRET, SECRET],
        [*BUCKET, "--secret-key", SECRET],
        [*BUCKET, f"--secret-key={SECRET}"],
        [*BUCKET, "-secret_key", SECRET],
        [*BUCKET, f"-secret_key={SECRET}"],
        [*BUCKET, f"-K{SECRET}"],
        [*BUCKET, "-K", SECRET],
        [*BUCKET, f"-k{SECRET}"],
        [*BUCKET, f"-k={SECRET}"],
        [f"--secret_key={SECRET}"],
        ["-sr", "inspector", *BUCKET, "-k", SECRET],
    ],
)
def test_no_mistake_shows_the_secret(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(arguments)
    assert SECRET not in message + "".join(capsys.readouterr())


def test_the_secrets_are_in_no_repr() -> None:
    settings = parse([*BUCKET, "-a", "AKIAEXAMPLE", "-k", SECRET, "-i", ROLE, "-x", "external-secret"])
    shown = f"{settings!r} {settings} {settings.access!r}"
    assert not any(secret in shown for secret in (SECRET, "AKIAEXAMPLE", "external-secret"))
    assert ROLE in shown


words = st.sampled_from(
    [
        *(name for action in build_parser().actions for name in action.option_strings),
        *(
            "acme-logs",
            "x",
            "",
            "-",
            "--",
            "-1",
            "=",
            "us-east-1",
            "2021-JUN-10",
            "q",
            "3",
            "a b",
            "-b=c",
            "\x00",
            "🙂",
        ),
    ]
)


@given(st.lists(words, max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_command_line_is_taken_or_refused(arguments: list[str]) -> None:
    if {"-h", "--help", "-V", "--version"}.isdisjoint(arguments):
        with suppress(CollectorError):
            check_job(parse(arguments))


def test_help_names_every_option_and_type(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    usage, _, *_, last, _ = text.split("\n")
    assert usage.startswith("usage: aws-s3 (-b BUCKET | ")
    assert text.count("\n  aws-s3 ") == 4
    assert last.startswith("The manual page aws-s3(1)")
    names = [*LOG_TYPES, *SERVICES, *SUBSCRIBERS, "vpc"]
    names += [name for action in build_parser().actions for name in action.option_strings]
    assert [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)] == []


def test_every_option_says_what_it_is_for() -> None:
    assert [action.dest for action in build_parser().actions if not action.help] == []


def test_the_home_is_the_option_else_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAZUH_HOME", "/from/environment")
    assert parse(BUCKET).state_dir == Path("/from/environment/wodles/aws")
    settings = parse([*BUCKET, "--wazuh-home", str(tmp_path), "--state-dir", "/state"])
    assert settings.output == Output("unix", tmp_path / "queue/sockets/queue")
    assert settings.state_dir == Path("/state")


@pytest.mark.parametrize("environment", [None, ""])
@pytest.mark.parametrize(
    ("program", "home"),
    [
        ("/opt/wazuh/wodles/aws/aws-s3", "/opt/wazuh"),
        ("/opt/wodles/x/wodles/aws/aws-s3", "/opt/wodles/x"),
        ("/usr/local/bin/aws-s3", "/var/ossec"),
        ("/usr/local/mywodles/aws-s3", "/var/ossec"),
        ("-c", "/var/ossec"),
    ],
)
def test_the_home_is_found_from_where_the_program_runs(
    program: str, home: str, environment: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WAZUH_HOME", raising=False)
    if environment is not None:
        monkeypatch.setenv("WAZUH_HOME", environment)
    monkeypatch.setattr(sys, "argv", [program])
    assert parse(BUCKET).state_dir == Path(home) / "wodles/aws"


def test_the_home_is_found_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "wodles/aws/aws-s3"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    monkeypatch.delenv("WAZUH_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["wodles/aws/aws-s3"])
    assert parse(BUCKET).state_dir == tmp_path / "wodles/aws"


def test_the_registries_have_an_entry_for_every_name_of_the_options() -> None:
    assert set(SERVICE_REGISTRY) == set(SERVICES) == {name.value for name in ServiceName}
    assert set(SUBSCRIBER_REGISTRY) == set(SUBSCRIBERS) == {name.value for name in SubscriberName}


def test_log_streams_of_a_group_given_as_an_arn_are_not_deleted() -> None:
    with pytest.raises(UsageError, match="--remove-log-streams goes with names in --aws_log_groups, not with ARNs"):
        check_job(parse([*CLOUDWATCH, "-g", GROUP_ARN, "-P"]))


_VALUES = {
    "--type": "waf",
    "--queue": "some-queue",
    "--only_logs_after": "2021-06-01",
    "--until": "2021-06-02",
    "--regions": "eu-west-1",
    "--aws_account_id": "123456789012",
    "--aws_organization_id": "o-abcdefghij",
    "--iam_role_arn": ROLE,
    "--sts_endpoint": "http://127.0.0.1",
    "--service_endpoint": "http://127.0.0.1",
    "--output": "stdout",
    "--log-format": "json",
    "--metrics-listen": "127.0.0.1:9100",
    "--layout": "{yyyy}/{mm}/{dd}/",
    "--iam_role_duration": "900",
}
_NUMBERS = {"--debug": "1", "--workers": "7", "--limit": "3", "--max-eps": "3", "--max-behind": "5"}
_NUMBERS |= {"--lookback-days": "9"}
_ANSWERED_AT_ONCE = {"--help", "--version", "--print-completion"}
_CHOSEN = {"--bucket", "--service", "--subscriber", "--config", "--status", "--daemon"}


@pytest.mark.parametrize(
    "action",
    [each for each in build_parser().actions if each.option_strings[-1] not in _ANSWERED_AT_ONCE | _CHOSEN],
    ids=lambda action: action.option_strings[-1],
)
@pytest.mark.parametrize(
    "source",
    [
        BUCKET,
        ("-sr", "inspector"),
        ("-sr", "cloudwatchlogs", "-g", "app"),
        ("-sb", "buckets", "-q", "queue"),
        ("-sb", "security_hub", "-q", "queue"),
    ],
    ids=" ".join,
)
def test_no_option_is_met_with_silence(source: tuple[str, ...], action: Any) -> None:
    """It changes the settings, is refused, or is told to do nothing."""
    name = action.option_strings[-1]
    value = {**_VALUES, **_NUMBERS}.get(name, "text")
    words = (*source, name) if action.nargs == 0 else (*source, f"{name}={value}")
    try:
        found = parse(words)
    except (UsageError, CollectorError):
        return
    usual = parse(source)
    assert found != usual


def test_an_option_without_use_is_told_as_it_was_written() -> None:
    found = parse((*BUCKET, "-q", "queue", "-df", "eventName")).unused
    assert found == (("-q", "it is for subscribers"), ("-df", "it needs --discard-regex"))
