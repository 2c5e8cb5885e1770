"""Oracle: which ORA- codes mean a rejected login, and how python-oracledb takes and reports them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .arguments import Found, keyword_reader, take, to_given
from .base import PLAIN, Driver, Engine, Given, Verdict, attribute, classifier, text_of

__all__ = ["CODES", "ENGINE", "classify"]

CODES: dict[int, Verdict] = {
    # Source: "Oracle Database Error Help" (ORA- messages). Every other code is OTHER.
    1017: Verdict.REJECTED,  # invalid credential or not authorized; wrong password, unknown user
    9911: Verdict.REJECTED,  # incorrect user password; also in the list of aws-secretsmanager-jdbc
    28001: Verdict.REJECTED,  # the password has expired
    1005: Verdict.SUSPECT,  # null password given
    # The server refused this user, whatever its password.
    28000: Verdict.BARRED,  # the account is locked, perhaps by FAILED_LOGIN_ATTEMPTS
    1045: Verdict.BARRED,  # user lacks CREATE SESSION privilege
    1031: Verdict.BARRED,  # insufficient privileges: not a SYSDBA
    # The login was accepted, or never came to be judged.
    28002: Verdict.OTHER,  # the password will expire: a warning, the session is open
    12154: Verdict.OTHER,  # cannot resolve the connect identifier
    12514: Verdict.OTHER,  # the service is not registered with the listener
    12541: Verdict.OTHER,  # no listener
    1033: Verdict.OTHER,  # starting up or shutting down
    1034: Verdict.OTHER,  # not available
    18: Verdict.OTHER,  # too many sessions
}

_CODE = r"^(?:ORA-(\d{5})|DPY-\d{4})\b"


def _opinion(error: BaseException) -> Verdict | None:
    if isinstance(error, OSError):  # a name that cannot be resolved
        return Verdict.OTHER
    said = error.args[0] if error.args else None
    code = attribute(said, "code")  # oracledb's and cx_Oracle's _Error, Django's copy of the arguments
    if type(code) is int and attribute(said, "full_code") is not None:
        return CODES.get(code, Verdict.OTHER)
    found = re.match(_CODE, said if isinstance(said, str) else text_of(error))
    if found is None:
        return None
    return CODES.get(int(found[1]), Verdict.OTHER) if found[1] else Verdict.OTHER


classify = classifier(_opinion)


_plain = keyword_reader({
    "user": "user", "externalauth": "user",
    "password": "password", "newpassword": "password", "access_token": "password",
    "host": "host", "port": "port",
    "instance_name": "database", "sid": "database", "service_name": "database",
})  # fmt: skip
_WHOLE = ("host", "port", "database")


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """A ``dsn`` is the whole address, and ``user/password@`` may stand before it; so may a ConnectParams or a pool."""
    plain = _plain((), kwargs)
    found: Found = dict.fromkeys(plain.names) | {"host": plain.host, "port": plain.port, "database": plain.database}
    found = {name: value for name, value in found.items() if name in plain.names}
    dsn = args[0] if args else kwargs.get("dsn")
    if isinstance(dsn, str) and dsn:
        login, _, address = dsn.rpartition("@")
        found |= dict.fromkeys(_WHOLE)
        found["host"] = address
        take(found, "user", login)
    for bundle in (kwargs.get("params"), kwargs.get("pool"), kwargs.get("pool_alias")):
        if bundle is None:
            continue
        take(found, "user", attribute(bundle, "user"))
        if attribute(bundle, "host") or attribute(bundle, "dsn") or bundle is not kwargs.get("params"):
            found = dict.fromkeys(_WHOLE) | found
    return to_given(found)


_ORACLEDB = Driver(
    name="oracledb",
    engine="oracle",
    module="oracledb",
    extra="oracledb",
    keywords=PLAIN | {"database": "service_name"},
    given=_given,
    classify=classify,
    aconnect="connect_async",
    aliases=("python-oracledb",),
)

ENGINE = Engine(
    name="oracle",
    secret_names=frozenset({"oracle"}),
    default_port=1521,
    default_database=None,
    drivers=(_ORACLEDB,),
)
