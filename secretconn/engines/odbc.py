"""ODBC-style connection strings: what one says already, and a login added to it with every character escaped.

Grammar: "SQLDriverConnect Function" in the ODBC reference: ``KEY=value;``; a value in braces may hold anything, with a
closing brace doubled; of two equal keys the first counts; keys are compared without case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .adapters import Rewrite
from .arguments import Found, ReadGiven, take, to_given
from .base import Given

__all__ = ["given_reader", "login_adder", "parse", "quoted"]

_PAIR = r"[\s;]*([^=;{}]+?)\s*=\s*(?:\{((?:[^}]|\}\})*)\}[^;]*|([^;]*))"

_SIMPLE = r"[A-Za-z0-9_.,:\\/-]+"


def parse(text: str) -> dict[str, str]:
    """Each key in upper case with the value that counts. Never raises; what is no pair is passed over."""
    found: dict[str, str] = {}
    for key, braced, plain in re.findall(_PAIR, text):
        found.setdefault(key.upper(), braced.replace("}}", "}") or plain.strip())
    return found


def quoted(value: object) -> str:
    """A value with nothing odd in it as it is, else in braces with a closing brace doubled.

    Also bare where it has a closing brace and nothing forbids it: FreeTDS's ODBC driver (1.3, measured) does not know
    doubled ones.
    """
    text = str(value)
    odd_but_bare = "}" in text and ";" not in text and text[0] != "{" and text == text.strip()
    if odd_but_bare or re.fullmatch(_SIMPLE, text):
        return text
    return "{" + text.replace("}", "}}") + "}"


def given_reader(
    keys: Mapping[str, str], *, string: str, whole: frozenset[str], positions: tuple[str | None, ...] = ()
) -> ReadGiven:
    """A ``given`` function for a driver whose first argument is a connection string, with more keys as keywords.

    Args:
        keys: Each key, in upper case, to its canonical name.
        string: The keyword by which the string can be passed too.
        whole: Keys that stand for the whole address, like DSN: host, port and database are not added then.
        positions: The canonical names of the positional arguments behind the string.
    """

    def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        found: Found = {}
        text = args[0] if args else kwargs.get(string)
        said: dict[str, Any] = parse(text) if isinstance(text, str) else {}
        for key, value in kwargs.items():
            if key != string:
                said.setdefault(key.upper(), value)
        for key, name in keys.items():
            take(found, name, said.get(key))
        for position, value in zip(positions, args[1:], strict=False):
            if position is not None:
                take(found, position, value)
        if any(said.get(key) for key in whole):
            for name in ("host", "port", "database"):
                found.setdefault(name)
        if "host" in found:  # SERVER=host,port and HOSTNAME without PORT: the port is a part of the address
            found.setdefault("port")
        return to_given(found)

    return given


def login_adder(
    string: str, own: Callable[[dict[str, Any]], dict[str, object]], write: Callable[[object], str] = quoted
) -> Rewrite:
    """A rewrite that puts our keywords into the connection string, behind what the caller has there.

    Args:
        string: The keyword by which the caller may have passed the string.
        own: Takes our keywords out of all keywords; answers what to write, key to value, None for nothing.
        write: Makes a value's text.
    """

    def rewrite(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
        text = str((args[0] if args else keywords.pop(string, None)) or "").strip().rstrip(";")
        # FreeTDS's ODBC driver looks for "};", so the last pair too ends with a semicolon.
        pairs = "".join(f"{key}={write(value)};" for key, value in own(keywords).items() if value is not None)
        return (f"{text};{pairs}" if text else pairs, *args[1:])

    return rewrite
