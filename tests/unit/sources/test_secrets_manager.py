"""Secrets Manager's source and a client that keeps count: what is asked, what one stage's failure means, forks."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from secretconn import RotatingCredentials, SecretUnavailable
from secretconn._core.reports import error_of
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from secretconn.sources import FileSource, SecretsManagerSource
from secretconn.sources.base import NoValue, name_of
from secretconn.sources.calls import Recorder, cause_of, is_of_own_credentials, payload_of
from tests.unit.fakes import Answered

pytest.importorskip("aws_secretsmanager_caching")

ALL = (CURRENT, PENDING, PREVIOUS)
NOBODY = frozenset[str]()


def id_of(number: int) -> str:
    return str(number).rjust(32, "0")


class Client:
    """As boto3's: versions by stage, and errors by what is asked."""

    def __init__(self, **stages: int) -> None:
        self.stages = {f"AWS{stage.upper()}": id_of(number) for stage, number in stages.items()}
        self.errors: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.ids = set[str | None]()
        self.closed = 0
        self.on_call: Any = None

    def describe_secret(self, **arguments: str) -> Any:
        self.ids.add(arguments.get("SecretId"))
        self._asked("describe")
        return {"VersionIdsToStages": {version: self._labels(version) for version in self.stages.values()}}

    def get_secret_value(self, **arguments: str) -> Any:
        self.ids.add(arguments.get("SecretId"))
        stage = arguments.get("VersionStage") or self._labels(arguments["VersionId"])[0]
        self._asked(stage)
        version = self.stages.get(stage)
        if version is None:
            raise Answered("ResourceNotFoundException")
        return {"VersionId": version, "VersionStages": self._labels(version), "SecretString": f"content of {version}"}

    def close(self) -> None:
        self.closed += 1

    def _labels(self, version: str) -> list[str]:
        return [stage for stage, named in self.stages.items() if named == version]

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        if self.on_call is not None:
            self.on_call()
        if what in self.errors:
            raise self.errors[what]


def test_a_first_read_is_one_call_and_says_so() -> None:
    client = Client(current=1, previous=0)
    source = SecretsManagerSource("s", client=client)
    reading = source.read((CURRENT,), NOBODY)
    assert (reading.stages, reading.whole) == ({CURRENT: id_of(1)}, False)
    assert reading.payloads[id_of(1)].content == f"content of {id_of(1)}"
    assert (client.asked, source.api_calls) == ([CURRENT], 1)


def test_every_label_of_the_version_is_told() -> None:
    reading = SecretsManagerSource("s", client=Client(current=1, pending=1)).read((CURRENT,), NOBODY)
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(1)}


def test_a_ttl_read_describes_and_takes_no_content_that_is_held() -> None:
    client = Client(current=1, pending=2)
    source = SecretsManagerSource("s", client=client)
    reading = source.read((CURRENT,), frozenset({id_of(1)}))
    assert (client.asked, reading.whole, dict(reading.payloads)) == (["describe"], True, {})
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(2)}


@pytest.mark.parametrize("stage", ALL)
def test_after_a_rejection_one_stage_is_one_call_held_or_not(stage: str) -> None:
    client = Client(current=1, pending=2, previous=0)
    reading = SecretsManagerSource("s", client=client).read_fresh((stage,), frozenset(map(id_of, range(3))))
    assert client.asked == [stage]
    assert reading.payloads.keys() == {client.stages[stage]}


def test_all_stages_are_one_description_and_a_value_for_each_that_is_not_held() -> None:
    client = Client(current=1, pending=2, previous=0)
    source = SecretsManagerSource("s", client=client)
    reading = source.read_fresh(ALL, frozenset({id_of(1)}))
    assert client.asked == ["describe", PENDING, PREVIOUS]
    assert (reading.whole, reading.payloads.keys()) == (True, {id_of(0), id_of(2)})


def test_every_call_names_the_secret() -> None:
    client = Client(current=1, pending=2)
    source = SecretsManagerSource("s", client=client)
    source.read((CURRENT,), NOBODY)
    source.read(ALL, NOBODY)
    assert client.ids == {"s"}
    assert client.asked == [CURRENT, "describe", CURRENT, PENDING]


