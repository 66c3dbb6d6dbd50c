"""The failures of the program: which of them are a lack of something that the process needs."""

import subprocess
import sys

import pytest

from aws_s3.errors import ResourceError, missing_resource


def test_an_encoding_of_python_that_cannot_be_loaded_is_a_lack_of_memory() -> None:
    # A process remembers each encoding that it ever found.
    script = "import sys; sys.modules['stringprep'] = None; ''.encode('idna')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    kind, _, reason = ended.stderr.splitlines()[-1].partition(": ")
    assert kind == "LookupError"
    assert str(missing_resource(LookupError(reason))) == str(ResourceError.of_memory())


@pytest.mark.parametrize(
    ("error", "is_lack"),
    [
        (LookupError("unknown encoding: idna"), True),
        (LookupError("unknown encoding: martian"), False),
        (KeyError("idna"), False),
        (ImportError("libz.so.1: failed to map segment from shared object"), True),
        (ImportError("x.so: cannot allocate memory in static TLS block"), True),
        (ModuleNotFoundError("No module named 'pyarrow'"), False),
        (OSError(12, "Cannot allocate memory"), True),
        (MemoryError(), True),
        (ValueError("no reason supplied"), True),
        (ValueError("no reason"), False),
    ],
)
def test_lack_of_memory_is_told_by_what_says_so(error: Exception, is_lack: bool) -> None:
    assert (missing_resource(error) is not None) is is_lack
