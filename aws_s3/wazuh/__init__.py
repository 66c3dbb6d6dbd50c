"""Facts about a Wazuh home: its receivers and how much room they have, its files, installing the program into it.

Begin with `receivers`, a class for each thing that may be behind the socket; `budget` is their arithmetic and
`ledger` the file in which runs share it. `home` knows where files are, `ossec_xml` the syntax of ossec.conf.
`install` puts the program into a home; `rules/` and `units/` hold files for Wazuh, cron and systemd.
"""