@pytest.mark.parametrize("stage", [PENDING, PREVIOUS])
def test_a_stage_that_is_nowhere_is_no_failure(stage: str) -> None:
    reading = SecretsManagerSource("s", client=Client(current=1)).read_fresh((stage,), NOBODY)
    assert (reading.stages, reading.payloads, reading.failures) == ({}, {}, {})


def test_one_that_is_denied_is_told_as_one_that_could_not_be_read() -> None:
    client = Client(current=1, pending=2)
    client.errors[PENDING] = Answered("AccessDeniedException")
    reading = SecretsManagerSource("s", client=client).read_fresh((PENDING,), NOBODY)
    assert reading.failures == {PENDING: client.errors[PENDING]}


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        (PENDING, "ThrottlingException"),
        (PENDING, "InternalServiceError"),
        (PENDING, "ExpiredTokenException"),
        (CURRENT, "AccessDeniedException"),
        (CURRENT, "ResourceNotFoundException"),
    ],
)
def test_what_says_nothing_of_the_stage_alone_is_raised(stage: str, code: str) -> None:
    client = Client(current=1, pending=2)
    client.errors[stage] = Answered(code)
    with pytest.raises(Answered) as caught:
        SecretsManagerSource("s", client=client).read_fresh((stage,), NOBODY)
    assert caught.value is client.errors[stage]


def test_one_version_that_cannot_be_read_hides_no_other() -> None:
    client = Client(current=1, pending=2, previous=0)
    client.errors[PENDING] = Answered("ThrottlingException")
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert reading.failures == {PENDING: client.errors[PENDING]}
    assert reading.payloads.keys() == {id_of(0), id_of(1)}
    assert all(payload.version_id == version for version, payload in reading.payloads.items())


def test_without_the_right_to_describe_each_stage_is_asked_for_pending_first() -> None:
    client = Client(current=1, previous=0)
    client.errors["describe"] = Answered("AccessDeniedException")
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert client.asked == ["describe", PENDING, CURRENT, PREVIOUS, PENDING]
    assert (reading.stages, reading.failures) == ({CURRENT: id_of(1), PREVIOUS: id_of(0)}, {})
    assert set(reading.payloads) == {id_of(1), id_of(0)}


def test_one_that_fails_in_passing_hides_no_other_then() -> None:
    client = Client(current=1, pending=2)
    client.errors = {"describe": Answered("AccessDeniedException"), PENDING: Answered("InternalServiceError")}
    reading = SecretsManagerSource("s", client=client).read_fresh((CURRENT, PENDING), NOBODY)
    assert (reading.stages, reading.failures) == ({CURRENT: id_of(1)}, {PENDING: client.errors[PENDING]})


def test_one_that_is_denied_then_is_told_too() -> None:
    client = Client(current=1, pending=2, previous=0)
    client.errors = {what: Answered("AccessDeniedException") for what in ("describe", PENDING, PREVIOUS)}
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert reading.stages == {CURRENT: id_of(1)}
    assert reading.failures == {stage: client.errors[stage] for stage in (PENDING, PREVIOUS)}


def test_a_version_with_two_labels_is_asked_for_once_and_the_others_still_are() -> None:
    """As after most rotations: AWSPENDING stays on the version that is current now."""
    client = Client(current=1, pending=1, previous=0)
    client.errors["describe"] = Answered("AccessDeniedException")
    reading = SecretsManagerSource("s", client=client).read_fresh(ALL, NOBODY)
    assert client.asked == ["describe", PENDING, PREVIOUS]
    assert reading.stages == {PENDING: id_of(1), CURRENT: id_of(1), PREVIOUS: id_of(0)}


def test_and_again_last_where_it_read_as_missing() -> None:
    """A version that was labelled just now, or has no value yet, reads as one that is not there."""
    client = Client(current=1, pending=2)
    client.errors = {"describe": Answered("AccessDeniedException"), PENDING: Answered("ResourceNotFoundException")}
    client.on_call = lambda: client.errors.pop(PENDING) if client.asked[-1] == CURRENT else None
    reading = SecretsManagerSource("s", client=client).read_fresh((CURRENT, PENDING), NOBODY)
    assert client.asked == ["describe", PENDING, CURRENT, PENDING]
    assert reading.stages == {CURRENT: id_of(1), PENDING: id_of(2)}


