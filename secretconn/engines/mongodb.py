"""MongoDB, DocumentDB and Atlas: which codes mean a rejected login, and how pymongo's two clients take one.

A MongoClient connects when it is first used, so here it sends a ping before it is handed out: a refused login shows in
connect() and not in the application's first query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .adapters import taken
from .arguments import Found, take, to_given
from .base import Driver, Engine, Given, Opener, Verdict, attribute, classifier, text_of
from .loading import is_async

__all__ = ["CODES", "ENGINE", "classify"]

CODES: dict[int, Verdict] = {
    # Source: MongoDB's src/mongo/base/error_codes.yml. Every other code is OTHER.
    18: Verdict.REJECTED,  # AuthenticationFailed; DocumentDB too
    8000: Verdict.REJECTED,  # AtlasError, with the text "bad auth" only
    13: Verdict.SUSPECT,  # Unauthorized: not logged in, or not allowed
    11: Verdict.OTHER,  # UserNotFound, of a command about users
    91: Verdict.OTHER,  # ShutdownInProgress
    89: Verdict.OTHER,  # NetworkTimeout
}
_ATLAS = 8000


def _opinion(error: BaseException) -> Verdict | None:
    code = attribute(error, "code")
    if type(code) is not int or not hasattr(error, "details"):  # pymongo's OperationFailure has both
        return None
    if code == _ATLAS and "bad auth" not in text_of(error):
        return Verdict.OTHER
    return CODES.get(code, Verdict.OTHER)


classify = classifier(_opinion)


_KEYWORDS = {
    "user": "username",
    "password": "password",
    "host": "host",
    "port": "port",
    "database": "authSource",
}
_AUTHORITY = r"(?i)^mongodb(?:\+srv)?://(?:([^@/]*)@)?([^/?]*)"


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """Options are compared without case; a host may be a URI, and a list of both."""
    found: Found = {}
    options = {key.lower(): value for key, value in kwargs.items()}
    for name, keyword in _KEYWORDS.items():
        take(found, name, options.get(keyword.lower()))
    hosts = args[0] if args else kwargs.get("host")
    take(found, "host", hosts)
    take(found, "port", args[1] if len(args) > 1 else None)
    for host in hosts if isinstance(hosts, (list, tuple)) else (hosts,):
        uri = re.match(_AUTHORITY, host) if isinstance(host, str) else None
        if uri is not None:
            take(found, "user", uri[1])
            found |= {"host": uri[2], "port": None}
            if "authsource=" in str(host).lower():
                found.setdefault("database")
        elif isinstance(host, str) and ":" in host:
            found.setdefault("port")
    return to_given(found)


def _adapt(call: Callable[..., Any], opener: Opener) -> Callable[..., Any]:
    def connecting(*args: Any, **keywords: Any) -> Any:
        client = call(*args, **taken(keywords))
        try:
            client.admin.command("ping")
        except BaseException:
            client.close()
            raise
        return client

    async def aconnecting(*args: Any, **keywords: Any) -> Any:
        client = call(*args, **taken(keywords))
        try:
            await client.admin.command("ping")
        except BaseException:
            await client.close()
            raise
        return client

    return aconnecting if is_async(opener.driver, call) else connecting


_PYMONGO = Driver(
    name="pymongo",
    engine="mongodb",
    module="pymongo",
    extra="pymongo",
    keywords=_KEYWORDS,
    given=_given,
    classify=classify,
    connect="MongoClient",
    aconnect="AsyncMongoClient",
    async_modules=("pymongo.asynchronous",),
    adapt=_adapt,
)

ENGINE = Engine(
    name="mongodb",
    secret_names=frozenset({"mongodb", "mongo", "documentdb", "docdb"}),
    default_port=27017,
    default_database=None,
    drivers=(_PYMONGO,),
)
