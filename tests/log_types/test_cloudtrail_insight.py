import io
import json

from aws_s3.log_types.cloudtrail import CloudTrail
from aws_s3.log_types.cloudtrail_insight import CloudTrailInsight
from aws_s3.log_types.recognition import partition_of

EVENT = {
    "eventVersion": "1.07",
    "eventID": "1",
    "eventType": "AwsCloudTrailInsight",
    "insightDetails": {"state": "Start", "eventSource": "iam.amazonaws.com", "insightType": "ApiCallRateInsight"},
}


def test_records_are_events_of_cloudtrail() -> None:
    body = json.dumps({"Records": [EVENT, EVENT]}).encode()
    events = list(CloudTrailInsight().parse(io.BytesIO(body), CloudTrailInsight.example))
    assert events == [{**EVENT, "source": "cloudtrail"}] * 2
    assert list(CloudTrailInsight().reshape(events[0])) == list(CloudTrail().reshape(events[0]))


def test_objects_are_those_of_the_folder_alone() -> None:
    found = partition_of(CloudTrailInsight.example, CloudTrailInsight.layouts[0])
    assert found is not None
    assert (found.account, found.region) == ("123456789012", "us-east-1")
    assert partition_of(CloudTrail.example, CloudTrailInsight.layouts[0]) is None
    assert partition_of(CloudTrailInsight.example, CloudTrail.layouts[0]) is None
