"""Command lines that operators get wrong, or write as for other tools: each answer names the mistake and the cure."""

import shlex

import pytest

from aws_s3.config.options import build_parser
from aws_s3.config.spelling import OTHER_NAMES
from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, trails

TYPED = {
    # Nothing, or a command of another form
    "": (2, "nothing to collect from: give --bucket, --service, --subscriber, --config or --status."),
    "status": (2, "unexpected argument: status. Did you mean --status?"),
    "acme-logs": (2, "a value belongs to no option: a bucket is given as -b NAME, "),
    "-b acme-logs \u2013-debug 1": (2, "an option begins with a dash that is no hyphen: write - or --."),
    "-b": (2, "-b: needs a value."),
    "-b acme-logs -b missing-logs": (7, "WARNING: -b is not used: it is given again, and the last value holds."),
    "-b acme-logs -sr inspector": (2, "-b and -sr exclude each other: give exactly one."),
    # A bucket by its address
    "-b s3://acme-logs/x/": (2, "Write acme-logs here, and x/ as the path (-l, or <path> in ossec.conf)."),
    "-b arn:aws:s3:::acme-logs": (2, "Write acme-logs here."),
    "-b https://acme-logs.s3.eu-west-1.amazonaws.com/": (2, "Write acme-logs here."),
    "-b https://s3.eu-west-1.amazonaws.com/acme-logs/x": (2, "Write acme-logs here, and x as the path"),
    "-b 'https://s3.console.aws.amazon.com/s3/buckets/acme-logs?tab=objects'": (2, "Write acme-logs here."),
    "-b acme-logs/x": (2, "Write acme-logs here, and x as the path"),
    "-b Acme_Logs": (2, "is not a bucket name, which has 3 to 63 lower-case letters, digits, '-' and '.'."),
    "-b acme-log": (7, "ERROR: Bucket acme-log: NoSuchBucket: The specified bucket does not exist. Check the bucket's"),
    # Options of other tools
    "--buket acme-logs": (2, "unknown option: --buket. Did you mean --bucket?"),
    "-b acme-logs --profile dev": (2, "Did you mean --aws_profile?"),
    "-b acme-logs --region us-east-1": (2, "Did you mean --regions?"),
    "-b acme-logs --prefix x/": (2, "Did you mean --trail_prefix?"),
    "-b acme-logs --since 7d": (2, "Did you mean --only_logs_after?"),
    "-b acme-logs --account 123456789012": (2, "Did you mean --aws_account_id?"),
    "-b acme-logs --endpoint-url http://127.0.0.1:1": (2, "Did you mean --service_endpoint?"),
    "-b acme-logs --role arn:aws:iam::123456789012:role/x": (2, "Did you mean --iam_role_arn?"),
    "-b acme-logs --verbose": (2, "Did you mean --debug?"),
    "-b acme-logs -v": (2, "unknown option: -v. Did you mean --debug?"),
    "-b acme-logs --dryrun": (2, "Did you mean --dry-run?"),
    "-b acme-logs --list": (2, "Did you mean --inspect?"),
    "-sr cloudwatchlogs --log-group /aws/app": (2, "Did you mean --aws_log_groups?"),
    # Values
    "-b acme-logs -s 10/06/2021": (2, "is not a date. Use 2018-AUG-21, 2018-08-21, today, yesterday, or 7d for seven"),
    "-b acme-logs -s 2021-06-31": (2, "is not a date."),
    "-b acme-logs -s -7d": (2, "-s: needs a value; write one that begins with a hyphen behind =."),
    "-b acme-logs -s 2024-03-01 --until 2024-02-01": (2, "--until ends before -s begins: there is nothing to collect."),
    "-b acme-logs -r us-east1": (2, "'us-east1' is not a region. Did you mean us-east-1?"),
    "-b acme-logs -r us-east-1a": (2, "Did you mean us-east-1?"),
    "-b acme-logs -r virginia": (2, "'virginia' is not a region. Write regions as us-east-1,eu-west-1."),
    "-b acme-logs -r us-east-1 eu-west-1": (2, "has a space within a value. Write commas between values."),
    "-b acme-logs -r us-east-9": (22, "ERROR: Unknown region: us-east-9."),
    "-b acme-logs -c 1234-5678-9012": (2, "is not a 12-digit account ID."),
    "-b acme-logs -i WazuhRole": (2, "is not of the form arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE."),
    "-b acme-logs -rd 3600": (2, "-rd needs --iam_role_arn."),
    "-b acme-logs -p missing": (23, "Add it there, or check --aws_profile and AWS_PROFILE."),
    "-b acme-logs -a AKIAIOSFODNN7EXAMPLE": (2, "-a and --secret_key need each other."),
    "-b acme-logs --debug info": (2, "'info' is not a number from 0 to 3."),
    "-b acme-logs -dr x": (2, "-dr needs --discard-field."),
    "-b acme-logs -df x -dr [": (2, "the regex '[' does not compile: unterminated character set at position 0."),
    "-b acme-logs --output events.json": (2, "Did you mean file:events.json?"),
    "-b acme-logs --output -": (2, "Did you mean stdout? aws-s3 --help lists the options."),
    "-b acme-logs --output file:/nowhere/x": (
        11,
        "ERROR: Cannot open /nowhere/x: No such file or directory. Check",
    ),
    "-b acme-logs -se nonsense://x": (
        15,
        "--service_endpoint is not a URL: nonsense://x. Give HOST, HOST:PORT or a URL.",
    ),
    # Types, services and subscribers
    "-b acme-logs -t cloudtrial": (12, "Did you mean cloudtrail? Use one of alb, "),
    "-b acme-logs -t elb": (12, "Did you mean alb, nlb or clb?"),
    "-b acme-logs -t s3": (12, "Did you mean server_access?"),
    "-b acme-logs -t cloudwatch-logs": (12, "It is a service: -sr cloudwatchlogs."),
    "-sr cloudwatch -g /aws/app": (12, "Did you mean cloudwatchlogs?"),
    "-sr guardduty": (12, "It is a type of bucket: -b BUCKET -t guardduty."),
    "-sr securityhub": (12, "It is a subscriber: -sb security_hub."),
    "-sr cloudwatchlogs": (2, "the service cloudwatchlogs needs --aws_log_groups."),
    "-sr cloudwatchlogs -g /aws/*": (2, "no wildcard is possible: name each group."),
    "-q acme-queue": (2, "-q needs --subscriber."),
    "-sb buckets": (21, "ERROR: The subscriber buckets needs --queue."),
    "-sb buckets -q missing -r us-east-1": (20, "Check --queue, and that the region is the queue's."),
    # Options that do not go together, or have no effect
    "-b acme-logs --daemon": (2, "--daemon goes with a collection by --config."),
    "-b acme-logs --follow": (2, "--follow goes with --subscriber."),
    "-sb buckets -q q --dry-run": (2, "--dry-run goes with --bucket or --config."),
    "-b acme-logs --json": (2, "--json goes with --status or --inspect."),
    "-b acme-logs -g /aws/app": (0, "WARNING: -g is not used: it is for log groups."),
    "-b acme-logs -df eventName": (0, "WARNING: -df is not used: it needs --discard-regex."),
    "-b acme-logs -x secret-id": (0, "WARNING: -x is not used: it needs --iam_role_arn."),
    "-b acme-logs -t custom -c 123456789012": (0, "WARNING: -c is not used: the folders name no account."),
    "-b acme-logs -t custom -L suffix": (0, "WARNING: -L is not used: it is for types under AWSLogs/."),
    "-b acme-logs -t cisco_umbrella -l dnslogs -O o-1a2b": (14, "WARNING: -O is not used: it is for types under"),
    "-sb buckets -q missing -n a": (20, "WARNING: -n is not used: it is for buckets, and for -sb buckets with -t."),
    "--status -r us-east-1": (2, "--status shows all sources: leave out -r."),
    "-sr inspector --remove -r us-east-1": (0, "WARNING: --remove is not used: it is for buckets."),
    "--config missing.conf": (2, "ERROR: Cannot read missing.conf: No such file or directory. Check --config."),
    "--config missing.conf --limit 5": (
        2,
        "--config runs the blocks of a file: leave out --limit, for one source only.",
    ),
    "--config missing.conf -t vpcflow": (2, "--config takes -t from the file: leave it out, or write it there."),
    # A place where no logs are
    "-b acme-logs -t vpcflow": (0, "which these options collect: -t cloudtrail."),
    "-b acme-logs -l AWSLogs/123456789012": (18, "without -l (the path must end before AWSLogs/)."),
    "-b acme-logs -l logs/*": (14, "which these options collect: without -l."),
    "-b acme-logs -c 999999999999": (0, "which these options collect: -c 123456789012."),
    "-b acme-logs --state-dir /proc/x": (6, "ERROR: The state database /proc/x/s3_cloudtrail.db cannot be created:"),
}
"""The command line, its exit code, and a part of the answer."""


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(3))
    return home


@pytest.mark.parametrize("typed", TYPED)
def test_answer_names_the_mistake_and_the_next_step(home: Home, typed: str) -> None:
    code, answer = TYPED[typed]
    ended = home.run(*shlex.split(typed))
    assert answer in ended.output
    assert ended.code == code
    assert len(ended.output.splitlines()) <= 2, ended.output
    assert "Traceback" not in ended.output


def test_no_other_name_is_an_option_or_has_two_meanings() -> None:
    parser = build_parser()
    known = {name for action in parser.actions for name in action.option_strings}
    names = [name for names in OTHER_NAMES.values() for name in names.split()]
    assert len(names) == len({*names})
    assert not {f"--{name.replace('_', '-')}" for name in names} & known
    assert set(OTHER_NAMES) <= known
