"""`python -m aws_s3`, and the installed command: the one exit."""

import gc
import signal
import sys


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # Block SIGINT and SIGTERM until their handlers are installed.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    # Imports make objects that stay: looking for garbage among them takes a tenth of the start. `jobs` ends this.
    gc.disable()
    from aws_s3.cli.main import main

    sys.exit(main())


if __name__ == "__main__":
    run()
