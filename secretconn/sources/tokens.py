"""IAM tokens: logins of RDS, Aurora DSQL, ElastiCache and MemoryDB, signed here with the process's own AWS credentials.

A token is the presigned URL of a request that is never sent, without its scheme. No service is called to make one.

Sources: botocore's signers.py (``generate_db_auth_token``, ``dsql_generate_db_connect_auth_token`` and its ``admin``
twin) for ``rds-db`` and ``dsql``; "Authenticating with IAM" in the ElastiCache and MemoryDB user guides for the other
two; "Create a presigned URL" in the IAM user guide for the signature. botocore's own signing methods are used, but not
its ``add_auth``, which logs each signature at DEBUG.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from secretconn.credentials import PENDING, PREVIOUS, Payload
from secretconn.errors import ConfigurationError, given_keywords
from secretconn.sources.base import Reading
from secretconn.sources.names import KNOWN
from secretconn.sources.role import Role, role_of, role_session
from secretconn.sources.sessions import new_session
from secretconn.sources.token_hosts import ENGINES, SERVICES, cache_of, region_of, token_url

if TYPE_CHECKING:
    from secretconn.sources.sessions import AnySession

__all__ = ["IamTokens", "tokens_of"]

LIFETIME = 900
"""Seconds for which AWS accepts a token, by all four services' guides."""

YOUNG = 600.0
"""Seconds for which a token is given to connections."""

REASON = 60.0
"""Seconds after which a token that was refused is worth another: the server's clock may be ahead, or ours was wrong."""

LOOK = 1.0
"""Seconds for which AWS credentials are not looked for again in vain: that may take a request."""

REACH = ("region", "profile", "session", "role_arn", "external_id")
"""What says where the AWS credentials come from, of all that says how a secret is reached."""


