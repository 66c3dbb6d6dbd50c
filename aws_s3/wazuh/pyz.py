"""The beginning of aws-s3.pyz, which holds this file as its `__main__.py` and all packages below `lib/`.

botocore reads its data from a folder, so the packages are unpacked once: to $AWS_S3_CACHE, else to
$XDG_CACHE_HOME/aws-s3, else to ~/.cache/aws-s3, each archive into a folder named for its contents.
"""

import os
import sys
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from zipfile import ZipFile

_OLDEST = (3, 10)


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


def main() -> None:
    """Run the command line with the packages of the archive."""
    if sys.version_info < _OLDEST:
        sys.exit(f"ERROR: Python 3.10 or newer is needed, and this is {sys.version.split()[0]}.")
    try:
        packages = unpacked(Path(sys.argv[0]))
    except (OSError, RuntimeError) as error:
        sys.exit(f"ERROR: Cannot unpack {sys.argv[0]}: {error}. Name a folder that can be written: AWS_S3_CACHE=/path")
    sys.path[0] = str(packages)
    from aws_s3.__main__ import run

    run()


if __name__ == "__main__":
    main()
