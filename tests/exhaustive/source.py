"""Source: Secrets Manager in the explored world. A read is told which step of the rotation each of its calls sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from secretconn.credentials import PENDING, Payload
from secretconn.sources.base import Reading
from tests.exhaustive.world import Setup, Step, World

__all__ = ["NOT_FOUND", "THROTTLED", "Source"]

NOT_FOUND, THROTTLED = "not found", "throttled"
"""How a read may fail: AWSPENDING's version reads as missing, or nothing can be read."""


class NotThere(Exception):
    """Secrets Manager's ResourceNotFoundException."""


class Source:
    """Reads the world as SecretsManagerSource reads Secrets Manager.

    Attributes:
        looks: The steps that the next calls see.
        failure: How the next read fails, or None.
        missing: How many calls for AWSPENDING of the next read find nothing.
    """

    def __init__(self, setup: Setup, world: World, say: Callable[[str], None]) -> None:
        self.api_calls = 0
        self.looks: Iterator[int] = iter(())
        self.failure: str | None = None
        self.missing = 0
        self._setup, self._world, self._say = setup, world, say

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read: a first read is one GetSecretValue."""
        return self._read(stages, held, by_stage=len(stages) == 1 and not held)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See CachingSource.read_fresh."""
        return self._read(stages, held, by_stage=len(stages) == 1)

    @property
    def by_stage(self) -> bool:
        """See Source."""
        return not self._setup.describes

    def after_fork(self, in_use: bool) -> None:
        """Nothing to let go of."""

    def _read(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        if self.failure == THROTTLED:
            self.api_calls += 1
            self._say(f"the read of {'+'.join(stages)} is throttled")
            raise ConnectionError
        if by_stage:
            reading = self._by_stage(stages[0])
        elif self._setup.describes:
            reading = self._whole(stages, held)
        else:
            reading = self._each_stage(stages)
        told = ", ".join(f"{stage} on {version}" for stage, version in reading.stages.items()) or "nothing"
        failed = "".join(f"; {stage} could not be read" for stage in reading.failures)
        self._say(f"the read of {'+'.join(stages)} brings {told}{failed}")
        return reading

    def _look(self) -> Step:
        """What this call sees."""
        at = next(self.looks)
        if at != self._world.at:
            self._say(f"(it looked when {self._world.steps[at].name} {at} was the last step)")
        return self._world.steps[at]

    def _is_there(self, stage: str, version: str, step: Step) -> bool:
        if stage == PENDING and self.missing:
            self.missing -= 1
            return False
        return version in step.valued

    def _by_stage(self, stage: str) -> Reading:
        self.api_calls += 1
        step = self._look()
        version = step.labels.get(stage)
        if version is None or not self._is_there(stage, version, step):
            return Reading({}, {}, whole=False)
        labels = {name: labelled for name, labelled in step.labels.items() if labelled == version}
        return Reading(labels, {version: self._payload(version)}, whole=False)

    def _whole(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        self.api_calls += 1
        labels = self._look().labels
        payloads: dict[str, Payload] = {}
        failures: dict[str, Exception] = {}
        for stage in stages:
            version = labels.get(stage)
            if version is None or version in held or version in payloads:
                continue
            self.api_calls += 1
            if self._is_there(stage, version, self._look()):
                payloads[version] = self._payload(version)
            else:
                failures[stage] = NotThere()
        return Reading(stages=labels, payloads=payloads, failures=failures)

    def _each_stage(self, stages: tuple[str, ...]) -> Reading:
        labels: dict[str, str] = {}
        payloads: dict[str, Payload] = {}
        for stage in (*sorted(stages, key=lambda stage: stage != PENDING), PENDING):
            if stage not in labels:
                reading = self._by_stage(stage)
                labels |= reading.stages
                payloads |= reading.payloads
        return Reading(labels, payloads, whole=False)

    def _payload(self, version: str) -> Payload:
        content = f'{{"username": "{self._world.user(version)}", "password": "{version}", "host": "db"}}'
        return Payload(version, content)
