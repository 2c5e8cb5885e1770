"""For compose.yaml: makes the application's user, database and secrets, then rotates, by itself and when it is asked.

Standard names of the environment: ROTATOR_SECRET, ROTATOR_DJANGO_KEY_SECRET, ROTATOR_DATABASE (host:port),
ROTATOR_SUPERUSER_PASSWORD_FILE, ROTATOR_EVERY and ROTATOR_PAUSE (seconds), ROTATOR_BIND (default 0.0.0.0:8080).
boto3's own say where Secrets Manager is.
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
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql

from rotator import STRATEGIES, DevRotator
from secretconn.testing import Login, PostgresAdmin, Rotator, Strategy, new_password

__all__ = ["main", "provision"]

log = logging.getLogger("rotator")
NAME = "harbour"
PATIENCE = 60.0
LOOK_SECONDS = 2.0
"""Between two looks whether the secrets are still there: the local Secrets Manager loses them when it restarts."""


def provision(client: Any, superuser: Login, host: str, port: int, secret: str, key_secret: str) -> None:
    """Make what is not there yet. A secret that was lost is made anew, with a new password for its user."""
    names = {found["Name"] for found in client.list_secrets()["SecretList"]}
    if key_secret not in names:
        client.create_secret(Name=key_secret, SecretString=secrets.token_urlsafe(50))
    if secret in names:
        return
    log.info("making the secret %s", secret)
    server, first = PostgresAdmin(superuser, host=host, port=port), Login(NAME, new_password())
    if not server.user_exists(NAME):
        name = sql.Identifier(NAME)
        where = {"host": host, "port": port, "user": superuser.username, "password": superuser.password}
        with psycopg.connect(dbname="postgres", autocommit=True, **where) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    server.set_password(first)
    address = {"engine": "postgres", "host": host, "port": port, "dbname": NAME}
    content = {**address, "username": first.username, "password": first.password}
    client.create_secret(Name=secret, SecretString=json.dumps(content))


def main() -> None:
    """Provision, then serve until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # process 1 of a container has no default for it
    environ = os.environ
    host, _, port = environ["ROTATOR_DATABASE"].partition(":")
    superuser = Login("postgres", Path(environ["ROTATOR_SUPERUSER_PASSWORD_FILE"]).read_text().strip())
    client, secret = boto3.client("secretsmanager"), environ["ROTATOR_SECRET"]
    making = partial(provision, client, superuser, host, int(port), secret, environ["ROTATOR_DJANGO_KEY_SECRET"])
    _patiently(making)

    def make(strategy: Strategy, **settings: Any) -> Rotator:
        admin = PostgresAdmin(superuser, host=host, port=int(port), database=NAME)
        return Rotator(client, secret, strategy=strategy, admin=admin, **settings)

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


PASSING = (BotoCoreError, ClientError, psycopg.OperationalError)
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
