"""Errors of the test bed: a server that cannot be had, and a rotation step that went wrong."""

from __future__ import annotations

from secretconn.errors import SecretConnError

__all__ = ["RotationError", "ServerUnavailable"]


class ServerUnavailable(SecretConnError, RuntimeError):
    """A server for tests cannot be had or did not start. The text says what was tried and how each try ended."""


class RotationError(SecretConnError, RuntimeError):
    """A rotation step failed: the new login was refused, or the secret does not say how to rotate it."""
