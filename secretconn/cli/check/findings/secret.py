"""Problems of the source, its settings and the secret: cause, sentence and remedy.

Codes: "Common Errors" and the operations' "Errors" in the Secrets Manager API reference; "Common Error Types" of AWS's
query protocol.
"""

from __future__ import annotations

from secretconn.cli.check.findings.known import Known

SECRET: dict[str, Known] = {
    # The call to Secrets Manager, or to the agent.
    "no-such-secret": Known(
        "There is no secret {call.secret_id!r} in {place}.",
        "Look at the name: it is case-sensitive. Look at the account and the region.{hint} "
        "`aws secretsmanager list-secrets --region {call.region}` shows what is there; "
        "--look-in REGION,REGION looks into other regions.",
        codes=("ResourceNotFoundException",),
    ),
    "access-denied": Known(
        "This role may not call {call.operation} on secret {call.secret_id!r}{said}",
        "Allow {call.permission} on the secret's ARN in the role's policy (the ARN ends in six more characters: "
        "...:secret:NAME-??????). If it is allowed there: look for a Deny in the secret's own policy, the VPC "
        "endpoint's, the permissions boundary and the organisation's SCPs.",
        # 403: botocore takes the status for the code where the answer is no JSON, as of a proxy or a stand-in
        codes=("AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized", "403"),
    ),
    "kms-denied": Known(
        "This role may read secret {call.secret_id!r}, but not decrypt it with {key}{said}",
        "Allow kms:Decrypt on that key, in the role's policy and in the key's own (for a role of another account both "
        "must). See too that the key is enabled and not waiting to be deleted.",
        codes=("DecryptionFailure", "DecryptionFailureException", "EncryptionFailure", "KMSAccessDeniedException"),
    ),
    "throttled": Known(
        "{call.where} turns calls down because there are too many of them{said}",
        "Wait a minute and check again. If it stays, see in CloudTrail who calls DescribeSecret and GetSecretValue all "
        "the time: the account's limit is 10,000 a second for each region. A process with secretconn calls once or "
        "twice an hour for a secret, and a few times in a rotation.",
        codes=(
            *("ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException"),
            *("RequestLimitExceeded", "LimitExceededException", "RequestThrottled", "429"),
        ),
    ),
    "credentials-expired": Known(
        "The AWS credentials that {call.where} was asked with have expired{said}",
        "Give this process new ones. A container or an instance should take them from its role, not from copied "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; and look at this machine's clock.",
        codes=("ExpiredTokenException", "ExpiredToken", "RequestExpired"),
    ),
    "credentials-invalid": Known(
        "AWS does not take the credentials of this process{said}",
        "Look at AWS_ACCESS_KEY_ID and AWS_PROFILE: keys that were deleted, or are of another partition (aws-cn, "
        "aws-us-gov) than the region. And look at this machine's clock.",
        codes=(
            *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"),
            *("SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken"),
            "MissingAuthenticationTokenException",
        ),
    ),
    "no-credentials": Known(
        "There are no AWS credentials to ask {call.where} with ({error}).",
        "Give the task, the pod, the function or the instance a role. By hand: --profile, or AWS_PROFILE.",
        raised=(
            *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "MetadataRetrievalError"),
            *("SSOError", "TokenRetrievalError"),
        ),
    ),
    "bad-name": Known(
        "{call.where} does not take {call.secret_id!r} for the name or ARN of a secret{said}",
        "Name it as `aws secretsmanager list-secrets` shows it.",
        codes=("ValidationException", "InvalidParameterException", "InvalidParameterValue"),
    ),
    "unreachable": Known(
        "{call.where} cannot be reached from here ({error}).",
        "It needs a way out on port 443: a NAT gateway, or a VPC endpoint for com.amazonaws.REGION.secretsmanager "
        "whose security group lets this task in; and DNS. Behind a proxy set HTTPS_PROXY.",
        raised=("ConnectionError", "HTTPClientError", "ConnectTimeoutError", "ReadTimeoutError"),
    ),
    "service-error": Known(
        "{call.where} answered {status} {code}.",
        "Wait and check again; see the AWS Health Dashboard. Running applications keep the login that they hold.",
    ),
    "not-read": Known(
        "{call.operation} on secret {call.secret_id!r} failed: {error_and_code}{said}",
        "See that error's name in the Secrets Manager API reference.",
    ),
    "not-read:again": Known("{problem}", "It could be read a moment ago: check again."),
    "secret-deleted": Known(
        "Secret {call.secret_id!r} is marked for deletion{said}",
        "Bring it back with `aws secretsmanager restore-secret`, or name the secret that took its place.",
    ),
    "secret-deleted:described": Known(
        "Secret {secret_id!r} is marked for deletion, for {deleted:%Y-%m-%d}.",
        "Bring it back with `aws secretsmanager restore-secret`, or name the secret that took its place.",
    ),
    "source-unavailable": Known("{problem}", "docs/sources.md says where each source looks, and how long."),
    # The settings of the call.
    "no-region": Known(
        "No region is configured for secret {secret_id!r}.",
        "Set AWS_REGION (or SECRETCONN_REGION, or --region), or name the secret by its ARN. Lambda sets AWS_REGION "
        "by itself, and ECS for tasks on Fargate; EC2 does not.",
    ),
    "wrong-region:elsewhere": Known(
        "Secret {call.secret_id!r} is not in {call.region}, which was asked. It is in {region}.",
        "Set SECRETCONN_REGION={region} (or AWS_REGION, or region= in the code), or name the secret by its ARN, which "
        "says its region.",
    ),
    "wrong-region:arn": Known(
        "The secret's ARN is of region {arn_region}, and region {region} is to be asked.",
        "Leave the region out: an ARN's own region is asked. If the secret in {region} is meant, name that one.",
    ),
    "wrong-region:endpoint": Known(
        "The address that was asked belongs to another region than {call.region}{said}",
        "Let region and endpoint be of one region: SECRETCONN_REGION or --region, and SECRETCONN_ENDPOINT_URL or "
        "--endpoint-url.",
    ),
    "wrong-region:unknown": Known(
        "{call.region!r} is not an AWS region.{near}",
        "Set SECRETCONN_REGION, AWS_REGION or --region to the region the secret is in.",
    ),
    "wrong-region:no-name": Known(
        "{region!r} is not the name of a region.",
        "Set SECRETCONN_REGION, AWS_REGION or --region to the region the secret is in, such as eu-central-1. An "
        "empty variable counts too; unset it.",
    ),
    "unknown-profile": Known(
        "{text}.",
        "Look at --profile, AWS_PROFILE and AWS_CONFIG_FILE. Containers usually have a role and no profile.",
    ),
    "aws-settings": Known(
        "The SDK cannot be set up ({error}): {text}.",
        "Look at the AWS_ variables, and at the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name.",
    ),
    # The secret's content and its rotation.
    "malformed": Known(
        "{problem}",
        "Store AWS's JSON: engine, host, port, username, password, dbname. A secret that is only a password needs "
        "username= in the code (here --username).",
    ),
    "missing-key": Known(
        "{problem}",
        "Add the key {key!r} to the secret. If it is there under another name, say so by keys= in the code "
        "(here --key, as in --key username=db_user).",
    ),
    "missing-key:managed": Known(
        "Secret {secret_id!r} names no {keys}; secrets that RDS manages never do.",
        "Pass that in the code, and here by {options}; or add it to the secret where it is your own.",
    ),
    "wrong-key": Known("{problem}", "Correct the key {key!r} in the secret."),
    "unknown-engine": Known(
        "{problem}",
        "Correct the key engine in the secret, or pass engine= in the code (here --engine).",
    ),
    "unknown-engine:option": Known("{problem}", "Correct --engine."),
    "no-current-version": Known(
        "No version of secret {secret_id!r} has the stage AWSCURRENT.",
        "Put a value into it: `aws secretsmanager put-secret-value`.",
    ),
}

