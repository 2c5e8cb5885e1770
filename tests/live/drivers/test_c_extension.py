"""MySQL Connector/Python's C extension, where it cannot share a process with Python's own OpenSSL.

Its wheels bring OpenSSL 3.5 and need it. Where ``ssl`` has loaded an older one of the system before (as on Debian 12),
the import fails, and ``use_pure=False`` is an ImportError. With the wheel's own library ahead on the loader's path both
use that one, so its row of the table runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mysql.connector

from tests.live.drivers.table import C_EXTENSION

HERE = Path(__file__).parent


if not mysql.connector.HAVE_CEXT:  # else it is among the other rows here

    def test_the_c_extension_does_what_the_other_drivers_do() -> None:
        vendored = Path(mysql.connector.__file__).parents[1] / "vendor"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", C_EXTENSION, HERE],
            env={**os.environ, "LD_LIBRARY_PATH": str(vendored)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert " passed" in done.stdout
        assert "skipped" not in done.stdout
