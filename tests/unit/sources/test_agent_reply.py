"""What each of the agent's answers means; and that nothing of an answer is ever repeated."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn.credentials import Hidden, Payload
from secretconn.sources.agent_reply import Address, Failed, Kind, Reply, Unreached, ask, judge

VERSION = {
    "ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders-AbCdEf",
    "Name": "prod/orders",
    "VersionId": "v1",
    "SecretString": '{"password": "pw-1"}',
    "VersionStages": ["AWSCURRENT"],
    "CreatedDate": "1569534789.046",
}


def body(**changes: object) -> bytes:
    return json.dumps({name: value for name, value in {**VERSION, **changes}.items() if value is not None}).encode()


def kind(status: int, text: str | bytes, secret_id: str = "prod/orders") -> Kind:
    found = judge(Reply(status, text if isinstance(text, bytes) else text.encode()), secret_id)
    assert isinstance(found, Failed)
    return found.kind


@pytest.mark.parametrize("secret_id", ["prod/orders", VERSION["ARN"], str(VERSION["ARN"])[:-7]])
def test_a_version_is_read(secret_id: str) -> None:
    found = judge(Reply(200, body()), secret_id)
    assert isinstance(found, Payload)
    assert (found.version_id, found.content) == ("v1", '{"password": "pw-1"}')


def test_binary_is_base64() -> None:
    coded = base64.b64encode(b"\x00pw").decode()
    found = judge(Reply(200, body(SecretString=None, SecretBinary=coded)), "prod/orders")
    assert isinstance(found, Payload)
    assert (found.version_id, found.content) == ("v1", b"\x00pw")


NO_VERSION = "it answered with something that is no version of a secret"
NO_CONTENT = "it answered with a version that has neither SecretString nor SecretBinary"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (b"", NO_VERSION),
        (b"healthy", NO_VERSION),
        (b"[]", NO_VERSION),
        (b"<html>", NO_VERSION),
        (b"\xff\xfe", NO_VERSION),
        (body(VersionId=None), NO_VERSION),
        (body(VersionId=7), NO_VERSION),
        (body(SecretString=None), NO_CONTENT),
        (body(SecretString=None, SecretBinary="*"), NO_CONTENT),
        (body(Name="prod/other"), "it answered with another secret"),
        (b"[" * 100_000, NO_VERSION),
    ],
)
def test_a_wrong_body_is_told_and_not_repeated(wrong: bytes, told: str) -> None:
    assert judge(Reply(200, wrong), "prod/orders") == Failed(Kind.WRONG, told)


def test_another_secret_is_refused_by_arn_too() -> None:
    assert kind(200, body(), "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/other-AbCdEf") is Kind.WRONG


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (403, "Bad Token", Kind.BAD_TOKEN),
        (400, "unknown parameter: refreshNow", Kind.NO_REFRESH),
        (400, "unknown parameter: versionStage", Kind.WRONG),
        (400, "Forwarded", Kind.WRONG),
        (400, "not ready to serve traffic, please wait", Kind.STARTING),
        (503, "Serving not enabled.", Kind.STARTING),
        (404, "Not found", Kind.WRONG),
        (405, "Not allowed", Kind.WRONG),
        (429, "Connection limit exceeded", Kind.BUSY),
        (500, "", Kind.BUSY),
        (400, '{"__type":"ResourceNotFoundException","message":"x"}', Kind.NOT_THERE),
        (400, '{"__type":"InvalidRequestException","message":"x"}', Kind.NOT_THERE),
        (400, '{"__type":"a.b#AccessDeniedException","message":"x"}', Kind.WRONG),
        (403, '{"__type":"ExpiredTokenException","message":"x"}', Kind.WRONG),
        (400, '{"__type":"ThrottlingException","message":"x"}', Kind.BUSY),
        (500, '{"__type":"InternalFailure","message":""}', Kind.BUSY),
        (502, '{"__type":"ConnectionError","message":"Read Error"}', Kind.BUSY),
        (504, '{"__type":"TimeoutError","message":"Timeout"}', Kind.BUSY),
    ],
)
def test_each_status(status: int, text: str, expected: Kind) -> None:
    assert kind(status, text) is expected


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (403, "Bad Token", "it answered 403, which refuses the token"),
        (400, "unknown parameter: refreshNow", "it answered 400, refreshNow is unknown to it"),
        (400, "bad parameter", "it answered 400, it does not understand the request"),
        (400, "X-Forwarded-For", "it answered 400, something in between adds X-Forwarded-For"),
        (503, "Serving not enabled.", "it answered 503, as while it starts"),
        (404, "Not found", "it answered 404"),
        (500, "", "it answered 500"),
    ],
)
def test_what_a_plain_answer_means_is_told(status: int, text: str, told: str) -> None:
    assert judge(Reply(404, b"\xff" + text.encode()), "s") == Failed(Kind.WRONG, "it answered 404")
    found = judge(Reply(status, text.encode()), "s")
    assert isinstance(found, Failed)
    assert found.why == told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("x#AccessDeniedException", "AccessDeniedException"),
        ("C" * 80, "C" * 80),
        ("C" * 81, "an unknown error"),
        ("x#two words", "an unknown error"),
        ("Ünbekannt", "an unknown error"),
        ("", "an unknown error"),
    ],
)
def test_the_code_is_told(code: str, told: str) -> None:
    found = judge(Reply(400, json.dumps({"__type": code}).encode()), "s")
    assert found == Failed(Kind.WRONG, f"it answered 400 {told}")


@given(st.integers(200, 599), st.binary() | st.text().map(lambda text: json.dumps({"__type": text}).encode()))
def test_no_answer_makes_it_raise(status: int, content: bytes) -> None:
    judge(Reply(status, content), "s")


@given(
    st.integers(200, 599),
    st.sampled_from(
        ["%s", '"%s"', '{"%s": 1}', '{"__type": "a b %s"}', '{"SecretString": "%s"}', '{"VersionId": "%s"}']
    ),
)
def test_no_failure_repeats_what_was_read(status: int, shape: str) -> None:
    found = judge(Reply(status, (shape % "pw secret").encode()), "s")
    assert "pw secret" not in repr(found)
    assert "pw secret" not in repr(Reply(status, b"pw secret"))


# -- the request itself, against a peer that is no good HTTP server ---------------------------------------------------


@contextlib.contextmanager
def peer(*parts: bytes, pause: float = 0.0, requests: list[bytes] | None = None) -> Iterator[Address]:
    """Listens once, takes a request and sends these parts, pausing before each; then hangs up."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    request = connection.recv(65536)
                    if requests is not None:
                        requests.append(request)
                    for part in parts:
                        if ended.wait(pause):
                            return
                        connection.sendall(part)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield Address("127.0.0.1", server.getsockname()[1])
        finally:
            ended.set()
            thread.join(10)


