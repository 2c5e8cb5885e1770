"""A secret "prod/orders" for user "orders" on a real PostgreSQL, whole or broken in one way; the command run on it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import botocore.exceptions
import pytest

from secretconn.cli import main
from secretconn.testing import LocalSecretsManager, Login, PostgresServer, new_password
from secretconn.testing._process import free_port
from tests.support.faults import Answer, FaultySecretsManager, Request

__all__ = ["SECRET", "SET_UPS", "Bed", "Done", "SetUp", "normalised"]

SECRET = "prod/orders"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:rotate-orders"
ROLE = "arn:aws:sts::111122223333:assumed-role/orders-task/1"
NO_HOST = "db-1.orders.invalid"
"""A name that never resolves (RFC 2606)."""

HBA = ["hostnossl all tls_only 127.0.0.1/32 reject"]

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("psycopg", "psycopg2", "asyncpg", "pg8000"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
from secretconn.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command in a process in which no driver for PostgreSQL can be imported."""


@dataclass(frozen=True)
class Done:
    """What a run came to."""

    code: int
    out: str
    err: str


class Bed:
    """The servers, and the secret.

    Args:
        server: A PostgreSQL with the roles "orders" and "tls_only", and a database "orders".
        secrets: A Secrets Manager in which nothing is.
        faulty: What stands before it; the command asks here.

    Attributes:
        words: The command's first words.
        environment: Variables for the command; None takes one away.
        passwords: What it must not print.
        in_process: Whether it runs in this process.
    """

    def __init__(self, server: PostgresServer, secrets: LocalSecretsManager, faulty: FaultySecretsManager) -> None:
        self.server, self.secrets, self.faulty = server, secrets, faulty
        self.login = Login("orders", new_password())
        self.words: list[str] = [SECRET]
        self.environment: dict[str, str | None] = {
            **secrets.environment,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": faulty.endpoint_url,
        }
        self.passwords: list[str] = [self.login.password]
        self.in_process = True

    def clear(self) -> None:
        """Delete what was stored, and let all calls pass."""
        self.faulty.lift()
        self.secrets.client().delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    @property
    def content(self) -> dict[str, Any]:
        """What the secret holds when it is right."""
        return {
            "engine": "postgres",
            "host": self.server.host,
            "port": self.server.port,
            "username": self.login.username,
            "password": self.login.password,
            "dbname": "orders",
        }

    def store(self, content: dict[str, Any] | str | None = None, *, rotated: bool = True, **changed: Any) -> None:
        """Make the secret, as it is after a rotation: AWSPENDING still labels the current version."""
        self.server.admin().set_password(self.login)
        content = {**self.content, **changed} if content is None else content
        old = new_password()
        self.passwords.append(old)
        if not rotated:
            self.secrets.create_secret(SECRET, content)
            return
        self.secrets.create_secret(SECRET, {**self.content, "password": old})
        with contextlib.suppress(botocore.exceptions.ClientError):  # moto switches it on, and knows no such function
            self.secrets.client().rotate_secret(
                SecretId=SECRET, RotationLambdaARN=FUNCTION, RotationRules={"AutomaticallyAfterDays": 30}
            )
        version = self.secrets.put(SECRET, content, ("AWSPENDING",))
        before = self.secrets.client().get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["VersionId"]
        self.secrets.client().update_secret_version_stage(
            SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=before
        )

    def refused_logins(self) -> int:
        """Wrong passwords that the server has seen."""
        return self.server.log().count("password authentication failed")


@dataclass(frozen=True)
class SetUp:
    """One set-up.

    Attributes:
        name: Its name in docs/check.md.
        finding: What the command must find first; None where all is well.
        make: Makes it.
        code: The exit code.
    """

    name: str
    finding: str | None
    make: Callable[[Bed], None]
    code: int = 1

    def __repr__(self) -> str:
        return self.name


def whole(bed: Bed) -> None:
    bed.store()


def no_such_secret(bed: Bed) -> None:
    """Nothing is stored."""


def access_denied(bed: Bed) -> None:
    bed.store()
    bed.faulty.set(denied("DescribeSecret"), lambda request: request.operation == "DescribeSecret")


def kms_denied(bed: Bed) -> None:
    bed.store()
    fault = Answer(400, "AccessDeniedException", "Access to KMS is not allowed")
    bed.faulty.set(fault, lambda request: request.operation == "GetSecretValue")


def throttled(bed: Bed) -> None:
    bed.store()
    bed.faulty.set(Answer(400, "ThrottlingException", "Rate exceeded"))


