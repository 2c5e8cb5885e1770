"""FaultySecretsManager: an HTTP server in front of a Secrets Manager that passes calls on, or misbehaves as told.

The SDK is the real one and talks to a real socket: what it makes of a fault is what it makes of it in production.
The answers' form is that of the AWS JSON 1.1 protocol: a status and ``{"__type": code, "message": text}``.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from secretconn.testing import LocalSecretsManager
from tests.support.serving import Serving

__all__ = ["FAULTS", "Answer", "Change", "Fault", "FaultySecretsManager", "Hang", "Request", "Reset"]

UPSTREAM_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        operation: "DescribeSecret", "GetSecretValue", ...
        body: Its arguments.
        key: The id of the AWS access key that signed it.
    """

    operation: str
    body: dict[str, Any]
    key: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with this error, or with any bytes.

    Attributes:
        status: HTTP status.
        code: The error's code.
        message: The error's text.
        content: Instead of an error: the bytes of the body.
    """

    status: int
    code: str = ""
    message: str = "injected"
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Take the request and answer nothing until the fault is lifted; then close the connection."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the TCP connection."""


@dataclass(frozen=True, slots=True)
class Change:
    """Pass the call on and change what was answered."""

    change: Callable[[dict[str, Any]], dict[str, Any]]


Fault: TypeAlias = Answer | Hang | Reset | Change

FAULTS: dict[str, Fault] = {
    "throttled": Answer(400, "ThrottlingException", "Rate exceeded"),
    "internal error": Answer(500, "InternalServiceError"),
    "unavailable": Answer(503, "ServiceUnavailable"),
    "access denied": Answer(400, "AccessDeniedException", "not authorized to perform secretsmanager:DescribeSecret"),
    "expired token": Answer(400, "ExpiredTokenException", "The security token included in the request is expired"),
    "not found": Answer(400, "ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
    "deleted": Answer(400, "InvalidRequestException", "the secret was marked for deletion"),
    "kms denied": Answer(400, "AccessDeniedException", "Access to KMS is not allowed"),
    "decryption failed": Answer(400, "DecryptionFailure", "can't decrypt the protected secret text"),
    "malformed body": Answer(200, content=b'{"VersionIdsToStages": {"trunca'),
    "hang": Hang(),
    "reset": Reset(),
}
"""Faults by name. Codes: "Common Errors" and the operations' "Errors" in the Secrets Manager API reference."""


class FaultySecretsManager(Serving):
    """Secrets Manager behind a server that misbehaves while a fault is set.

    Args:
        upstream: Where calls are passed on to.

    Attributes:
        calls: Calls by operation, those that a fault met too; the SDK's retries are among them.
    """

    def __init__(self, upstream: LocalSecretsManager) -> None:
        self.calls: Counter[str] = Counter()
        self._upstream = upstream
        self._target = urlsplit(upstream.endpoint_url)
        self._fault: Fault | None = None
        self._hits: Callable[[Request], bool] = lambda _request: True
        self._lifted = threading.Event()
        self._lock = threading.Lock()
        self._hanging = 0

    @property
    def hanging(self) -> int:
        """Calls that hang now."""
        return self._hanging

    def client(self, **settings: Any) -> Any:
        """A boto3 client that comes through here; keyword arguments go to boto3."""
        return self._upstream.client(**{"endpoint_url": self.endpoint_url, **settings})

    def set(self, fault: Fault, hits: Callable[[Request], bool] = lambda _request: True) -> None:
        """From now on do this to each call that ``hits`` says True of."""
        self.lift()
        self._lifted = threading.Event()
        self._fault, self._hits = fault, hits

    def lift(self) -> None:
        """From now on pass everything on; calls that hang end with a closed connection."""
        self._fault = None
        self._lifted.set()

    @contextlib.contextmanager
    def fault(self, fault: Fault, hits: Callable[[Request], bool] = lambda _request: True) -> Iterator[None]:
        """``set`` for a while."""
        self.set(fault, hits)
        try:
            yield
        finally:
            self.lift()

    def stop(self) -> None:
        self.lift()
        super().stop()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return _handler(self)

    def meet(self, request: Request) -> Fault | None:
        """Count a call and say what is to be done to it."""
        with self._lock:
            self.calls[request.operation] += 1
        fault = self._fault
        return fault if fault is not None and self._hits(request) else None

    def hang(self) -> None:
        """Wait until the fault is lifted."""
        with self._lock:
            self._hanging += 1
        try:
            self._lifted.wait()
        finally:
            with self._lock:
                self._hanging -= 1

    def forward(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Ask upstream."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, UPSTREAM_SECONDS)
        try:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _handler(faulty: FaultySecretsManager) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
            fault = faulty.meet(Request(operation, json.loads(body or b"{}"), key))
            if isinstance(fault, Hang):
                faulty.hang()
                self.close_connection = True
            elif isinstance(fault, Reset):
                self._reset()
            elif isinstance(fault, Answer):
                self._answer(fault.status, _content(fault))
            else:
                status, content = faulty.forward(dict(self.headers.items()), body)
                if isinstance(fault, Change) and status == http.client.OK:
                    content = json.dumps(fault.change(json.loads(content))).encode()
                self._answer(status, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _reset(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # a client that hung up, or the reset just made
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    return Handler


def _content(fault: Answer) -> bytes:
    if fault.content is not None:
        return fault.content
    return json.dumps({"__type": fault.code, "message": fault.message}).encode()
