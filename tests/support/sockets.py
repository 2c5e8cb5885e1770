"""A local server in threads that talks bytes: what the tests' stand-ins for databases are made of."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from typing import Self

__all__ = ["Listener", "exactly"]


class Listener(ABC):
    """Listens on 127.0.0.1, one thread for each connection."""

    seconds: float | None = None
    """How long one read or write of a connection may take."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()[:2]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            one.close()

    @abstractmethod
    def converse(self, peer: socket.socket) -> None:
        """One connection, from its first byte to its end."""

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(peer)
            threading.Thread(target=self._one, args=(peer,), daemon=True).start()

    def _one(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError, EOFError):
            peer.settimeout(self.seconds)
            self.converse(peer)


def exactly(peer: socket.socket, size: int) -> bytes:
    """So many bytes and none of what follows, or EOFError."""
    found = b""
    while len(found) < size:
        more = peer.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
