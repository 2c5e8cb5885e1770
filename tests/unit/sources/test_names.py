"""Ids that name their source, and those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError, RotatingCredentials
from secretconn.sources.names import plain_names, secret_name
from secretconn.testing.memory import MemorySource

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/orders-AbCdEf"


@pytest.mark.parametrize(
    ("secret_id", "expected"),
    [
        ("prod/orders", (None, "prod/orders")),
        ("/prod/orders", (None, "/prod/orders")),
        (ARN, (None, ARN)),
        ("agent://prod/orders", ("agent", "prod/orders")),
        ("Agent:///prod/orders", ("agent", "/prod/orders")),
        (f"extension://{ARN}", ("extension", ARN)),
        ("secretsmanager://prod/orders", ("secretsmanager", "prod/orders")),
        ("file:///mnt/secrets/db", ("file", "/mnt/secrets/db")),
    ],
)
def test_ids(secret_id: str, expected: tuple[str | None, str]) -> None:
    assert secret_name(secret_id) == expected


@pytest.mark.parametrize("secret_id", ["vault://prod/orders", "https://x", "s3://bucket/key"])
def test_an_unknown_scheme_lists_the_known_ones(secret_id: str) -> None:
    known = "secretsmanager://NAME, agent://NAME, extension://NAME, file:///PATH"
    with pytest.raises(ConfigurationError, match=known):
        secret_name(secret_id)


@pytest.mark.parametrize("secret_id", ["agent://", "file://mnt/db", "file://"])
def test_a_url_without_a_secret(secret_id: str) -> None:
    with pytest.raises(ConfigurationError, match="it names none"):
        secret_name(secret_id)


@given(st.text(alphabet="abcXYZ019/_+=.@-", min_size=1))
def test_every_name_that_secrets_manager_allows_is_a_plain_name(name: str) -> None:
    assert secret_name(name) == (None, name)


WORD = "xyzzy-"
CONTENT = [
    f'{{"username": "app", "password": "{WORD}"}}',
    f'\ufeff {{"password": "{WORD}"}}',
    f'"{WORD}"',
    f"postgresql://app:{WORD}@db/orders",
    f"mysql+pymysql://app:{WORD}@db/orders",
    f"redis://:{WORD}@db",
    f"jdbc:postgresql://db/orders?password={WORD}",
    f"host=db password={WORD}",
    f"{WORD}\n",
    f"agent://{WORD} x",
    f"secretsmanager://{{{WORD}}}",
    f"s3://{WORD}/key",
    f"app:{WORD}@db",
    f"p;{WORD}",
    WORD * 1000,
    f"arn:aws:s3:::{WORD}",
    f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{{{WORD}}}",
]


@pytest.mark.parametrize("secret_id", CONTENT, ids=lambda text: text[:20])
def test_what_can_be_no_id_is_refused_when_it_is_named_and_never_shown(secret_id: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RotatingCredentials(secret_id)
    error: BaseException | None = caught.value
    while error is not None:
        assert WORD not in f"{error}{error!r}{error.args}"
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("secret_id", [text for text in CONTENT if not text.startswith(("arn:", "p;", "app:"))][:10])
def test_the_remedy_is_told(secret_id: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Pass the name or the ARN.*docs/migrating.md"):
        RotatingCredentials(secret_id)


@pytest.mark.parametrize(
    "name", ["rds!cluster-8c1f", "prod/orders", "a" * 512, "events!connection/x/1", "a+b=c@d.e_f-g"]
)
def test_names_that_exist_are_taken(name: str) -> None:
    assert RotatingCredentials(name).secret_id == name


def test_a_source_of_ones_own_may_call_its_secrets_otherwise() -> None:
    for name in ("vault:kv/orders#1", "X{1}", 'X"1"', "a" * 2048, "agent://a@b"):
        assert RotatingCredentials(name, source=MemorySource()).secret_id == name


@given(st.text(min_size=1))
def test_any_text_is_a_name_or_refused_without_a_word_of_it(text: str) -> None:
    odd = f"{text}<{WORD}>"
    with pytest.raises(ConfigurationError) as caught:
        RotatingCredentials(odd)
    assert WORD not in str(caught.value)


@pytest.mark.parametrize(
    "spelling", ["prod/orders", "secretsmanager://prod/orders", "agent://prod/orders", ARN, f"agent://{ARN}"]
)
def test_the_name_alone(spelling: str) -> None:
    assert plain_names(spelling)[-1] == "prod/orders"


def test_only_an_arn_ends_in_six_characters_that_are_not_the_name_s() -> None:
    assert plain_names("prod-orders") == ("prod-orders",)
    assert plain_names(f"{ARN[: ARN.rindex(':')]}:prod-orders") == ("prod-orders", "prod")


def test_a_file_is_its_own_name() -> None:
    assert plain_names("file:///mnt/my%20orders") == plain_names("file:///mnt/my orders") == ("/mnt/my orders",)
