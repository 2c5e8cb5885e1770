"""The agent and the AWS Parameters and Secrets Lambda Extension: secrets over HTTP on this machine.

The agent is AWS's Workload Credentials Provider, which was the Secrets Manager Agent. Standard library only; boto3 is
never imported. There is no DescribeSecret here: which version has a stage is known by asking for that stage, and each
answer may come out of a cache that is up to 300 s old, unless ``refreshNow`` is understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from secretconn.credentials import PENDING, PREVIOUS, Hidden, Payload
from secretconn.errors import ConfigurationError, SecretUnavailable
from secretconn.runtime import Runtime
from secretconn.sources.agent_reply import Address, Failed, Kind, Reply, Unreached, ask, judge
from secretconn.sources.base import Reading
from secretconn.sources.role import Role

__all__ = ["AgentSource"]

PORT = 2773
PORT_VARIABLE = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
TOKEN_VARIABLES = ("AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
TOKEN_FILE = "/var/run/awssmatoken"  # noqa: S105  (a path)
NO_TOKEN = Hidden("")

READ_SECONDS = 10.0
"""One read of all stages takes at most that long, and one request half of it."""

CACHED_SECONDS = 300.0
"""How old what it holds may be: the agent's default, and the longest the extension can be set to."""

START_SECONDS = 5.0
"""How long a read goes on asking while the agent starts."""

TOKEN_SECONDS = 1.0
"""How long it goes on while every token is refused: the agent may be starting with a new one."""

BUSY_TRIES = 3
PAUSE, PAUSE_MAX = 0.05, 0.5


class AgentSource:
    """Versions from the agent, or from the Lambda extension.

    Args:
        secret_id: Name or ARN.
        endpoint_url: Its address. Default: ``http://localhost``, and the port that the variable
            PARAMETERS_SECRETS_EXTENSION_HTTP_PORT names, else 2773.
        extension: It is the Lambda extension: the token is AWS_SESSION_TOKEN alone, and ``refreshNow`` is not tried.
        role_arn: A role that the agent takes first, for a secret of another account. Older agents and the extension
            cannot. Source: "Role chaining" in the README of aws-workload-credentials-provider.
        runtime: Clock, sleep, randomness and environment; for tests.
        ask: Sends one request; for tests.

    Raises:
        ConfigurationError: an address that is no ``http://host:port``, a port that is none, or no ARN of a role.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        endpoint_url: str | None = None,
        extension: bool = False,
        role_arn: str | None = None,
        runtime: Runtime | None = None,
        ask: Callable[[Address, str, Hidden[str], float], Reply | Unreached] = ask,
    ) -> None:
        self._secret_id = secret_id
        self._runtime = runtime or Runtime()
        self._address = _address(endpoint_url, self._runtime.environ)
        self._ask_once = ask
        self._extension = extension
        self._role = {} if role_arn is None else {"roleArn": Role(role_arn, None).arn}
        self._can_refresh = not extension
        self._tokens = _Tokens(self._runtime.environ, extension)
        self._requests = 0

    @property
    def api_calls(self) -> int:
        """HTTP requests so far. Which of them became a call of Secrets Manager only the agent knows."""
        return self._requests

    @property
    def by_stage(self) -> bool:
        """See Source. Not where AWSPENDING would stay in a cache that nothing gets past: rotations are found there."""
        return self._can_refresh

    @property
    def place(self) -> str:
        """Its address."""
        return str(self._address)

    @property
    def where(self) -> str:
        """The same, for a sentence."""
        return f"the {self._names()[self._extension]} at {self._address}"

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """What the agent holds. See Source.read.

        Raises:
            SecretUnavailable: neither agent nor extension answers at this address, or not with the current version.
        """
        return self._read(stages, held, fresh=False)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """What Secrets Manager holds, where the agent understands ``refreshNow``; else as ``read``."""
        return self._read(stages, held, fresh=True)

    def after_fork(self, in_use: bool) -> None:
        """Nothing: no connection outlives a request."""

    def _read(self, stages: tuple[str, ...], held: Set[str], fresh: bool) -> Reading:
        by_stage: dict[str, str] = {}
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        asking = _Asking(self._runtime)
        # AWSPENDING first: a rotation that ends in between then shows the new version under one label or both.
        for stage in sorted(stages, key=lambda stage: stage != PENDING):
            found = self._ask(stage, fresh or stage == PENDING, asking)
            if isinstance(found, Payload):
                by_stage[stage] = found.version_id
                payloads[found.version_id] = found
            elif stage == stages[0] and stage not in (PENDING, PREVIOUS):
                raise self._unavailable(found, asking)
            elif found.kind is not Kind.NOT_THERE:
                failures[stage] = self._unavailable(found, asking)
        wanted = {version: payload for version, payload in payloads.items() if version not in held}
        return Reading(by_stage, wanted, failures, cached=not fresh, whole=False, oldest=CACHED_SECONDS)

    def _ask(self, stage: str, fresh: bool, asking: _Asking) -> Payload | Failed:
        """One stage's version, asked for until there is an answer or no time.

        Raises:
            SecretUnavailable: nothing answers.
        """
        asking.again()
        while True:
            found = self._request(stage, fresh, asking)
            if isinstance(found, Payload):
                return found
            if self._may_ask_again(found, asking):
                continue
            if isinstance(found, Unreached):
                raise self._unreached(found.error, asking)
            return found

    def _may_ask_again(self, found: Failed | Unreached, asking: _Asking) -> bool:
        """True if another request may be answered otherwise; the pause before it is over then."""
        if isinstance(found, Unreached):
            return found.starting and asking.pause(START_SECONDS)
        match found.kind:
            case Kind.NO_REFRESH:
                could, self._can_refresh = self._can_refresh, False
                return could
            case Kind.BAD_TOKEN:
                return self._tokens.another() or asking.pause(TOKEN_SECONDS)
            case Kind.STARTING:
                return asking.pause(START_SECONDS)
            case Kind.BUSY:
                return asking.tries < BUSY_TRIES and asking.pause(READ_SECONDS)
        return False

    def _request(self, stage: str, fresh: bool, asking: _Asking) -> Payload | Failed | Unreached:
        query = {"secretId": self._secret_id, "versionStage": stage, **self._role}
        if fresh and self._can_refresh:
            query["refreshNow"] = "true"
        self._requests += 1
        asking.tries += 1
        target, timeout = f"/secretsmanager/get?{urlencode(query)}", asking.request_timeout()
        reply = self._ask_once(self._address, target, self._tokens.current(), timeout)
        return reply if isinstance(reply, Unreached) else judge(reply, self._secret_id)

    def _unreached(self, error: Exception, asking: _Asking) -> SecretUnavailable:
        unavailable = SecretUnavailable(
            f"secret {self._secret_id!r} could not be read: neither the {' nor the '.join(self._names())} answers at "
            f"{self._address} ({type(error).__name__}, asked for {asking.seconds():.1f} s). Start it, set "
            f"{PORT_VARIABLE} or endpoint_url= to where it listens, or read from Secrets Manager itself",
            secret_id=self._secret_id,
        )
        unavailable.__cause__ = error
        return unavailable

    def _unavailable(self, failed: Failed, asking: _Asking) -> SecretUnavailable:
        advice = ""
        if failed.kind is Kind.BAD_TOKEN:
            advice = f"; the token was looked for in {self._tokens.places()}"
        return SecretUnavailable(
            f"secret {self._secret_id!r} could not be read from {self.where}: {failed.why} (asked for "
            f"{asking.seconds():.1f} s){advice}",
            secret_id=self._secret_id,
        )

    def _names(self) -> tuple[str, str]:
        return "Secrets Manager Agent", "Parameters and Secrets Lambda Extension"


class _Asking:
    """The time and the tries of one read."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._begun = runtime.clock()
        self.again()

    def again(self) -> None:
        """The next stage."""
        self.tries, self._pause = 0, PAUSE

    def seconds(self) -> float:
        return self._runtime.clock() - self._begun

    def request_timeout(self) -> float:
        return min(max(READ_SECONDS - self.seconds(), PAUSE), READ_SECONDS / 2)

    def pause(self, within: float) -> bool:
        """Wait a little, or answer that the time is over."""
        seconds = self._pause * (0.5 + 0.5 * self._runtime.random())
        if self.seconds() + seconds > within:
            return False
        self._runtime.sleep(seconds)
        self._pause = min(self._pause * 2, PAUSE_MAX)
        return True


