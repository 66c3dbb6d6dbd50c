"""The whole way of bucket types whose order, layout or partitions have quirks of their own."""

import gzip
import json
import textwrap
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET

SINCE = ("-b", BUCKET, "-s", "2021-JAN-01")


def config_object(day: date, number: int) -> dict[str, bytes]:
    stamp = f"{day:%Y%m%d}T{number:06}Z"
    name = f"123456789012_Config_us-east-1_ConfigHistory_AWS::EC2::Volume_{stamp}_{stamp}_1.json.gz"
    key = f"AWSLogs/123456789012/Config/us-east-1/{day.year}/{day.month}/{day.day}/ConfigHistory/{name}"
    items = [{"resourceId": f"{day:%m%d}-{number}"}]
    return {key: gzip.compress(json.dumps({"configurationItems": items}).encode(), mtime=0)}


def test_config_of_a_year_is_collected_once_in_the_order_of_dates(home: Home, emulator: Emulator) -> None:
    days = [date(2021, 2, 9), date(2021, 2, 10), date(2021, 10, 1), date(2021, 10, 9), date(2021, 10, 10)]
    objects: dict[str, bytes] = {}
    for day in days:
        for number in range(122):
            objects |= config_object(day, number)
    put_all(emulator, BUCKET, objects)
    first = [message["aws"]["resourceId"] for message in home.run(*SINCE, "-t", "config").messages]
    assert first == [f"{day:%m%d}-{number}" for day in days for number in range(122)]
    assert home.run(*SINCE, "-t", "config").messages == []
    put_all(emulator, BUCKET, config_object(date(2021, 10, 11), 0))
    assert [message["aws"]["resourceId"] for message in home.run("-b", BUCKET, "-t", "config").messages] == ["1011-0"]
    assert home.run("-b", BUCKET, "-t", "config").messages == []


def test_guardduty_findings_of_every_region_and_account_arrive_on_every_run(home: Home, emulator: Emulator) -> None:
    places = [
        (account, region) for account in ("111111111111", "222222222222") for region in ("eu-west-1", "us-east-1")
    ]
    for run, day in enumerate([date(2021, 6, 10) + timedelta(run) for run in range(3)]):
        put_all(
            emulator,
            BUCKET,
            {
                # Random names: what a later run finds may well sort before what an earlier one took.
                f"AWSLogs/{account}/GuardDuty/{region}/{day:%Y/%m/%d}/{9 - run}a1b2c3.jsonl.gz": gzip.compress(
                    json.dumps({"id": f"{account}/{region}/{run}", "service": {"serviceName": "guardduty"}}).encode()
                )
                for account, region in places
            },
        )
        arrived = [message["aws"]["id"] for message in home.run(*SINCE, "-t", "guardduty").messages]
        assert sorted(arrived) == sorted(f"{account}/{region}/{run}" for account, region in places)


def cloudfront_object(distribution: str, day: date, hour: int, name: str) -> dict[str, bytes]:
    key = f"cdn/{distribution}.{day:%Y-%m-%d}-{hour:02}.{name}.gz"
    line = f"{day}\t{hour:02}:15:00\tFRA56-P1\t{len(name)}\n"
    return {key: gzip.compress(b"#Version: 1.0\n#Fields: date time x-edge-location sc-bytes\n" + line.encode())}


def collected(home: Home, *options: str) -> Counter[str]:
    """Run, and return how often each object's one event arrived."""
    ended = home.run(*options)
    assert ended.code == 0, ended.output
    return Counter(message["aws"]["log_info"]["log_file"] for message in ended.messages)


@pytest.mark.parametrize("log_type", ["guardduty", "waf", "server_access"])
def test_accounts_that_select_none_of_the_objects_are_told(home: Home, emulator: Emulator, log_type: str) -> None:
    put_all(emulator, BUCKET, {"2021/06/10/a": b""})
    ended = home.run(*SINCE, "-t", log_type, "-c", "123456789012")
    told = (
        f"WARNING: {BUCKET} ({log_type}): --aws_account_id does not select among objects that lie in no account folder"
    )
    assert (ended.code, ended.output.count(told)) == (0, 1)


