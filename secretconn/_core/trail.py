"""Trail: what one connect() tried, told as a note on the driver's exception. Never a password, never a user's name."""

from __future__ import annotations

from secretconn.engines.base import Verdict

__all__ = ["Trail"]

_TOLD = {
    Verdict.REJECTED: "rejected",
    Verdict.SUSPECT: "refused for a reason the driver hides",
    Verdict.BARRED: "refused whatever the password",
    Verdict.OTHER: "failed for another reason",
}


class Trail:
    """The logins of one connect() so far.

    Attributes:
        secret_id: The secret.
        begun: Monotonic seconds of the first failure.
        attempts: Logins that failed.
    """

    def __init__(self, secret_id: str, begun: float) -> None:
        self.secret_id, self.begun = secret_id, begun
        self._lines: list[str] = []

    @property
    def attempts(self) -> int:
        return len(self._lines)

    def add(self, version_id: str, stages: tuple[str, ...], verdict: Verdict, seconds: float) -> None:
        """One login failed after so many seconds."""
        staged = "+".join(stages) or "no stage"
        self._lines.append(f"version {version_id} ({staged}) {_TOLD[verdict]} after {seconds:.3f} s")

    def sentence(self, ending: str) -> str:
        """The note."""
        return f"secretconn: secret {self.secret_id!r}: {'; then '.join(self._lines)}; {ending}."
