"""The command: its exit codes, blocks of ossec.conf and the daemon, status, dry run, inspection, metrics.

Begin with `main`: it runs a command line and turns every failure into one line and an exit code.
"""
