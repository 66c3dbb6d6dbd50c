"""Optional libraries: the extra that brings each, and the command that installs it beside this program."""

import shlex
import sys
from pathlib import Path

EXTRAS = {
    "completion": ("shtab", "shtab"),
    "fast": ("orjson", "orjson"),
    "metrics": ("prometheus-client", "prometheus_client"),
    "progress": ("tqdm", "tqdm"),
    "parquet": ("pyarrow", "pyarrow"),
    "security-lake": ("pyarrow", "pyarrow"),
    "zstd": ("zstandard", "zstandard"),
}
"""The library of each extra, as it is installed and as it is imported; of `fast` the one that saves most."""

FAST = ("orjson", "httptools", "zlib-ng")
"""The libraries of the extra `fast`: each makes something faster, and none needs the others."""

ENVIRONMENTS = "aws-s3.env"
"""The folder in HOME/wodles/aws that holds the environments made by the installer."""


def how_to_install(library: str, prefix: str = sys.prefix, python: str = sys.executable) -> str:
    """Return the command that makes `library` importable for this interpreter.

    Installations in a Wazuh home are replaced as a whole, by a new one with the extras of the old one and those
    asked for: the command is that of the installer there.
    """
    environment = Path(prefix)
    extra = next((extra for extra, (name, _) in EXTRAS.items() if name == library), None)
    if extra and environment.parent.name == ENVIRONMENTS:
        home = shlex.quote(str(environment.parents[3]))
        return f"make install WAZUH_HOME={home} EXTRAS={extra} (or {shlex.quote(python)} -m pip install {library})"
    return f"{shlex.quote(python)} -m pip install {library}"


def needs(purpose: str, library: str, error: ImportError) -> str:
    """Return the line for a purpose whose library is missing."""
    return f"{purpose} needs {library}, which cannot be imported ({error}). Install it: {how_to_install(library)}"
