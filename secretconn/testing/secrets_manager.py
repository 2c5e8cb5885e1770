"""LocalSecretsManager: AWS Secrets Manager on this machine for tests, by moto, in a thread or a process of its own."""

from __future__ import annotations

import atexit
import functools
import http.client
import importlib
import json
import os
import random
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from secretconn.testing.errors import ServerUnavailable

__all__ = ["LocalSecretsManager"]

ANSWER_SECONDS = 30.0

Content = Mapping[str, object] | str | bytes


class LocalSecretsManager:
    """Secrets Manager for tests. Two of them share nothing, not even in one process.

    Args:
        process: Run in a process of its own, so that it does not share this one's GIL (benchmarks, soak tests).
        region: The AWS region clients are made for.

    Raises (from ``start``):
        ServerUnavailable: moto is not installed, or its process did not come up.
    """

    def __init__(self, *, process: bool = False, region: str = "us-east-1") -> None:
        self.region = region
        self.account = str(random.randrange(10**11, 10**12))
        self._in_process = process
        self._process: subprocess.Popen[bytes] | None = None
        self._server: Any = None
        self._port = 0
        self._client: Any = None
        self._session: Any = None
        self._session_lock = threading.Lock()
        self._delay = 0.0
        self._owner = os.getpid()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that point another process's boto3 (1.28 and later) here."""
        return {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def client(self, **kwargs: Any) -> Any:
        """A new boto3 client for it, with dummy AWS credentials of its own; keyword arguments go to boto3 and win."""
        settings = {
            "region_name": self.region,
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing",
            **kwargs,
        }
        with self._session_lock:  # boto3's sessions are not safe to share between threads; its clients are
            if self._session is None:
                self._session = _optional("boto3").session.Session()
            return self._session.client("secretsmanager", **settings)

    def create_secret(self, name: str, content: Content) -> str:
        """Make a secret, its first version AWSCURRENT; a mapping is stored as JSON. Returns its ARN."""
        return str(self._own_client().create_secret(Name=name, **_value(content))["ARN"])

    def put(self, name: str, content: Content, stages: Sequence[str] = ("AWSCURRENT",)) -> str:
        """Add a version under these stages. Returns its version id."""
        answer = self._own_client().put_secret_value(
            SecretId=name, ClientRequestToken=str(uuid.uuid4()), VersionStages=list(stages), **_value(content)
        )
        return str(answer["VersionId"])

    def delete_secret(self, name: str) -> None:
        """Delete a secret at once; its name is free again."""
        self._own_client().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    @property
    def calls(self) -> Counter[str]:
        """How many requests came for each operation ("GetSecretValue") since the start or the last reset."""
        return Counter(self._ask("GET", None))

    def reset_calls(self) -> None:
        """Count from zero."""
        self._ask("POST", {"reset": True})

    @property
    def delay(self) -> float:
        """Seconds it waits before it answers; settable at any time."""
        return self._delay

    @delay.setter
    def delay(self, seconds: float) -> None:
        self._ask("POST", {"delay": seconds})
        self._delay = seconds

    def start(self) -> Self:
        """Start it; nothing happens where it runs. Secrets do not outlive ``stop``."""
        if self._port:
            return self
        self._owner = os.getpid()
        if self._in_process:
            self._start_process()
        else:
            self._start_thread()
        atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Stop it. Safe to call twice."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        server, self._server = self._server, None
        self._port, self._client = 0, None
        if self._owner != os.getpid():  # a forked child must not stop its parent's server
            return
        if process is not None:
            process.kill()
            process.communicate()
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = self.endpoint_url if self._port else "stopped"
        return f"<LocalSecretsManager {where} {'process' if self._in_process else 'thread'}>"

    def _own_client(self) -> Any:
        if self._client is None:
            self._client = self.client()
        return self._client

    def _start_thread(self) -> None:
        _optional("moto.moto_server.werkzeug_app")
        from secretconn.testing._moto import Application, bind

        self._server = bind(Application(self.account))
        self._port = self._server.port
        serve = functools.partial(self._server.serve_forever, poll_interval=0.05)  # how long a stop may take
        threading.Thread(target=serve, name="secretconn-moto", daemon=True).start()

    def _start_process(self) -> None:
        home = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "secretconn.testing._moto", self.account],
            stdin=subprocess.PIPE,  # its end, also by our death, ends the process
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line.strip().isdigit():
            _, words = self._process.communicate()
            self._process = None
            raise ServerUnavailable(f"moto's process did not come up: {words.decode(errors='replace')[-500:]}")
        self._port = int(line)
        threading.Thread(target=_drain, args=(self._process.stderr,), name="secretconn-moto", daemon=True).start()

    def _ask(self, method: str, wish: Mapping[str, object] | None) -> Any:
        if not self._port:
            raise ServerUnavailable(f"{self!r} has not been started")
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, "/-secretconn", None if wish is None else json.dumps(wish))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def _value(content: Content) -> dict[str, str | bytes]:
    if isinstance(content, bytes):
        return {"SecretBinary": content}
    return {"SecretString": content if isinstance(content, str) else json.dumps(dict(content))}


def _drain(stream: Any) -> None:
    for _ in stream:  # a full pipe would stop the process
        pass


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ServerUnavailable(f"{error}; pip install 'secretconn[testing]'") from None
