"""``secretconn check`` of a Redis user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secretconn.cli import main

pytest.importorskip("redis")


def test_a_redis_user(cache: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cache.secrets.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["check", cache.secret_id, "--all-drivers", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["driver"], one["async"]) for one in told["connections"]] == [("redis", False), ("redis", True)]
    assert all(one["server"].startswith("Redis ") for one in told["connections"])
    cache.server.admin().allow(cache.username, "-info")
    assert main(["check", cache.secret_id]) == 0  # who the server is cannot be asked; the connection works
    assert "version not known, TLS not known\n" in capsys.readouterr().out
    where = {"engine": "redis", "host": cache.server.host, "port": cache.server.port, "username": cache.username}
    cache.secrets.put(cache.secret_id, {**where, "password": "wrong-1"})
    before = cache.server.rejected_logins()
    assert main(["check", cache.secret_id, "--json"]) == 0  # the previous one is right, and is found
    assert cache.server.rejected_logins() - before == 1
    told = json.loads(capsys.readouterr().out)
    assert "current-refused" in [one["name"] for one in told["findings"]]
    cache.secrets.put(cache.secret_id, {**where, "password": "wrong-2"})
    assert main(["check", cache.secret_id]) == 1
    out = capsys.readouterr().out
    assert "\n    wrong-password: " in out
    assert "wrong-1" not in out
    assert "wrong-2" not in out
