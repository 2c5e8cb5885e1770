"""Our sessions: the big service descriptions are read once for all secrets, everything else is each session's own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from botocore.exceptions import PartialCredentialsError, ProfileNotFound

from secretconn import ConfigurationError, RotatingCredentials
from secretconn.sources import SecretsManagerSource
from secretconn.sources.sessions import SERVICES, _quiet, new_session


def test_the_loader_is_shared_and_the_session_is_not() -> None:
    one, other = new_session(None), new_session(None)
    assert one is not other
    assert one.get_component("data_loader") is other.get_component("data_loader")


def test_no_folder_of_another_service_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", "/somewhere/else")  # another loader, which has listed nothing yet
    looked: list[str] = []

    def listing(path: str) -> list[str]:
        looked.append(path)
        return [entry.name for entry in os.scandir(path)]

    monkeypatch.setattr(os, "listdir", listing)
    new_session(None).create_client("secretsmanager", region_name="eu-west-1")
    assert {Path(path).name for path in looked} <= {"secretsmanager"}


def test_our_sessions_know_every_service_that_a_provider_of_credentials_asks() -> None:
    import botocore.credentials
    import botocore.tokens

    source = "".join(Path(module.__file__).read_text() for module in (botocore.credentials, botocore.tokens))
    asked = re.findall(r"(?:client_creator|create_\w*client)\(\s*(?:self\.\w+,\s*)?['\"]([\w-]+)['\"]", source)
    assert {"sts", "sso", "sso-oidc"} <= set(asked) <= set(SERVICES)
    for service in set(asked):
        new_session(None).create_client(service, region_name="eu-west-1")


def test_another_data_path_has_another_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = new_session(None).get_component("data_loader")
    monkeypatch.setenv("AWS_DATA_PATH", "/somewhere/else")
    other = new_session(None).get_component("data_loader")
    assert other is not usual
    assert "/somewhere/else" in other.search_paths


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(ProfileNotFound):
        new_session("no-such-profile")


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared configuration, and none of this machine's variables."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text("[default]\nregion=eu-west-1\n[profile p]\nregion=eu-north-1\n")
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=AKFILE\naws_secret_access_key=x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


EMPTY = [
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_CA_BUNDLE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_DEFAULTS_MODE",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_DATA_PATH",
]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_variable_counts_as_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    session = new_session(None)
    client = session.create_client("secretsmanager")
    assert client.meta.endpoint_url == "https://secretsmanager.eu-west-1.amazonaws.com"
    assert session.get_credentials().access_key == "AKFILE"


@pytest.mark.usefixtures("aws")
def test_an_empty_variable_does_not_hide_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_PROFILE", "")
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert new_session(None).get_config_variable("region") == "eu-north-1"


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_nor_the_usual_files(name: str, aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (aws / ".aws").mkdir()
    for file in ("config", "credentials"):
        (aws / file).rename(aws / ".aws" / file)
    monkeypatch.setenv("HOME", str(aws))
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    monkeypatch.setenv(name, "")
    session = new_session(None)
    assert session.get_config_variable("region") == "eu-west-1"
    assert session.get_credentials().access_key == "AKFILE"


@pytest.mark.usefixtures("aws")
def test_a_variable_that_is_set_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-south-1")
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert new_session(None).get_config_variable("region") == "eu-south-1"


def test_a_region_from_the_environment_that_is_none_is_told_of_that_secret(aws: Path) -> None:
    (aws / "config").write_text("")
    with pytest.raises(ConfigurationError, match=r"^secret 's': no client of Secrets Manager can be made of region"):
        _ = SecretsManagerSource("s", otherwise_region="eu south 1").client


@pytest.mark.usefixtures("aws")
def test_keys_that_are_no_pair_are_no_wrong_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKHALF")
    with pytest.raises(PartialCredentialsError):
        _ = SecretsManagerSource("s").client


@pytest.mark.parametrize(("file", "region"), [("", "eu-south-1"), ("[default]\nregion=eu-west-1\n", "eu-west-1")])
def test_another_region_is_for_where_the_chain_has_none(file: str, region: str, aws: Path) -> None:
    (aws / "config").write_text(file)
    assert SecretsManagerSource("s", otherwise_region="eu-south-1").client.meta.region_name == region


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("environ", "arguments", "told"),
    [
        (
            {"AWS_PROFILE": "prod"},
            {},
            "profile 'prod' is not in the shared AWS configuration; correct profile= or AWS_P",
        ),
        ({}, {"profile": "nobody"}, "profile 'nobody' is not"),
        ({}, {"region": "eu west 1"}, "'eu west 1' doesn't match a supported format"),
        ({}, {"endpoint_url": "localhost:99"}, "Invalid endpoint: localhost:99"),
        ({"AWS_ENDPOINT_URL": "http://me:xyzzy@lo cal"}, {}, "Invalid endpoint: http://lo cal"),
        ({"AWS_DEFAULTS_MODE": "fast"}, {}, "invalid defaults mode: fast"),
    ],
)
def test_settings_that_make_no_client_say_why(
    environ: dict[str, str], arguments: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        RotatingCredentials("prod/orders", **arguments).current()  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert "xyzzy" not in str(caught.value)
    assert "None" not in str(caught.value)


def test_a_parser_that_is_kept_quiet_is_called_as_ever() -> None:
    assert _quiet.around(lambda *args, **kwargs: (args, kwargs))(1, b=2) == ((1,), {"b": 2})
