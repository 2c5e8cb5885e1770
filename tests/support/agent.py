"""LocalAgent: a stand-in for the AWS Secrets Manager Agent and the Lambda extension, in front of a LocalSecretsManager.

It answers as they are documented to ("Using the AWS Secrets Manager Agent" in the Secrets Manager user guide): the same
paths, header, token file, statuses and bodies, and a cache for each (secret, version, stage).
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from secretconn.testing import LocalSecretsManager
from tests.support.serving import Serving

__all__ = ["LocalAgent"]

PATH = "/secretsmanager/get"
HEADERS = ("X-Aws-Parameters-Secrets-Token", "X-Vault-Token")
PARAMETERS = ("secretId", "versionId", "versionStage", "roleArn", "refreshNow")
OLD = PARAMETERS[:3]
"""What an agent before refreshNow and roleArn knows."""

Answer = tuple[int, str]


class LocalAgent(Serving):
    """The agent for tests.

    Args:
        secrets_manager: Where it reads from.
        folder: A folder of its own, for the token file.
        ttl: Seconds for which it keeps an answer.
        refresh_now: Whether it understands ``refreshNow`` and ``roleArn``; older agents refuse both as unknown.
        clock: Monotonic seconds.

    Attributes:
        requests: The query of each request so far, as a dict.
        fetches: How many of them went through to Secrets Manager.
        faults: Answers given instead of real ones, the first to the next request: (status, text).
    """

    def __init__(
        self,
        secrets_manager: LocalSecretsManager,
        folder: Path,
        *,
        ttl: float = 300.0,
        refresh_now: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = secrets_manager.client()
        self._file = folder / "awssmatoken"
        self._ttl, self._refresh_now, self._clock = ttl, refresh_now, clock
        self._cache: dict[tuple[str | None, ...], tuple[float, str]] = {}
        self._lock = threading.Lock()
        self.requests: list[Mapping[str, str]] = []
        self.fetches = 0
        self.faults: list[Answer] = []

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which an application finds it."""
        return {"AWS_TOKEN": f"file://{self._file}", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(self._port)}

    def new_token(self) -> None:
        """What a restart of the service does."""
        self._token = secrets.token_hex(32)
        self._file.write_text(self._token)

    def start(self) -> Self:
        """Listen, at the same port as before if it ran before, with a new token and an empty cache."""
        self.new_token()
        self._cache.clear()
        return super().start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent._serve(self)

            def do_POST(self) -> None:
                _send(self, (405, "Not allowed"))

            def log_message(self, *args: object) -> None:
                """Nothing."""

        return Handler

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        if parts.path == "/ping":
            return _send(request, (200, "healthy"))
        query = dict(parse_qsl(parts.query))
        with self._lock:
            self.requests.append(query)
            fault = self.faults.pop(0) if self.faults else None
        return _send(request, fault or self._guard(request) or self._answer(parts.path, query))

    def _guard(self, request: BaseHTTPRequestHandler) -> Answer | None:
        if "X-Forwarded-For" in request.headers:
            return 400, "Forwarded"
        if self._token not in [request.headers.get(name) for name in HEADERS]:
            return 403, "Bad Token"
        return None

    def _answer(self, path: str, query: Mapping[str, str]) -> Answer:
        if path != PATH:
            return 404, "Not found"
        known = PARAMETERS if self._refresh_now else OLD
        unknown = [name for name in query if name not in known]
        if unknown:
            return 400, f"unknown parameter: {unknown[0]}"
        key = (query.get("secretId"), query.get("versionId"), query.get("versionStage"), query.get("roleArn"))
        begun, held = self._cache.get(key, (float("-inf"), ""))
        if query.get("refreshNow", "false") != "true" and self._clock() - begun < self._ttl:
            return 200, held
        return self._fetch(key)

    def _fetch(self, key: tuple[str | None, ...]) -> Answer:
        names = ("SecretId", "VersionId", "VersionStage")
        arguments = {name: value for name, value in zip(names, key[:3], strict=True) if value is not None}
        self.fetches += 1
        try:
            answer = self._client.get_secret_value(**arguments)
        except self._client.exceptions.ClientError as error:
            told = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return status, json.dumps({"__type": told["Code"], "message": told["Message"]})
        self._cache[key] = (self._clock(), _body(answer))
        return 200, self._cache[key][1]


def _body(answer: Mapping[str, Any]) -> str:
    kept = {
        name: answer[name] for name in ("ARN", "Name", "VersionId", "SecretString", "VersionStages") if name in answer
    }
    if "SecretBinary" in answer:
        kept["SecretBinary"] = base64.b64encode(answer["SecretBinary"]).decode()
    return json.dumps({**kept, "CreatedDate": str(answer["CreatedDate"].timestamp())})


def _send(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    body = answer[1].encode()
    request.send_response(answer[0])
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
