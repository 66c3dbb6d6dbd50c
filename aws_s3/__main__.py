"""`python -m aws_s3`, and the installed command: the one exit."""

import sys

from aws_s3.cli import main


def run() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
