import subprocess
import sys

import pytest

from aws_s3.wazuh.extras import EXTRAS, FAST, how_to_install, needs
from tests import ROOT

if sys.version_info >= (3, 11):
    import tomllib


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is of Python 3.11")
def test_each_extra_brings_the_library_that_the_lines_name() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    libraries = {extra: [each.partition(">")[0] for each in required] for extra, required in declared.items()}
    assert set(EXTRAS) == set(libraries) - {"dev", "fuzz"}
    assert [extra for extra, (library, _) in EXTRAS.items() if library not in libraries[extra]] == []
    assert sorted(FAST) == libraries["fast"]


@pytest.mark.parametrize(
    ("library", "prefix", "python", "command"),
    [
        ("tqdm", "/usr", "/usr/bin/python3", "/usr/bin/python3 -m pip install tqdm"),
        ("tqdm", "/opt/a b", "/opt/a b/bin/python", "'/opt/a b/bin/python' -m pip install tqdm"),
        (
            "pyarrow",
            "/var/ossec/wodles/aws/aws-s3.env/17",
            "/var/ossec/wodles/aws/aws-s3.env/17/bin/python",
            "make install WAZUH_HOME=/var/ossec EXTRAS=parquet "
            "(or /var/ossec/wodles/aws/aws-s3.env/17/bin/python -m pip install pyarrow)",
        ),
        # No extra of ours: botocore asks for it.
        ("awscrt", "/var/ossec/wodles/aws/aws-s3.env/17", "/p", "/p -m pip install awscrt"),
    ],
)
def test_command_installs_where_the_program_runs(library: str, prefix: str, python: str, command: str) -> None:
    assert how_to_install(library, prefix, python) == command


def test_the_line_names_the_purpose_the_library_and_the_reason() -> None:
    line = needs("--metrics-file", "prometheus-client", ImportError("No module named 'prometheus_client'"))
    assert line.startswith("--metrics-file needs prometheus-client, which cannot be imported (No module named ")
    assert line.endswith(f"Install it: {how_to_install('prometheus-client')}")


def test_no_text_sends_users_to_the_package_called_aws_s3() -> None:
    """`aws-s3` on the package index belongs to somebody else: a stranger's code would run."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(listing, cwd=ROOT, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
    texts = {path: (ROOT / path).read_bytes() for path in paths if path != "tests/wazuh/test_extras.py"}
    wrong = (b"install aws-s3", b"install 'aws-s3", b'install "aws-s3', b"'aws-s3[", b'"aws-s3[', b"uvx aws-s3")
    assert [path for path, text in texts.items() if any(words in text for words in wrong)] == []
