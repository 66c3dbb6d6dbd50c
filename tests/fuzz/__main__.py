"""Fuzz the targets, guided by coverage, each for some time: `python -m tests.fuzz [SECONDS [WORD …]]`.

With words, those only whose names contain one of them. Needs the extra `fuzz`. What is found is
printed, with the input in a file in `.fuzz/`.
"""

import contextlib
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_SECONDS = 60
_ONE = "--one"
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
# Larger inputs are slower, and no stranger.
_LARGEST = 4096
_FOUND = Path(".fuzz")
_TOKENS = (
    *('{"', '":', '",', "[[", "]]", "null", "true", "1e999", "-0", "007", "9" * 99, "NaN", "\\\\ud800", "\\\\u0000"),
    *("\\x00", "\\xff", "\\xed\\xa0\\x80", "\\xef\\xbb\\xbf", "\\x1f\\x8b\\x08", "PK\\x05\\x06", "&#0;", "\\x0d\\x0a"),
)


def main(arguments: Sequence[str]) -> int:
    """Fuzz each target in a process of its own; return how many failed."""
    seconds = int(arguments[0]) if arguments else _SECONDS
    from tests.fuzz.targets import TARGETS

    failed = 0
    for target in TARGETS:
        if not arguments[1:] or any(word in target.name for word in arguments[1:]):
            command = [sys.executable, "-m", "tests.fuzz", _ONE, target.name, str(seconds)]
            ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
            done = _DONE.search(ended.stdout)
            failed += ended.returncode != 0
            print(f"{target.name:24} {done[1] if done else '?':>10} runs", "ok" if not ended.returncode else "FAILED")
            if ended.returncode:
                print(ended.stdout[-4000:])
    return failed


def fuzz(name: str, seconds: str) -> None:
    """Fuzz one target; never return."""
    import atheris

    with atheris.instrument_imports(include=["aws_s3"]):
        from tests.fuzz.targets import TARGETS
    [target] = [target for target in TARGETS if target.name == name]
    logging.getLogger("aws_s3").addHandler(logging.NullHandler())
    _FOUND.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="fuzz") as folder:
        corpus, tokens = Path(folder, "corpus"), Path(folder, "tokens")
        corpus.mkdir()
        for number, seed in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(seed)
        tokens.write_text("".join('"{}"\n'.format(token.replace('"', '\\"')) for token in _TOKENS))
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={_LARGEST}",
            f"-dict={tokens}",
            "-timeout=20",
            f"-artifact_prefix={_FOUND}/",
        ]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", str(corpus)], target.run)
        with contextlib.suppress(SystemExit):
            atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == [_ONE]:
        fuzz(*sys.argv[2:4])
    else:
        sys.exit(main(sys.argv[1:]))
