"""Builds the drivers that have no wheel on Linux (mysqlclient, mariadb), whatever the machine lacks for it.

What is missing comes from packages that need no installing: the client library and Python's headers from Debian
packages unpacked into .cache, the compiler from the PyPI package ziglang. What is installed is used instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import _pip

CACHE = Path(__file__).resolve().parent.parent / ".cache"
BUILT_HERE = {"mysqlclient", "mariadb"}  # extras
PROGRAM = b'#include <stdio.h>\nint main(void) { return puts("") < 0; }\n'

# zig's linker stops at options it does not know; those Debian's and Ubuntu's Python add only tune the result. Its debug
# builds call a checker that exists in whole programs only.
ZIG_CC = """#!/bin/sh
export ZIG_GLOBAL_CACHE_DIR='{cache}' ZIG_LOCAL_CACHE_DIR='{cache}'
for argument do
    shift
    case $argument in
        -Wl,-Bsymbolic-functions | -flto* | -ffat-lto-objects | -specs=*) ;;
        *) set -- "$@" "$argument" ;;
    esac
done
exec '{zig}' cc -fno-sanitize=undefined "$@"
"""


CONFIG = """#!/bin/sh
for argument do
    case $argument in
        --include | --cflags) echo "{include}" ;;
        --libs) echo '-L{library} -lmariadb' ;;
        --plugindir) echo '{library}/libmariadb3/plugin' ;;
        --cc_version | --version) echo '{version}' ;;
        *) exit 1 ;;
    esac
done
"""


def pip(python: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Runs pip for the environment, with the user's own settings; what it prints goes to standard error.

    Without pip's cache, which would hold all of it once more, unless PIP_NO_CACHE_DIR=0 asks for one.
    """
    env = {"PIP_NO_CACHE_DIR": "1", **(os.environ if env is None else env)}
    program = str(_pip.wheel(CACHE / "pip") / "pip")
    command = [str(python), program, "--disable-pip-version-check", *arguments, "-qq"]
    if subprocess.run(command, stdout=sys.stderr, env=env, check=False).returncode != 0:
        sys.exit(
            f"secretconn: this failed, its reason stands above: {shlex.join(command)}\n"
            "secretconn: is the package index reachable (PIP_INDEX_URL or pip.conf), and is ca-certificates there?"
        )


def wheel(python: Path, requirement: str) -> Path:
    """Returns a wheel that satisfies the requirement, built now or on an earlier run."""
    # The wheel holds the path of the unpacked library, so it is good for this folder and this Python only.
    key = hashlib.sha256(f"{requirement} {sys.version} {CACHE}".encode()).hexdigest()[:16]
    folder = CACHE / "wheels" / key
    if not folder.exists():
        print(f"secretconn: building {requirement}", file=sys.stderr, flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            target = Path(work) / "built"
            # No pip cache: it would hand a wheel made for another folder to this one, and ours to others.
            arguments = ["wheel", "--no-deps", "--no-cache-dir", "--no-binary", ":all:", "--wheel-dir", str(target)]
            pip(python, *arguments, requirement, env=build_environment(python))
            target.rename(folder)
    return next(folder.glob("*.whl"))


def build_environment(python: Path) -> dict[str, str]:
    config = client_config()
    include = output_of(config, "--include")
    library = output_of(config, "--libs")
    rpath = " ".join(f"-Wl,-rpath,{word[2:]}" for word in shlex.split(library) if word.startswith("-L"))
    ours = {
        "MARIADB_CONFIG": config,
        "MYSQLCLIENT_CFLAGS": include,
        "MYSQLCLIENT_LDFLAGS": f"{library} {rpath}",
        "CC": compiler(python),
    }
    env = {**ours, **os.environ}
    env["CFLAGS"] = f"{env.get('CFLAGS', '')} {header_flags()}".strip()
    env["LDFLAGS"] = f"{env.get('LDFLAGS', '')} {rpath}".strip()
    return env


def client_config() -> str:
    """The program that tells how to use MariaDB's client library; where unpacked, one that tells where that is."""
    installed = shutil.which("mariadb_config")
    if installed:
        return installed
    instead = "install MariaDB Connector/C, so that mariadb_config is on PATH"
    folder = unpack_debian("libmariadb-dev", without=["*-dev*", "rpcsvc-proto"], instead=instead)
    library = next(folder.glob("usr/lib/*/libmariadb.so")).parent
    headers = sorted(folder.glob("usr/include/**/*.h"))
    include = shlex.join(f"-I{place}" for place in dict.fromkeys(header.parent for header in headers))
    versions = (re.search(r'MARIADB_PACKAGE_VERSION\s+"([^"]+)"', header.read_text()) for header in headers)
    version = next((found[1] for found in versions if found), "unknown")
    script = folder / "mariadb_config"  # Debian's own names fixed places from MariaDB 11.8 on
    script.write_text(CONFIG.format(include=include, library=library, version=version))
    script.chmod(0o755)
    return str(script)


def header_flags() -> str:
    if Path(sysconfig.get_path("include"), "Python.h").exists():
        return ""
    package = f"libpython3.{sys.version_info.minor}-dev"
    include = unpack_debian(package, without=["*"], instead="install your Python's headers") / "usr/include"
    return f"-I{include} -I{include}/python3.{sys.version_info.minor}"


def compiler(python: Path) -> str:
    """The first C compiler that works (one without the C library's headers does not), else zig's."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        if command and compiles(command):
            return command
    folder = CACHE / "zig"
    if not (folder / "ziglang").exists():
        print(
            f"secretconn: no C compiler found, fetching ziglang: 100 MB, 480 MB in {folder} until it has built",
            file=sys.stderr,
        )
        pip(python, "install", "--no-compile", "--target", str(folder), "ziglang")
    script = folder / "cc"
    script.write_text(ZIG_CC.format(cache=folder / "cache", zig=folder / "ziglang" / "zig"))
    script.chmod(0o755)
    return str(script)


def remove_tools() -> None:
    """Removes the fetched compiler and Python's headers: what they built is kept."""
    for folder in (CACHE / "zig", *CACHE.glob("debian/*-libpython3*-dev-*")):
        shutil.rmtree(folder, ignore_errors=True)


def compiles(command: str) -> bool:
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        return False
    with tempfile.TemporaryDirectory() as work:
        attempt = [*words, "-x", "c", "-", "-o", f"{work}/program"]
        return subprocess.run(attempt, input=PROGRAM, capture_output=True, check=False).returncode == 0


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def unpack_debian(package: str, *, without: list[str], instead: str) -> Path:
    """Unpacks a Debian package into .cache, with no root and nothing installed; returns the folder that stands for /.

    Args:
        package: its name in the repositories this machine is set up for.
        without: patterns of packages that it needs and we do not.
        instead: what the user can do where that does not work.
    """
    sys.path.insert(0, str(CACHE.parent))
    from secretconn.testing import debian, errors  # needs the standard library only; nothing is installed yet

    try:
        return debian.unpack(package, without=without, cache=CACHE).root
    except errors.ServerUnavailable as error:
        sys.exit(f"secretconn: {error}; please {instead}.")
    finally:
        sys.path.pop(0)
