"""For compose.yaml: makes the application's user, database and secrets, then rotates, by itself and when it is asked.

Standard names of the environment: ROTATOR_SECRET, ROTATOR_DJANGO_KEY_SECRET, ROTATOR_ENGINE (postgres, which is the
default, or mysql), ROTATOR_DATABASE (host:port), ROTATOR_SUPERUSER_PASSWORD_FILE, ROTATOR_EVERY and ROTATOR_PAUSE
(seconds), ROTATOR_BIND (default 0.0.0.0:8080). boto3's own say where Secrets Manager is.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from rotator import STRATEGIES, DevRotator
from secretconn.testing import Login, Rotator, Strategy, new_password
from secretconn.testing.admins import MariaDBAdmin, PostgresAdmin, admin_for

__all__ = ["main", "provision"]

log = logging.getLogger("rotator")
NAME = "harbour"
PATIENCE = 60.0
LOOK_SECONDS = 2.0
"""Between two looks whether the secrets are still there: the local Secrets Manager loses them when it restarts."""

ENGINES = {
    "postgres": ("postgres", f"CREATE ROLE {NAME} LOGIN;\nCREATE DATABASE {NAME} OWNER {NAME};\n"),
    "mysql": (
        "root",
        f"CREATE USER {NAME} IDENTIFIED BY RANDOM PASSWORD;\nCREATE DATABASE {NAME};\n"
        f"GRANT ALL PRIVILEGES ON {NAME}.* TO {NAME};\n",
    ),
}
"""The superuser's name, and the statements that make the application's user and its database."""


def provision(client: Any, engine: str, admin: PostgresAdmin | MariaDBAdmin, secret: str, key_secret: str) -> None:
    """Make what is not there yet. A secret that was lost is made anew, with a new password for its user."""
    if not _is_there(client, key_secret):
        client.create_secret(Name=key_secret, SecretString=secrets.token_urlsafe(50))
    if _is_there(client, secret):
        return
    log.info("making the secret %s", secret)
    if not admin.user_exists(NAME):
        admin.run(ENGINES[engine][1])
    login = Login(NAME, new_password())
    address = {"engine": engine, "host": admin.host, "port": admin.port, "dbname": NAME}
    content = json.dumps({**address, "username": login.username, "password": login.password})
    version = {"SecretId": secret, "ClientRequestToken": str(uuid.uuid4()), "SecretString": content}
    with suppress(client.exceptions.ResourceExistsException):  # this was cut short before
        client.create_secret(Name=secret)
    # The order of a rotation: who is refused from here on finds the new login under AWSPENDING.
    client.put_secret_value(**version, VersionStages=["AWSPENDING"])
    admin.set_password(login)
    client.put_secret_value(**version, VersionStages=["AWSCURRENT"])


def _is_there(client: Any, secret: str) -> bool:
    try:
        client.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def main() -> None:
    """Provision, then serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 of a container has no default for it
    environ = os.environ
    host, _, port = environ["ROTATOR_DATABASE"].partition(":")
    engine = environ.get("ROTATOR_ENGINE", "postgres")
    password = Path(environ["ROTATOR_SUPERUSER_PASSWORD_FILE"]).read_text().strip()
    hand = partial(admin_for, engine, Login(ENGINES[engine][0], password), host=host, port=int(port))
    client, secret = boto3.client("secretsmanager"), environ["ROTATOR_SECRET"]
    key_secret = environ["ROTATOR_DJANGO_KEY_SECRET"]
    making = partial(provision, client, engine, hand(database=None), secret, key_secret)
    _patiently(making)

    def make(strategy: Strategy, **settings: Any) -> Rotator:
        return Rotator(client, secret, strategy=strategy, admin=hand(database=NAME), **settings)

    bind, _, at = environ.get("ROTATOR_BIND", "0.0.0.0:8080").partition(":")
    pause = float(environ.get("ROTATOR_PAUSE", "2"))
    rotator = DevRotator(make, pause=pause, host=bind, port=int(at), names=("rotator",))
    print(f"rotator: {rotator.url}", flush=True)
    every = float(environ.get("ROTATOR_EVERY", "0"))
    if every:
        threading.Thread(target=_rotate_for_ever, args=(rotator, every), daemon=True).start()
    threading.Thread(target=_keep, args=(making,), daemon=True).start()
    try:
        rotator.serve_forever()
    finally:
        rotator.finish(PATIENCE)


PASSING = (BotoCoreError, ClientError, psycopg.OperationalError, pymysql.OperationalError)
"""What a server that is away, or not up yet, raises."""


def _keep(making: Callable[[], object]) -> None:
    """Make again what was lost, for as long as the process lives."""
    failing = False
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            making()
            failing = False
        except PASSING as error:
            if not failing:  # once for each streak
                log.warning("cannot look after the secrets: %s", error)
            failing = True


def _patiently(work: Callable[[], object]) -> None:
    """Until the servers are up."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            work()
            return
        except PASSING as error:
            if time.monotonic() > deadline:
                raise
            print(f"rotator: {type(error).__name__}, trying again", flush=True)
            time.sleep(0.5)


def _rotate_for_ever(rotator: DevRotator, every: float) -> None:
    for strategy in cycle(STRATEGIES):
        time.sleep(every)
        if rotator.begin(strategy):
            log.info("rotating: %s", strategy)


if __name__ == "__main__":
    main()
