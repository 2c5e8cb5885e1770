"""MemorySource: a Source whose versions a unit test sets itself. No server, no SDK, no waiting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Set

from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Payload
from secretconn.sources.base import Reading, is_passing

__all__ = ["MemorySource"]


class MemorySource:
    """Versions in memory, asked, counted and failing as Secrets Manager would be.

    Args:
        content: The first version's content: AWS's JSON as a dict, or text, or bytes. Left out: no version yet.
        by_stage: True: a question for one stage is one call and tells of its version alone, as GetSecretValue does.
            False: each read tells every label, as a file does.

    Attributes:
        stages: Stage to version id; set it to move labels.
        api_calls: One for a stage; for a whole reading one, and one per version read.
        error: Raised by the next reads, until it is None again.
        unreadable: Stage to the error for which its version cannot be read.
        on_read: Called at the begin of each read, to do something while it is under way.
    """

    def __init__(self, content: Mapping[str, object] | str | bytes | None = None, *, by_stage: bool = True) -> None:
        self._by_stage = by_stage
        self.stages: dict[str, str] = {}
        self.api_calls = 0
        self.error: Exception | None = None
        self.unreadable: dict[str, Exception] = {}
        self.on_read: Callable[[], object] | None = None
        self.reads = 0
        self._payloads: dict[str, Payload] = {}
        if content is not None:
            self.put("v1", content, CURRENT)

    def put(self, version: str, content: Mapping[str, object] | str | bytes, *stages: str) -> None:
        """Add a version under these stages."""
        text = json.dumps(content) if isinstance(content, Mapping) else content
        self._payloads[version] = Payload(version, text)
        self.stages |= dict.fromkeys(stages, version)

    def rotate(self, version: str, content: Mapping[str, object] | str | bytes) -> None:
        """A whole rotation at once: the new version is AWSCURRENT (and still AWSPENDING), the old one AWSPREVIOUS."""
        previous = self.stages.get(CURRENT)
        self.put(version, content, PENDING, CURRENT)
        if previous is not None:
            self.stages[PREVIOUS] = previous

    def change(self, **keys: object) -> str:
        """A rotation to the current content with some keys changed: ``source.change(password="two")``.

        Returns:
            The new version's id.
        """
        version = f"v{len(self._payloads) + 1}"
        self.rotate(version, {**json.loads(self._payloads[self.stages[CURRENT]].content), **keys})
        return version

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. A first read of one stage is a question for it, as with Secrets Manager."""
        return self._read(stages, held, whole=not self._by_stage or len(stages) > 1 or bool(held))

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """As ``read``, where a login has just been rejected."""
        return self._read(stages, held, whole=not self._by_stage or len(stages) > 1)

    def _read(self, stages: tuple[str, ...], held: Set[str], *, whole: bool) -> Reading:
        self.reads += 1
        self.api_calls += 1
        seen, error = dict(self.stages), self.error
        if self.on_read is not None:
            self.on_read()
        if error is not None:
            raise error
        failures = {stage: self.unreadable[stage] for stage in stages if stage in seen and stage in self.unreadable}
        wanted = {seen[stage] for stage in stages if stage in seen and stage not in failures}
        if whole:
            wanted -= held
            self.api_calls += len(wanted) + len(failures)
        else:
            for stage, failure in failures.items():
                if stage not in (PENDING, PREVIOUS) or is_passing(failure):
                    raise failure
            seen = {stage: version for stage, version in seen.items() if version in wanted}
        return Reading(seen, {version: self._payloads[version] for version in wanted}, failures, whole=whole)

    def after_fork(self, in_use: bool) -> None:
        """Nothing to let go of."""
