"""The failures of the program: which of them are a lack of something that the process needs."""

import codecs
import sys

import pytest

from aws_s3.errors import ResourceError, missing_resource


def test_an_encoding_of_python_that_cannot_be_loaded_is_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "encodings.idna", raising=False)
    monkeypatch.setattr("encodings._cache", {})
    monkeypatch.setitem(sys.modules, "stringprep", None)
    with pytest.raises(LookupError) as raised:
        codecs.lookup("IDNA")
    assert str(missing_resource(raised.value)) == str(ResourceError.of_memory())


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
