"""PoolTimeout after several refused logins: the chain of errors it brings along holds none of them."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest

from secretconn import RotatingCredentials
from secretconn.engines.base import walk_causes
from secretconn.psycopg import ConnectionPool
from secretconn.testing import Application, Login
from tests.unit.test_pool_secrecy import frames


def test_no_frame_holds_one_of_the_refused_logins(postgres_app: Application, pg: RotatingCredentials) -> None:
    postgres_app.rotator().rotate()  # so that there is an AWSPREVIOUS to be tried as well
    postgres_app.server.admin().set_password(Login(postgres_app.username, "changed behind the secret's back"))
    pool = ConnectionPool(pg, min_size=1, open=False)
    with pytest.raises(psycopg_pool.PoolTimeout) as caught:
        pool.open(wait=True, timeout=1.0)
    pool.close()
    causes = list(walk_causes(caught.value))
    assert isinstance(causes[1], psycopg.OperationalError)
    assert causes[1].__notes__[0].count("rejected after") == 2
    passwords = [postgres_app.login(stage).password for stage in ("AWSCURRENT", "AWSPREVIOUS")]
    held = [
        name
        for one in causes
        for name, value in frames(one.__traceback__)
        if any(password in repr(value) for password in passwords)
    ]
    assert held == []
