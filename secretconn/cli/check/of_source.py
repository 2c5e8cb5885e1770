"""What a failed call of Secrets Manager means, and what to do about it. Decided from the error alone, by its names.

Codes: "Common Errors" and the operations' "Errors" in the Secrets Manager API reference; "Common Error Types" of AWS's
query protocol. AWS's own text is passed on: that of a denial names the role and the kind of policy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from secretconn.cli.check.report import Finding

__all__ = ["DECRYPT", "Call", "code_of", "diagnose", "is_not_there", "no_client", "other_region"]

DECRYPT = "kms:Decrypt"

NOT_THERE = "ResourceNotFoundException"
DENIED = (
    "AccessDeniedException",
    "AccessDenied",
    "UnauthorizedOperation",
    "NotAuthorized",
    "403",  # an answer that is no JSON, as of a proxy or a stand-in: botocore then takes the status for the code
)
DECRYPTION = ("DecryptionFailure", "DecryptionFailureException", "EncryptionFailure", "KMSAccessDeniedException")
THROTTLED = (
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "429",
)
EXPIRED = ("ExpiredTokenException", "ExpiredToken", "RequestExpired")
INVALID = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
)
BAD_NAME = ("ValidationException", "InvalidParameterException", "InvalidParameterValue")
NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "MetadataRetrievalError",
    "SSOError",
    "TokenRetrievalError",
)
UNREACHED = ("ConnectionError", "HTTPClientError", "ConnectTimeoutError", "ReadTimeoutError")
MAX_TEXT = 400
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked.

    Attributes:
        operation: "DescribeSecret" or "GetSecretValue".
        secret_id: The name or ARN that was asked for.
        region: The region that was asked, or None where it is not known.
        endpoint: The address, where it is not AWS's own.
        key: The secret's KMS key, where it is known.
    """

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
        """For a sentence."""
        at = f" at {self.endpoint}" if self.endpoint is not None else ""
        return f"Secrets Manager{f' in {self.region}' if self.region else ''}{at}"


def diagnose(error: BaseException, call: Call, regions: Callable[[], Collection[str]] = tuple) -> Finding:
    """The finding for a call that failed.

    Args:
        error: What the SDK raised.
        call: What was asked.
        regions: Gives the regions that exist: a misspelt one looks like a network without a way out.
    """
    code = code_of(error)
    return (_of_no_code(error, call, regions) if code is None else _of_code(code, error, call)) or _unknown(error, call)


def code_of(error: BaseException) -> str | None:
    """The service's code, or None where it gave no answer."""
    told = _told(error).get("Code")
    return str(told) if told else None


def is_not_there(error: BaseException) -> bool:
    """Whether it says that there is no such secret, or no version with that stage."""
    return code_of(error) == NOT_THERE


def other_region(call: Call, found_in: str) -> Finding:
    """The secret is somewhere else."""
    return Finding(
        "wrong-region",
        f"Secret {call.secret_id!r} is not in {call.region}, which was asked. It is in {found_in}.",
        f"Set SECRETCONN_REGION={found_in} (or AWS_REGION, or region= in the code), or name the secret by its ARN, "
        f"which says its region.",
    )


def _of_code(code: str, error: BaseException, call: Call) -> Finding | None:
    text = _says(error)
    if code in DENIED and re.search(r"Access to KMS|\bkms:[A-Z]", text):
        return _kms_denied(call, text)
    if code == "InvalidRequestException" and "delet" in text:
        return _deleted(call, text)
    make = next((make for codes, make in _TABLE if code in codes), None)
    if make is not None:
        return make(call, text)
    return _service_error(call, code, _status(error)) if _status(error) >= SERVER_ERROR else None


