"""Reply: what the agent's HTTP answer means, decided without any I/O, and the one HTTP request that gets it.

The answers are those of "Using the AWS Secrets Manager Agent" and "AWS Parameters and Secrets Lambda Extension" in the
Secrets Manager user guide. Nothing here raises while a frame holds what was read.
"""

from __future__ import annotations

import base64
import encodings.idna  # noqa: F401  (for host names; a thread that reads must not import)
import http.client
import json
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from secretconn.credentials import Hidden, Payload

__all__ = ["Address", "Failed", "Kind", "Reply", "Unreached", "ask", "judge"]

TOKEN_HEADER = "X-Aws-Parameters-Secrets-Token"  # noqa: S105  (a header's name)

MAX_BODY = 1024 * 1024
"""Bytes. A secret has at most 65,536; JSON in JSON makes that a few times longer."""

CHUNK = 65536

MAX_CODE = 80

OK, BAD_REQUEST, FORBIDDEN, TOO_MANY, SERVER_ERROR, NOT_SERVING = 200, 400, 403, 429, 500, 503

NOT_THERE = ("ResourceNotFoundException", "InvalidRequestException")
"""Secrets Manager's answers for a stage that no version has, and for a version that has no value yet."""

THROTTLED = ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded")


class Address(NamedTuple):
    """Where the agent listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


class Kind(Enum):
    """What a failed request asks for."""

    STARTING = "starting"
    BUSY = "busy"
    BAD_TOKEN = "bad token"  # noqa: S105
    NO_REFRESH = "refreshNow is unknown to it"
    NOT_THERE = "not there"
    WRONG = "wrong"


class Failed(NamedTuple):
    """A request that brought no version. Holds no content.

    Attributes:
        kind: What is to be done about it.
        why: What happened, for a sentence.
    """

    kind: Kind
    why: str


class Reply:
    """An HTTP answer whose body no repr shows."""

    __slots__ = ("body", "status")

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body = status, body

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, body='***')"


class Unreached(NamedTuple):
    """No HTTP answer at all.

    Attributes:
        error: A new error of the transport's type, without its content.
        starting: Whether nobody listened, as while the agent starts.
    """

    error: Exception
    starting: bool


def ask(address: Address, target: str, token: Hidden[str], timeout: float) -> Reply | Unreached:
    """One GET."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
    try:
        connection.request("GET", target, headers={TOKEN_HEADER: token.content} if token.content else {})
        response = connection.getresponse()
        return _read(response, time.monotonic() + timeout)
    except OSError as error:
        return Unreached(error.with_traceback(None), isinstance(error, ConnectionError))
    except (http.client.HTTPException, ValueError) as error:  # its text or attributes may hold the body or the token
        return Unreached(ConnectionError(f"{type(error).__name__} in its HTTP answer"), False)
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, deadline: float) -> Reply:
    """The answer, but no more than shows that it is too large, and no longer than until the deadline."""
    reply = Reply(response.status, b"")
    while len(reply.body) <= MAX_BODY and (chunk := Hidden(response.read1(CHUNK))).content:
        if time.monotonic() > deadline:
            raise TimeoutError
        reply.body += chunk.content
    return reply


def judge(reply: Reply, secret_id: str) -> Payload | Failed:
    """The version in an answer, or what the answer asks for."""
    if reply.status == OK:
        return _version(reply, secret_id)
    code = _code(reply)
    return _service_error(reply, code) if code is not None else _plain_error(reply)


def _version(reply: Reply, secret_id: str) -> Payload | Failed:
    found = _object(reply)
    if found is None or not isinstance(found.content.get("VersionId"), str):
        return Failed(Kind.WRONG, "it answered with something that is no version of a secret")
    if not _names(found.content, secret_id):
        return Failed(Kind.WRONG, "it answered with another secret")
    return _payload(found.content)


def _payload(version: Mapping[str, Any]) -> Payload | Failed:
    if isinstance(version.get("SecretString"), str):
        return Payload(version["VersionId"], version["SecretString"])
    try:
        return Payload(version["VersionId"], base64.b64decode(version["SecretBinary"], validate=True))
    except (KeyError, TypeError, ValueError):
        return Failed(Kind.WRONG, "it answered with a version that has neither SecretString nor SecretBinary")


def _names(version: Mapping[str, Any], secret_id: str) -> bool:
    """Whether a version belongs to the secret; ARNs may be asked for without their last six characters."""
    arn, name = version.get("ARN"), version.get("Name")
    if secret_id.startswith("arn:"):
        return arn is None or (isinstance(arn, str) and arn.startswith(secret_id))
    return name is None or name == secret_id


def _service_error(reply: Reply, code: str) -> Failed:
    why = f"it answered {reply.status} {code}"
    if code in NOT_THERE:
        return Failed(Kind.NOT_THERE, why)
    if code in THROTTLED or reply.status == TOO_MANY or reply.status >= SERVER_ERROR:
        return Failed(Kind.BUSY, why)
    return Failed(Kind.WRONG, why)


def _plain_error(reply: Reply) -> Failed:
    text = reply.body[:200].decode("ascii", "ignore").strip().lower()
    why = f"it answered {reply.status}"
    for status, word, kind, meaning in _PLAIN:
        if reply.status == status and word in text:
            return Failed(kind, f"{why}, {meaning}")
    if reply.status == TOO_MANY or reply.status >= SERVER_ERROR:
        return Failed(Kind.BUSY, why)
    return Failed(Kind.WRONG, why)


_PLAIN = (
    (FORBIDDEN, "", Kind.BAD_TOKEN, "which refuses the token"),
    (BAD_REQUEST, "refreshnow", Kind.NO_REFRESH, "refreshNow is unknown to it"),
    (
        BAD_REQUEST,
        "rolearn",
        Kind.WRONG,
        "roleArn is unknown to it; a newer aws-workload-credentials-provider takes it",
    ),
    (BAD_REQUEST, "parameter", Kind.WRONG, "it does not understand the request"),
    (BAD_REQUEST, "forwarded", Kind.WRONG, "something in between adds X-Forwarded-For"),
    (BAD_REQUEST, "", Kind.STARTING, "as while it starts"),
    (NOT_SERVING, "", Kind.STARTING, "as while it starts"),
)
"""Plain-text answers in the order in which they are looked through: status, a word in the text, what it means."""


def _code(reply: Reply) -> str | None:
    """The error code of a JSON answer: letters only, so that nothing else of an answer is ever repeated."""
    found = _object(reply)
    named = None if found is None else found.content.get("__type")
    if not isinstance(named, str):
        return None
    last = named.rpartition("#")[2]
    return last if last.isascii() and last.isalnum() and len(last) <= MAX_CODE else "an unknown error"


def _object(reply: Reply) -> Hidden[dict[str, Any]] | None:
    """The body's JSON object, or None. A JSONDecodeError carries the whole document, so it must not live on."""
    try:
        return Hidden(value) if isinstance(value := json.loads(reply.body), dict) else None
    except (ValueError, RecursionError):
        return None
