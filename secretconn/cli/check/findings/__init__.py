"""Every problem that ``secretconn check`` knows, as tables of causes, sentences and remedies.

A key is the finding's name, which scripts rely on, followed by ``:word`` where one name has several sentences.
docs/check.md lists the names, and a test compares the two.
"""

from __future__ import annotations

from typing import Any

from secretconn.cli.check.findings.login import LOGIN
from secretconn.cli.check.findings.secret import SECRET, WARNINGS
from secretconn.cli.check.report import Finding

FINDINGS = {**SECRET, **LOGIN, **WARNINGS}


def finding(key: str, /, *, permission: str | None = None, **facts: Any) -> Finding:
    """Return a finding with the facts filled in."""
    problem, advice = (text.format(**facts) for text in FINDINGS[key][:2])
    return Finding(key.partition(":")[0], problem, advice, key in WARNINGS, permission)


def sentence_of(error: BaseException) -> str:
    """Return an error's text as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
