"""Logins for tests: a user name with a password that no repr shows, and new passwords full of awkward characters."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["Login", "new_password"]

AWKWARD = "'\"\\%$ &@:/?#="
"""Characters that break careless quoting: in SQL, in conninfo strings, in URLs, in format strings, in a shell."""

PLAIN = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password.

    Attributes:
        username: The user.
        password: The password; in no repr. Read it only where it is handed to a driver.
    """

    username: str
    password: str = field(repr=False)


def new_password(
    length: int = 32, *, exclude: str = "", choice: Callable[[Sequence[str]], str] = secrets.choice
) -> str:
    """A random printable ASCII password with every awkward character in it, between a letter and a letter.

    Args:
        length: Number of characters, at least 20.
        exclude: Characters to leave out (AWS's own rotation functions leave out ``/@"'\\``).
        choice: Picks one of a sequence; a test may hand in its own.

    Raises:
        ValueError: Fewer than 20 characters, or no letter or digit is left after ``exclude``.
    """
    plain = [character for character in PLAIN if character not in exclude]
    awkward = [character for character in AWKWARD if character not in exclude]
    if length < len(AWKWARD) + 7 or not plain:
        raise ValueError("a password needs at least 20 characters, and some letters or digits to choose from")
    # No space at either end: some clients strip it.
    return "".join([choice(plain), *_shuffled(plain, awkward, length - 2, choice), choice(plain)])


def _shuffled(
    plain: Sequence[str], awkward: Sequence[str], length: int, choice: Callable[[Sequence[str]], str]
) -> list[str]:
    left = [*awkward, *(choice([*plain, *awkward]) for _ in range(length - len(awkward)))]
    mixed: list[str] = []
    while left:
        mixed.append(choice(left))
        left.remove(mixed[-1])
    return mixed
