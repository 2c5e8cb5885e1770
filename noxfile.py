"""Compatibility: every Python at hand, each extra alone, oldest dependencies, the built wheel, licences, audit.

    nox                     all of it
    nox -s tests-3.13       one session

Each session has an environment of its own. The scripts/ are for daily work; this is for what they do not cover.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.envdir = ".cache/nox"

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = sorted(PROJECT["project"]["optional-dependencies"])
BUILT_HERE = ("mariadb", "mysqlclient")  # no wheel on Linux: scripts/_env.py builds them
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
GROUP = nox.project.dependency_groups(PROJECT, "test")
TESTED = [one for one in PROJECT["tool"]["secretconn"]["env"]["test"]["extras"] if one not in BUILT_HERE]
ASYNCIO = [line for line in GROUP if line.startswith("pytest-asyncio")]
"""pytest's settings in pyproject.toml are strict, and some are of this plugin."""
PACKAGE = "secretconn/"
METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")


OF_THE_SOURCE = (  # they read the source tree, which is not there
    "tests/unit/test_telemetry_docs.py",
    "tests/unit/cli/test_check_login.py::test_the_page_names_every_finding",
)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests with this Python, as scripts/test runs them, in an environment of its own."""
    folder = ROOT / ".cache" / f"venv-test-{session.python}"
    session.run(
        "scripts/test",
        *(session.posargs or ["-q"]),
        external=True,
        env={"SECRETCONN_PYTHON": str(Path(session.virtualenv.bin) / "python"), "SECRETCONN_VENV": str(folder)},
    )


@nox.session
def wheel(session: nox.Session) -> None:
    """The wheel holds the package alone, brings nothing of its own but two packages, and passes the unit tests."""
    built = Path(session.posargs[0]).resolve() if session.posargs else build(session, "--wheel")
    names = zipfile.ZipFile(built).namelist()
    strange = [name for name in names if not name.startswith(PACKAGE) and not name.endswith(METADATA)]
    if strange or "secretconn/py.typed" not in names or any("__pycache__" in name for name in names):
        session.error(f"the wheel holds {strange or names}")
    session.install(str(built))
    asked = "import importlib.metadata as m; print(*(r for r in m.requires('secretconn') if 'extra ==' not in r))"
    required = session.run("python", "-c", asked, silent=True)
    if str(required).split() != sorted(PROJECT["project"]["dependencies"]):
        session.error(f"the wheel requires {required}")
    session.run("python", "-c", "import secretconn; print(secretconn.connect)")
    unit_tests(session, built)


@nox.session
def sdist(session: nox.Session) -> None:
    """The sdist builds into a wheel, and its own tests pass."""
    built = build(session, "--sdist")
    work = outside() / "sdist"
    shutil.rmtree(work, ignore_errors=True)
    shutil.unpack_archive(built, work)
    source = next(work.iterdir())
    session.install(f"{source}[{','.join(TESTED)}]", *GROUP)
    session.chdir(source)
    run_unit_tests(session, source / "tests")


@nox.session
@nox.parametrize("extra", EXTRAS)
def extras(session: nox.Session, extra: str) -> None:
    """Each extra alone installs, and its driver is found and loads."""
    if extra in BUILT_HERE and sys.platform == "linux":
        session.skip(f"{extra} has no wheel here; scripts/test builds it")
    session.install(f".[{extra}]")
    session.run("python", "-c", LOADS, extra)


LOADS = """
import sys, secretconn
from secretconn import engines
drivers = [one for engine in engines.engines() for one in engine.drivers if one.extra == sys.argv[1]]
for driver in dict.fromkeys(one.name for one in drivers):
    known = engines.driver_named(driver)
    print(driver, engines.load(known, for_async=known.connect is None))
