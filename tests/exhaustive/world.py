"""World: a secret that is rotated and the servers that its logins are for, in steps without time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secretconn.credentials import CURRENT, PENDING, PREVIOUS

__all__ = ["Setup", "Step", "World"]


@dataclass(frozen=True)
class Setup:
    """One world to explore.

    Attributes:
        users: One for single-user rotation, two for alternating-users.
        label_stays: AWSPENDING stays on the new current version, as AWS's own rotation functions leave it.
        empty_first: A rotation begins with AWSPENDING on a version that has no value yet, as RotateSecret does.
        rotations: Whole rotations.
        lagging: A second server, which takes a changed password any number of steps later.
        rejecter: Another server, which refuses every login.
        connects: Connects under way at once in the process.
        failures: Reads that may fail.
        describes: False for a role that may not call DescribeSecret: then each stage is asked for at its own moment.
        ttl: The time to live may run out between two connects.
    """

    users: tuple[str, ...] = ("app",)
    label_stays: bool = True
    empty_first: bool = False
    rotations: int = 2
    lagging: bool = False
    rejecter: bool = False
    connects: int = 1
    failures: int = 0
    describes: bool = True
    ttl: bool = False

    @property
    def endpoints(self) -> tuple[str, ...]:
        return ("writer", *(["reader"] if self.lagging else []), *(["rejecter"] if self.rejecter else []))

    def __str__(self) -> str:
        words = ["alternating-users" if len(self.users) > 1 else "single-user"]
        words += [f"{self.rotations} rotation{'s' * (self.rotations > 1)}"]
        words += ["label stays" if self.label_stays else "label goes"]
        words += ["empty version first"] if self.empty_first else []
        words += ["lagging reader"] if self.lagging else []
        words += ["another server that refuses all"] if self.rejecter else []
        words += [f"{self.connects} connect{'s' * (self.connects > 1)} at once"]
        words += [f"{self.failures} failed read"] if self.failures else []
        words += [] if self.describes else ["no DescribeSecret"]
        words += ["ttl"] if self.ttl else []
        return ", ".join(words)


@dataclass(frozen=True)
class Step:
    """One step of a rotation: the labels, the versions with a value, and the changes that the writer has had."""

    name: str
    labels: Mapping[str, str]
    valued: frozenset[str]
    changes: int


class World:
    """Where the rotations stand. Everything is a number, so a snapshot is a tuple."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.steps = tuple(_steps(setup))
        self._accepted = [_accepted(changes, len(setup.users)) for changes in range(setup.rotations + 1)]
        self.at = 0
        self.late = 0
        """Changes of a password that have arrived at the lagging server."""

    @property
    def now(self) -> Step:
        return self.steps[self.at]

    def user(self, version: str) -> str:
        """Whose login a version is: the users take turns."""
        return self.setup.users[int(version[1:]) % len(self.setup.users)]

    def accepts(self, endpoint: str, version: str) -> bool:
        """True if this endpoint takes this version's login now."""
        return version in self._accepted_by(endpoint)

    def accepted(self, endpoint: str) -> frozenset[str]:
        """The labelled versions whose login this endpoint takes now."""
        return self._accepted_by(endpoint).intersection(self.now.labels.values()) & self.now.valued

    def _accepted_by(self, endpoint: str) -> frozenset[str]:
        if endpoint == "rejecter":
            return frozenset()
        return self._accepted[self.now.changes if endpoint == "writer" else self.late]

    def offers(self, endpoint: str) -> bool:
        """True if a login under a stage, with a value, is accepted there."""
        return bool(self.accepted(endpoint))


def _accepted(changes: int, users: int) -> frozenset[str]:
    """The versions whose login a server takes after so many changes: of each user the newest."""
    return frozenset(f"v{number}" for number in range(max(0, changes + 1 - users), changes + 1))


def _steps(setup: Setup) -> list[Step]:
    labels: dict[str, str] = {CURRENT: "v0"}
    valued = {"v0"}
    steps = [Step("at first", dict(labels), frozenset(valued), 0)]
    for number in range(1, setup.rotations + 1):
        version = f"v{number}"
        labels[PENDING] = version
        if setup.empty_first:
            steps.append(Step("RotateSecret", dict(labels), frozenset(valued), number - 1))
        valued.add(version)
        steps.append(Step("createSecret", dict(labels), frozenset(valued), number - 1))
        steps.append(Step("setSecret", dict(labels), frozenset(valued), number))
        labels |= {PREVIOUS: labels[CURRENT], CURRENT: version}
        if not setup.label_stays:
            del labels[PENDING]
        steps.append(Step("finishSecret", dict(labels), frozenset(valued), number))
    return steps
