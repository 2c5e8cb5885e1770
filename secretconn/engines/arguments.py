"""Reading what a caller's connect arguments already name; shared by the engines' ``given`` functions.

None, the empty text and 0 mean "not given", as they do to the drivers (PyMySQL's own defaults are ``password=""`` and
``port=0``). Of user and password only the fact that they are given is kept, never the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from secretconn.errors import ConfigurationError

from .base import NOTHING_GIVEN, Given

__all__ = ["Found", "ReadGiven", "keyword_reader", "refusing", "take", "to_given"]

ReadGiven = Callable[[tuple[Any, ...], Mapping[str, Any]], Given]

Found = dict[str, str | None]
"""Canonical name to text; None where the value has no text of its own (a socket object), or must not be shown."""

_SHOWN = frozenset({"host", "port", "database"})


def keyword_reader(
    keywords: Mapping[str, str], positions: Iterable[str | None] = (), option_files: Iterable[str] = ()
) -> ReadGiven:
    """A ``given`` function for a driver that takes plain keywords.

    Args:
        keywords: Each keyword the driver accepts for a login value, to its canonical name. Where two are given for one
            name the later in this mapping counts: put ``unix_socket`` behind ``host``, as the drivers prefer it.
        positions: The canonical name each positional argument has, None for those without.
        option_files: The keywords that name an option file, or a group in one.
    """
    files = frozenset(option_files)
    known = frozenset(keywords) | files
    names = tuple(positions)

    def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        if not args and known.isdisjoint(kwargs):
            return NOTHING_GIVEN
        found: Found = {}
        for name, value in zip(names, args, strict=False):
            if name is not None:
                take(found, name, value)
        for keyword, name in keywords.items():
            if keyword in kwargs:
                take(found, name, kwargs[keyword])
        return to_given(found, any(kwargs.get(file) is not None for file in files))

    return given


def refusing(read: ReadGiven, keywords: Iterable[str], why: str) -> ReadGiven:
    """``read``, which raises for keywords that take the login out of connect(): nobody would see it rejected.

    Args:
        read: Reads what the caller's arguments name.
        keywords: Those that, with a true value, are refused.
        why: What such a keyword makes the driver do, and what to do instead; the end of the sentence.

    Raises (from the function that is returned):
        ConfigurationError: One of the keywords is given.
    """
    refused = frozenset(keywords)

    def given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        for keyword in refused.intersection(kwargs):
            if kwargs[keyword]:
                raise ConfigurationError(f"{keyword}= {why}")
        return read(args, kwargs)

    return given


def take(found: Found, name: str, value: object) -> None:
    """Note one value under its canonical name, if it says anything."""
    if value is None or (isinstance(value, (str, bytes, int, list, tuple)) and not value):
        return
    found[name] = _text(value) if name in _SHOWN else None


def to_given(found: Found, option_file: bool = False) -> Given:
    """The frozen answer."""
    if not found and not option_file:
        return NOTHING_GIVEN
    return Given(frozenset(found), found.get("host"), found.get("port"), found.get("database"), option_file)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (list, tuple)):
        return ",".join(_text(one) or "" for one in value)
    if isinstance(value, os.PathLike):
        return _text(os.fspath(value))
    return None