def test_one_stage_without_that_right_never_says_that_there_is_no_other() -> None:
    client = Client(current=1, pending=2)
    client.errors["describe"] = Answered("AccessDeniedException")
    source = SecretsManagerSource("s", client=client)
    assert not source.by_stage
    assert not source.read((CURRENT,), frozenset({id_of(1)})).whole
    assert source.by_stage  # so that re-reads ask for AWSPENDING as well, and a rotation that is stuck shows
    assert not source.read((CURRENT, PENDING), frozenset({id_of(1)})).whole
    assert client.asked == ["describe", CURRENT, PENDING, CURRENT]


def test_a_read_that_hangs_holds_up_no_other() -> None:
    """Each read has a cache item of its own: the lock of one is held over its calls."""
    client = Client(current=1)
    entered, leave = threading.Event(), threading.Event()
    client.on_call = lambda: (entered.set(), leave.wait(10))
    source = SecretsManagerSource("s", client=client)
    dripping = threading.Thread(target=source.read, args=((CURRENT,), NOBODY), daemon=True)
    dripping.start()
    try:
        assert entered.wait(10)
        client.on_call = None
        found: list[Any] = []
        other = threading.Thread(target=lambda: found.append(source.read_fresh(ALL, NOBODY)), daemon=True)
        other.start()
        other.join(10)
        assert found
    finally:
        leave.set()
        dripping.join(10)
    assert source.api_calls == 3


@pytest.mark.parametrize(("in_use", "closed"), [(True, 0), (False, 1)])
def test_a_forked_child_closes_the_idle_client_and_touches_none_in_use(in_use: bool, closed: int) -> None:
    client, others = Client(current=1), Client(current=1)
    source = SecretsManagerSource("s", session=Session(client, others))
    source.read((CURRENT,), NOBODY)
    source.after_fork(in_use)
    assert client.closed == closed


@pytest.mark.parametrize(("in_use", "closed"), [((False, False), 1), ((True, False), 0), ((False, True), 0)])
def test_one_that_is_shared_is_closed_after_its_last_user(in_use: tuple[bool, bool], closed: int) -> None:
    client = Client(current=1)
    session = Session(client)
    one, other = SecretsManagerSource("s", session=session), SecretsManagerSource("t", session=session)
    one.read((CURRENT,), NOBODY)
    other.read((CURRENT,), NOBODY)
    one.after_fork(in_use[0])
    assert client.closed == 0
    other.after_fork(in_use[1])
    assert client.closed == closed


def test_a_client_that_was_given_stays_the_caller_s() -> None:
    client = Client(current=1)
    source = SecretsManagerSource("s", client=client)
    source.read((CURRENT,), NOBODY)
    source.after_fork(False)
    assert client.closed == 0
    assert source.client is client


def test_the_sdk_s_own_retries_are_calls() -> None:
    client = Client(current=1)
    source = SecretsManagerSource("s", client=Retrying(client, 1))
    source.read((CURRENT,), NOBODY)
    assert source.api_calls == 2
    client.errors[CURRENT] = Answered("InternalServiceError")
    client.errors[CURRENT].response["ResponseMetadata"] = {"RetryAttempts": 4}  # type: ignore[attr-defined]
    with pytest.raises(Answered):
        source.read((CURRENT,), NOBODY)
    assert source.api_calls == 7
    client.errors[CURRENT].response["ResponseMetadata"] = {}  # type: ignore[attr-defined]
    with pytest.raises(Answered):
        source.read((CURRENT,), NOBODY)
    assert source.api_calls == 8


def test_an_answer_that_tells_of_no_retries_is_one_call() -> None:
    client = Client(current=1)
    client.get_secret_value = lambda **_: {  # type: ignore[method-assign]
        "VersionId": id_of(1), "VersionStages": [CURRENT], "SecretString": "{}", "ResponseMetadata": {}
    }  # fmt: skip
    source = SecretsManagerSource("s", client=client)
    assert source.read((CURRENT,), NOBODY).stages == {CURRENT: id_of(1)}
    assert source.api_calls == 1


