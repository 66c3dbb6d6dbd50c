"""Tests of Security Hub's events, of the forms that its user guide shows."""

import io
import json
from typing import Any

import pytest

from aws_s3.errors import ParseError
from aws_s3.subscribers.security_hub import SecurityHub

IMPORTED = {
    "version": "0",
    "detail-type": "Security Hub Findings - Imported",
    "source": "aws.securityhub",
    "account": "111122223333",
    "detail": {"findings": [{"Id": "one", "Severity": {"Label": "HIGH", "Product": None}}]},
}
ACTION = {
    "detail-type": "Security Hub Findings - Custom Action",
    "source": "aws.securityhub",
    "detail": {
        "actionName": "custom-action-name",
        "actionDescription": "description of the action",
        "findings": [{"Id": "one"}, {"Id": "two"}],
    },
}
INSIGHT = {
    "detail-type": "Security Hub Insight Results",
    "source": "aws.securityhub",
    "detail": {
        "actionName": "name of the action",
        "actionDescription": "description of the action",
        "insightArn": "ARN of the insight",
        "insightName": "Name of the insight",
        "resultType": "ResourceAwsIamAccessKeyUserName",
        "number of results": "number of results, max of 100",
        "insightResults": [{"result 1": 5}, {"result 2": 6}],
    },
}


def parse(*events: Any) -> list[Any]:
    hub = SecurityHub()
    body = io.BytesIO("".join(map(json.dumps, events)).encode())
    return [shaped for event in hub.parse(body, "k") for shaped in hub.reshape(event)]


def test_finding_is_sent_with_the_kind_of_event() -> None:
    assert parse(IMPORTED) == [
        {
            "source": "securityhub",
            "detail_type": "Security Hub Findings - Imported",
            "finding": {"Id": "one", "Severity": {"Label": "HIGH"}},
        }
    ]


def test_each_of_several_findings_is_an_event_with_the_action() -> None:
    first, second = parse(ACTION)

    assert (first["finding"], second["finding"]) == ({"Id": "one"}, {"Id": "two"})
    assert first["actionName"] == second["actionName"] == "custom-action-name"
    assert first["actionDescription"] == second["actionDescription"] == "description of the action"


def test_insight_is_one_event() -> None:
    assert parse(INSIGHT) == [
        {
            "source": "securityhub",
            "detail_type": "Security Hub Insight Results",
            "actionName": "name of the action",
            "actionDescription": "description of the action",
            "insightArn": "ARN of the insight",
            "insightName": "Name of the insight",
            "resultType": "ResourceAwsIamAccessKeyUserName",
            "insightResults": [{"result 1": 5}, {"result 2": 6}],
        }
    ]


def test_events_one_after_the_other_are_all_sent() -> None:
    assert len(parse(IMPORTED, ACTION, INSIGHT)) == 4


@pytest.mark.parametrize("event", [{"a": 1}, {"detail": "text"}, {"detail": {"other": 1}}, 7])
def test_something_else_is_malformed(event: Any) -> None:
    with pytest.raises(ParseError):
        parse(event)


def test_text_is_malformed() -> None:
    with pytest.raises(ParseError):
        list(SecurityHub().parse(io.BytesIO(b"a line"), "k"))
