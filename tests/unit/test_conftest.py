"""In CI a skipped live test fails the session; elsewhere, and for other tests, a skip stays a skip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"
AT_RUN = "import pytest\ndef test_server():\n    pytest.skip('no server')\n"
AT_SETUP = "import pytest\n@pytest.mark.skipif(True, reason='no server')\ndef test_server(): pass\n"
AT_IMPORT = "import pytest\npytest.skip('no server', allow_module_level=True)\n"
AS_EXPECTED = "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_server(): assert False\n"


def run(folder: Path, room: str, code: str, *arguments: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "tests" / room).mkdir(parents=True)
    shutil.copy(CONFTEST, folder / "tests" / "conftest.py")
    (folder / "tests" / room / "test_room.py").write_text(code)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, "tests"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment = inherited | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # quick, and no plugin of the machine's
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("code", "arguments", "closing"),
    [(AT_RUN, [], "1 failed"), (AT_SETUP, [], "1 error"), (AT_RUN, ["-p", "xdist", "-n1"], "1 failed")],
    ids=["at run", "at setup", "at run under xdist"],
)
def test_skipped_live_test_fails_in_ci(tmp_path: Path, code: str, arguments: list[str], closing: str) -> None:
    result = run(tmp_path, "live", code, *arguments, ci="true")
    assert result.returncode == 1
    assert "live/test_room.py: skipped" in result.stdout
    assert "no server" in result.stdout
    assert closing in result.stdout.splitlines()[-1]


def test_live_module_skipped_at_import_fails_in_ci(tmp_path: Path) -> None:
    result = run(tmp_path, "live", AT_IMPORT, "--continue-on-collection-errors", ci="true")
    assert result.returncode == 1
    assert "live/test_room.py: skipped" in result.stdout


@pytest.mark.parametrize(
    ("room", "code", "ci"),
    [("live", AT_RUN, ""), ("live", AT_RUN, "false"), ("unit", AT_RUN, "true"), ("live", AS_EXPECTED, "true")],
    ids=["no CI", "CI=false", "unit test", "xfail"],
)
def test_other_skips_stay_skips(tmp_path: Path, room: str, code: str, ci: str) -> None:
    assert run(tmp_path, room, code, ci=ci).returncode == 0


def test_hypothesis_draws_fresh_examples_in_ci_too(tmp_path: Path) -> None:
    code = "from hypothesis import settings\ndef test_profile(): assert not settings().derandomize\n"
    assert run(tmp_path, "unit", code, ci="true").returncode == 0
