"""Credentials of another account's role: what STS is asked for, and with what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from secretconn import ConfigurationError
from secretconn.sources import SecretsManagerSource
from secretconn.sources.role import Role, role_session

ARN = "arn:aws:iam::123456789012:role/reader"
TAKEN = {"AccessKeyId": "taken", "SecretAccessKey": "key", "SessionToken": "t", "Expiration": "2100-01-01T00:00:00Z"}


class Session:
    """botocore's, as far as it is asked: it has credentials and makes a client of STS."""

    def __init__(self, credentials: Credentials | None) -> None:
        self.credentials = credentials
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[dict[str, Any]] = []

    def get_credentials(self) -> Credentials | None:
        return self.credentials

    def create_client(self, service: str, **options: Any) -> Any:
        self.made.append((service, options))
        return SimpleNamespace(assume_role=self.assume_role)

    def assume_role(self, **arguments: Any) -> Any:
        self.asked.append(arguments)
        return {"Credentials": TAKEN}

    def get_config_variable(self, name: str) -> str:
        assert name == "region"
        return "eu-south-1"


class Boto3Session(Session):
    """boto3's: its client() is what botocore calls create_client(), and it has a region."""

    client, region_name = Session.create_client, "eu-south-1"
    create_client = get_config_variable = None  # type: ignore[assignment]


OWN = Credentials("own", "secret")


@pytest.mark.parametrize("kind", [Session, Boto3Session])
@pytest.mark.parametrize(
    ("external_id", "more"), [(None, {}), ("from them", {"ExternalId": "from them"})], ids=["plain", "external id"]
)
def test_the_role_is_taken_when_its_credentials_are_needed(
    kind: type[Session], external_id: str | None, more: dict[str, str]
) -> None:
    base, config = kind(OWN), Config(connect_timeout=1)
    session = role_session(Role(ARN, external_id), base, None, "eu-west-1", config)
    assert session.get_config_variable("region") == "eu-west-1"
    credentials = session.get_credentials()
    assert (credentials.method, base.asked) == ("assume-role", [])
    assert credentials.get_frozen_credentials().access_key == "taken"
    ((service, options),) = base.made
    assert (service, options["region_name"], options["config"]) == ("sts", "eu-west-1", config)
    assert (options["aws_access_key_id"], options["aws_secret_access_key"]) == ("own", "secret")
    assert base.asked == [{"RoleArn": ARN, "RoleSessionName": "secretconn", **more}]


def test_without_a_region_the_chain_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    session = role_session(Role(ARN, None), Session(OWN), None, None, Config())
    assert session.get_config_variable("region") == "us-west-2"


def test_the_profile_is_that_of_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "config").write_text("[profile shop]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    session = role_session(Role(ARN, None), Session(OWN), "shop", None, Config())
    assert session.get_config_variable("region") == "eu-north-1"


@pytest.mark.parametrize(("region", "asked"), [("eu-west-1", "eu-west-1"), (None, "eu-south-1")])
@pytest.mark.parametrize("kind", [Session, Boto3Session])
def test_secrets_manager_is_asked_with_the_role_where_the_session_says(
    kind: type[Session], region: str | None, asked: str
) -> None:
    base = kind(OWN)
    source = SecretsManagerSource("s", session=base, region=region, role_arn=ARN, otherwise_region="us-east-1")
    assert source.client.meta.region_name == asked
    assert source.client._request_signer._credentials.get_frozen_credentials().access_key == "taken"
    ((_, options),) = base.made
    assert (options["region_name"], options["config"].connect_timeout) == (asked, 2.0)


def test_nobody_to_take_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        role_session(Role(ARN, None), Session(None), None, None, Config())
    assert str(caught.value) == f"no AWS credentials were found with which role {ARN!r} could be taken"
