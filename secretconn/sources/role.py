"""Role: AWS credentials of another account's role, by botocore's own refreshable AssumeRole credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from secretconn.errors import ConfigurationError
from secretconn.sources.sessions import new_session

if TYPE_CHECKING:
    from botocore.config import Config

__all__ = ["Role", "role_of", "role_session"]

_ROLE = re.compile(r"arn:aws(?:-[a-z0-9]+)*:iam::\d{12}:role/.+", re.DOTALL)


@dataclass(frozen=True, repr=False)
class Role:
    """The role to take before the secret is read.

    Args:
        arn: The role's ARN.
        external_id: What the role's trust policy asks for, if it does.

    Raises:
        ConfigurationError: it is no role's ARN.
    """

    arn: str
    external_id: str | None

    def __post_init__(self) -> None:
        if not isinstance(self.arn, str) or _ROLE.fullmatch(self.arn) is None:
            raise ConfigurationError(
                "role_arn= is not the ARN of a role, which looks like arn:aws:iam::ACCOUNT:role/NAME"
            )

    def arguments(self) -> dict[str, str]:
        """For AssumeRole, besides the role itself."""
        return {"RoleSessionName": "secretconn", **({"ExternalId": self.external_id} if self.external_id else {})}


def role_of(arn: str | None, external_id: str | None) -> Role | None:
    """Return the role to take, if any.

    Raises:
        ConfigurationError: ``external_id`` without a role, or no role's ARN.
    """
    if external_id is not None and arn is None:
        raise ConfigurationError("external_id= belongs to role_arn=; give that too")
    return None if arn is None else Role(arn, external_id)


def role_session(role: Role, base: Any, profile: str | None, region: str | None, config: Config) -> Any:
    """A botocore session whose credentials are the role's, taken when they are first needed and again before they end.

    Args:
        role: The role.
        base: The boto3 or botocore session that takes it.
        profile: Its profile, for the rest of the shared configuration.
        region: Where STS, and then the secret, is asked for.
        config: The STS client's time limits.
    """
    from botocore.credentials import (
        AssumeRoleCredentialFetcher,
        CredentialProvider,
        CredentialResolver,
        DeferredRefreshableCredentials,
    )

    source = base.get_credentials()
    if source is None:
        raise ConfigurationError(f"no AWS credentials were found with which role {role.arn!r} could be taken")
    make = base.client if hasattr(base, "client") else base.create_client
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(make, region_name=region, config=config),
        source_credentials=source,
        role_arn=role.arn,
        extra_args=role.arguments(),
    )

    class Taken(CredentialProvider):
        METHOD = "assume-role"

        def load(self) -> Any:
            return DeferredRefreshableCredentials(method=self.METHOD, refresh_using=fetcher.fetch_credentials)

    session = new_session(profile)
    if region is not None:
        session.set_config_variable("region", region)
    session.register_component("credential_provider", CredentialResolver(providers=[Taken()]))
    return session
