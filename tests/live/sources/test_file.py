"""Mounted files: no swap ever gives a torn or mixed login, and a rotation that a mount follows is survived."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn.testing import Application
from tests.unit.fakes import DRIVER
from tests.unit.sources.test_file import mount

CONNECTS = 2_000


class Server:
    """Lets in a user whose password is its own."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.wrong: list[tuple[str, str]] = []

    def connect(self, *, user: str, password: str, **_rest: Any) -> str:
        self.users.add(user)
        if password != f"password of {user}" + "x" * 2000:
            self.wrong.append((user, password[:40]))
        return user


def files_of(number: int, one_file: bool) -> dict[str, str | bytes]:
    user = f"user{number}"
    login = {"username": user, "password": f"password of {user}" + "x" * 2000, "host": "db"}
    return {"db.json": json.dumps(login)} if one_file else dict(login)


@pytest.mark.parametrize("one_file", [True, False])
def test_swaps_during_thousands_of_connects_never_give_a_mixed_login(tmp_path: Path, one_file: bool) -> None:
    folder = tmp_path / "db"
    mount(folder, "0", files_of(0, one_file))
    over = threading.Event()

    def swap() -> None:
        number = 0
        while not over.is_set():
            number += 1
            mount(folder, str(number), files_of(number, one_file))

    swapper = threading.Thread(target=swap)
    server = Server()
    credentials = RotatingCredentials(f"file://{folder / 'db.json' if one_file else folder}")
    connect = secretconn.wrap(server.connect, credentials, driver=DRIVER)
    failed = 0
    swapper.start()
    try:
        for _ in range(CONNECTS):
            try:
                credentials.refresh()
            except secretconn.SecretUnavailable:
                failed += 1
            connect()
    finally:
        over.set()
        swapper.join()
    assert server.wrong == []
    assert len(server.users) > 20
    assert failed == 0


def mounted(app: Application, folder: Path, stamp: str, one_file: bool) -> str:
    """Mount what is AWSCURRENT now, as the kubelet does."""
    text = app.secrets.client().get_secret_value(SecretId=app.secret_id, VersionStage="AWSCURRENT")["SecretString"]
    keys = {name: str(value) for name, value in json.loads(text).items()}
    mount(folder, stamp, {"db.json": text} if one_file else dict(keys))
    return f"file://{folder / 'db.json' if one_file else folder}"


@pytest.mark.parametrize("one_file", [True, False])
def test_a_rotation_through_a_mount_needs_no_restart(postgres_app: Application, tmp_path: Path, one_file: bool) -> None:
    url = mounted(postgres_app, tmp_path / "db", "1", one_file)
    credentials = RotatingCredentials(url, ttl=86400)
    secretconn.connect(credentials, driver="psycopg").close()
    for number in range(2, 5):
        postgres_app.rotator().rotate()
        mounted(postgres_app, tmp_path / "db", str(number), one_file)
        secretconn.connect(credentials, driver="psycopg").close()
    stats = credentials.stats()
    assert (stats.recovered, stats.rotations, stats.api_calls) == (3, 3, 0)


def test_patience_bridges_the_time_until_the_mount_follows(postgres_app: Application, tmp_path: Path) -> None:
    credentials = RotatingCredentials(mounted(postgres_app, tmp_path / "db", "1", False), patience=20)
    secretconn.connect(credentials, driver="psycopg").close()
    postgres_app.rotator().rotate()
    kubelet = threading.Timer(0.5, mounted, (postgres_app, tmp_path / "db", "2", False))
    kubelet.start()
    secretconn.connect(credentials, driver="psycopg").close()
    kubelet.join()
    assert credentials.stats().recovered == 1


def test_boto3_is_never_imported_for_a_file(postgres_app: Application, tmp_path: Path) -> None:
    url = mounted(postgres_app, tmp_path / "db", "1", True)
    code = (
        "import sys, secretconn\n"
        "secretconn.connect(sys.argv[1], driver='psycopg').close()\n"
        "print([name for name in sys.modules if name.startswith(('boto', 'aws_secretsmanager_caching'))])"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
