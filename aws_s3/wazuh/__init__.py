"""Facts about a Wazuh home: the elements of its configuration files, installing the program into it.

Begin with `install`. `ossec_xml` reads the syntax of ossec.conf; `units/` holds files for cron and systemd.
"""
