"""The faster loader gives what botocore's own does."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from aws_s3.aws.service_data import ServiceData

USED = ("s3", "sts", "sqs", "logs", "inspector2", "sso", "sso-oidc")


@pytest.mark.parametrize("service", USED)
@pytest.mark.parametrize("kind", ["service-2", "endpoint-rule-set-1"])
def test_services_are_described_as_botocore_describes_them(service: str, kind: str) -> None:
    assert ServiceData().load_service_model(service, kind) == Loader().load_service_model(service, kind)


def test_other_data_is_the_same() -> None:
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        assert ServiceData().load_data(name) == Loader().load_data(name)


def test_all_services_can_be_listed() -> None:
    assert list(ServiceData().list_available_services("service-2")) == Loader().list_available_services("service-2")


def test_unknown_service_is_refused() -> None:
    with pytest.raises(UnknownServiceError, match="s4"):
        ServiceData().load_service_model("s4", "service-2")


def test_folders_of_the_user_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "models/s3/2099-01-01/service-2.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps({"metadata": {"serviceId": "mine"}}))
    monkeypatch.setenv("MODELS", str(tmp_path / "models"))
    data = ServiceData("/nowhere:$MODELS")
    assert data.load_service_model("s3", "service-2")["metadata"] == {"serviceId": "mine"}
    assert data.load_service_model("s3", "endpoint-rule-set-1")
