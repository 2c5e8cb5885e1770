"""Replicas: the next region answers while the first one does not, and the first one again when it heals."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from secretconn.credentials import PENDING, PREVIOUS
from secretconn.errors import ConfigurationError, SecretUnavailable
from secretconn.sources.base import CachingSource, NoValue, Reading, Source, name_of, place_of

__all__ = ["ReplicatedSource"]

NEVER = float("-inf")
SKIP = 30.0
"""Seconds for which a region that failed is asked last. A region that does not answer costs a read its time limit, so
that is paid once in so many seconds."""


class ReplicatedSource:
    """One source for each region, in order of preference.

    Args:
        secret_id: The secret, for errors.
        sources: The primary's source, then the replicas'.
        clock: Monotonic seconds.
    """

    def __init__(self, secret_id: str, sources: Sequence[Source], clock: Callable[[], float]) -> None:
        self._secret_id, self._sources, self._clock = secret_id, tuple(sources), clock
        self._skip_until = [NEVER] * len(self._sources)
        self._asked = self._sources[0]

    @property
    def api_calls(self) -> int:
        """Calls in all regions."""
        return sum(source.api_calls for source in self._sources)

    @property
    def sources(self) -> tuple[Source, ...]:
        """One for each region, in order of preference."""
        return self._sources

    @property
    def place(self) -> str | None:
        """The region that answered last."""
        return place_of(self._asked)

    @property
    def by_stage(self) -> bool:
        """See Source."""
        return getattr(self._asked, "by_stage", False)

    @property
    def where(self) -> str | None:
        """The same, for a sentence."""
        return getattr(self._asked, "where", None)

    def prepare(self) -> None:
        """Import what the regions' sources need."""
        for source in self._sources:
            prepare = getattr(source, "prepare", None)
            if prepare is not None:
                prepare()

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read.

        Raises:
            SecretUnavailable: no region gave the current version; says what each of them did.
            ConfigurationError: no region is known, or an unknown profile.
        """
        return self._first(stages, lambda source: source.read(stages, held))

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See CachingSource.read_fresh. Raises what ``read`` raises."""
        return self._first(
            stages,
            lambda source: (source.read_fresh if isinstance(source, CachingSource) else source.read)(stages, held),
        )

    def _first(self, stages: tuple[str, ...], read: Callable[[Source], Reading]) -> Reading:
        errors: list[tuple[Source, Exception]] = []
        for index in self._order():
            source = self._asked = self._sources[index]
            try:
                reading = read(source)
                problem = _problem(reading, stages[0])
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever it is, the next region may answer)
                problem = error
            else:
                if problem is None:
                    self._skip_until[index] = NEVER
                    return reading
            self._skip_until[index] = self._clock() + SKIP
            errors.append((source, problem))
        raise self._unavailable(errors) from errors[0][1]

    def after_fork(self, in_use: bool) -> None:
        """See Source.after_fork."""
        for source in self._sources:
            source.after_fork(in_use)

    def _order(self) -> list[int]:
        """By preference; those that failed just now come last."""
        now = self._clock()
        return sorted(range(len(self._sources)), key=lambda index: now < self._skip_until[index])

    def _unavailable(self, errors: Sequence[tuple[Source, Exception]]) -> SecretUnavailable:
        told = "; ".join(f"{place_of(source) or 'a region'}: {name_of(error)}" for source, error in errors)
        return SecretUnavailable(
            f"secret {self._secret_id!r} could not be read in any region ({told})", secret_id=self._secret_id
        )


def _problem(reading: Reading, current: str) -> Exception | None:
    """Why a reading is of no use: nobody can log in without the current version."""
    if current in (PENDING, PREVIOUS):
        return None
    if current not in reading.stages:
        return NoValue(f"no version has the stage {current}")
    return reading.failures.get(current)
