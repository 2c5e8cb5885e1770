"""What a failed call of Secrets Manager means, decided from the error alone, by its names.

AWS's own text is passed on: that of a denial names the role and the kind of policy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from secretconn.cli.check.findings import finding, sentence_of
from secretconn.cli.check.findings.secret import SECRET
from secretconn.cli.check.report import Finding
from secretconn.errors import ConfigurationError, SecretUnavailable
from secretconn.sources.base import code_of, part_of, status_of

NOT_THERE = "ResourceNotFoundException"
MAX_TEXT = 400
SERVER_ERROR = 500


class Call(NamedTuple):
    """A call: its operation, secret, region, address if that is not AWS's own, and the secret's KMS key if known."""

    operation: str
    secret_id: str
    region: str | None
    endpoint: str | None = None
    key: str | None = None

    @property
    def permission(self) -> str:
        return f"secretsmanager:{self.operation}"

    @property
    def where(self) -> str:
        """Secrets Manager's region and address, for a sentence."""
        at = f" at {self.endpoint}" if self.endpoint is not None else ""
        return f"Secrets Manager{f' in {self.region}' if self.region else ''}{at}"


def diagnose(error: BaseException, call: Call, regions: Callable[[], Collection[str]] = tuple) -> Finding:
    """Return the finding for a call that failed.

    ``regions`` returns those that exist: a misspelt one looks like a network without a way out.
    """
    code, status = code_of(error), status_of(error)
    text = " ".join(str(part_of(error, "Error").get("Message") or "").split())
    key, near = _by_code(code, text, status) if code is not None else _by_exception(error) or "not-read", ""
    if key == "unreachable" and call.region is not None and call.endpoint is None:
        known = sorted(regions())
        if known and call.region not in known:
            key = "wrong-region:unknown"
            near = "".join(f" Did you mean {name}?" for name in difflib.get_close_matches(call.region, known, n=1))
    facts = {"error": type(error).__name__, "status": status, "near": near}
    return _finding(key, call, code=code or "", text=text[:MAX_TEXT], **facts)


def no_client(error: BaseException, secret_id: str, region: str | None) -> Finding:
    """Return the finding for an SDK that could not make a client: no region, or settings that contradict each other."""
    names = _names(error)
    facts: dict[str, Any] = {"secret_id": secret_id, "text": error, "error": type(error).__name__}
    if "NoRegionError" in names:
        return finding("no-region", **facts)
    if "InvalidRegionError" in names or "Invalid endpoint" in str(error):
        return finding("wrong-region:no-name", region=region or "", **facts)
    if "ProfileNotFound" in names:
        return finding("unknown-profile", **facts)
    if _by_exception(error) is not None:
        return diagnose(error, Call("DescribeSecret", secret_id, region))
    return finding("aws-settings", **facts)


def unavailable(error: SecretUnavailable, secret_name: str) -> Finding:
    """Return the finding for a source that is not Secrets Manager itself: its text, and the remedy for AWS's code."""
    problem = sentence_of(error)
    code = re.search(r"it answered \d+ ([A-Za-z]+Exception|DecryptionFailure)\b", str(error))
    if code is None:
        return finding("source-unavailable", problem=problem)
    meant = _finding(_by_code(code[1], "", 0), Call("GetSecretValue", secret_name, None), code=code[1])
    return Finding(meant.name, problem, meant.advice, permission=meant.permission)


def unsigned(error: Exception, secret_id: str, region: str | None) -> Finding:
    """Return the finding for a token that could not be signed: the remedy is the same as for a secret."""
    cause = error.__cause__ or error
    if isinstance(cause, ConfigurationError):
        meant = finding("no-region", secret_id=secret_id, text=error, error=type(error).__name__)
    else:
        meant = no_client(cause, secret_id, region)
    return Finding(meant.name, f"No token could be signed: {str(error).rstrip('.')}.", meant.advice)


def is_not_there(error: BaseException) -> bool:
    """True if there is no such secret, or no version with that stage."""
    return code_of(error) == NOT_THERE


def _finding(key: str, call: Call, *, code: str = "", text: str = "", **facts: Any) -> Finding:
    hint = ""
    if re.search(r"[^:]+-[A-Za-z0-9]{6}$", call.secret_id) and not call.secret_id.startswith("arn:"):
        hint = f" An ARN ends in six characters that are no part of the name: {call.secret_id[:-7]!r}?"
    return finding(
        key,
        permission={"access-denied": call.permission, "kms-denied": "kms:Decrypt"}.get(key),
        call=call,
        code=code,
        error_and_code=f"{facts.get('error')}{f' {code}' if code else ''}",
        hint=hint,
        key=call.key or "its key",
        place=call.where.removeprefix("Secrets Manager in "),
        said=f'. AWS says: "{text}"' if text else ".",
        **facts,
    )


def _by_code(code: str, text: str, status: int) -> str:
    key = next((key for key, known in SECRET.items() if code in known.codes), None)
    if key == "access-denied" and re.search(r"Access to KMS|\bkms:[A-Z]", text):
        return "kms-denied"
    if key == "credentials-invalid" and "scoped to" in text:
        return "wrong-region:endpoint"
    if code == "InvalidRequestException" and "delet" in text:
        return "secret-deleted"
    return key or ("service-error" if status >= SERVER_ERROR else "not-read")


def _by_exception(error: BaseException) -> str | None:
    return next((key for key, known in SECRET.items() if not _names(error).isdisjoint(known.raised)), None)


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
