"""moto's Secrets Manager as a WSGI application that counts calls, and its own process (``python -m``).

Two things are put right on the way: every server has an account of its own, so that two in one process share nothing;
and after UpdateSecretVersionStage a GetSecretValue without a stage answers the version that is AWSCURRENT now, as AWS
does (moto 5.2 goes on answering the old one).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["CONTROL", "Application", "bind"]

CONTROL = "/-secretconn"
"""Path of our own: GET answers the counts, POST with JSON sets the delay or empties the counts."""


class Application:
    """moto for one account, with counts.

    Args:
        account: Twelve digits.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._moto: Any = importlib.import_module("moto.moto_server.werkzeug_app").create_backend_app("secretsmanager")
        self._backends: Any = importlib.import_module("moto.backends").get_backend("secretsmanager")
        self._lock = threading.Lock()  # moto iterates over dicts that other requests change
        self._calls: Counter[str] = Counter()
        self._delay = 0.0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if _from_a_browser(environ):
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        if environ.get("PATH_INFO") == CONTROL:
            return self._control(environ, start_response)
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
        if self._delay:
            time.sleep(self._delay)
        with self._lock:
            self._calls[operation] += 1
            answer = list(self._moto(environ, start_response))
            if operation == "UpdateSecretVersionStage":
                self._follow_the_label()
        return answer

    def _follow_the_label(self) -> None:
        for backend in self._backends[self._account].values():
            for secret in backend.secrets.values():
                for version_id, version in getattr(secret, "versions", {}).items():
                    if "AWSCURRENT" in version["version_stages"]:
                        secret.default_version_id = version_id

    def _control(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            if environ["REQUEST_METHOD"] == "POST":
                wish = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                self._delay = float(wish.get("delay", self._delay))
                if wish.get("reset"):
                    self._calls.clear()
            body = json.dumps(self._calls).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _from_a_browser(environ: Mapping[str, Any]) -> bool:
    """A page of any site may send requests to 127.0.0.1, by an Origin of its own or by a name that resolves to it. moto
    answers every Origin."""
    host = str(environ.get("HTTP_HOST", "")).rpartition(":")[0]
    return "HTTP_ORIGIN" in environ or host not in ("127.0.0.1", "localhost")


def bind(application: Application) -> Any:
    """A threaded werkzeug server for the application at a free port of 127.0.0.1; call its ``serve_forever``."""
    serving: Any = importlib.import_module("werkzeug.serving")
    moto_handler: Any = importlib.import_module("moto.moto_server.werkzeug_app").MotoRequestHandler

    class Handler(moto_handler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"  # or every call of boto3 opens a connection of its own
        disable_nagle_algorithm = True

        def log_request(self, *args: object) -> None:
            """Nothing: thousands of calls are nothing to write about."""

    return serving.make_server("127.0.0.1", 0, application, threaded=True, request_handler=Handler)


def main(account: str) -> None:
    """Serve until standard input ends, which it does when the parent does."""
    server = bind(Application(account))
    print(server.port, flush=True)  # noqa: T201  (to the parent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
