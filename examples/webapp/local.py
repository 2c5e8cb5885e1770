"""The web application on this machine: a real PostgreSQL, a local Secrets Manager, gunicorn, and a rotator.

    scripts/webapp                                      # start; Enter rotates, Ctrl-C ends everything
    scripts/webapp rotate --strategy single-user        # in another terminal
    scripts/webapp --every 20 --workers 8 --port 9000

Needs: pip install 'secretconn[testing,psycopg,django]' gunicorn whitenoise
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from rotator import STRATEGIES, DevRotator
from secretconn.testing import Application, LocalSecretsManager, PostgresServer

__all__ = ["Site", "main"]

FOLDER = Path(__file__).resolve().parent
STATE = FOLDER.parents[1] / ".cache" / "webapp.json"
START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Site:
    """The web application under gunicorn, on an application's database and secret, with a development rotator.

    Args:
        application: A user, a database and a secret. The web application gets the secret's name and nothing else.
        engine: "postgresql" or "mysql".
        workers: gunicorn's worker processes.
        port: Where it listens on 127.0.0.1; 0 takes any.
        pause: Seconds between the steps of a rotation that the button begins.
        ttl: Seconds after which secretconn reads the secret again; an hour unless told so.
        log: Where the web application's output goes; default: this process's.
        environment: More variables for the web application.

    Attributes:
        url: Its address.
        rotator: The development rotator.
    """

    def __init__(
        self,
        application: Application,
        *,
        engine: str = "postgresql",
        workers: int = 4,
        port: int = 0,
        pause: float = 2.0,
        ttl: float = 5.0,
        log: IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.rotator = DevRotator(application.rotator, pause=pause)
        self._application, self._log = application, log
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._gunicorn: subprocess.Popen[bytes] | None = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))}
        self.environment = {
            **kept,
            **application.secrets.environment,
            "WEBAPP_SECRET": application.secret_id,
            "WEBAPP_ENGINE": engine,
            "WEBAPP_DJANGO_KEY_SECRET": f"{application.secret_id}/django-key",
            "WEBAPP_DEV_ROTATOR_URL": self.rotator.url,
            "WEB_CONCURRENCY": str(workers),
            "SECRETCONN_TTL": str(ttl),
            **(environment or {}),
        }

    def __enter__(self) -> Self:
        key = self.environment["WEBAPP_DJANGO_KEY_SECRET"]
        self._application.secrets.create_secret(key, secrets.token_urlsafe(50))
        if self._run([sys.executable, "manage.py", "migrate", "--verbosity", "0"]).wait() != 0:
            raise RuntimeError("the tables could not be made; the output says why")
        self.rotator.__enter__()
        listening = self._socket.fileno()
        self._gunicorn = self._run(
            [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening}"], pass_fds=(listening,)
        )
        self._socket.close()
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.rotator.__exit__()
        if self._gunicorn is None:
            return
        self._gunicorn.terminate()
        try:
            self._gunicorn.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._gunicorn.pid, signal.SIGKILL)
            self._gunicorn.wait()

    def _run(self, command: list[str], **settings: Any) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C is for us, who then end it in good order.
        return subprocess.Popen(
            command,
            cwd=FOLDER,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            **settings,
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._gunicorn is not None and self._gunicorn.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/readyz", timeout=5.0):
                return
            time.sleep(0.1)
        raise RuntimeError("the web application did not start; its output says why")


def main() -> int:
    """Run the command that was given."""
    parser = argparse.ArgumentParser(prog="scripts/webapp", description="The example web application, with rotations.")
    parser.add_argument("command", nargs="?", choices=("start", "rotate"), default="start")
    parser.add_argument("--port", type=int, default=8000, help="where it listens on 127.0.0.1; 0 takes any (8000)")
    parser.add_argument("--workers", type=int, default=4, help="gunicorn workers (4)")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="rotate by itself")
    parser.add_argument("--pause", type=float, default=2.0, metavar="SECONDS", help="between a rotation's steps (2)")
    parser.add_argument("--strategy", choices=STRATEGIES, default=STRATEGIES[0], help="for rotate (%(default)s)")
    arguments = parser.parse_args()
    return _rotate(arguments) if arguments.command == "rotate" else _start(arguments)


def _start(arguments: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a KeyboardInterrupt too
    if arguments.port and _taken(arguments.port):
        _say(f"port {arguments.port} is taken; choose another one: scripts/webapp --port 0 takes any")
        return 2
    with suppress(KeyboardInterrupt):
        _say("starting PostgreSQL and a local Secrets Manager")
        with PostgresServer(options={"max_connections": "200"}) as server, LocalSecretsManager(process=True) as aws:
            application = Application(server, aws, name="harbour")
            _say("making the tables, starting gunicorn")
            site = Site(application, port=arguments.port, workers=arguments.workers, pause=arguments.pause)
            with site:
                _announce(site, application)
                try:
                    _play(site, arguments.every)
                finally:
                    STATE.unlink(missing_ok=True)
                    _say("ending")
    return 0


def _taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def _announce(site: Site, application: Application) -> None:
    STATE.parent.mkdir(exist_ok=True)
    STATE.write_text(json.dumps({"rotator": site.rotator.url}))
    _say(f"secret {application.secret_id} at {application.secrets.endpoint_url}, {application.server!r}")
    _say(f"the form:    {site.url}/")
    _say(f"the status:  {site.url}/status/")
    _say("Enter, the buttons on the status page or `scripts/webapp rotate` rotate. Ctrl-C ends everything.")


def _play(site: Site, every: float | None) -> None:
    """Rotate at each Enter and as often as was asked for, the two strategies in turns, until Ctrl-C."""
    wanted = threading.Event()
    if sys.stdin.isatty():
        threading.Thread(target=_enter, args=(wanted,), daemon=True).start()
    turn = 0
    while True:
        asked = wanted.wait(every if every is not None else 3600.0)
        wanted.clear()
        if not asked and every is None:
            continue
        strategy = STRATEGIES[turn % 2]
        if site.rotator.begin(strategy):
            _say(f"rotating: {strategy}")
            turn += 1
        else:
            _say("a rotation is under way already")


def _enter(wanted: threading.Event) -> None:
    for _line in sys.stdin:
        wanted.set()


def _rotate(arguments: argparse.Namespace) -> int:
    """Have the application that runs rotate its secret, and tell of the steps."""
    if not STATE.exists():
        _say("nothing is running: start it with scripts/webapp")
        return 2
    url, told = json.loads(STATE.read_text())["rotator"], ""
    body = json.dumps({"strategy": arguments.strategy}).encode()
    try:
        state = _ask(urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"}))
        while True:
            if state["step"] != told:
                told = state["step"]
                _say(told)
            if not state["busy"]:
                return int("failed" in told)
            time.sleep(0.1)
            state = _ask(urllib.request.Request(url))
    except urllib.error.HTTPError as error:
        _say("a rotation is under way already" if error.code == 409 else str(error))
    except OSError as error:
        _say(f"the rotator at {url} does not answer ({error}); is scripts/webapp still running?")
    return 2


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=5.0) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _say(text: str) -> None:
    print(f"webapp: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
