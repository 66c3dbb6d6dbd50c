import io
import json

from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.cloudtrail_network_activity import CloudTrailNetworkActivity
from aws_s3.log_types.recognition import partition_of

EVENT = {
    "eventVersion": "1.09",
    "eventID": "1",
    "eventCategory": "NetworkActivity",
    "errorCode": "VpceAccessDenied",
    "vpcEndpointId": "vpce-0a1b",
    "requestParameters": None,
}


def test_records_are_events_of_cloudtrail() -> None:
    body = json.dumps({"Records": [EVENT, EVENT]}).encode()
    events = list(CloudTrailNetworkActivity().parse(io.BytesIO(body), CloudTrailNetworkActivity.example))
    assert events == [{**EVENT, "source": "cloudtrail"}] * 2
    assert list(CloudTrailNetworkActivity().reshape(events[0])) == list(CloudTrail().reshape(events[0]))


def test_objects_are_those_of_the_folder_alone() -> None:
    found = partition_of(CloudTrailNetworkActivity.example, CloudTrailNetworkActivity.layouts[0])
    assert found is not None
    assert (found.account, found.region) == ("123456789012", "us-east-1")
    assert partition_of(CloudTrail.example, CloudTrailNetworkActivity.layouts[0]) is None
    assert partition_of(CloudTrailNetworkActivity.example, CloudTrail.layouts[0]) is None
