"""Access to AWS: the session and its configuration file, S3, SQS, the services' APIs, the table of AWS's errors.

Begin with `session`, then `s3`. Nothing above this folder imports botocore.
"""
