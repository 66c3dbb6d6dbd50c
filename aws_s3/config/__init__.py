"""The request to run: options of the command line and elements of ossec.conf become `aws_s3.settings`.

Begin with `command_line`, then `options`, the table of options. `ossec_conf` makes the same settings from a
configuration file, `schedule` the times to run.
"""
