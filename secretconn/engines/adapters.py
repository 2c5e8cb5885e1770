"""Building blocks for drivers that take no plain keywords: a login moved into a connection string, a client that pings.

What is built here holds a password, so it goes straight into the driver's call and stays in no local variable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from secretconn.engines.base import Arguments, Opener, text_of

__all__ = ["Rewrite", "once_more", "rewriting", "taken"]

Rewrite = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]
"""Takes the caller's positional arguments and all keywords, ours among them; answers the positional ones for the driver
and changes the keywords in place. Must not raise: its locals hold the password."""


def rewriting(rewrite: Rewrite) -> Callable[[Callable[..., Any], Opener], Callable[..., Any]]:
    """A ``Driver.adapt`` that changes the arguments and nothing else.

    Args:
        rewrite: Changes them.
    """

    def adapt(call: Callable[..., Any], _opener: Opener) -> Callable[..., Any]:
        def connecting(*args: Any, **keywords: Any) -> Any:
            return call(*rewrite(args, keywords), **taken(keywords))  # from the left to the right

        return connecting

    return adapt


def once_more(text: str) -> Callable[[Callable[..., Any], Opener], Callable[..., Any]]:
    """A ``Driver.adapt`` that calls again, once, where a failure's text has this in it: no login was sent then."""

    def adapt(call: Callable[..., Any], _opener: Opener) -> Callable[..., Any]:
        def connecting(*args: Any, **keywords: Any) -> Any:
            kept = Arguments(args, taken(keywords))
            try:
                return call(*kept.args, **kept.kwargs)
            except Exception as error:
                if text not in text_of(error):
                    raise
            return call(*kept.args, **kept.kwargs)

        return connecting

    return adapt


def taken(keywords: dict[str, Any]) -> dict[str, Any]:
    """The keywords in a new dict; the old one, a caller's local variable, is empty afterwards."""
    moved = dict(keywords)
    keywords.clear()
    return moved
