"""What a failed call of Secrets Manager means: each code, errors without one, regions; and what is never said."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from secretconn.cli.check.findings import finding
from secretconn.cli.check.source_errors import Call, diagnose, is_not_there, no_client, unavailable
from secretconn.errors import SecretUnavailable

CALL = Call("GetSecretValue", "prod/orders", "eu-central-1", key="arn:aws:kms:eu-central-1:111122223333:key/1")
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")


def said(code: str, message: str = "", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetSecretValue")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (said("ResourceNotFoundException"), "no-such-secret"),
        (said("AccessDeniedException", "User: x is not authorized to perform: y"), "access-denied"),
        (said("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/KMS/1 is not authorized"), "access-denied"),
        (said("403", "Forbidden", 403), "access-denied"),
        (said("AccessDeniedException", "Access to KMS is not allowed"), "kms-denied"),
        (said("AccessDeniedException", "not authorized to perform: kms:Decrypt on"), "kms-denied"),
        (said("DecryptionFailure"), "kms-denied"),
        (said("ThrottlingException", "Rate exceeded"), "throttled"),
        (said("TooManyRequestsException", status=429), "throttled"),
        (said("ExpiredTokenException"), "credentials-expired"),
        (said("UnrecognizedClientException", "The security token is invalid"), "credentials-invalid"),
        (said("InvalidSignatureException", "Credential should be scoped to a valid region"), "wrong-region"),
        (said("InvalidRequestException", "the secret was marked for deletion"), "secret-deleted"),
        (said("InvalidRequestException", "something else"), "not-read"),
        (said("ValidationException", "Invalid name"), "bad-name"),
        (said("InternalServiceError", status=500), "service-error"),
        (said("Strange"), "not-read"),
        (NoCredentialsError(), "no-credentials"),
        (PartialCredentialsError(provider="env", cred_var="x"), "no-credentials"),
        (CredentialRetrievalError(provider="sso", error_msg="x"), "no-credentials"),
        (EndpointConnectionError(endpoint_url="https://x"), "unreachable"),
        (ConnectTimeoutError(endpoint_url="https://x"), "unreachable"),
        (ReadTimeoutError(endpoint_url="https://x"), "unreachable"),
        (BotoCoreError(), "not-read"),
        (KeyError("x"), "not-read"),
    ],
)
def test_each_error_has_its_finding(error: Exception, name: str) -> None:
    found = diagnose(error, CALL, lambda: REGIONS)
    assert (found.name, found.warning) == (name, False)
    assert found.advice.endswith(".")


def test_which_permission_lacks() -> None:
    assert diagnose(said("AccessDeniedException"), CALL).permission == "secretsmanager:GetSecretValue"
    denied = diagnose(said("DecryptionFailure"), CALL)
    assert denied.permission == "kms:Decrypt"
    assert str(CALL.key) in denied.problem
    assert diagnose(said("ThrottlingException"), CALL).permission is None


def test_a_misspelt_region_is_told_from_a_network_without_a_way_out() -> None:
    error = EndpointConnectionError(endpoint_url="https://x")
    found = diagnose(error, Call("DescribeSecret", "s", "eu-cental-1"), lambda: REGIONS)
    assert found.name == "wrong-region"
    assert found.problem == "'eu-cental-1' is not an AWS region. Did you mean eu-central-1?"
    at_own_address = Call("DescribeSecret", "s", "eu-cental-1", endpoint="https://own")
    assert diagnose(error, at_own_address, lambda: REGIONS).name == "unreachable"
    assert diagnose(error, Call("DescribeSecret", "s", "eu-cental-1"), tuple).name == "unreachable"


@pytest.mark.parametrize(
    ("error", "region", "name"),
    [
        (NoRegionError(), None, "no-region"),
        (ValueError("Invalid endpoint: https://secretsmanager..amazonaws.com"), None, "wrong-region"),
        (ProfileNotFound(profile="x"), "eu-west-1", "unknown-profile"),
        (PartialCredentialsError(provider="env", cred_var="x"), "eu-west-1", "no-credentials"),
        (RuntimeError("x"), None, "aws-settings"),
    ],
)
def test_where_there_is_no_client(error: Exception, region: str | None, name: str) -> None:
    assert no_client(error, "prod/orders", region).name == name


def test_a_name_that_ends_like_an_arn() -> None:
    found = diagnose(said("ResourceNotFoundException"), Call("DescribeSecret", "prod/orders-AbCdEf", "eu-west-1"))
    assert "'prod/orders'?" in found.advice
    found = diagnose(said("ResourceNotFoundException"), Call("DescribeSecret", "prod/orders", "eu-west-1"))
    assert "?" not in found.advice


def test_the_secret_is_elsewhere() -> None:
    found = finding("wrong-region:elsewhere", call=CALL, region="us-east-1")
    assert found.name == "wrong-region"
    assert "SECRETCONN_REGION=us-east-1" in found.advice


def test_not_there_is_not_denied() -> None:
    assert is_not_there(said("ResourceNotFoundException"))
    assert not is_not_there(said("AccessDeniedException"))
    assert not is_not_there(OSError())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "could not be read from the Secrets Manager Agent at x: it answered 400 AccessDeniedException",
            "access-denied",
        ),
        ("could not be read from it: it answered 404 ResourceNotFoundException (asked for 0.1 s)", "no-such-secret"),
        ("neither the agent nor the extension answers at x", "source-unavailable"),
    ],
)
def test_what_an_agent_passes_on(text: str, name: str) -> None:
    found = unavailable(SecretUnavailable(f"secret 's' {text}", secret_id="s"), "s")
    assert found.name == name
    assert text in found.problem


@settings(deadline=None)
@given(st.text(), st.text(), st.integers(100, 599), st.text(), st.one_of(st.none(), st.text()))
def test_any_answer_has_a_finding(code: str, message: str, status: int, secret_id: str, region: str | None) -> None:
    found = diagnose(said(code, message, status), Call("GetSecretValue", secret_id, region))
    assert found.name
    assert len(found.problem) < 2000 + 4 * (len(secret_id) + len(code) + len(region or ""))


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.text()))
def test_a_strange_response_is_no_trouble(response: dict[str, str]) -> None:
    error = RuntimeError()
    error.response = response  # type: ignore[attr-defined]
    assert diagnose(error, CALL).name == "not-read"