class Retrying:
    """Tells that the SDK tried again before it had an answer."""

    def __init__(self, client: Client, retries: int) -> None:
        self._client, self._retries = client, retries

    def get_secret_value(self, **arguments: str) -> Any:
        return {**self._client.get_secret_value(**arguments), "ResponseMetadata": {"RetryAttempts": self._retries}}


class Session:
    """As boto3's: makes clients."""

    def __init__(self, *clients: Client) -> None:
        self._clients = list(clients)

    def client(self, *_args: Any, **_settings: Any) -> Client:
        return self._clients.pop(0)


def test_an_arn_s_region_is_asked_whatever_the_session_s_own_is() -> None:
    """docs/settings.md says so: a session is for its keys, and one may serve secrets of several regions."""
    asked: list[Any] = []

    class Elsewhere:
        region_name = "eu-west-1"

        def client(self, _service: str, *, region_name: str | None, **_settings: Any) -> Client:
            asked.append(region_name)
            return Client(current=1)

    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/orders-AbCdEf"
    for secret_id in (arn, "prod/orders"):
        SecretsManagerSource(secret_id, session=Elsewhere()).read((CURRENT,), NOBODY)
    assert asked == ["eu-central-1", None]


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId"])
def test_a_client_of_our_own_is_dropped_when_its_keys_are_refused(code: str) -> None:
    old, new = Client(current=1), Client(current=1)
    source = SecretsManagerSource("s", session=Session(old, new))
    source.read((CURRENT,), NOBODY)
    old.errors[CURRENT] = old.errors["describe"] = Answered(code)
    with pytest.raises(Answered):
        source.read(ALL, NOBODY)
    assert source.read(ALL, NOBODY).stages == {CURRENT: id_of(1)}
    assert source.client is new


@pytest.mark.parametrize(
    "error",
    [Answered("ExpiredTokenException"), Answered("InternalServiceError"), OSError("no answer")],
    ids=["keys", "service", "no answer"],
)
def test_a_client_that_was_given_is_asked_once_and_kept(error: Exception) -> None:
    client = Client(current=1)
    source = SecretsManagerSource("s", client=client)
    source.read((CURRENT,), NOBODY)
    client.errors[CURRENT] = error
    with pytest.raises(type(error)) as caught:
        source.read((CURRENT,), NOBODY)
    assert caught.value is error
    assert client.asked == [CURRENT] * 2
    assert source.client is client


def test_a_client_of_our_own_is_kept_after_any_other_failure() -> None:
    old, new = Client(current=1), Client(current=1)
    source = SecretsManagerSource("s", session=Session(old, new))
    old.errors[CURRENT] = Answered("InternalServiceError")
    with pytest.raises(Answered):
        source.read((CURRENT,), NOBODY)
    assert source.client is old


def test_a_read_whose_keys_end_half_way_says_so() -> None:
    client = Client(current=1, pending=2)
    client.errors[PENDING] = Answered("ExpiredTokenException")
    with pytest.raises(Answered):
        SecretsManagerSource("s", session=Session(client)).read(ALL, NOBODY)
    client.errors["describe"] = Answered("AccessDeniedException")
    with pytest.raises(Answered):
        SecretsManagerSource("s", session=Session(client)).read(ALL, NOBODY)


def test_a_secret_without_any_version_has_no_value() -> None:
    client = Client()
    client.describe_secret = lambda **_: {"Name": "s"}  # type: ignore[method-assign]
    with pytest.raises(NoValue, match=r"^the secret has no version$"):
        SecretsManagerSource("s", client=client).read(ALL, NOBODY)


def test_a_binary_secret_is_read() -> None:
    client = Client(current=1)
    answer = {"VersionId": id_of(1), "VersionStages": [CURRENT], "SecretBinary": b"\x00pw"}
    client.get_secret_value = lambda **_: answer  # type: ignore[method-assign]
    reading = SecretsManagerSource("s", client=client).read((CURRENT,), NOBODY)
    assert reading.payloads[id_of(1)].content == b"\x00pw"


@pytest.mark.parametrize("name", ["NoCredentialsError", "TokenRetrievalError"])
def test_keys_that_are_missing_are_the_process_s_own(name: str) -> None:
    missing = type("Further", (type(name, (Exception,), {}),), {})
    assert is_of_own_credentials(missing())
    assert not is_of_own_credentials(Exception(name))


