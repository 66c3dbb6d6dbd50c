"""Log groups as users select them."""

import pytest

from aws_s3.config.log_groups import LogGroupSelection

ARN = "arn:aws:logs:eu-west-1:210987654321:log-group:/aws/app"


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("/aws/app", LogGroupSelection("/aws/app")),
        ("/aws/app:2021/", LogGroupSelection("/aws/app", "2021/")),
        (ARN, LogGroupSelection("/aws/app", "", "eu-west-1", ARN)),
        (f"{ARN}:2021/", LogGroupSelection("/aws/app", "2021/", "eu-west-1", ARN)),
    ],
)
def test_a_selection_is_a_name_or_an_arn_and_a_prefix(text: str, selection: LogGroupSelection) -> None:
    assert LogGroupSelection.parse(text) == selection


def test_a_group_given_as_an_arn_is_that_of_its_region_and_account() -> None:
    by_name, by_arn = LogGroupSelection.parse("/aws/app"), LogGroupSelection.parse(ARN)
    assert (by_name.is_in("us-east-1"), by_name.is_in("eu-west-1"), by_name.account) == (True, True, "")
    assert (by_arn.is_in("us-east-1"), by_arn.is_in("eu-west-1"), by_arn.account) == (False, True, "210987654321")