WARNINGS: dict[str, Known] = {
    "pending-unreadable": Known(
        "{stage} cannot be read, so that every new connection fails from the moment the database has the new password "
        "until the rotation ends. The reason: {why.problem}",
        "{advice}",
    ),
    "previous-unreadable": Known(
        "{stage} cannot be read, so that a replica that lags behind the rotation refuses new connections. The reason: "
        "{why.problem}",
        "{advice}",
    ),
    "replica-unreadable": Known(
        "This replica is of no use while the secret's own region does not answer. {why.problem}",
        "{why.advice}",
    ),
    "rotation-never-configured": Known(
        "Rotation of secret {secret_id!r} was never configured: its password stays what it is.",
        "Switch rotation on: `aws secretsmanager rotate-secret`, with a rotation function of AWS's templates, or let "
        "RDS manage the password. Nothing has to change in the application.",
    ),
    "rotation-off": Known(
        "Rotation of secret {secret_id!r} was configured and is switched off{last}.",
        "Switch it on again: `aws secretsmanager rotate-secret`.",
    ),
    "rotation-overdue": Known(
        "The secret should have been rotated by {due:%Y-%m-%d}, and was not.",
        "See the log of the rotation function, and in CloudTrail the event RotationFailed.",
    ),
    "rotation-unfinished": Known(
        "Version {version} is AWSPENDING and not AWSCURRENT: a rotation is under way, or the last one failed.",
        "Check again in a minute. If it stays, see the log of the rotation function, and rotate again. Connections "
        "work meanwhile: secretconn logs in with whichever of the two the database takes.",
    ),
    "odd-value": Known(
        "The value under {keys} begins or ends with a blank or a line end.",
        "Store it without. `echo` and editors put a line end behind what they write.",
    ),
    "owned-by-user": Known(
        "{count} of the tables, views and sequences in database {database!r} belong to one of the users who take "
        "turns: in the other one's turn it may not alter them, or not even read them.",
        "Let one role own them (REASSIGN OWNED BY), and let both users act as that role: ALTER ROLE ... SET role, or "
        "Django's assume_role. docs/django.md, 'Who owns the tables', shows it.",
    ),
    "current-refused": Known(
        "The server refused AWSCURRENT and took {stages}.",
        "If a rotation is under way: nothing, this is the window that secretconn is for. If none is, one has ended "
        "half-way: see the log of the rotation function, and rotate again.",
    ),
}
"""Problems with which connections work all the same."""
