"""The request to run: options of the command line and elements of ossec.conf become `aws_s3.settings`.

Begin with `options`. `ossec_conf` makes the same settings of a configuration file, `schedule` the times to run.
"""
