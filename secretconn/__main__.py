"""``python -m secretconn``: the same as the command ``secretconn``."""

from __future__ import annotations

import sys

from secretconn.cli import main

if __name__ == "__main__":
    sys.exit(main())
