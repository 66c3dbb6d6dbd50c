"""Where a Wazuh home is, and what its files say of it."""

import json
import os
from pathlib import Path

import pytest

from aws_s3.wazuh.home import WazuhHome, read_bytes


@pytest.mark.parametrize(
    ("socket", "home"),
    [
        ("/var/ossec/queue/sockets/queue", "/var/ossec"),
        ("/other/queue/sockets/any", "/other"),
        ("/var/ossec/queue/queue", None),
        ("/run/wazuh.sock", None),
        ("/sockets/queue", None),
    ],
)
def test_socket_in_the_folder_of_sockets_belongs_to_a_home(socket: str, home: str | None) -> None:
    assert WazuhHome.of_socket(Path(socket)) == (WazuhHome(Path(home)) if home else None)


def test_link_to_a_socket_belongs_to_the_home_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "home/queue/sockets/queue")
    assert WazuhHome.of_socket(tmp_path / "link") == WazuhHome(tmp_path / "home")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    assert WazuhHome.of_socket(tmp_path / "circle") is None


def test_relative_socket_belongs_to_the_home_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert WazuhHome.of_socket(Path("queue/sockets/queue")) == WazuhHome(tmp_path)


def test_newest_pid_file_tells_when_the_daemon_started(tmp_path: Path) -> None:
    home = WazuhHome(tmp_path)
    assert home.started("wazuh-agentd") is None
    run = tmp_path / "var/run"
    run.mkdir(parents=True)
    for name, moment in (("wazuh-agentd-7.pid", 100), ("wazuh-agentd-8.pid", 200), ("wazuh-execd-9.pid", 300)):
        (run / name).touch()
        os.utime(run / name, (moment, moment))
    assert home.started("wazuh-agentd") == 200


@pytest.mark.parametrize(
    ("content", "major"),
    [
        (json.dumps({"version": "4.14.7", "stage": "rc1"}), 4),
        (json.dumps({"version": "v5.0.1"}), 5),
        (json.dumps({"version": "five"}), None),
        (json.dumps({"version": 5}), None),
        (json.dumps(["4.14.7"]), None),
        ("{", None),
        ("\0" * 100, None),
    ],
)
def test_version_is_told_by_its_file(tmp_path: Path, content: str, major: int | None) -> None:
    assert WazuhHome(tmp_path).major_version() is None
    (tmp_path / "VERSION.json").write_text(content)
    assert WazuhHome(tmp_path).major_version() == major


def test_local_internal_options_win(tmp_path: Path) -> None:
    home = WazuhHome(tmp_path)
    assert home.internal_option("agent.state_interval", 5) == 5
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/internal_options.conf").write_text("# agent.state_interval=9\nagent.state_interval=7 # s\n")
    assert home.internal_option("agent.state_interval", 5) == 7
    (tmp_path / "etc/local_internal_options.conf").write_text("agent.state_interval = 0\nagentXstate_interval=3\n")
    assert home.internal_option("agent.state_interval", 5) == 0
    (tmp_path / "etc/local_internal_options.conf").write_bytes(b"agent.state_interval=many\n\xff\n")
    assert home.internal_option("agent.state_interval", 5) == 7


def test_pipe_in_a_files_place_makes_nobody_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "VERSION.json")
    assert WazuhHome(tmp_path).major_version() is None
    assert read_bytes(tmp_path / "VERSION.json") == b""
