"""Real output in the documents. `python -m tests.recorded` runs their first block of commands and writes the output.

The commands run in an empty folder, against a local AWS whose bucket `my-bucket` holds the sample. `test_readme` runs
them again and compares, but for times.
"""

import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import ROOT
from tests.harness.command import COMMAND
from tests.harness.emulator import Emulator
from tests.sample.generator import sample

README = ROOT / "README.md"
BUCKET = "my-bucket"
UNTIL = datetime(2024, 3, 1, 13, tzinfo=timezone.utc)

_BLOCK = re.compile(r"(^```console\n)(.*?)(^```)", re.MULTILINE | re.DOTALL)
_CHANGING = ((re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+(Z|\+00:00)"), "TIME"), (re.compile(r"\b\d+(\.\d+)? (s|d)\b"), "N"))


def fill(emulator: Emulator) -> None:
    """Put the sample into the bucket."""
    emulator.client("s3").create_bucket(Bucket=BUCKET)
    for stored in sample(UNTIL):
        emulator.put_object(BUCKET, stored.key, stored.body())


def transcript(commands: list[str], emulator: Emulator, folder: Path) -> str:
    """Run the commands, one after the other, in the folder; return them with their output."""
    environment = emulator.environment(folder)
    environment["PATH"] = f"{Path(COMMAND).parent}:{environment.get('PATH', '/usr/bin:/bin')}"
    lines = []
    for command in commands:
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        lines += [f"$ {command}", *ended.stdout.splitlines()]
    return "\n".join(lines) + "\n"


def commands_of(block: str) -> list[str]:
    """Return the commands of a block."""
    return re.findall(r"^\$ (.*)$", block, re.MULTILINE)


def without_times(text: str) -> str:
    """Return the text with placeholders for times, durations, and the spaces that align them."""
    for pattern, placeholder in _CHANGING:
        text = pattern.sub(placeholder, text)
    return re.sub(r" +", " ", text)


def first_block(text: str) -> str:
    """Return the first block of commands."""
    found = _BLOCK.search(text)
    assert found
    return found[2]


def main() -> None:
    """Write the README's output anew."""
    text = README.read_text(encoding="utf-8")
    with Emulator() as emulator, TemporaryDirectory() as folder:
        fill(emulator)
        recorded = transcript(commands_of(first_block(text)), emulator, Path(folder))
    README.write_text(_BLOCK.sub(lambda found: found[1] + recorded + found[3], text, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
