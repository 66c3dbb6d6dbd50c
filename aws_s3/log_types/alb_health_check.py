"""Health checks of the targets of Application Load Balancers.

Format: the user guide for Application Load Balancers, "Health check logs for your Application Load Balancer".
"""

from aws_s3.log_types.load_balancers import LoadBalancerLogType


class AlbHealthCheck(LoadBalancerLogType):
    """Health checks of the targets of Application Load Balancers.

    AWS writes the names of the objects with `_` or with `.` behind the kind of log.
    """

    name = "alb_health_check"
    example = (
        "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2021/06/10/health_check_log_123456789012_elasticloadbalancing_"
        "us-east-1_app.web.0a1b2c3d4e5f6789_20210610T0115Z_192.0.2.1_a1b2c3d4.log.gz"
    )
    table = "collection_alb_health_check"
    kind = "app"
    starts = ("health_check_log_", "health_check_log.")
    account_in_event = True
    columns = (
        "type",
        "time",
        "latency",
        "target_addr",
        "target_group_id",
        "status",
        "status_code",
        "reason_code",
    )
