"""The roles in deploy/ allow what the library and the web application call, and nothing else: recorded from real runs.

kms:Decrypt is in the roles and in no record: Secrets Manager calls it on the caller's behalf, when the secret is
encrypted with a key of one's own ("Secret encryption and decryption" in the Secrets Manager user guide).
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import boto3
import psycopg
import pytest
from aws_secretsmanager_caching import SecretCache

import secretconn
from secretconn.testing import Application, Login, new_password
from tests.unit.deploy.reading import KUBERNETES, actions, resources, statements, template

BY_SECRETS_MANAGER = {"kms:Decrypt"}

ROLES = {
    "fargate": resources("application", "AWS::IAM::Role")["TaskRole"],
    "eks": template("pod-role", KUBERNETES / "iam")["Resources"]["PodRole"]["Properties"],
}


class Recorder:
    """A boto3 session that notes every call of every client made from it: IAM action, and the secret it is for."""

    def __init__(self, endpoint_url: str) -> None:
        self.session = boto3.session.Session("testing", "testing", region_name="us-east-1")
        self.calls: defaultdict[str, set[str]] = defaultdict(set)
        self._endpoint_url = endpoint_url
        self.session.events.register("before-call", self._note)

    def _note(self, model: Any, params: dict[str, Any], **_: Any) -> None:
        action = f"{model.service_model.endpoint_prefix}:{model.name}"
        self.calls[json.loads(params["body"])["SecretId"]].add(action)

    def credentials(self, secret_id: str) -> secretconn.RotatingCredentials:
        return secretconn.RotatingCredentials(secret_id, session=self.session, endpoint_url=self._endpoint_url)


@pytest.fixture
def recorded(postgres_app: Application) -> dict[str, set[str]]:
    """Calls for the application's secret ("login") and for Django's key ("key"), over everything the library does."""
    app = postgres_app
    recorder = Recorder(app.secrets.endpoint_url)
    credentials = recorder.credentials(app.secret_id)
    credentials.prefetch()  # the first read
    for strategy in ("single-user", "alternating-users"):
        for _ in range(2):
            for _step in app.rotator(strategy).steps():
                secretconn.connect(credentials, driver="psycopg").close()  # rejections, refreshes, AWSPENDING
    credentials.refresh()
    credentials.invalidate()
    credentials.current()  # starts a background refresh, as after the TTL
    assert credentials.stats().recovered > 0
    for stage in ("AWSCURRENT", "AWSPREVIOUS"):
        app.server.admin().set_password(Login(app.login(stage).username, new_password()))
    with pytest.raises(psycopg.OperationalError):  # no login is right any more
        secretconn.connect(credentials, driver="psycopg")
    key = f"{app.secret_id}/django-key"
    client = recorder.session.client("secretsmanager", endpoint_url=app.secrets.endpoint_url)
    app.secrets.client().create_secret(Name=key, SecretString="x" * 50)
    assert SecretCache(client=client).get_secret_string(key) == "x" * 50  # as the web application's settings do
    assert recorder.calls.keys() == {app.secret_id, key}
    return {"login": recorder.calls[app.secret_id], "key": recorder.calls[key]}


def test_the_roles_allow_what_is_called_and_no_more(recorded: dict[str, set[str]]) -> None:
    for role in ROLES.values():
        allowed: defaultdict[str, set[str]] = defaultdict(set)
        for statement in statements(role):
            assert statement["Effect"] == "Allow"
            allowed[statement["Resource"]["Ref"]] |= actions(statement)
        assert allowed == {
            "ApplicationSecretArn": recorded["login"],
            "DjangoKeySecretArn": recorded["key"],
            "KeyArn": BY_SECRETS_MANAGER,
        }