def no_client(error: BaseException, secret_id: str, region: str | None) -> Finding:
    """The SDK could not even make a client: a region that is none, or settings that contradict each other.

    Args:
        error: What was raised; for ConfigurationError, what came before it.
        secret_id: The secret.
        region: The region that is to be asked, where it is known.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    if "NoRegionError" in names:
        return Finding(
            "no-region",
            f"Nobody says in which region secret {secret_id!r} is.",
            "Set AWS_REGION (or SECRETCONN_REGION, or --region), or name the secret by its ARN. Lambda sets AWS_REGION "
            "by itself, and ECS for tasks on Fargate; EC2 does not.",
        )
    if "InvalidRegionError" in names or "Invalid endpoint" in str(error):
        return Finding(
            "wrong-region",
            f"{region or ''!r} is no region's name.",
            "Set SECRETCONN_REGION, AWS_REGION or --region to the region the secret is in, such as eu-central-1. A "
            "variable that is set to nothing counts as well: take it away.",
        )
    if "ProfileNotFound" in names:
        return Finding(
            "unknown-profile",
            f"{error}.",
            "Look at --profile, AWS_PROFILE and AWS_CONFIG_FILE. Containers usually have a role and no profile.",
        )
    call = Call("DescribeSecret", secret_id, region)
    return _of_no_code(error, call, tuple) or Finding(
        "aws-settings",
        f"The SDK cannot be set up ({type(error).__name__}): {error}.",
        "Look at the AWS_ variables, and at the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name.",
    )


def _of_no_code(error: BaseException, call: Call, regions: Callable[[], Collection[str]]) -> Finding | None:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names.intersection(NO_CREDENTIALS):
        return Finding(
            "no-credentials",
            f"There are no AWS credentials to ask {call.where} with ({type(error).__name__}).",
            "Give the task, the pod, the function or the instance a role. By hand: --profile, or AWS_PROFILE.",
        )
    if not names.intersection(UNREACHED):
        return None
    known = sorted(regions()) if call.region is not None and call.endpoint is None else ()
    if known and call.region is not None and call.region not in known:
        near = difflib.get_close_matches(call.region, known, n=1)
        return Finding(
            "wrong-region",
            f"There is no region {call.region!r}, so nothing answers there{f'; {near[0]} is one' if near else ''}.",
            "Set SECRETCONN_REGION, AWS_REGION or --region to the region the secret is in.",
        )
    return Finding(
        "unreachable",
        f"{call.where} cannot be reached from here ({type(error).__name__}).",
        "It needs a way out on port 443: a NAT gateway, or a VPC endpoint for com.amazonaws.REGION.secretsmanager "
        "whose security group lets this task in; and DNS. Behind a proxy set HTTPS_PROXY.",
    )


def _throttled(call: Call, text: str) -> Finding:
    return Finding(
        "throttled",
        f"{call.where} turns calls down because there are too many of them{text}",
        "Wait a minute and check again. If it stays, see in CloudTrail who calls DescribeSecret and GetSecretValue all "
        "the time: the account's limit is 10,000 a second for each region. A process with secretconn calls once or "
        "twice an hour for a secret, and a few times in a rotation.",
    )


def _expired(call: Call, text: str) -> Finding:
    return Finding(
        "credentials-expired",
        f"The AWS credentials that {call.where} was asked with have expired{text}",
        "Give this process new ones. A container or an instance should take them from its role, not from copied "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; and look at this machine's clock.",
    )


def _deleted(call: Call, text: str) -> Finding:
    return Finding(
        "secret-deleted",
        f"Secret {call.secret_id!r} is marked for deletion{text}",
        "Bring it back with `aws secretsmanager restore-secret`, or name the secret that took its place.",
    )


def _bad_name(call: Call, text: str) -> Finding:
    return Finding(
        "bad-name",
        f"{call.where} does not take {call.secret_id!r} for the name or ARN of a secret{text}",
        "Name it as `aws secretsmanager list-secrets` shows it.",
    )


def _service_error(call: Call, code: str, status: int) -> Finding:
    return Finding(
        "service-error",
        f"{call.where} answered {status} {code}.",
        "Wait and check again; see the AWS Health Dashboard. Running applications keep the login that they hold.",
    )


def _no_such_secret(call: Call, _text: str) -> Finding:
    told = "Look at the name: it is case-sensitive. Look at the account and the region."
    if re.search(r"[^:]+-[A-Za-z0-9]{6}$", call.secret_id) and not call.secret_id.startswith("arn:"):
        told += f" An ARN ends in six characters that are no part of the name: {call.secret_id[:-7]!r}?"
    return Finding(
        "no-such-secret",
        f"There is no secret {call.secret_id!r} in {call.where.removeprefix('Secrets Manager in ')}.",
        f"{told} `aws secretsmanager list-secrets --region {call.region}` shows what is there; "
        f"--look-in REGION,REGION looks into other regions.",
    )


def _denied(call: Call, text: str) -> Finding:
    return Finding(
        "access-denied",
        f"This role may not call {call.operation} on secret {call.secret_id!r}{text}",
        f"Allow {call.permission} on the secret's ARN in the role's policy (the ARN ends in six more characters: "
        f"...:secret:NAME-??????). If it is allowed there: look for a Deny in the secret's own policy, the VPC "
        f"endpoint's, the permissions boundary and the organisation's SCPs.",
        permission=call.permission,
    )


def _kms_denied(call: Call, text: str) -> Finding:
    return Finding(
        "kms-denied",
        f"This role may read secret {call.secret_id!r}, but not decrypt it with {call.key or 'its key'}{text}",
        "Allow kms:Decrypt on that key, in the role's policy and in the key's own (for a role of another account both "
        "must). See too that the key is enabled and not waiting to be deleted.",
        permission=DECRYPT,
    )


def _invalid_credentials(call: Call, text: str) -> Finding:
    if re.search(r"scoped to", text):
        return Finding(
            "wrong-region",
            f"The address that was asked belongs to another region than {call.region}{text}",
            "Let region and endpoint be of one region: SECRETCONN_REGION or --region, and SECRETCONN_ENDPOINT_URL or "
            "--endpoint-url.",
        )
    return Finding(
        "credentials-invalid",
        f"AWS does not take the credentials of this process{text}",
        "Look at AWS_ACCESS_KEY_ID and AWS_PROFILE: keys that were deleted, or are of another partition (aws-cn, "
        "aws-us-gov) than the region. And look at this machine's clock.",
    )


def _unknown(error: BaseException, call: Call) -> Finding:
    code = code_of(error)
    return Finding(
        "not-read",
        f"{call.operation} on secret {call.secret_id!r} failed: {type(error).__name__}"
        f"{f' {code}' if code else ''}{_says(error)}",
        "See that error's name in the Secrets Manager API reference.",
    )


def _told(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    told = response.get("Error") if isinstance(response, dict) else None
    return told if isinstance(told, dict) else {}


def _says(error: BaseException) -> str:
    """AWS's own words, as the end of a sentence: which role, which policy."""
    text = " ".join(str(_told(error).get("Message") or "").split())[:MAX_TEXT]
    return f'. AWS says: "{text}"' if text else "."


def _status(error: BaseException) -> int:
    response = getattr(error, "response", None)
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    return status if isinstance(status, int) else 0


_TABLE: tuple[tuple[tuple[str, ...], Callable[[Call, str], Finding]], ...] = (
    ((NOT_THERE,), _no_such_secret),
    (DECRYPTION, _kms_denied),
    (DENIED, _denied),
    (THROTTLED, _throttled),
    (EXPIRED, _expired),
    (INVALID, _invalid_credentials),
    (BAD_NAME, _bad_name),
)
"""Codes, and what they mean."""