class _Tokens:
    """The tokens there may be, read anew each time: the agent makes a new one at every start."""

    def __init__(self, environ: Mapping[str, str], extension: bool) -> None:
        self._environ = environ
        self._variables = TOKEN_VARIABLES[1:2] if extension else TOKEN_VARIABLES
        self._files = () if extension else (TOKEN_FILE,)
        self._refused: list[Hidden[str]] = []
        self._sent = NO_TOKEN

    def current(self) -> Hidden[str]:
        """The first one that was not refused since one was accepted, else the first one, else none at all."""
        tokens = list(self._all())
        fresh = [token for token in tokens if not self._was_refused(token)]
        self._sent = (fresh or tokens or [NO_TOKEN])[0]
        return self._sent

    def another(self) -> bool:
        """The one sent last was refused: whether there is another that was not, now that all are read again."""
        self._refused.append(self._sent)
        if any(not self._was_refused(token) for token in self._all()):
            return True
        self._refused.clear()  # a token may be there before the agent that goes by it
        return False

    def places(self) -> str:
        """Where tokens are looked for, in order."""
        return ", ".join([*self._variables, *self._files])

    def _was_refused(self, token: Hidden[str]) -> bool:
        return any(token.content == refused.content for refused in self._refused)

    def _all(self) -> Iterator[Hidden[str]]:
        named = (self._environ.get(name, "") for name in self._variables)
        for value in [*named, *(f"file://{file}" for file in self._files)]:
            token = _token_file(value.removeprefix("file://")) if value.startswith("file://") else Hidden(value)
            if token.content:
                yield token


def _token_file(path: str) -> Hidden[str]:
    """A file's token, or an empty one: without it the agent says "Bad Token", and so do we."""
    try:
        return Hidden(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return NO_TOKEN


def _address(endpoint_url: str | None, environ: Mapping[str, str]) -> Address:
    if endpoint_url is None:
        return Address("localhost", _port(environ.get(PORT_VARIABLE) or str(PORT)))
    try:
        parts = urlsplit(endpoint_url)
        port = parts.port or PORT
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigurationError(f"endpoint_url= is no address of the agent, such as http://localhost:{PORT}")
    return Address(parts.hostname, port)


def _port(text: str) -> int:
    if re.fullmatch("[0-9]{1,5}", text) and 0 < int(text) <= 65535:  # noqa: PLR2004
        return int(text)
    raise ConfigurationError(f"{PORT_VARIABLE} must be a port from 1 to 65535, not {text!r}")
