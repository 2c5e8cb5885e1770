"""Every problem that ``secretconn check`` knows, as a table of sentences and remedies.

A key is the finding's name, which scripts rely on, followed by ``:word`` where one name has several sentences.
docs/check.md lists the names, and a test compares the two.
"""

from __future__ import annotations

from typing import Any

from secretconn.cli.check.findings.login import LOGIN
from secretconn.cli.check.findings.secret import SECRET
from secretconn.cli.check.report import Finding

__all__ = ["FINDINGS", "finding", "sentence_of"]

FINDINGS = {**SECRET, **LOGIN}


def finding(key: str, /, *, permission: str | None = None, **facts: Any) -> Finding:
    """Return the finding of a row, with the facts filled in."""
    row = FINDINGS[key]
    name = key.partition(":")[0]
    return Finding(name, row.problem.format(**facts), row.advice.format(**facts), row.warning, permission)


def sentence_of(error: BaseException) -> str:
    """Return an error's text as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
