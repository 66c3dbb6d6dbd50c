import io

from aws_s3.log_types.alb_health_check import AlbHealthCheck
from aws_s3.log_types.recognition import readings

LINE = 'https 2021-06-10T01:00:05Z 0.002 192.0.2.4:80 tg-1/0a1b2c FAIL 502 "Target.ResponseCodeMismatch"'


def test_line_is_named() -> None:
    [event] = AlbHealthCheck().parse(io.BytesIO(LINE.encode()), AlbHealthCheck.example)
    assert event == {
        "type": "https",
        "time": "2021-06-10T01:00:05Z",
        "latency": "0.002",
        "target_addr": "192.0.2.4:80",
        "target_group_id": "tg-1/0a1b2c",
        "status": "FAIL",
        "status_code": "502",
        "reason_code": "Target.ResponseCodeMismatch",
        "source": "alb_health_check",
    }


def test_both_forms_of_name_are_of_this_type_alone() -> None:
    for key in (AlbHealthCheck.example, AlbHealthCheck.example.replace("check_log_", "check_log.")):
        types = {reading.type for reading in readings(key)}
        assert "alb_health_check" in types and not types & {"alb", "alb_connection", "nlb", "clb"}
