"""Django's and SQLAlchemy's own test suites on a real PostgreSQL, once with the plain login and once with the secret.

What fails with the secret alone, and is not told below, is a failure: python -m tests.suites FOLDER, where the source
distributions of the two lie unpacked (``nox -s suites`` gets them). Rotations go on all the time with the secret.
psycopg_pool's own tests are in no distribution.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from secretconn.testing import Application, LocalSecretsManager, Login, PostgresServer, new_password

HERE = Path(__file__).parent
DJANGO = ["backends", "transactions", "transaction_hooks", "servers", "test_runner.tests.SetupDatabasesTests"]
SQLALCHEMY = [
    *("test/engine/test_transaction.py", "test/engine/test_execute.py", "test/engine/test_pool.py"),
    *("test/engine/test_reconnect.py", "test/engine/test_parseconnect.py", "test/dialect/postgresql/test_dialect.py"),
]

DIFFERENT = {
    "test_database_name_empty": "the secret has the name that the settings leave out",
    "test_destroy_test_db_restores_db_name": "makes settings of ENGINE and NAME alone, without a secret",
    "test_ensure_version_is_qualified": "its do_connect listener connects by itself, with no login in its arguments",
    "test_multiple_host_real_connect": "writes user and password into the URL",
    "test_recycle_pool_no_race": "hands in a pool= of its own, which plugin=secretconn refuses",
}
"""Tests that must fail with a secret, and why."""


class Run(NamedTuple):
    """One suite in one way.

    Attributes:
        suite: "django" or "sqlalchemy": how the folder's name begins.
        name: For people.
        login: What says where the database is: DATABASES' dict, or a URL.
        plain: The same with the plain login.
    """

    suite: str
    name: str
    login: Any
    plain: Any


def main(folder: Path) -> int:
    """Run all; return the exit code."""
    with PostgresServer(options={"max_prepared_transactions": "10"}) as server, LocalSecretsManager() as secrets:
        app = Application(server, secrets)
        server.sql(f"ALTER ROLE {app.username} SUPERUSER; CREATE ROLE plain SUPERUSER LOGIN")
        for schema in ("test_schema", "test_schema_2"):
            server.sql(f"CREATE SCHEMA {schema}", database=app.database)
        plain = Login("plain", new_password(exclude="%@:/?#[]&+"))
        server.admin().set_password(plain)
        unexpected = [failure for run in runs(app, plain) for failure in compared(run, folder, app)]
    print("\n".join(unexpected) or "Nothing fails with a secret that does not fail without one.")
    return int(bool(unexpected))


def runs(app: Application, plain: Login) -> Iterator[Run]:
    """With psycopg; Django without a pool and with one."""
    place = {"NAME": app.database, "HOST": app.server.host, "PORT": app.server.port}
    stock = {"ENGINE": "django.db.backends.postgresql", "USER": plain.username, "PASSWORD": plain.password, **place}
    for name, pool in (("Django", {}), ("Django with a pool", {"pool": {"min_size": 0, "max_size": 4}})):
        ours = {"ENGINE": "secretconn.django.postgresql", "OPTIONS": {"secret": app.secret_id, **pool}}
        yield Run("django", name, ours, {**stock, "OPTIONS": pool})
    url = f"postgresql+psycopg://{plain.username}:{plain.password}@{app.server.host}:{app.server.port}/{app.database}"
    yield Run("sqlalchemy", "SQLAlchemy", f"postgresql+psycopg://?plugin=secretconn&secret_id={app.secret_id}", url)


def compared(run: Run, folder: Path, app: Application) -> list[str]:
    """Return what fails with the secret alone."""
    tests = next(one for one in folder.glob(f"{run.suite}-*") if one.is_dir())
    before = failures(run.suite, tests, run.plain, app)
    with rotating(app) as rotations:
        after = failures(run.suite, tests, run.login, app)
    told = {one for one in after - before if not any(name in one for name in DIFFERENT)}
    print(f"{run.name}: {len(before)} fail without a secret, {len(after)} with it, in {len(rotations)} rotations")
    return [f"{run.name}: {one}" for one in sorted(told)]


def failures(suite: str, tests: Path, login: Any, app: Application) -> set[str]:
    """Run a suite; return the names of the tests that fail. One that runs no tests is an error."""
    own = {"SUITE_LOGIN": json.dumps(login), "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    if suite == "django":
        command = ["runtests.py", "--settings=suite_settings", "--parallel=1", "--noinput", *DJANGO]
        tests, failed, ended = tests / "tests", r"^(?:FAIL|ERROR): \S+ \((\S+)\)", r"^Ran \d{3,} tests"
    else:
        command = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "-rfE", "--dburi", login, *SQLALCHEMY]
        failed, ended = r"^(?:FAILED|ERROR) (\S+)", r" \d{3,} passed"
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tests,
        env={**os.environ, **app.secrets.environment, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if re.search(ended, done.stdout, re.MULTILINE) is None:
        raise SystemExit(f"{suite}'s suite did not run:\n{done.stdout[-3000:]}")
    return set(re.findall(failed, done.stdout, re.MULTILINE))


@contextmanager
def rotating(app: Application) -> Iterator[list[int]]:
    """Rotate every few seconds; yields a list that grows with each rotation."""
    over, rotations = threading.Event(), list[int]()

    def rotate() -> None:
        while not over.wait(3.0):
            app.rotator(pause=0.2).rotate()
            rotations.append(len(rotations))

    thread = threading.Thread(target=rotate, daemon=True)
    thread.start()
    try:
        yield rotations
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
