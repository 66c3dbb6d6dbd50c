"""Rules for Wazuh's analysis engine (4.x): alerts from the sources that Wazuh's own rules do not know."""

from pathlib import Path

RULES = Path(__file__).with_name("aws-s3_rules.xml")
"""The rules file: a manager reads it from its folder `etc/rules`, owned by its user and group, mode 0660."""
