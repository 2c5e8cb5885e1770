"""PostgreSQL connection strings: ``key=value`` conninfo and ``postgresql://`` URIs, read by libpq's rules.

Source: "Connection Strings" in the libpq chapter of the PostgreSQL manual. Written here because reading a string must
need no driver and must never fail: what libpq would refuse reads as empty, and the driver then says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

__all__ = ["HIDDEN", "UNSHOWABLE", "parse"]

HIDDEN = "***"
"""Stands for a password's text in what ``parse`` answers."""

UNSHOWABLE = "?"
"""Stands for an address or database that may hold a piece of a badly escaped password."""

_KEPT = frozenset({"user", "password", "host", "hostaddr", "port", "dbname", "service", "servicefile", "sslmode"})

# Possessive (*+) throughout: no backtracking, so time stays linear and "host= 'x" cannot be read as an empty value.
_BLANK = " \\t\\n\\r\\v\\f"  # isspace() in the C locale; other Unicode blanks are ordinary characters
_PAIR = re.compile(
    rf"([^={_BLANK}]++)[{_BLANK}]*+=[{_BLANK}]*+"
    rf"(?:'((?:[^'\\]|\\.)*+)'|(?!')((?:[^{_BLANK}\\]|\\.)*+)\\?)[{_BLANK}]*+",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_SCHEME = re.compile(r"postgres(?:ql)?://")
_CREDENTIALS = re.compile(r"([^@/:]*+)(?::([^@/]*+))?@")
_ADDRESS = re.compile(r"(?:\[([^\]]++)\](?=[:/?,]|\Z)|(?!\[)([^:/?,]*+))(?::([^/?,]*+))?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_PORTS = re.compile(r"[0-9,]*+")


def parse(text: str, *, lenient: bool = False) -> dict[str, str]:
    """The login values a connection string names, by libpq's keywords; the password's text is replaced by HIDDEN.

    Args:
        text: The string. Empty values are left out: to libpq they mean "not set".
        lenient: Read URIs as asyncpg does: odd percent signs stay, ``database`` means ``dbname``.
    """
    text = text.partition("\0")[0]  # where C stops reading
    scheme = _SCHEME.match(text)
    pairs = _keywords(text) if scheme is None else _uri(text[scheme.end() :], lenient)
    return {
        key: HIDDEN if key == "password" else value for key, value in (pairs or {}).items() if value and key in _KEPT
    }


def _keywords(text: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    position = len(text) - len(text.lstrip(" \t\n\r\v\f"))
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            return None
        key, quoted, bare = pair.groups()
        found[key] = _ESCAPED.sub(r"\1", bare if quoted is None else quoted)
        position = pair.end()
    return found


def _uri(rest: str, lenient: bool) -> dict[str, str] | None:
    found: dict[str, str] = {}
    credentials = _CREDENTIALS.match(rest)
    if credentials is not None:
        found["user"], found["password"] = credentials[1], credentials[2] or ""
        rest = rest[credentials.end() :]
    addressed = _addresses(rest)
    if addressed is None:
        return None
    addresses, rest = addressed
    found["host"] = ",".join(host for host, _ in addresses)
    found["port"] = ",".join(port for _, port in addresses)
    path, _, query = rest.partition("?")
    found["dbname"] = path[1:]
    _cover(found)
    parameters = list(_parameters(query, lenient))
    decoded = [(key, _decode(value, lenient)) for key, value in [*found.items(), *parameters] if key is not None]
    if None in [key for key, _ in parameters] or None in [value for _, value in decoded]:
        return None
    return {key: value for key, value in decoded if value is not None}


def _addresses(rest: str) -> tuple[list[tuple[str, str]], str] | None:
    """The (host, port) pairs and what follows them: nothing, or what begins with one of / ?"""
    pairs: list[tuple[str, str]] = []
    position = 0
    while address := _ADDRESS.match(rest, position):
        pairs.append((address[1] or address[2] or "", address[3] or ""))
        position = address.end() + 1
        if rest[address.end() : position] != ",":
            return pairs, rest[address.end() :]
    return None


def _cover(found: dict[str, str]) -> None:
    """A password with a bare ``@`` or ``/`` in it spills into what follows; do not hand that on as an address."""
    rest = found["host"] + found["dbname"]
    if "@" in rest or not _PORTS.fullmatch(found["port"]):
        found |= {key: UNSHOWABLE for key in ("host", "port", "dbname") if found[key]}


def _parameters(query: str, lenient: bool) -> Iterator[tuple[str | None, str]]:
    """The (key, raw value) pairs of a query; a key of None where libpq would refuse it."""
    for part in query.removesuffix("&").split("&") if query else ():
        key, equals, value = part.partition("=")
        name = _decode(key, lenient)
        if lenient:
            yield ("dbname" if name == "database" else name), value
        else:
            yield (name if equals and "=" not in value else None), value


def _decode(text: str, lenient: bool) -> str | None:
    if not lenient and _BAD_PERCENT.search(text):
        return None
    return unquote(text).strip(" ")