@pytest.mark.parametrize("token", ["t0p", ""])
def test_the_request_has_the_token_if_there_is_one(token: str) -> None:
    requests: list[bytes] = []
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n"
    with peer(head, b"bo", b"dy", pause=0.02, requests=requests) as address:
        found = ask(address, "/secretsmanager/get?secretId=s", Hidden(token), 5.0)
    assert isinstance(found, Reply)
    assert (found.status, found.body) == (404, b"body")
    line, *headers = requests[0].decode().split("\r\n")
    assert line == "GET /secretsmanager/get?secretId=s HTTP/1.1"
    tokens = [header for header in headers if header.lower().startswith("x-aws")]
    assert tokens == ([f"X-Aws-Parameters-Secrets-Token: {token}"] if token else [])


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


def test_one_that_says_nothing_too() -> None:
    with peer(b"", pause=60.0) as address:
        found = ask(address, "/", Hidden(""), 0.1)
    assert isinstance(found, Unreached)
    assert isinstance(found.error, TimeoutError)


def test_a_peer_that_drips_is_left_when_its_time_is_over() -> None:
    with peer(HEAD, *[b"x"] * 2000, pause=0.02) as address:
        found = ask(address, "/", Hidden(""), 0.3)
    assert isinstance(found, Unreached)
    assert isinstance(found.error, TimeoutError)
    assert not found.starting


def test_one_that_speaks_no_http_is_told_by_the_kind_of_its_fault() -> None:
    with peer(b"hello\r\n\r\n") as address:
        found = ask(address, "/", Hidden(""), 5.0)
    assert isinstance(found, Unreached)
    assert (str(found.error), found.starting) == ("BadStatusLine in its HTTP answer", False)


@pytest.mark.parametrize(
    "answer",
    [
        b"%s\r\n\r\n",  # no status line
        b"HTTP/1.1 %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n{}",
    ],
)
def test_malformed_http_that_quotes_the_secret_is_not_repeated(answer: bytes) -> None:
    word = "s3cret-in-the-answer"
    with peer(answer % word.encode()) as address:
        found = ask(address, "/", Hidden(""), 5.0)
    if isinstance(found, Unreached):
        error = found.error
        assert word not in f"{error!r}{error.args}{vars(error)}{error.__cause__!r}{error.__context__!r}"
        assert error.__traceback__ is None
    else:
        assert word not in repr(found)


def test_what_is_no_answer_at_all_is_told_by_its_kind() -> None:
    with peer(b"") as address:
        found = ask(address, "/", Hidden(""), 5.0)
    assert isinstance(found, Unreached)
    assert isinstance(found.error, ConnectionError)
    found = ask(address, "/", Hidden(""), 5.0)  # nobody listens there now
    assert isinstance(found, Unreached)
    assert found.starting
