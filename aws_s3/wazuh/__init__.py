"""What stands around the program: putting it into Wazuh's home, and files for cron and systemd."""
