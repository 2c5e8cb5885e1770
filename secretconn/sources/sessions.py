"""Sessions of our own, which share what botocore reads of its service descriptions, and its list of partitions.

Each secret has its own session, so that credentials are looked for when they are needed and no lock is shared. But a
session's loader keeps the descriptions it has read. They take some megabytes, reading them takes longer than the secret
does, and they are the same for all.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import boto3.session
    from botocore.session import Session
    from mypy_boto3_secretsmanager import SecretsManagerClient

    Client: TypeAlias = SecretsManagerClient
    AnySession: TypeAlias = boto3.session.Session | Session
else:  # for those who ask for the type hints of a running program
    Client = AnySession = Any

__all__ = ["new_session", "partition_of"]


def new_session(profile: str | None) -> Session:
    """A botocore session for a profile; None for the default chain.

    An empty variable counts as not set, as it does to the AWS CLI: botocore would take AWS_DEFAULT_REGION="" for a
    region, and AWS_PROFILE="" for the name of a profile.

    Raises:
        botocore.exceptions.ProfileNotFound: The profile is not in the shared configuration.
    """
    import botocore.session

    variables = botocore.session.Session.SESSION_VARIABLES
    session = botocore.session.Session(session_vars=_without_empty(variables, os.environ), profile=profile)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    session.register_component("response_parser_factory", _quiet_parsers())
    return session


class _Quiet(logging.Filter):
    """Keeps back what botocore's parser logs at DEBUG: the whole answer, with the secret in it."""

    def __init__(self) -> None:
        super().__init__()
        self._parsing = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  (logging's name)
        return not getattr(self._parsing, "ours", False)

    def around(self, parse: Callable[..., Any]) -> Callable[..., Any]:
        """The same parse, with nothing logged meanwhile in this thread."""

        def quiet(*args: Any, **kwargs: Any) -> Any:
            self._parsing.ours = True
            try:
                return parse(*args, **kwargs)
            finally:
                self._parsing.ours = False

        return quiet


_quiet = _Quiet()


@lru_cache(maxsize=1)
def _quiet_parsers() -> Any:
    """botocore's factory of parsers, for our own sessions; a client that is given logs as its owner wants."""
    import botocore.parsers

    class Factory(botocore.parsers.ResponseParserFactory):
        def create_parser(self, protocol_name: str) -> Any:
            parser: Any = super().create_parser(protocol_name)
            parser.parse = _quiet.around(parser.parse)
            return parser

    botocore.parsers.LOG.addFilter(_quiet)
    return Factory()


def partition_of(region: str) -> str | None:
    """The partition of a region, by botocore's data: its lists first, then its patterns. None: it knows none."""
    partitions = _loader(None).load_data("partitions")["partitions"]
    listed = (one["id"] for one in partitions if region in one["regions"])
    alike = (one["id"] for one in partitions if re.fullmatch(one["regionRegex"], region))
    return next(listed, None) or next(alike, None)


def _without_empty(variables: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """botocore's variables (key in the file, environment variables, default, conversion) that have an empty one,
    without it: the next in the chain counts."""
    changed: dict[str, Any] = {}
    for name, (key, names, default, convert) in variables.items():
        every = [names] if isinstance(names, str) else list(names or ())
        kept = [variable for variable in every if environ.get(variable) != ""]
        if kept != every:
            changed[name] = (key, kept or None, default, convert)
    return changed


@lru_cache(maxsize=8)
def _loader(data_path: str | None) -> Any:
    """The loader for AWS_DATA_PATH; it keeps what it has read, and threads may share it."""
    from botocore.loaders import create_loader

    return create_loader(data_path)
