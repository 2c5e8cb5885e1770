"""The environment variables: each one's values, and that the documentation is their table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError
from secretconn._core.environment import VARIABLES, Environment, environment

DOCS = Path(__file__).parents[2] / "docs" / "environment.md"


def test_without_variables_nothing_is_said() -> None:
    assert environment({}) == environment({"SECRETCONN_TTL": " ", "SECRETCONN_SOURCE": ""}) == Environment()


def test_all_of_them() -> None:
    found = environment(
        {
            "SECRETCONN_SOURCE": "file:///mnt/secrets",
            "SECRETCONN_TTL": "0.5",
            "SECRETCONN_REGION": "us-gov-west-1",
            "SECRETCONN_ENDPOINT_URL": "http://localhost:2773",
            "SECRETCONN_REPLICA_REGIONS": "eu-west-1, eu-north-1,",
        }
    )
    assert found == Environment(
        "file:///mnt/secrets", 0.5, "us-gov-west-1", "http://localhost:2773", ("eu-west-1", "eu-north-1")
    )


@pytest.mark.parametrize("value", ["none", "names", "all"])
def test_what_a_url_may_name(value: str) -> None:
    assert environment({"SECRETCONN_URLS": value}).urls == value


@pytest.mark.parametrize(("value", "may"), [("yes", True), ("YES", True), ("no", False)])
def test_whether_the_agent_may_be_elsewhere(value: str, may: bool) -> None:
    assert environment({"SECRETCONN_REMOTE_AGENT": value}).remote_agent is may


def test_each_field_has_its_variable() -> None:
    assert [variable.field for variable in VARIABLES] == list(Environment._fields)


WANTED = {
    "SOURCE": "secretsmanager, agent, extension or file:///FOLDER",
    "TTL": "a number of seconds greater than 0",
    "REGION": "the name of a region, such as eu-central-1",
    "ENDPOINT_URL": "an address, such as https://vpce-1234.secretsmanager.eu-central-1.vpce.amazonaws.com",
    "REPLICA_REGIONS": "names of regions with commas between them, such as eu-west-1,eu-north-1",
    "REMOTE_AGENT": "yes or no",
    "URLS": "none, names or all",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE", "vault"),
        ("SOURCE", "file:///"[:7]),
        ("SOURCE", "file://mnt"),
        ("SOURCE", "agent://x"),
        ("TTL", "0"),
        ("TTL", "-1"),
        ("TTL", "nan"),
        ("TTL", "inf"),
        ("TTL", "1h"),
        ("REGION", "Frankfurt"),
        ("REGION", "eu-west-1,eu-north-1"),
        ("ENDPOINT_URL", "localhost:2773"),
        ("ENDPOINT_URL", "ftp://x"),
        ("REPLICA_REGIONS", "eu-west-1 eu-north-1"),
        ("REMOTE_AGENT", "maybe"),
        ("URLS", "some"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_may_be_there(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment({f"SECRETCONN_{name}": value})
    assert str(caught.value) == f"environment variable SECRETCONN_{name}={value!r}: it must be {WANTED[name]}"


def test_a_login_in_an_address_is_not_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        environment({"SECRETCONN_ENDPOINT_URL": "http://user:pw-1@host"})
    assert "SECRETCONN_ENDPOINT_URL=...: it must be an address" in str(caught.value)


@given(st.sampled_from([variable.name for variable in VARIABLES]), st.text())
def test_any_text_is_a_value_or_a_configuration_error(name: str, value: str) -> None:
    try:
        environment({name: value})
    except ConfigurationError as error:
        assert name in str(error)  # noqa: PT017  (most texts are refused; those that are not are fine)


@pytest.mark.skipif(not DOCS.exists(), reason="the source distribution has no docs")
def test_the_documentation_is_the_table() -> None:
    rows = "".join(f"| `{v.name}` | {v.meaning} | {v.unit} | {v.default} |\n" for v in VARIABLES)
    assert f"| variable | decides | value | default |\n|---|---|---|---|\n{rows}" in DOCS.read_text()