def wrong_region(bed: Bed) -> None:
    """Asked in Ireland, stored in us-east-1, which AWS_REGION names."""
    bed.store()
    bed.words += ["--region", "eu-west-1"]


def malformed(bed: Bed) -> None:
    bed.store("orders:" + bed.login.password)


def missing_key(bed: Bed) -> None:
    bed.store({name: value for name, value in bed.content.items() if name != "username"})


def wrong_password(bed: Bed) -> None:
    other = new_password()
    bed.passwords.append(other)
    bed.store(password=other)


def wrong_host(bed: Bed) -> None:
    bed.store(host=NO_HOST)


def closed_port(bed: Bed) -> None:
    bed.store(port=free_port())


def wrong_database(bed: Bed) -> None:
    bed.store(dbname="odrers")


def missing_driver(bed: Bed) -> None:
    bed.store()
    bed.in_process = False


def tls_required(bed: Bed) -> None:
    bed.login = Login("tls_only", bed.login.password)
    bed.store()


def pending_unreadable(bed: Bed) -> None:
    bed.store()
    bed.faulty.set(denied("GetSecretValue"), asks_for_pending)


def rotation_never_configured(bed: Bed) -> None:
    bed.store(rotated=False)


def denied(operation: str) -> Answer:
    """As AWS words it."""
    action = f"secretsmanager:{operation}"
    return Answer(
        400,
        "AccessDeniedException",
        f"User: {ROLE} is not authorized to perform: {action} on resource: {SECRET} because no identity-based policy "
        f"allows the {action} action",
    )


def asks_for_pending(request: Request) -> bool:
    """As a policy with a condition on secretsmanager:VersionStage denies it."""
    return request.operation == "GetSecretValue" and request.body.get("VersionStage") == "AWSPENDING"


SET_UPS = [
    SetUp("all is well", None, whole, 0),
    SetUp("no such secret", "no-such-secret", no_such_secret),
    SetUp("access denied", "access-denied", access_denied),
    SetUp("KMS denied", "kms-denied", kms_denied),
    SetUp("throttled", "throttled", throttled),
    SetUp("wrong region", "wrong-region", wrong_region),
    SetUp("malformed", "malformed", malformed),
    SetUp("missing key", "missing-key", missing_key),
    SetUp("wrong password", "wrong-password", wrong_password),
    SetUp("wrong host", "wrong-host", wrong_host),
    SetUp("closed port", "closed-port", closed_port),
    SetUp("wrong database", "wrong-database", wrong_database),
    SetUp("missing driver", "missing-driver", missing_driver),
    SetUp("TLS required", "tls-required", tls_required),
    SetUp("AWSPENDING unreadable", "pending-unreadable", pending_unreadable, 0),
    SetUp("rotation never configured", "rotation-never-configured", rotation_never_configured, 0),
]


def run(bed: Bed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> Done:
    """The command: in this process, or in one of its own."""
    for name, value in bed.environment.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name, raising=False)
    if bed.in_process:
        code = main(["check", *bed.words, *words])
        return Done(code, *capsys.readouterr())
    command = [sys.executable, "-c", BLOCKED, "check", *bed.words, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def normalised(output: str) -> str:
    """Without what differs from run to run: the stand-in's address, ports, ids, dates, versions, milliseconds."""
    output = re.sub(r",? at http://127\.0\.0\.1:\d+", "", output)
    output = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:5432", output)
    output = re.sub(r'("127\.0\.0\.1", port )\d+', r"\g<1>5432", output)
    output = re.sub(r"orders\.invalid:\d+", "orders.invalid:5432", output)
    for number, found in enumerate(
        dict.fromkeys(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", output)), 1
    ):
        output = output.replace(found, f"{number}" * 8)
    output = re.sub(r"\d{4}-\d\d-\d\d", "2026-01-31", output)
    output = re.sub(r"psycopg [\d.]+(?: \(also installed: [^)]*\))?", "psycopg 3.3.9", output)
    output = re.sub(r"PostgreSQL [\d.]+", "PostgreSQL 18.6", output)
    return re.sub(r" *\d+ ms", lambda found: f"{'5 ms':>{len(found[0])}}", output)


@contextlib.contextmanager
def database() -> Iterator[PostgresServer]:
    """The PostgreSQL; "tls_only" may come in with TLS alone, which this build of PostgreSQL has not."""
    with PostgresServer(hba=HBA) as server:
        for role in ("orders", "tls_only"):
            server.sql(f"CREATE ROLE {role} LOGIN")
        server.sql("CREATE DATABASE orders OWNER orders")
        yield server
