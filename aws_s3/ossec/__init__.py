"""Wazuh's configuration file: what it says of this program (SPEC 13)."""
