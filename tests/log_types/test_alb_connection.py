import io

import pytest

from aws_s3.log_types.alb_connection import AlbConnection
from aws_s3.log_types.load_balancers import Alb
from aws_s3.log_types.recognition import partition_of

LINE = (
    "2021-06-10T01:00:05.182055Z 192.0.2.12 53110 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 "
    '"CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US" '
    "NotBefore=2020-09-21T22:43:21Z;NotAfter=2022-06-17T22:43:21Z FEF257372D5C14D4 Success TID_3180a73013c8ca4bac2f"
)
FAILED = "2021-06-10T01:00:06Z 192.0.2.13 53111 443 - - - - - - Failed:UnmappedConnectionError TID_1"


def test_line_is_named_and_text_is_without_quotes() -> None:
    event, failed = AlbConnection().parse(io.BytesIO(f"{LINE}\n{FAILED}\n".encode()), AlbConnection.example)
    assert isinstance(event, dict)
    assert event["leaf_client_cert_subject"] == "CN=amazondomains.com,O=endEntity,L=Seattle,ST=Washington,C=US"
    assert (event["client_ip"], event["client_port"], event["conn_trace_id"][:4]) == ("192.0.2.12", "53110", "TID_")
    assert isinstance(failed, dict)
    assert (failed["tls_verify_status"], failed["source"]) == ("Failed:UnmappedConnectionError", "alb_connection")
    assert set(event) == {*AlbConnection.columns, "source"}


@pytest.mark.parametrize(
    ("old", "new", "accepted"),
    [
        ("", "", True),
        ("conn_log_", "conn_log.", True),
        ("conn_log_", "", False),
        ("conn_log_", "health_check_log_", False),
        ("conn_log_123456789012", "conn_log_999999999999", False),
        ("_app.", "_net.", False),
    ],
)
def test_objects_are_told_by_their_names(old: str, new: str, accepted: bool) -> None:
    key = AlbConnection.example.replace(old, new, 1)
    partition = partition_of(key, AlbConnection.layouts[0])
    assert partition is not None
    assert AlbConnection().accepts(key, partition) == accepted
    assert not (accepted and Alb().accepts(key, partition))
