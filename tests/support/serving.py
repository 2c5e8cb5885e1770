"""A local HTTP server in threads: what the stand-ins of the tests are made of."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Serving(ABC):
    """Serves on 127.0.0.1 between ``start`` and ``stop``; at the same port each time."""

    _server: ThreadingHTTPServer | None = None
    _port = 0

    @abstractmethod
    def _handler(self) -> type[BaseHTTPRequestHandler]:
        """Return the class that answers requests."""

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening; connections are refused then."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
