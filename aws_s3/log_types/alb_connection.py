"""TLS handshakes and connections of clients with Application Load Balancers.

Format: the user guide for Application Load Balancers, "Connection logs for your Application Load Balancer".
"""

from aws_s3.log_types.load_balancers import LoadBalancerLogType


class AlbConnection(LoadBalancerLogType):
    """TLS handshakes and connections of clients with Application Load Balancers.

    AWS writes the names of the objects with `_` or with `.` behind the kind of log.
    """

    name = "alb_connection"
    example = (
        "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2021/06/10/conn_log_123456789012_elasticloadbalancing_"
        "us-east-1_app.web.0a1b2c3d4e5f6789_20210610T0115Z_192.0.2.1_a1b2c3d4.log.gz"
    )
    table = "collection_alb_connection"
    kind = "app"
    starts = ("conn_log_", "conn_log.")
    account_in_event = True
    columns = (
        "timestamp",
        "client_ip",
        "client_port",
        "listener_port",
        "tls_protocol",
        "tls_cipher",
        "tls_handshake_latency",
        "leaf_client_cert_subject",
        "leaf_client_cert_validity",
        "leaf_client_cert_serial_number",
        "tls_verify_status",
        "conn_trace_id",
    )
