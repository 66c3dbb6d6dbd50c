"""The client buffer as an agent reads it: several roots, the central file, and values that make no sense."""

import logging
from pathlib import Path

import pytest

from aws_s3.wazuh.budget import ClientBuffer
from aws_s3.wazuh.client_buffer import client_buffer
from aws_s3.wazuh.home import WazuhHome

OWN = """<ossec_config>
  <!-- <client_buffer><queue_size>1</queue_size></client_buffer> -->
  <localfile><command>df -P && echo <done></command></localfile>
  <client_buffer><disabled>no</disabled><queue_size>8000</queue_size></client_buffer>
</ossec_config>
<ossec_config>
  <client_buffer><events_per_second> 800 </events_per_second></client_buffer>
</ossec_config>
"""


@pytest.fixture
def home(tmp_path: Path) -> WazuhHome:
    (tmp_path / "etc/shared").mkdir(parents=True)
    (tmp_path / "etc/ossec.conf").write_text("<ossec_config></ossec_config>")
    (tmp_path / "etc/client.keys").write_text("001 web-01 any 0123456789abcdef\n")
    return WazuhHome(tmp_path)


def configure(home: WazuhHome, own: str = "", central: str = "") -> ClientBuffer:
    (home.path / "etc/ossec.conf").write_text(own)
    if central:
        (home.path / "etc/shared/agent.conf").write_text(central)
    return client_buffer(home)


def block(inside: str, attributes: str = "") -> str:
    return f"<agent_config {attributes}><client_buffer>{inside}</client_buffer></agent_config>\n"


def test_defaults_are_wazuhs(home: WazuhHome) -> None:
    assert client_buffer(home) == ClientBuffer(5000, 500, is_disabled=False)


def test_all_roots_of_the_own_file_count(home: WazuhHome) -> None:
    assert configure(home, OWN) == ClientBuffer(8000, 800)


def test_central_file_wins(home: WazuhHome) -> None:
    assert configure(home, OWN, block("<queue_size>300</queue_size>")) == ClientBuffer(300, 800)
    assert configure(home, OWN, block("<disabled>yes</disabled>")) == ClientBuffer(8000, 800, is_disabled=True)


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        ('os="Windows"', False),
        ('os="Linux"', True),
        ('name="web-01"', True),
        ('name="db-01|web-01"', True),
        ('name="db-01"', False),
        ('name="^web-"', True),
        ('profile="collectors"', True),
    ],
)
def test_block_that_may_be_for_this_agent_makes_the_room_smaller(
    home: WazuhHome, attributes: str, counts: bool
) -> None:
    small = block("<queue_size>300</queue_size><events_per_second>900</events_per_second>", attributes)
    assert configure(home, OWN, small) == ClientBuffer(300 if counts else 8000, 800)
    off = block("<disabled>yes</disabled>", attributes)
    assert configure(home, OWN, off) == ClientBuffer(8000, 800)


@pytest.mark.parametrize(
    ("inside", "buffer"),
    [
        ("<queue_size>0</queue_size>", ClientBuffer()),
        ("<queue_size>100001</queue_size>", ClientBuffer()),
        ("<queue_size>-5</queue_size>", ClientBuffer()),
        ("<queue_size/>", ClientBuffer()),
        ("<disabled>maybe</disabled>", ClientBuffer()),
        ("<events_per_second>1001</events_per_second>", ClientBuffer()),
        ("<events_per_second>7</events_per_second>", ClientBuffer(rate=50)),
        ("<queue_size>1</queue_size><unknown>2</unknown>", ClientBuffer(1)),
    ],
)
def test_values_that_wazuh_refuses_count_as_its_default(home: WazuhHome, inside: str, buffer: ClientBuffer) -> None:
    assert configure(home, f"<ossec_config><client_buffer>{inside}</client_buffer></ossec_config>") == buffer


@pytest.mark.parametrize("content", ["<client_buffer><queue_size>", "<!DOCTYPE a>", "<!-- "])
def test_file_that_cannot_be_read_is_told_and_means_the_defaults(
    home: WazuhHome, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert configure(home, content) == ClientBuffer()
    assert "etc/ossec.conf" in caplog.text


def test_missing_files_are_told_only_where_wazuh_has_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert client_buffer(WazuhHome(tmp_path)) == ClientBuffer()
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "ossec.conf" in caplog.text
