"""`python -m aws_s3.wazuh install|uninstall WAZUH_HOME`, which `make install` and `make uninstall` run."""

import sys

from aws_s3.wazuh.install import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
