"""oracledb as Django uses it: the login as plain values, from which its backend makes a DSN."""

from __future__ import annotations

from secretconn.engines import Driver, Engine, Verdict, engine_named, judge, register
from secretconn.engines.arguments import keyword_reader
from secretconn.errors import ConfigurationError

__all__ = ["ENGINE", "ORACLEDB", "classify", "make_known"]

REJECTED = frozenset({1017, 28001})  # invalid user name or password; the password has expired
SUSPECT = frozenset({1005, 28000})  # null password given; the account is locked


def classify(error: BaseException) -> Verdict:
    """By the ORA number, which oracledb keeps in ``args[0].code``. Read in its source, not seen on a server."""
    return judge(error, _opinion)


def _opinion(error: BaseException) -> Verdict | None:
    code = getattr(error.args[0], "code", None) if error.args else None
    if code is None:
        return None
    return Verdict.REJECTED if code in REJECTED else Verdict.SUSPECT if code in SUSPECT else Verdict.OTHER


_KEYWORDS = {"user": "user", "password": "password", "host": "host", "port": "port", "database": "service_name"}

ORACLEDB = Driver(
    name="oracledb",
    engine="oracle",
    module="oracledb",
    extra="django",
    keywords=_KEYWORDS,
    given=keyword_reader({keyword: name for name, keyword in _KEYWORDS.items()}),
    classify=classify,
)

ENGINE = Engine(
    name="oracle",
    secret_names=frozenset({"oracle"}),
    default_port=1521,
    default_database=None,
    drivers=(ORACLEDB,),
)


def make_known() -> None:
    """Add Oracle to the engines, unless it is among them."""
    try:
        engine_named(ENGINE.name)
    except ConfigurationError:
        register(ENGINE)
