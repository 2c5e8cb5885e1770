"""Snowflake: which error numbers mean a rejected login, and how snowflake-connector-python takes and reports them."""

from __future__ import annotations

from typing import Any

from .adapters import rewriting
from .arguments import keyword_reader
from .base import PLAIN, Driver, Engine, Verdict, attribute, classifier, text_of

__all__ = ["CODES", "ENGINE", "classify"]

CODES: dict[int, Verdict] = {
    # Source: snowflake-connector-python's errorcode.py and network.py, and the server's answer to a login request.
    390100: Verdict.REJECTED,  # incorrect username or password
    390106: Verdict.REJECTED,  # the password has expired
    390144: Verdict.REJECTED,  # the JWT is invalid: the key pair was rotated
    # The server refused this user, whatever its password.
    390101: Verdict.BARRED,  # the user is locked
    390102: Verdict.BARRED,  # the user is disabled
    390422: Verdict.BARRED,  # the network policy, which may be this user's, does not let this address in
    250001: Verdict.OTHER,  # could not connect; in version 3 also every refused login, told by its text
    250003: Verdict.OTHER,  # HTTP failure
    390190: Verdict.OTHER,  # SAML
}

_COULD_NOT_CONNECT = 250001
_REFUSED_TEXTS = ("Incorrect username or password", "JWT token is invalid")


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):
        return Verdict.OTHER
    errno = attribute(error, "errno")
    if type(errno) is not int or errno < 0:
        return None
    if errno == _COULD_NOT_CONNECT and any(text in text_of(error) for text in _REFUSED_TEXTS):
        return Verdict.REJECTED
    return CODES.get(errno, Verdict.OTHER)


classify = classifier(_opinion)


_DOMAINS = (".snowflakecomputing.com", ".snowflakecomputing.cn")


def _rewrite(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """The secret's host as the account's name; both spellings are found in secrets."""
    account = keywords.get("account")
    for domain in _DOMAINS:
        if isinstance(account, str) and account.endswith(domain):
            keywords["account"] = account.removesuffix(domain)
    return args


_SNOWFLAKE = Driver(
    name="snowflake",
    engine="snowflake",
    module="snowflake.connector",
    extra="snowflake",
    keywords=PLAIN | {"host": "account"},
    given=keyword_reader(
        dict.fromkeys(("token", "private_key", "private_key_file"), "password")
        | dict.fromkeys(("connection_name", "account"), "host")
        | PLAIN
    ),
    classify=classify,
    aliases=("snowflake-connector", "snowflake-connector-python"),
    adapt=rewriting(_rewrite),
)

ENGINE = Engine(
    name="snowflake",
    secret_names=frozenset({"snowflake"}),
    default_port=None,
    default_database=None,
    drivers=(_SNOWFLAKE,),
)