def test_three_distributions_with_pages_of_objects_are_collected_once_late_ones_too(
    home: Home, emulator: Emulator
) -> None:
    objects: dict[str, bytes] = {}
    first = date(2021, 6, 10)
    for distribution, count in (("E1AAAAAAAAAAAA", 1400), ("E2BBBBBBBBBBBB", 1001), ("EZ9CCCCCCCCCCC", 599)):
        for number in range(count):
            # Some forty objects an hour, and names that a page ends within.
            objects |= cloudfront_object(
                distribution, first + timedelta(number // 960), number // 40 % 24, f"{number:08x}"
            )
    assert len(objects) == 3000
    put_all(emulator, BUCKET, objects)
    options = (*SINCE, "-t", "cloudfront", "-l", "cdn")
    assert collected(home, *options) == Counter(list(objects))
    assert collected(home, *options) == Counter()
    late = {
        **cloudfront_object("E1AAAAAAAAAAAA", first + timedelta(1), 0, "00000000"),
        **cloudfront_object("E1AAAAAAAAAAAA", first, 23, "zzzzzzzz"),
        **cloudfront_object("E2BBBBBBBBBBBB", first, 0, "00000000z"),
        **cloudfront_object("EZ9CCCCCCCCCCC", first, 1, "00000000"),
        **cloudfront_object("E4DDDDDDDDDDDD", first, 1, "00000000"),
    }
    put_all(emulator, BUCKET, late)
    # A distribution that is new within the hour is looked for on demand.
    assert collected(home, *options, "--discover") == Counter(list(late))
    assert collected(home, *options) == Counter()


def flow_log_object(account: str, region: str, day: date, hour: int, name: str, *, hive: bool) -> dict[str, bytes]:
    folder = (
        f"aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={day:%Y}/month={day:%m}"
        f"/day={day:%d}/hour={hour:02}"
        if hive
        else f"{account}/vpcflowlogs/{region}/{day:%Y/%m/%d}"
    )
    stamp = f"{day:%Y%m%d}T{hour:02}15Z"
    key = f"AWSLogs/{folder}/{account}_vpcflowlogs_{region}_fl-0123456789abcdef0_{stamp}_{name}.log.gz"
    line = f"2 {account} eni-1 10.0.0.1 10.0.0.2 443 50000 6 1 40 1623286800 1623286860 ACCEPT OK\n"
    return {key: gzip.compress(line.encode())}


def test_hive_flow_logs_of_two_accounts_and_regions_are_collected_once_beside_plain_ones(
    home: Home, emulator: Emulator
) -> None:
    places = [
        (account, region, hive)
        for account in ("111111111111", "222222222222")
        for region in ("eu-west-1", "us-east-1")
        for hive in (True, False)
    ]
    day = date(2021, 6, 10)
    objects: dict[str, bytes] = {}
    for account, region, hive in places:
        for number in range(40):
            shown = day + timedelta(number // 24)
            objects |= flow_log_object(account, region, shown, number % 24, f"{number:04}", hive=hive)
    # More than a page lies in one Hive partition.
    for number in range(1100):
        objects |= flow_log_object(*places[0][:2], day, number // 100, f"more{number:04}", hive=True)
    put_all(emulator, BUCKET, objects)
    options = (*SINCE, "-t", "vpcflow")
    assert collected(home, *options) == Counter(list(objects))
    assert collected(home, *options) == Counter()
    late: dict[str, bytes] = {}
    for account, region, hive in places:
        late |= flow_log_object(account, region, day, 0, "0000late", hive=hive)
    put_all(emulator, BUCKET, late)
    assert collected(home, *options) == Counter(list(late))
    assert collected(home, *options) == Counter()


def test_flow_log_of_a_foreign_account_with_fields_of_its_own(home: Home, emulator: Emulator) -> None:
    folder = "AWSLogs/999999999999/vpcflowlogs/us-east-1/2021/06/10"
    text = (
        "version vpc-id pkt-srcaddr tcp-flags start end flow-direction\n"
        "5 vpc-1 10.0.0.1 2 1623286800 1623286860 ingress\n"
    )
    key = f"{folder}/999999999999_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20210610T0115Z_a.log.gz"
    put_all(emulator, BUCKET, {key: gzip.compress(text.encode())})
    [message] = home.run(*SINCE, "-t", "vpc").messages
    assert {name: value for name, value in message["aws"].items() if name != "log_info"} == {
        "version": "5",
        "vpc_id": "vpc-1",
        "pkt_srcaddr": "10.0.0.1",
        "tcp_flags": "2",
        "start": "2021-06-10T01:00:00Z",
        "end": "2021-06-10T01:01:00Z",
        "flow_direction": "ingress",
        "source": "vpc",
        "aws_account_id": "999999999999",
    }


def test_new_type_is_one_file_and_one_line(home: Home, emulator: Emulator, tmp_path: Path) -> None:
    """A made-up type, in a file of its own, and a line that puts it into the registry, are a whole type."""
    (tmp_path / "fruit.py").write_text(
        textwrap.dedent("""
        from aws_s3.log_types.base import LogType
        from aws_s3.log_types.layout import SLASHED, Layout
        from aws_s3.codec.json_and_lines import text_lines

        class Fruit(LogType):
            name = "fruit"
            table = "fruit"
            layouts = (Layout(SLASHED),)

            def parse(self, body, key):
                for line in text_lines(body):
                    yield {"fruit": line, "source": "fruit"}
        """)
    )
    line = "from aws_s3.log_types import LOG_TYPES; from fruit import Fruit; LOG_TYPES['fruit'] = Fruit"
    (tmp_path / "sitecustomize.py").write_text(line)
    put_all(emulator, BUCKET, {"2021/06/10/a": b"apple\npear\n"})
    there = {"PYTHONPATH": str(tmp_path)}
    first = home.run(*SINCE, "-t", "fruit", environment=there)
    assert [message["aws"]["fruit"] for message in first.messages] == ["apple", "pear"]
    assert home.run(*SINCE, "-t", "fruit", environment=there).messages == []
    assert "fruit" in home.run("--help", environment=there).output
