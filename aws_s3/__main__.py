"""`python -m aws_s3`, and the installed command: the one exit."""

import signal
import sys


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # Block SIGINT and SIGTERM until their handlers are installed.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    from aws_s3.cli.main import main

    sys.exit(main())


if __name__ == "__main__":
    run()
