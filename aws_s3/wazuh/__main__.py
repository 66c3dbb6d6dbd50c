"""`python -m aws_s3.wazuh [HOME]`, also `aws-s3-install`: puts the program into a Wazuh home, or takes it away."""

import sys


def run() -> None:
    """Run the installer and end the process with its exit code."""
    # Older versions cannot even import the installer.
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit(f"ERROR: Python 3.10 or newer is needed, and this is {sys.version.split()[0]}. {_NEXT}")
    from aws_s3.wazuh.install import main

    sys.exit(main(sys.argv[1:]))


_NEXT = "Nothing changed; name another interpreter: make install PYTHON=python3.12"

if __name__ == "__main__":
    run()