def test_a_read_that_fails_ends_with_the_command_that_says_why() -> None:
    client = Client(current=1)
    client.errors[CURRENT] = Answered("AccessDeniedException")
    with pytest.raises(SecretUnavailable, match=r"run: secretconn check s$"):
        RotatingCredentials("s", source=SecretsManagerSource("s", client=client)).current()


def test_a_value_that_is_ready_is_that_of_its_version_alone() -> None:
    client = Client(current=1, pending=2)
    recorder = Recorder(client, "s", itertools.count(), CURRENT)
    recorder.describe_secret()
    for version in (1, 2):
        assert recorder.get_secret_value(VersionId=id_of(version))["VersionId"] == id_of(version)
    assert client.asked == [CURRENT, PENDING]


def test_what_is_no_answer_has_no_content() -> None:
    assert payload_of(None, "v1").content is None  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("answer", [None, {}, {"VersionId": 1}])
def test_an_answer_that_is_none_is_named(answer: Any) -> None:
    client = Client(current=1)
    client.get_secret_value = lambda **_: answer  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"^GetSecretValue's answer has no VersionId$"):
        SecretsManagerSource("s", client=client).read((CURRENT,), NOBODY)


class ResourceNotFoundException(Answered):
    """Named as its code, as the errors of boto3's clients are."""


def with_message(error: Answered, message: str) -> Answered:
    error.response["Error"]["Message"] = message
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Answered("ExpiredTokenException"), "credentials of this process are missing, expired or not accepted (Answ"),
        (Answered("AccessDeniedException"), "this role may not read the secret"),
        (Answered("DecryptionFailure"), "its key is disabled"),
        (Answered("ResourceNotFoundException"), "there is no such secret (Answered: ResourceNotFoundException)"),
        (ResourceNotFoundException("ResourceNotFoundException"), "no such secret (ResourceNotFoundException)"),
        (
            with_message(
                Answered("ResourceNotFoundException"),
                "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
            ),
            "it has no value there yet",
        ),
        (with_message(Answered("InvalidRequestException"), "marked for deletion"), "it is marked for deletion (A"),
        (NoValue("none"), "it has no value there yet (NoValue)"),
        (Answered("ThrottlingException"), "too many calls"),
        (Answered("InternalServiceError"), "no answer, or a fault of the service"),
        (TimeoutError("no answer"), "no answer, or a fault of the service (TimeoutError)"),
        (ZeroDivisionError("secret"), ": ZeroDivisionError. To see"),
    ],
)
def test_the_error_says_cause_region_and_address_and_ends_with_the_command(error: Exception, words: str) -> None:
    source = SecretsManagerSource("prod/it's", client=At("eu-west-1", "http://me:pw-1@127.0.0.1:9/x"))
    text = str(error_of(error, "prod/it's", source))
    assert text.startswith(
        'secret "prod/it\'s" could not be read from Secrets Manager in eu-west-1 at http://127.0.0.1:9/x: '
    )
    assert words in text
    assert "its text may quote" not in text
    assert text.endswith("""secretconn check 'prod/it'"'"'s'""")


class At:
    """A client's region and address."""

    def __init__(self, region: str, address: str) -> None:
        self.meta = type("meta", (), {"region_name": region, "endpoint_url": address})


def test_a_source_of_the_caller_s_own_is_none_of_the_command_s() -> None:
    assert str(error_of(OSError(), "s", None)) == "secret 's' could not be read: OSError"


def test_each_of_ours_ends_with_the_command_once() -> None:
    source = FileSource("/no/such/file")
    with pytest.raises(SecretUnavailable) as caught:
        source.read((CURRENT,), NOBODY)
    for _waiter in range(2):
        text = str(error_of(caught.value, "file:///no/such/file", source))
        assert text.count("secretconn check") == 1
        assert text.endswith("run: secretconn check file:///no/such/file")


def test_a_code_is_never_told_twice() -> None:
    assert name_of(ResourceNotFoundException("ResourceNotFoundException")) == "ResourceNotFoundException"
    assert name_of(Answered("ResourceNotFoundException")) == "Answered: ResourceNotFoundException"
    assert cause_of(Answered("SomethingNew")) is None
