"""Sources of credentials that fail in ways of their own: one line that names the source, and exit code 3."""

from collections.abc import Iterator

import pytest

from tests.harness.command import Home, new_home
from tests.harness.emulator import Emulator

_ROLE = "role_arn = arn:aws:iam::123456789012:role/logs\n"
_SOURCE = "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = base\n"
_CHECK = "Check the service or command that the profile or the environment gets credentials from."

_PROFILES = [
    (
        f"{_ROLE}source_profile = base\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n{_SOURCE}",
        "MFA token required. The profile's mfa_serial asks for a code at a terminal",
    ),
    (f"{_ROLE}web_identity_token_file = /no/such/token\n", f"No such file or directory: '/no/such/token'. {_CHECK}"),
    ("credential_process = /bin/echo hello\n", f"custom-process: Expecting value: line 1 column 1 (char 0). {_CHECK}"),
    ("credential_process = /bin/echo []\n", _CHECK),
    ("credential_process = /no/such/command\n", f"No such file or directory: '/no/such/command'. {_CHECK}"),
    ("credential_process = '\n", f"No closing quotation. {_CHECK}"),
    ("credential_process = /bin/false\n", _CHECK),
]


@pytest.fixture
def home(emulator: Emulator) -> Iterator[Home]:
    with new_home(emulator) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "words"), _PROFILES)
def test_a_source_that_fails_is_named_in_one_line(home: Home, profile: str, words: str) -> None:
    (home.path / ".aws").mkdir()
    (home.path / ".aws/config").write_text(f"[profile dev]\n{profile}")
    ended = home.run("-b", "acme-logs", "-p", "dev", environment={"AWS_CONFIG_FILE": str(home.path / ".aws/config")})
    [line] = ended.output.splitlines()
    assert ended.code == 3, line
    assert line.startswith("ERROR: ") and words in line
    assert "Unknown error" not in line
