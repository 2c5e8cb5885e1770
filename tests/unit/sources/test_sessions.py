"""Our sessions: the big service descriptions are read once for all secrets, everything else is each session's own."""

from __future__ import annotations

import pytest
from botocore.exceptions import ProfileNotFound

from secretconn.sources.sessions import new_session


def test_the_loader_is_shared_and_the_session_is_not() -> None:
    one, other = new_session(None), new_session(None)
    assert one is not other
    assert one.get_component("data_loader") is other.get_component("data_loader")


def test_another_data_path_has_another_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = new_session(None).get_component("data_loader")
    monkeypatch.setenv("AWS_DATA_PATH", "/somewhere/else")
    other = new_session(None).get_component("data_loader")
    assert other is not usual
    assert "/somewhere/else" in other.search_paths


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(ProfileNotFound):
        new_session("no-such-profile")
