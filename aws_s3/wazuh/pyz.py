"""The beginning of aws-s3.pyz, whose `__main__.py` calls `main`, and which holds all packages below `lib/`.

botocore reads its data from a folder, so the packages are unpacked once: to $AWS_S3_CACHE, else to
$XDG_CACHE_HOME/aws-s3, else to ~/.cache/aws-s3, each archive into a folder named for its contents.
"""

import os
import sys
from hashlib import sha256
from pathlib import Path
from runpy import run_module
from shutil import rmtree
from tempfile import mkdtemp
from zipfile import ZipFile


def unpacked(archive: Path) -> Path:
    """Return the folder of the packages, which is complete: it gets its name when all files are in it."""
    with ZipFile(archive) as files:
        contents = repr([(item.filename, item.CRC) for item in files.infolist()])
        folder = _cache() / sha256(contents.encode()).hexdigest()[:16]
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = Path(mkdtemp(dir=folder.parent))
            files.extractall(new)
            try:
                new.rename(folder)
            except OSError:
                # Another process was first.
                rmtree(new, ignore_errors=True)
                if not folder.is_dir():
                    raise
    return folder / "lib"


def _cache() -> Path:
    if named := os.environ.get("AWS_S3_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aws-s3"


def main() -> int:
    """Run the command line with the packages of the archive; return 1 after an ERROR line."""
    try:
        packages = unpacked(Path(sys.argv[0]))
    except (OSError, RuntimeError) as error:
        print(f"ERROR: Cannot unpack {sys.argv[0]}: {error}. Name a folder that can be written: AWS_S3_CACHE=/path")
        return 1
    sys.path[0] = str(packages)
    run_module("aws_s3", run_name="__main__", alter_sys=True)
    return 0
