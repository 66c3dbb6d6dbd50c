"""A real Prometheus scrapes a run that keeps running, and knows its sources; promtool finds the metrics well-formed."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_alerts import rules_of_the_document
from tests.config.files import bucket, wodle
from tests.harness.command import Home, free_port, put_all, wait_until
from tests.harness.emulator import Emulator
from tests.harness.listener import Listener
from tests.harness.trails import BUCKET, trails

CONFIGURATION = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: aws-s3
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

Ask = Callable[[str], Any]


@pytest.fixture
def home(home: Home, emulator: Emulator) -> Home:
    put_all(emulator, BUCKET, trails(3))
    return home


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: it is in Debian's package prometheus")
    return found


@contextmanager
def prometheus(folder: Path, scraped: int) -> Iterator[Ask]:
    """Run Prometheus with the document's rules; give a function that asks its API for a path's data."""
    (folder / "rules.yml").write_text(rules_of_the_document(), encoding="utf-8")
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(port=scraped), encoding="utf-8")
    port = free_port()
    options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [program("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=60) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return {}

    try:
        yield ask
    finally:
        server.terminate()
        server.wait(timeout=60)


def values(ask: Ask, expression: str) -> dict[str, float]:
    """Return the values of an expression by the name of the source."""
    found = ask(f"query?query={urllib.parse.quote(expression)}").get("result", ())
    return {series["metric"].get("name", ""): float(series["value"][1]) for series in found}


def test_prometheus_scrapes_a_daemon_and_its_alerts_fit(home: Home, tmp_path: Path) -> None:
    program("prometheus")
    file, port = home.path / "ossec.conf", free_port()
    since = "<only_logs_after>2021-JUN-01</only_logs_after>"
    file.write_text(wodle(bucket(since, name=BUCKET), bucket(name="missing-logs")), encoding="utf-8")
    listener = Listener(home.socket)
    daemon = home.start("--config", str(file), "--daemon", "--metrics-listen", str(port))
    try:
        with prometheus(tmp_path, port) as ask:
            wait_until(lambda: values(ask, "aws_s3_run_events").get(BUCKET) == 3)
            assert values(ask, 'up{job="aws-s3"}') == {"": 1.0}
            assert values(ask, "aws_s3_run_exit_code") == {BUCKET: 0.0, "missing-logs": 7.0}
            [target] = ask("targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            wait_until(lambda: {"AwsLogsNotCollected", "AwsLogsLate"} <= alerts(ask))
            assert not alerts(ask) & {"AwsLogsNoMetrics", "AwsLogsUnreadable"}
    finally:
        daemon.terminate()
        output, _ = daemon.communicate(timeout=120)
        listener.close()
    assert daemon.returncode == 0, output


def alerts(ask: Ask) -> set[str]:
    """Return the names of the alerts that fire now."""
    return {alert["labels"]["alertname"] for alert in ask("alerts").get("alerts", ()) if alert["state"] == "firing"}


def test_promtool_finds_nothing_wrong_with_the_metrics(home: Home) -> None:
    promtool = program("promtool")
    path = home.path / "x.prom"
    home.run("-b", BUCKET, "--only_logs_after", "2021-JUN-01", "--metrics-file", str(path))
    checked = subprocess.run([promtool, "check", "metrics"], input=path.read_bytes(), capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
