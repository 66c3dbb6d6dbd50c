"""CloudTrail's Insights events: objects like those of a trail, in a folder of their own.

Layout: the CloudTrail user guide, "CloudTrail log file name format".
"""

from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.layout import aws_logs


class CloudTrailInsight(CloudTrail):
    """Unusual activity that CloudTrail Insights found."""

    name = "cloudtrail_insight"
    example = (
        "AWSLogs/123456789012/CloudTrail-Insight/us-east-1/2021/06/10/"
        "123456789012_CloudTrail-Insight_us-east-1_20210610T0115Z_AbCdEfGhIjKlMnOp.json.gz"
    )
    table = "collection_cloudtrail_insight"
    layouts = (aws_logs("CloudTrail-Insight"),)
