"""Who may ask the servers of tests, and what they know of us."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from examples.webapp.rotator import DevRotator
from secretconn.testing import LocalSecretsManager, PostgresServer, Rotator


@pytest.mark.parametrize("path", ["/", "/-secretconn"])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": "evil.example:80"}],
)
def test_a_page_in_a_browser_is_refused(
    path: str, headers: dict[str, str], secrets_manager: LocalSecretsManager
) -> None:
    """By its Origin, or by a name that resolves to 127.0.0.1."""
    assert answer(secrets_manager, path, headers) == 403
    assert answer(secrets_manager, "/-secretconn", {}) == 200


def answer(server: LocalSecretsManager, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(server.endpoint_url.removeprefix("http://"))
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc")
def test_a_server_s_environment_has_no_keys_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "xyzzy-key")
    with PostgresServer() as server:
        process = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
        assert b"xyzzy-key" not in Path(f"/proc/{process}/environ").read_bytes()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Host": "rotator:8080"}, 200), ({"Host": "evil.example:80"}, 403), ({"Origin": "http://evil"}, 403)],
)
def test_the_development_rotator_is_asked_by_its_own_names(headers: dict[str, str], status: int) -> None:
    with DevRotator(_no_rotator, names=("rotator",)) as rotator:
        connection = http.client.HTTPConnection(rotator.url.removeprefix("http://").rstrip("/"))
        for method in ("GET", "POST"):
            connection.request(method, "/", headers=headers)
            reply = connection.getresponse()
            reply.read()
            assert reply.status == (415 if method == "POST" and status == 200 else status)
        connection.close()


def _no_rotator(*_: object, **__: object) -> Rotator:
    raise AssertionError("nobody may begin a rotation here")
