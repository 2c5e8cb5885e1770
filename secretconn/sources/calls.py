"""Calls: the client as the cache item sees it, and what Secrets Manager's answers and errors mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from secretconn.credentials import Payload
from secretconn.sources.base import NoValue, code_of, is_passing, is_throttled, part_of

__all__ = ["DENIED", "Recorder", "cause_of", "is_of_own_credentials", "payload_of", "stages_of"]

DENIED = frozenset({"AccessDeniedException", "AccessDenied", "403"})
"""Codes of a missing permission; the last one is what moto answers."""

NOT_DECRYPTED = frozenset({"DecryptionFailure", "DecryptionFailureException", "KMSAccessDeniedException"})

OWN_CREDENTIALS = frozenset(
    {
        # Source: AWS's "Common error types" and the SDK's own codes for keys that expired, changed or went away.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
    }
)
OWN_CREDENTIAL_TYPES = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError", "SSOError"}
)


class Recorder:
    """The client as one cache item sees it: counts the calls, keeps the answer and the error that the item hides.

    Made for a stage it describes the secret by the value of that stage, and has the value ready when it is asked.
    """

    def __init__(self, client: Any, secret_id: str, calls: Iterator[int], stage: str | None = None) -> None:
        self.client, self._secret_id, self._calls, self._stage = client, secret_id, calls, stage
        self.description: Mapping[str, Any] = {}
        self._value: Mapping[str, Any] = {}
        self._error: Exception | None = None

    def describe_secret(self, **arguments: Any) -> Any:
        if self._stage is not None:
            self.description = self._described_by_value(self._stage)
            return self.description
        answer = self._call(self.client.describe_secret, arguments)
        if not isinstance(answer.get("VersionIdsToStages"), Mapping):
            self._error = NoValue("the secret has no version")
            raise self._error
        self.description = answer
        return answer

    def get_secret_value(self, **arguments: Any) -> Any:
        if self._value and arguments.get("VersionId") == self._value.get("VersionId"):
            return self._value
        return self._call(self.client.get_secret_value, arguments)

    def last_error(self) -> Exception | None:
        error, self._error = self._error, None
        return error

    def _described_by_value(self, stage: str) -> Mapping[str, Any]:
        answer = self._call(self.client.get_secret_value, {"SecretId": self._secret_id, "VersionStage": stage})
        version = answer.get("VersionId") if isinstance(answer, Mapping) else None
        if not isinstance(version, str):
            self._error = ValueError("GetSecretValue's answer has no VersionId")
            raise self._error
        self._value = answer
        return {"VersionIdsToStages": {version: sorted({stage, *(answer.get("VersionStages") or ())})}}

    def _call(self, operation: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        next(self._calls)
        try:
            answer = operation(**arguments)
        except Exception as error:
            self._error = error
            self._count_retries(getattr(error, "response", None))
            raise
        self._count_retries(answer)
        return answer

    def _count_retries(self, answer: object) -> None:
        """The SDK's own further tries, as its answer tells them."""
        told = answer.get("ResponseMetadata") if isinstance(answer, Mapping) else None
        for _ in range(told.get("RetryAttempts", 0) if isinstance(told, Mapping) else 0):
            next(self._calls)


def is_of_own_credentials(error: BaseException) -> bool:
    """True if the process's own AWS credentials were missing or refused."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return code_of(error) in OWN_CREDENTIALS or not names.isdisjoint(OWN_CREDENTIAL_TYPES)


def cause_of(error: BaseException) -> str | None:
    """Why a read failed, in words, or None where its name says all. Not its text: a text may quote what was read."""
    code, said = code_of(error), str(part_of(error, "Error").get("Message"))
    causes = (
        (is_of_own_credentials(error), "the AWS credentials of this process are missing, expired or not accepted"),
        (code in DENIED, "this role may not read the secret, or not decrypt it with its key"),
        (code in NOT_DECRYPTED, "its key is disabled, deleted, or not this role's to use"),
        (isinstance(error, NoValue) or "secret value" in said, "it has no value there yet"),
        (code == "ResourceNotFoundException", "there is no such secret"),
        (code == "InvalidRequestException" and "delet" in said, "it is marked for deletion"),
        (is_throttled(error), "too many calls"),
        (is_passing(error), "no answer, or a fault of the service"),
    )
    return next((words for true, words in causes if true), None)


def stages_of(description: Mapping[str, Any]) -> dict[str, str]:
    versions = description["VersionIdsToStages"]
    return {stage: version for version, labels in versions.items() for stage in labels}


def payload_of(response: Any, version: str) -> Payload:
    """The secret's content out of a GetSecretValue answer; whatever is wrong with it is for the parser to say."""
    answer = response if isinstance(response, Mapping) else {}
    content = answer.get("SecretString")
    return Payload(version, answer.get("SecretBinary") if content is None else content)  # type: ignore[arg-type]
