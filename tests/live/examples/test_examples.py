"""Each example on a real server while its secret rotates: no order is lost, no request fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import httpx
import psycopg

from secretconn.testing import Application
from tests.live.crowd import rotations

ROOT = Path(__file__).parents[3]
Load = Callable[[str], ModuleType]


def items(app: Application) -> list[str]:
    login = app.login()
    where = {"host": app.server.host, "port": app.server.port, "dbname": app.database}
    with psycopg.connect(user=login.username, password=login.password, **where) as connection:
        return [row[0] for row in connection.execute("SELECT item FROM orders ORDER BY id")]


def test_script(postgres_app: Application, environment: dict[str, str]) -> None:
    steps = list(range(9))
    with subprocess.Popen(
        [sys.executable, "examples/script.py", postgres_app.secret_id, str(len(steps))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number, _step in zip(steps, [None, *rotations(postgres_app, 1)], strict=True):
            assert process.stdout.readline() == f"order {number} taken\n"
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    assert items(postgres_app) == ["tea"] * len(steps)


def test_lambda_handler(postgres_app: Application, load: Load) -> None:
    example = load("lambda_handler")
    for number, _step in enumerate(rotations(postgres_app, 2), start=1):
        assert example.handler({"id": number, "item": "tea"}, None) == {"orders": number}
        example.engine.dispose()  # as if the environment had been frozen for long
    assert len(items(postgres_app)) == 16


def test_flask(postgres_app: Application, load: Load) -> None:
    example = load("flask_app")
    client = example.app.test_client()
    for number, _step in enumerate(rotations(postgres_app, 2)):
        assert client.post("/orders", json={"id": number, "item": "tea"}).status_code == 201
        example.engine.dispose()
    assert client.get("/orders").json == items(postgres_app) == ["tea"] * 16
    example.engine.dispose()


async def test_fastapi(postgres_app: Application, load: Load) -> None:
    example = load("fastapi_app")
    transport = httpx.ASGITransport(example.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
        for number, _step in enumerate(rotations(postgres_app, 2)):
            answer = await client.post("/orders", json={"id": number, "item": "tea"})
            assert answer.status_code == 201
            await example.engine.dispose()
        assert (await client.get("/orders")).json() == items(postgres_app) == ["tea"] * 16
    await example.engine.dispose()


def test_celery_prefork(postgres_app: Application, load: Load, tmp_path: Path) -> None:
    """A worker with two forked children goes through two rotations; each task is run once, whoever runs it."""
    queue = tmp_path / "queue"
    queue.mkdir()
    folders = {
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(tmp_path / "control"),
        "polling_interval": 0.1,
    }
    settings = {"broker_url": "filesystem://", "broker_transport_options": folders}
    (tmp_path / "celeryconfig.py").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    example = load("celery_app")
    example.app.conf.update(settings)
    options = ["--pool=prefork", "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "examples.celery_app", "worker", *options],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}  # other tests'
            | {"PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        sent = 0
        for _step in [None, *rotations(postgres_app, 1)]:
            for _ in range(4):
                example.take_order.delay(sent)
                sent += 1
            _wait_for(postgres_app, sent, worker, tmp_path / "log")
    finally:
        worker.terminate()
        worker.wait(20)
    assert len(set(items(postgres_app))) == 2, "both children were to work"


def _wait_for(app: Application, count: int, worker: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while len(app.server.sql("SELECT id FROM orders;", database=app.database)) < count:
        assert worker.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]  # noqa: PT018
        time.sleep(0.05)
