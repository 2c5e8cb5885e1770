"""A look at an address without any login: does the name resolve, does anything listen."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Literal

__all__ = ["Probe", "is_network_name", "look", "resolve"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look at an address showed.

    Attributes:
        outcome: "open", "refused", "silent" (no answer in time) or "unresolved".
    """

    outcome: Literal["open", "refused", "silent", "unresolved"]


def is_network_name(host: str) -> bool:
    """Whether it is one plain host: no socket's path, no list of hosts, no connection string."""
    return bool(host) and not any(sign in host for sign in "/,;=\\@ ()")


def resolve(host: str, port: int | None) -> list[str]:
    """The host's addresses; none where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a label that is too long is a UnicodeError
        return []
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def look(host: str, port: int, timeout: float) -> Probe:
    """Open a connection, say nothing, close it. Only after a login has failed: servers count such connections.

    Args:
        host, port: Where to.
        timeout: Seconds.
    """
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except (socket.gaierror, UnicodeError):
        return Probe("unresolved")
    except ConnectionRefusedError:
        return Probe("refused")
    except OSError:  # a timeout, or no route
        return Probe("silent")
    return Probe("open")
