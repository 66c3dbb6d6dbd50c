"""`--limit`, `--until` and `--pretty`: a look at a few events, and at some days."""

import json
from datetime import date

import pytest

from aws_s3.config.command_line import parse
from aws_s3.errors import UsageError
from tests.harness.command import Home, put_all
from tests.harness.emulator import Emulator
from tests.harness.trails import BUCKET, trail, trails

SINCE = ("-b", BUCKET, "--only_logs_after", "2021-06-01")


def test_after_its_limit_a_run_ends_and_the_next_goes_on_from_there(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(3, records=4))
    first = home.run(*SINCE, "--limit", "6", "--debug", "1")
    assert (first.code, first.events) == (0, [*(f"00000Z-{n}" for n in range(4)), "00001Z-0", "00001Z-1"])
    assert "6 events were sent, as many as --limit allows." in first.output
    assert "last complete run unknown" in home.run("--status").output
    rest = home.run(*SINCE)
    assert rest.events == ["00001Z-2", "00001Z-3", *(f"00002Z-{n}" for n in range(4))]
    assert "last complete run 20" in home.run("--status").output


def test_a_limit_holds_with_worker_processes(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(250, records=2))
    ended = home.run(*SINCE, "--limit", "301", "--workers", "2")
    assert (ended.code, len(ended.messages)) == (0, 301)
    assert len(home.run(*SINCE, "--workers", "2").messages) == 199


def test_no_day_after_the_last_one_is_collected(home: Home, emulator: Emulator) -> None:
    days = [date(2021, 6, day) for day in (9, 10, 11)]
    put_all(emulator, BUCKET, {key: body for day in days for key, body in trail(f"d{day.day}", day).items()})
    ended = home.run(*SINCE, "--until", "2021-06-10")
    assert (ended.code, ended.events) == (0, ["d9-0", "d10-0"])
    assert "last complete run unknown" in home.run("--status").output
    assert home.run(*SINCE).events == ["d11-0"]


def test_pretty_events_are_indented(home: Home, emulator: Emulator) -> None:
    put_all(emulator, BUCKET, trails(2))
    ended = home.run(*SINCE, "--output", "stdout", "--pretty", "--limit", "1")
    assert ended.output.startswith('{\n  "integration": "aws",\n')
    assert json.loads(ended.output)["aws"]["eventID"] == "00000Z-0"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-sb buckets -q q --limit 1", "--limit goes with --bucket or --service"),
        ("-sr inspector --until 2021-06-10", "--until goes with --bucket"),
        ("-b acme-logs -s 2021-06-10 --until 2021-06-09", "--until ends before -s begins: there is nothing to collect"),
        ("-b acme-logs --pretty", "--pretty goes with --output stdout"),
        ("-b acme-logs --check --dry-run", "--dry-run and --check exclude each other"),
        ("-b acme-logs --max-behind 3", "--max-behind goes with --status"),
        ("--config f --status --daemon", "--daemon goes with a collection by --config"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(words.split())
    assert str(raised.value) == message
