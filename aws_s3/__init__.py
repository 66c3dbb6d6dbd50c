"""aws-s3: collects AWS logs and hands every event to Wazuh."""

__version__ = "0.1.0"