class IamTokens:
    """A source of tokens for one database user: ``RotatingCredentials("orders", source=IamTokens("rds-iam", ...))``.

    Args:
        scheme: "rds-iam", "dsql", "elasticache-iam" or "memorydb-iam".
        user: The database user. The user "admin" of Aurora DSQL gets an admin token.
        host: The endpoint's own host name: RDS compares it, so that an alias in the DNS does not do.
        port: Default: the engine's.
        database: Default: the engine's.
        engine: "postgresql", "mysql", ...; needed for RDS without a port, and to choose a driver.
        region: Default: the one in the host name, else the session's.
        cache: ElastiCache's replication group or serverless cache, MemoryDB's cluster. Default: by the host name.
        serverless: Whether it is a serverless cache. Default: by the host name.
        profile, session: Where the AWS credentials come from, as in RotatingCredentials.
        role_arn, external_id: A role to take first.
        otherwise_region: Region where nothing else names one.
        wall: Seconds since 1970; for tests.

    Raises:
        ConfigurationError: a scheme, engine or host that cannot be, or arguments that contradict each other.
    """

    free = tokens = True

    def __init__(
        self,
        scheme: str,
        user: str,
        host: str,
        port: int | None = None,
        database: str | None = None,
        *,
        engine: str | None = None,
        region: str | None = None,
        cache: str | None = None,
        serverless: bool | None = None,
        profile: str | None = None,
        session: AnySession | None = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        otherwise_region: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if scheme not in SERVICES:
            raise ConfigurationError(f"there are no tokens of {scheme!r}; known are {', '.join(SERVICES)}")
        if not user or not host:
            raise ConfigurationError(f"{scheme} tokens are for a user and a host; name both")
        if session is not None and profile is not None:
            raise ConfigurationError("session= and profile= contradict each other; leave one out")
        self._service, engine = SERVICES[scheme], engine or SERVICES[scheme].engine
        self._place = {"username": user, "host": host, "port": port or _port(scheme, engine), "dbname": database}
        self._place["engine"] = engine
        self._user, self._host, self._scheme = user, host, scheme
        self._cache = (cache, serverless) if cache is not None else cache_of(scheme, host)
        self._region = _region(host, region)
        self._otherwise, self._profile, self._given, self._wall = otherwise_region, profile, session, wall
        self._role = role_of(role_arn, external_id)
        self._count = itertools.count(1)
        self._after_fork()

    def _after_fork(self) -> None:
        self._session: Any = None
        self._keys: Any = None  # the process's credentials, which may renew themselves
        self._signed_by: Any = None  # those of the last token, as they were
        self._version, self._signed_at, self._in_vain_at = "", 0.0, 0.0

    @property
    def api_calls(self) -> int:
        """0: nobody is asked for a token."""
        return 0

    @property
    def place(self) -> str | None:
        """The region, once it is known."""
        return self._region

    @property
    def at_once(self) -> bool:
        """True while the AWS credentials are at hand, so that signing takes a fraction of a millisecond."""
        renews = getattr(self._keys, "refresh_needed", None)
        return self._keys is not None and not (renews is not None and renews())

    @property
    def hint(self) -> str:
        """What to look at if a token is refused that was signed just now."""
        return f" (the token is new; {self._service.hint})"

    def prepare(self) -> None:
        """Import the signer in the thread of a caller who waits."""
        import botocore.auth
        import botocore.session  # noqa: F401

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:  # noqa: ARG002  (each token is new)
        """Sign a token.

        Raises:
            ConfigurationError: no region is known, or an unknown profile.
            botocore.exceptions.BotoCoreError: this process has no AWS credentials, or they cannot be renewed.
        """
        if self._keys is None:
            self._find_keys()
        # Its keys are those that were found before: who is refused meanwhile must not take it for the last word.
        return self._reading(stages, self._signed())._replace(cached=True)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """As ``read`` where a token was refused: the same one, unless the AWS credentials or its age give a reason."""
        now = self._wall()
        if abs(now - self._in_vain_at) >= LOOK:
            self._find_keys()
        if self._version in held and not self._keys_differ() and abs(now - self._signed_at) < REASON:
            self._in_vain_at = now
            return self._reading(stages, None)
        return self._reading(stages, self._signed())

    def after_fork(self, in_use: bool) -> None:
        """A lock of botocore's credentials may be held: look for them anew."""
        if in_use:
            self._after_fork()

    def _reading(self, stages: tuple[str, ...], token: Payload | None) -> Reading:
        current = [stage for stage in stages if stage not in (PENDING, PREVIOUS)]
        payloads = {} if token is None or not current else {token.version_id: token}
        age = max(self._wall() - self._signed_at, 0.0)
        return Reading(dict.fromkeys(current, self._version), payloads, good_for=max(YOUNG - age, 0.0))

    def _keys_differ(self) -> bool:
        now, then = _as_they_are(self._keys), self._signed_by
        return bool((now.access_key, now.token) != (then.access_key, then.token))

    def _find_keys(self) -> None:
        """Look for the process's credentials: what a session of our own held may have been replaced by others."""
        from botocore.exceptions import NoCredentialsError, ProfileNotFound

        try:
            session = self._given if self._given is not None else new_session(self._profile)
            self._region = self._region or _region_of(session) or self._otherwise
        except ProfileNotFound as error:
            raise ConfigurationError(
                f"profile {error.kwargs.get('profile')!r} is not in the shared AWS configuration; correct profile= or "
                f"AWS_PROFILE, or unset it"
            ) from error
        if self._region is None:
            raise ConfigurationError(
                f"no region for {self._scheme} tokens: the host name has none; pass region=, or set AWS_REGION"
            )
        if self._role is not None:
            session = _with_role(self._role, session, self._profile, self._region)
        keys = session.get_credentials()
        if keys is None:
            raise NoCredentialsError
        self._keys = keys

    def _signed(self) -> Payload:
        """A new token, as the secret that it stands for."""
        from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
        from botocore.awsrequest import AWSRequest

        self._signed_by = _as_they_are(self._keys)
        self._signed_at = float(int(self._wall()))
        stamp = time.strftime(SIGV4_TIMESTAMP, time.gmtime(self._signed_at))
        self._version = f"{stamp}-{next(self._count)}"
        signer = SigV4Auth(self._signed_by, self._service.signing_name, str(self._region))
        request = AWSRequest(method="GET")
        request.context["timestamp"] = stamp
        request.url = f"https://{self._authority()}/?{self._query(signer, request)}"
        return Payload(self._version, self._content(signer, request))

    def _authority(self) -> str:
        """The host that is signed for, as each service wants it."""
        if self._cache is not None:
            return self._cache[0]
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._place['port']}" if self._service.with_port else host

    def _query(self, signer: Any, request: Any) -> str:
        action = self._service.action if self._user != "admin" else self._service.admin_action
        said = {"Action": action, **({self._service.user_key: self._user} if self._service.user_key else {})}
        if self._cache is not None and self._cache[1]:
            said["ResourceType"] = "ServerlessCache"
        signed = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": signer.scope(request),
            "X-Amz-Date": request.context["timestamp"],
            "X-Amz-Expires": str(LIFETIME),
            "X-Amz-SignedHeaders": "host",
            **({"X-Amz-Security-Token": self._signed_by.token} if self._signed_by.token else {}),
        }
        return urlencode(said | signed, quote_via=quote, safe="-_.~")

    def _content(self, signer: Any, request: Any) -> str:
        """AWS's JSON of a secret, with the token for a password. The token is in no local variable."""
        signing = (signer.string_to_sign(request, signer.canonical_request(request)), request)
        return json.dumps(
            {**self._place, "password": f"{request.url[8:]}&X-Amz-Signature={signer.signature(*signing)}"}
        )