"""


@nox.session
def oldest(session: nox.Session) -> None:
    """The lowest version of each dependency that pyproject.toml allows."""
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in ("psycopg", "psycopg2", "asyncpg", "pg8000", "pymysql", "mysql-connector", "aiomysql", "redis"):
        wanted += PROJECT["project"]["optional-dependencies"][extra]
    lowest = [line.replace(">=", "==") for line in wanted]
    tools = ["pytest>=9", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis"]
    session.install("-e", ".[testing]", *tools, *lowest)
    session.run("python", "-m", "pip", "list")
    core = [str(path) for path in sorted((ROOT / "tests" / "unit").glob("test_[cer]*.py"))]
    session.run("pytest", "-q", "-p", "no:cacheprovider", "tests/unit/engines", "tests/unit/sources", *core)


@nox.session
def servers(session: nox.Session) -> None:
    """Rotations on a server in a container: nox -s servers -- mysql:8.4"""
    image = session.posargs[0]
    extras = ".[testing,psycopg,psycopg2,pg8000,pymysql,mysql-connector]"
    session.install(extras, "testcontainers>=4.15", "pytest-timeout", *ASYNCIO)
    session.run("pytest", "tests/containers/images.py", "-p", "no:cacheprovider", env={"SECRETCONN_IMAGE": image})


@nox.session
def suites(session: nox.Session) -> None:
    """Django's and SQLAlchemy's own tests, with a secret in place of the login; what fails with it alone is told."""
    session.install("-e", ".[testing,django,sqlalchemy,psycopg-pool]", "tblib", "mock")
    folder = outside() / "suites"
    for package in ("django", "sqlalchemy"):
        asked = f"import importlib.metadata as m; print(m.version('{package}'))"
        version = str(session.run("python", "-c", asked, silent=True)).strip()
        session.run(
            "python",
            "-m",
            "pip",
            "download",
            "--no-deps",
            f"--no-binary={package}",
            "--dest",
            str(folder),
            f"{package}=={version}",
        )
    for archive in folder.glob("*.tar.gz"):
        shutil.unpack_archive(archive, folder, filter="data")
    session.run("python", "-m", "tests.suites", str(folder))


@nox.session
def licences(session: nox.Session) -> None:
    """Every package of the core and of the extras, with its licence; docs/licences.md has the list."""
    session.install(f".[{','.join(one for one in EXTRAS if one not in BUILT_HERE)}]", "pip-licenses")
    session.run("pip-licenses", "--format=markdown", "--order=license", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of the locked development set; needs PyPI itself, which knows them."""
    session.install("pip-audit")
    session.run("pip-audit", "--requirement", "requirements-dev.txt", "--no-deps", "--disable-pip", *session.posargs)


def build(session: nox.Session, kind: str) -> Path:
    target = outside() / kind.strip("-")
    shutil.rmtree(target, ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build", kind, "--outdir", str(target), silent=True)
    return next(target.iterdir())


def unit_tests(session: nox.Session, built: Path) -> None:
    """Against what is installed: the tests are copied to where no source tree is beside them."""
    session.install(f"{built}[{','.join(TESTED)}]", *GROUP)
    beside = outside() / "installed"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(ROOT / "tests", beside / "tests")
    for name in ("docs", "scripts", "examples", "deploy", "benchmarks"):
        shutil.copytree(ROOT / name, beside / name)
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / name for name in ("pyproject.toml", "requirements-dev.txt", "mkdocs.yml")),
    ):
        shutil.copy(path, beside)
    session.chdir(beside)
    run_unit_tests(session, beside / "tests", *(f"--deselect={test}" for test in OF_THE_SOURCE))


def outside() -> Path:
    """A folder where no test finds this project's own settings above it."""
    return Path(tempfile.mkdtemp(prefix="secretconn-nox-"))


def run_unit_tests(session: nox.Session, tests: Path, *options: str) -> None:
    session.run("pytest", "-q", "-p", "no:cacheprovider", "-n", "2", str(tests / "unit"), *options)
