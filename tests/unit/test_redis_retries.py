"""redis-py's retries, calmed: what a connection's ``retry`` does of refused logins, and of all else."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

redis = pytest.importorskip("redis")

from redis import exceptions  # noqa: E402
from redis.asyncio.retry import Retry as AsyncRetry  # noqa: E402
from redis.backoff import NoBackoff  # noqa: E402
from redis.retry import Retry  # noqa: E402

from secretconn.redis import _calm  # noqa: E402

KINDS = pytest.mark.parametrize("kind", [Retry, AsyncRetry], ids=["sync", "async"])


class Fails:
    """Raises one error each time it is called, sync or awaited; then ``then``."""

    def __init__(self, *errors: Exception, then: str = "done") -> None:
        self.errors, self.then, self.calls = list(errors), then, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.then

    async def awaited(self) -> str:
        return self()


def run(retry: Any, fails: Fails) -> Any:
    """As a connection does it: with a callable for what to do, and one for each failure."""
    if not isinstance(retry, AsyncRetry):
        return retry.call_with_retry(fails, lambda _error: None)

    async def failed(_error: Exception) -> None:
        pass

    return asyncio.run(retry.call_with_retry(fails.awaited, failed))


@KINDS
@pytest.mark.parametrize("error", [exceptions.ConnectionError("lost"), exceptions.TimeoutError("slow")])
def test_what_is_lost_is_tried_again_as_often_as_before(kind: type, error: Exception) -> None:
    fails = Fails(*[error] * 3)
    assert run(_calm(kind(NoBackoff(), 3)), fails) == "done"
    assert fails.calls == 4
    fails = Fails(*[error] * 4)
    with pytest.raises(type(error)) as caught:
        run(_calm(kind(NoBackoff(), 3)), fails)
    assert caught.value is error


@KINDS
def test_a_refused_login_is_not_tried_again_and_comes_out_as_it_is(kind: type) -> None:
    """It is a ConnectionError to redis-py: each repetition would count toward a limit of failed logins."""
    refused = exceptions.AuthenticationError("WRONGPASS")
    fails = Fails(refused)
    with pytest.raises(exceptions.AuthenticationError) as caught:
        run(_calm(kind(NoBackoff(), 10)), fails)
    assert caught.value is refused
    assert fails.calls == 1


@KINDS
def test_a_refused_login_after_a_lost_one_ends_it_too(kind: type) -> None:
    fails = Fails(exceptions.ConnectionError("lost"), exceptions.AuthenticationError("WRONGPASS"))
    with pytest.raises(exceptions.AuthenticationError):
        run(_calm(kind(NoBackoff(), 10)), fails)
    assert fails.calls == 2


class Own(Retry):
    """A retry of the application's own."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.seen = 0

    def call_with_retry(self, do: Any, fail: Any, *args: Any, **more: Any) -> Any:
        self.seen += 1
        return super().call_with_retry(do, fail, *args, **more)


def test_a_retry_of_ones_own_stays_what_it_is() -> None:
    own = Own(NoBackoff(), 2, supported_errors=(ValueError,))
    calm = _calm(own)
    fails = Fails(ValueError(), ValueError())
    assert run(calm, fails) == "done"
    assert (fails.calls, calm.seen, own.seen) == (3, 1, 0)
    assert isinstance(calm, Own)
    assert type(calm).__name__ == "Own"
    with pytest.raises(exceptions.ConnectionError):  # not among its supported errors
        run(calm, Fails(exceptions.ConnectionError()))


@KINDS
def test_none_and_what_is_calm_already_are_left_alone(kind: type) -> None:
    calm = _calm(kind(NoBackoff(), 1))
    assert _calm(calm) is calm
    assert _calm(None) is None
    assert {calm: 1}[calm] == 1  # redis-py compares retries
    fails = Fails(exceptions.AuthenticationError("WRONGPASS"))
    with pytest.raises(exceptions.AuthenticationError):
        run(copy.deepcopy(calm), fails)  # each connection of a pool gets a copy
    assert fails.calls == 1