def tokens_of(secret_id: str, given: Mapping[str, Any], own_region: str | None, aws_region: str | None) -> IamTokens:
    """Return the source for a secret id that names tokens.

    Args:
        secret_id: ``rds-iam://...`` and the like.
        given: How secrets are reached, None for what was not given; see RotatingCredentials.
        own_region, aws_region: SECRETCONN_REGION and AWS_REGION, for a host name without a region.

    Raises:
        ConfigurationError: a part of the id is missing or wrong, or contradicts what was given.
    """
    url = token_url(secret_id)
    unwanted = [word for word in given_keywords(given) if word.removesuffix("=") not in REACH]
    if unwanted:
        raise ConfigurationError(f"{url.scheme}:// is signed here and asks nobody; leave out {', '.join(unwanted)}")
    if url.region is not None and given["region"] not in (None, url.region):
        raise ConfigurationError(f"region={given['region']!r} contradicts region={url.region} of {url.scheme}://")
    in_code = given["profile"] is not None or given["session"] is not None  # each has a region of its own, or may have
    region = url.region or given["region"]
    if region is None and not in_code and region_of(url.host) is None:
        region = own_region
    return IamTokens(
        **{**{name: given[name] for name in REACH}, **url._asdict(), "region": region},
        otherwise_region=(own_region if in_code else None) or aws_region or None,
    )


def _port(scheme: str, engine: str | None) -> int:
    if engine is None:
        raise ConfigurationError(f"{scheme}:// needs engine= or a port. Write {KNOWN[scheme]}")
    if engine not in ENGINES:
        raise ConfigurationError(f"there are no tokens for engine {engine!r}; known are {', '.join(ENGINES)}")
    return ENGINES[engine]


def _region(host: str, region: str | None) -> str | None:
    named = region_of(host)
    if region is not None and named not in (None, region):
        raise ConfigurationError(f"region={region!r} contradicts the host name, which is in {named!r}; leave it out")
    return region or named


def _as_they_are(keys: Any) -> Any:
    """The keys of this moment, renewed where they must be, as botocore's object for them: its repr shows nothing."""
    from botocore.credentials import Credentials

    now = keys.get_frozen_credentials()
    return Credentials(now.access_key, now.secret_key, now.token)


def _region_of(session: Any) -> str | None:
    ask = getattr(session, "get_config_variable", None)
    return ask("region") if ask is not None else getattr(session, "region_name", None)


def _with_role(role: Role, session: Any, profile: str | None, region: str) -> Any:
    from botocore.config import Config

    from secretconn.sources.clients import CONNECT_TIMEOUT, READ_TIMEOUT

    return role_session(
        role, session, profile, region, Config(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    )
