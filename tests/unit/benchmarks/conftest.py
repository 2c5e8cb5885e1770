"""The benchmarks are run as ``python benchmarks/run.py``: their modules are found from that folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
