# shellcheck shell=bash
# Sourced by the scripts: goes to the top of the repository, makes the local environment, sets $python to its interpreter.
# SECRETCONN_PYTHON names an interpreter to use, SECRETCONN_VENV another place for the environment than .venv,
# SECRETCONN_CACHE another one for unpacked servers than .cache. Nothing is kept elsewhere; scripts/clean removes both.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export SECRETCONN_CACHE="${SECRETCONN_CACHE:-$PWD/.cache}"

find_python() {
    local candidate
    for candidate in ${SECRETCONN_PYTHON:+"$SECRETCONN_PYTHON"} python3.13 python3.12 python3.11 python3 python \
        "$HOME"/.pyenv/versions/*/bin/python3; do
        # Run it: a pyenv shim exists for versions that are not switched on, and a minimal Python has no venv.
        if "$candidate" -c 'import sys, ssl, tomllib, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    echo "secretconn: no Python 3.11 or later found on PATH. Install one (Debian, Ubuntu: apt-get install python3)," \
        "or set SECRETCONN_PYTHON to its path." >&2
    return 1
}

use_environment() { # use_environment demo|check|test
    local base
    base=$(find_python) || exit 1
    python=$("$base" scripts/_env.py "$1") || exit 1
    export PATH="${python%/*}:$PATH"
}
