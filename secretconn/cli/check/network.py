"""A look at an address without any login: does the name resolve, does anything listen."""

from __future__ import annotations

import re
import socket


def is_network_name(host: str) -> bool:
    """True if it is one plain host: no socket's path, no list of hosts, no connection string."""
    return bool(host) and not any(sign in host for sign in "/,;=\\@ ()")


def odd_host(host: str) -> str | None:
    """Return the finding's key for a host that is a URL, or has the port in it; an IPv6 address has more colons."""
    return "wrong-host:url" if "://" in host else "wrong-host:port" if re.fullmatch(r"[^:]+:\d+", host) else None


def resolve(host: str, port: int | None) -> list[str]:
    """Return the host's addresses; none if it has none."""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # a label that is too long is a UnicodeError
        return []
    return list(dict.fromkeys(str(info[4][0]) for info in infos))


def look(host: str, port: int, timeout: float, *, greets: bool = False) -> str | None:
    """Open a connection, say nothing, close it; return the finding's key, or None if something listens.

    Only for after a failed login: servers count such connections.

    Args:
        host, port: Where to.
        timeout: Seconds.
        greets: True if the server must speak first, as MySQL's does.
    """
    try:
        connection = socket.create_connection((host, port), timeout=timeout)
    except (socket.gaierror, UnicodeError):
        return "wrong-host"
    except ConnectionRefusedError:
        return "closed-port"
    except OSError:  # a timeout, or no route
        return "no-answer"
    with connection:
        try:
            return None if not greets or connection.recv(1) else "no-greeting"
        except OSError:
            return "no-greeting"
