"""The command: console lines and exit codes, blocks of ossec.conf and the daemon, status, dry run, metrics.

Begin with `main`: it runs a command line and turns every failure into one line and an exit code.
"""
