"""The alert rules of the documentation fire in the cases that matter: tried with promtool, where it is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT

DOCUMENT = ROOT / "aws_s3" / "docs" / "operations.md"
LABELS = '{kind="bucket",name="acme-logs",path="",type="cloudtrail"}'
CASES = {
    "a source that collects": ("600x100", {"source_found": "1+0x100", "waiting_objects": "0+0x100"}, set()),
    "a source that never delivered": ("600x100", {"source_found": "0+0x100"}, {"AwsLogsNeverFound"}),
    "a run that left everything to another": ("0x100", {"source_found": "1+0x100"}, {"AwsLogsNotCollected"}),
    "1,500 waiting objects": (
        "600x100",
        {"waiting_objects": "1500+0x100", "waiting_malformed_objects": "0+0x100"},
        {"AwsLogsUnreadable"},
    ),
    "a lost file": ("", {}, {"AwsLogsNoMetrics"}),
}
"""How the time of the last success grows in ten minutes; other metrics; and the alerts after 15 hours."""

ALERTS = ("AwsLogsNotCollected", "AwsLogsLate", "AwsLogsNeverFound", "AwsLogsNoMetrics", "AwsLogsUnreadable")


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: it is in Debian's package prometheus")
    return found


def rules_of_the_document() -> str:
    """Return the document's alert rules."""
    [block] = re.findall(r"^```yaml\n(groups:.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    path.write_text(rules_of_the_document(), encoding="utf-8")
    return path


def test_rules_are_valid(promtool: str, rules: Path) -> None:
    subprocess.run([promtool, "check", "rules", rules], check=True, capture_output=True)


@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_where_they_must(promtool: str, rules: Path, case: str) -> None:
    success, others, alerts = CASES[case]
    series = {f"aws_s3_{name}": values for name, values in others.items()}
    if success:
        series |= {"aws_s3_last_success_timestamp_seconds": f"0+{success}"}
        series |= {"aws_s3_last_run_timestamp_seconds": "0+600x100"}
    lines = ["rule_files: [rules.yml]", "evaluation_interval: 10m", "tests:", "  - interval: 10m", "    input_series:"]
    for name, values in series.items():
        lines += [f"      - series: '{name}{LABELS}'", f"        values: '{values}'"]
    if not series:
        lines[-1] = "    input_series: []"
    lines.append("    alert_rule_test:")
    for alert in ALERTS:
        lines += ["      - eval_time: 15h", f"        alertname: {alert}"]
        # Each alert that fires is a mismatch then, which promtool names.
        lines += ["        exp_alerts: []"]
    test = rules.with_name("test.yml")
    test.write_text("\n".join(lines), encoding="utf-8")
    ended = subprocess.run([promtool, "test", "rules", test], capture_output=True, text=True)
    fired = set(re.findall(r"alertname: (\w+), time: 15h", ended.stderr + ended.stdout))
    assert fired == alerts, ended.stderr + ended.stdout
