"""Promise: what a connect must keep, and the closed list of reasons for which one may fail (docs/rules.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.exhaustive.world import World

__all__ = ["CLOSED", "Connect", "Violation", "excuse"]

EFFECTS = 40
"""Effects of one connect after which it is taken to go round for ever."""

NOTHING_ACCEPTED = "no login that the secret labels was accepted"
TWO_STEPS = "two steps of the rotation in one connect"
"""Or between two calls on whose answers it relies."""

COOLING_DOWN = "the endpoint cools down after such a failure"
SWITCHED = "the lagging server switched between two logins"
HIDDEN = "no DescribeSecret, and AWSPENDING read as missing twice in a row"
CLOSED = (NOTHING_ACCEPTED, TWO_STEPS, COOLING_DOWN, SWITCHED, HIDDEN)
"""Why a connect may fail."""


class Violation(AssertionError):
    """The library broke a rule."""


@dataclass(eq=False)
class Connect:
    """A connect() under way.

    Attributes:
        number: Counts them.
        endpoint: Where it connects to.
        flow: The library's own.
        pending: The effect it waits for.
        outcomes: Whether the login under way may be accepted, refused, or either.
        sent_at: The tick at which that login was sent.
        sent: The versions sent so far.
        steps: Steps of the rotation that fell into it, or between two calls that it relies on; 2 stands for more.
        offered: A labelled login was accepted all the time.
        quiet: Its endpoint was cooling down at some time.
        hidden: AWSPENDING read as missing twice in a row meanwhile.
        effects: Effects so far.
        error: The driver's last exception.
    """

    number: int
    endpoint: str
    flow: Any
    pending: Any = None
    outcomes: list[bool] = field(default_factory=list)
    sent_at: int = -1
    sent: list[str] = field(default_factory=list)
    steps: int = 0
    offered: bool = True
    quiet: bool = False
    hidden: bool = False
    effects: int = 0
    error: Exception | None = None

    def goes_on(self) -> None:
        """Count an effect. Violation where it goes round for ever."""
        self.effects += 1
        if self.effects > EFFECTS:
            raise Violation(f"I5: connect {self.number} goes round for ever")

    def sends(self, version: str, *, refused: bool, over: bool) -> None:
        """It sends a version's login.

        Args:
            version: The version.
            refused: The endpoint is known to refuse it, and does not cool down.
            over: An answer is held by which this version's turn is over.
        """
        if version in self.sent:
            raise Violation(f"I2: connect {self.number} sends {version} twice")
        if refused:
            raise Violation(f"I4: connect {self.number} sends {version}, which is known to be refused")
        if not self.sent and over:
            raise Violation(f"I4: connect {self.number} begins with {version}, whose turn is known to be over")
        self.sent.append(version)


def excuse(connect: Connect, world: World) -> str:
    """Why a connect that failed may do so. Violation where there is no such reason."""
    switched = connect.endpoint == "reader" and world.accepted("reader") <= {*connect.sent}
    excuses = {
        NOTHING_ACCEPTED: not connect.offered,
        TWO_STEPS: connect.steps > 1,
        COOLING_DOWN: connect.quiet,
        SWITCHED: switched,
        HIDDEN: connect.hidden,
    }
    for why, holds in excuses.items():
        if holds:
            return why
    raise Violation(f"I1: connect {connect.number} fails, and a login under a stage was accepted all the time")
