"""The development rotator: does AWS's four steps when it is asked to, with a window between them. Never in production.

It holds the database superuser's login, so it is a process of its own; the web application only knows its address.
``GET`` answers what it is doing, ``POST {"strategy": "single-user"}`` begins a rotation: 202, or 409 while one is under
way. Only application/json is taken: another site's page in your browser cannot send that here unasked.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

from secretconn.testing import RotationStep, Rotator, Strategy

__all__ = ["DevRotator"]

log = logging.getLogger("rotator")
STRATEGIES = get_args(Strategy)
FORBIDDEN = (403, {"error": "not asked by its own name, or by another site's page"})
REMEMBERED = 60

MakeRotator = Callable[..., Rotator]
"""``Application.rotator``: ``make("single-user", pause=..., on_step=...)``."""


class DevRotator:
    """Rotates one secret, one rotation at a time.

    Args:
        make: Makes the rotator of a strategy.
        pause: Seconds between two steps. From setSecret to finishSecret are two of them: the window.
        host, port: Where it listens; 0 takes any port.
        names: Other names it is asked by; a request for a host of another name is refused.
    """

    def __init__(
        self,
        make: MakeRotator,
        *,
        pause: float = 2.0,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Iterable[str] = (),
    ) -> None:
        self._make, self.pause = make, pause
        self._lock = threading.Condition()
        self._step = "idle"
        self._busy = self._ending = False
        self._windows: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}/"
        self._names = {host, "localhost", "127.0.0.1", *names}

    def __enter__(self) -> DevRotator:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve in this thread."""
        self._server.serve_forever()

    def finish(self, seconds: float) -> bool:
        """Begin no more rotations and wait for the one under way: cut short, it may leave a password without a label.

        Returns: whether it ended in time.
        """
        with self._lock:
            self._ending = True
            return self._lock.wait_for(lambda: not self._busy, timeout=seconds)

    def state(self) -> dict[str, Any]:
        """What it is doing, and the windows it opened: seconds since the epoch; "closed" is None while one is open."""
        with self._lock:
            return {"busy": self._busy, "step": self._step, "windows": [dict(window) for window in self._windows]}

    def begin(self, strategy: Strategy) -> bool:
        """Begin a rotation in the background; False while one is under way."""
        with self._lock:
            if self._busy or self._ending:
                return False
            self._busy, self._step = True, f"{strategy}: begins"
        threading.Thread(target=self._rotate, args=(strategy,), name="rotation", daemon=True).start()
        return True

    def rotate(self, strategy: Strategy) -> bool:
        """One rotation, in this thread; False while another is under way."""
        with self._lock:
            if self._busy or self._ending:
                return False
            self._busy = True
        self._rotate(strategy)
        return True

    def _rotate(self, strategy: Strategy) -> None:
        try:
            self._make(strategy, pause=self.pause, on_step=lambda done: self._note(strategy, done)).rotate()
            ending = f"{strategy}: done"
        except Exception as error:
            ending = f"{strategy}: failed, {type(error).__name__}"
            log.exception("the rotation %s failed", strategy)
        with self._lock:
            self._busy, self._step = False, ending
            self._lock.notify_all()

    def _note(self, strategy: Strategy, done: RotationStep) -> None:
        with self._lock:
            self._step = f"{strategy}: {done.step}"
            if done.step == "setSecret":
                self._windows.append({"strategy": strategy, "opened": time.time(), "closed": None})
            elif done.step == "finishSecret":
                self._windows[-1]["closed"] = time.time()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        rotator = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*((200, rotator.state()) if self._is_for_us() else FORBIDDEN))

            def do_POST(self) -> None:
                if not self._is_for_us():  # another site's page, by a name that resolves to this machine
                    return self._answer(*FORBIDDEN)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get_content_type() != "application/json":
                    return self._answer(415, {"error": "application/json only"})
                try:
                    strategy = json.loads(body)["strategy"]
                except (ValueError, KeyError, TypeError):
                    strategy = None
                if strategy not in STRATEGIES:
                    return self._answer(400, {"error": f"strategy: one of {', '.join(STRATEGIES)}"})
                return self._answer(202 if rotator.begin(strategy) else 409, rotator.state())

            def _is_for_us(self) -> bool:
                name = self.headers.get("Host", "").rpartition(":")[0]
                return name in rotator._names and "Origin" not in self.headers

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Nothing: the page asks every second."""

        return Handler
