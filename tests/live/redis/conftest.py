"""A real Redis with ACL users, and a secret for one of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import LocalSecretsManager, Login, Rotator, Strategy, new_password
from secretconn.testing.redis import RedisServer


class Cache:
    """An ACL user, its secret, and the count of logins the server refused."""

    def __init__(self, server: RedisServer, secrets: LocalSecretsManager, content: dict[str, object]) -> None:
        self.server, self.secrets = server, secrets
        self.username = f"orders_{uuid.uuid4().hex[:8]}"
        self.secret_id = f"test/{self.username}"
        login = Login(self.username, new_password())
        server.admin().allow(self.username, "~*", "&*", "+@all")
        server.admin().set_password(login)
        where = {"engine": "redis", "host": server.host, "port": server.port}
        secrets.create_secret(
            self.secret_id, {"username": login.username, "password": login.password, **(content or where)}
        )
        self.credentials = RotatingCredentials(self.secret_id, client=secrets.client())

    def login(self, stage: str = "AWSCURRENT") -> Login:
        content = self.secrets.client().get_secret_value(SecretId=self.secret_id, VersionStage=stage)["SecretString"]
        return Login(json.loads(content)["username"], json.loads(content)["password"])

    def rotator(self, strategy: Strategy = "single-user", *, keep_old: bool = False, **settings: Any) -> Rotator:
        admin = self.server.admin(keep_old=keep_old)
        if keep_old:
            admin.set_password(self.login())
        return Rotator(self.secrets.client(), self.secret_id, strategy=strategy, admin=admin, **settings)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def make_cache(redis_server: RedisServer, secrets_manager: LocalSecretsManager) -> Callable[..., Cache]:
    return lambda **content: Cache(redis_server, secrets_manager, content)


@pytest.fixture
def cache(make_cache: Callable[..., Cache]) -> Cache:
    return make_cache()
