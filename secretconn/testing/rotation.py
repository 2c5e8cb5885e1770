"""Rotator: rotates a secret in AWS's four steps, with the windows between them in the test's hands.

The steps and what they do are those of AWS's rotation functions ("Lambda function rotation strategies" and "Rotation by
Lambda function" in the Secrets Manager user guide): createSecret, setSecret, testSecret, finishSecret.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from secretconn.errors import ConfigurationError
from secretconn.testing.admins import DatabaseAdmin, admin_for
from secretconn.testing.errors import RotationError
from secretconn.testing.logins import Login, new_password

__all__ = ["RotationStep", "Rotator", "Step", "Strategy"]

Step = Literal["createSecret", "setSecret", "testSecret", "finishSecret"]
Strategy = Literal["single-user", "alternating-users"]

STRATEGIES = ("single-user", "alternating-users")
CLONE = "_clone"


@dataclass(frozen=True, slots=True)
class RotationStep:
    """One step that is done.

    Attributes:
        step: Which one.
        secret_id: The secret, as the caller named it.
        version_id: The version being rotated in.
        previous_version_id: The version that was AWSCURRENT when the rotation began.
        username: The user of the version being rotated in.
    """

    step: Step
    secret_id: str
    version_id: str
    previous_version_id: str
    username: str


class Rotator:
    """Rotates one secret; at AWS too, where ``client`` is for AWS and the database can be reached from here.

    Args:
        client: A boto3 Secrets Manager client.
        secret_id: Name or ARN of the secret.
        strategy: "single-user": the same user gets a new password. "alternating-users": the other of two users, USER
            and USER_clone, does; the clone is made at its first turn, with the first one's privileges.
        admin: Who changes passwords: a `DatabaseAdmin`, or a `Login` for the secret's own host. Default: the user
            itself for single-user, the secret that ``masterarn`` names for alternating-users.
        pause: What `rotate` does between two steps: wait some seconds, or call this with the step that is done.
        on_step: Called after each step.
        drop_pending: Take AWSPENDING off the new version at the end. AWS's own functions leave it there.
        username: The user, for a secret that is only a password.
        exclude: Characters new passwords must not have.
        sleep: Waits some seconds; a test may hand in its own.

    Raises:
        ConfigurationError: An unknown strategy.
    """

    def __init__(
        self,
        client: Any,
        secret_id: str,
        *,
        strategy: Strategy = "single-user",
        admin: DatabaseAdmin | Login | None = None,
        pause: float | Callable[[RotationStep], object] = 0.0,
        on_step: Callable[[RotationStep], object] | None = None,
        drop_pending: bool = False,
        username: str | None = None,
        exclude: str = "",
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if strategy not in STRATEGIES:
            raise ConfigurationError(f"strategy must be one of {', '.join(STRATEGIES)}, not {strategy!r}")
        self._client = client
        self._secret_id = secret_id
        self._strategy = strategy
        self._given_admin = admin
        self._pause = pause
        self._on_step = on_step
        self._drop_pending = drop_pending
        self._username = username
        self._exclude = exclude
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"Rotator({self._secret_id!r}, strategy={self._strategy!r})"

    def rotate(self) -> RotationStep:
        """One whole rotation; answers its last step.

        Raises:
            RotationError: The server rejected the new login, or the secret does not say how to rotate it.
        """
        for done in self.steps():
            if done.step != "finishSecret":
                self._wait(done)
        return done

    def steps(self) -> Iterator[RotationStep]:
        """One rotation, a step at a time: each `next` does one step and then tells of it.

        The window in which single-user rotation locks out everybody who asks for AWSCURRENT is open from "setSecret"
        until "finishSecret". Stopping early leaves the secret and the database as they are at that step.

        Raises:
            RotationError: As for `rotate`.
        """
        current = self._read("AWSCURRENT")
        admin = self._admin(current)
        new = current.renewed(self._next_user(current), new_password(exclude=self._exclude))
        self._put_pending(new)
        yield self._done("createSecret", new, current)
        self._set(admin, new, current)
        yield self._done("setSecret", new, current)
        if not admin.verify(new.login):
            raise RotationError(f"testSecret: the server rejected the new login of {new.login.username!r}")
        yield self._done("testSecret", new, current)
        self._finish(new, current)
        yield self._done("finishSecret", new, current)

    def _wait(self, done: RotationStep) -> None:
        if callable(self._pause):
            self._pause(done)
        elif self._pause:
            self._sleep(self._pause)

    def _done(self, step: Step, new: _Version, current: _Version) -> RotationStep:
        done = RotationStep(step, self._secret_id, new.version_id, current.version_id, new.login.username)
        if self._on_step is not None:
            self._on_step(done)
        return done

    def _read(self, stage: str) -> _Version:
        return _Version.read(
            self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage), self._username
        )

    def _admin(self, current: _Version) -> DatabaseAdmin:
        given = self._given_admin
        if isinstance(given, Login):
            return current.admin(given)
        if given is not None:
            return given
        if self._strategy == "single-user":
            return current.admin(current.login)
        master = current.text("masterarn")
        if master is None:
            raise RotationError("alternating-users needs admin=, or masterarn in the secret")
        return current.admin(_Version.read(self._client.get_secret_value(SecretId=master), None).login)

    def _next_user(self, current: _Version) -> str:
        name = current.login.username
        if self._strategy == "single-user":
            return name
        return name.removesuffix(CLONE) if name.endswith(CLONE) else name + CLONE

    def _put_pending(self, new: _Version) -> None:
        self._client.put_secret_value(
            SecretId=self._secret_id,
            ClientRequestToken=new.version_id,
            VersionStages=["AWSPENDING"],
            **new.as_arguments(),
        )

    def _set(self, admin: DatabaseAdmin, new: _Version, current: _Version) -> None:
        if self._strategy == "alternating-users" and not admin.user_exists(new.login.username):
            admin.create_user(new.login, like=current.login.username)
        else:
            admin.set_password(new.login)

    def _finish(self, new: _Version, current: _Version) -> None:
        self._client.update_secret_version_stage(
            SecretId=self._secret_id,
            VersionStage="AWSCURRENT",
            MoveToVersionId=new.version_id,
            RemoveFromVersionId=current.version_id,
        )
        if self._drop_pending:
            self._client.update_secret_version_stage(
                SecretId=self._secret_id, VersionStage="AWSPENDING", RemoveFromVersionId=new.version_id
            )


class _Version:
    """One version's content, in the form it has in the secret; no repr shows it."""

    def __init__(self, version_id: str, fields: Mapping[str, object] | None, login: Login, *, binary: bool) -> None:
        self.version_id = version_id
        self.login = login
        self._fields = fields
        self._binary = binary

    def __repr__(self) -> str:
        return f"_Version({self.version_id!r}, {self.login.username!r}, content='***')"

    @classmethod
    def read(cls, answer: Mapping[str, Any], username: str | None) -> _Version:
        """The answer of GetSecretValue: JSON, or with a username given, only a password.

        Raises:
            RotationError: It is neither.
        """
        binary = "SecretString" not in answer
        fields = _json_object(answer)
        if fields is None:
            if username is None:
                answer = {}  # not in a traceback's locals
                _refuse("the secret is not a JSON object; for one that is only a password, pass username=")
            return cls(answer["VersionId"], None, Login(username, _text(answer)), binary=binary)
        if not isinstance(fields.get("username", username), str) or not isinstance(fields.get("password"), str):
            answer, fields = {}, None
            _refuse("the secret has no username and password, each a string")
        login = Login(str(fields.get("username", username)), str(fields["password"]))
        return cls(answer["VersionId"], fields, login, binary=binary)

    def renewed(self, username: str, password: str) -> _Version:
        """The same content as a new version with another login."""
        return _Version(str(uuid.uuid4()), self._fields, Login(username, password), binary=self._binary)

    def as_arguments(self) -> dict[str, str | bytes]:
        """How PutSecretValue wants the content."""
        if self._binary:
            return {"SecretBinary": self._text().encode()}
        return {"SecretString": self._text()}

    def _text(self) -> str:
        if self._fields is None:
            return self.login.password
        named = {"username": self.login.username} if "username" in self._fields else {}
        return json.dumps({**self._fields, **named, "password": self.login.password})

    def text(self, key: str) -> str | None:
        """The value of a key that is no password, or None."""
        value = (self._fields or {}).get(key)
        return None if value is None else str(value)

    def admin(self, login: Login) -> DatabaseAdmin:
        """Somebody's hand on the database that this secret is for.

        Raises:
            RotationError: The secret does not say where that is.
        """
        engine, host, port = self.text("engine"), self.text("host"), self.text("port")
        if engine is None or host is None:
            raise RotationError("the secret names no engine and host; pass a DatabaseAdmin as admin=")
        return admin_for(engine, login, host=host, port=int(port) if port else None, database=self.text("dbname"))


def _text(answer: Mapping[str, Any]) -> str:
    return str(answer["SecretString"]) if "SecretString" in answer else bytes(answer["SecretBinary"]).decode()


def _json_object(answer: Mapping[str, Any]) -> dict[str, object] | None:
    try:
        parsed = json.loads(_text(answer))
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _refuse(why: str) -> NoReturn:
    raise RotationError(why)
