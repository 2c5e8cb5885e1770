"""Alembic and SQLModel work by the URL, with no line of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlmodel
from sqlalchemy import create_engine, text

from secretconn.testing import Application

ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
section = config.get_section(config.config_ini_section)
engine = engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""
MIGRATION = """
from alembic import op
revision, down_revision = {revision!r}, {down!r}
def upgrade():
    op.execute("CREATE TABLE {table} (id integer)")
def downgrade():
    op.execute("DROP TABLE {table}")
"""


def test_alembic(tmp_path: Path, postgres_app: Application, url: Callable[..., str]) -> None:
    from alembic import command
    from alembic.config import Config

    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text(ENV)
    (scripts / "versions" / "one.py").write_text(MIGRATION.format(revision="one", down=None, table="first"))
    (scripts / "versions" / "two.py").write_text(MIGRATION.format(revision="two", down="one", table="second"))
    address = url("postgresql+psycopg", postgres_app)
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = {scripts}\npath_separator = os\nsqlalchemy.url = {address}\n"
    )
    command.upgrade(Config(str(tmp_path / "alembic.ini")), "one")
    postgres_app.rotator().rotate()
    command.upgrade(Config(str(tmp_path / "alembic.ini")), "head")
    engine = create_engine(address)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "two"
    engine.dispose()


class Order(sqlmodel.SQLModel, table=True):
    __tablename__ = "orders"
    id: int = sqlmodel.Field(primary_key=True)
    item: str


@pytest.mark.parametrize("dialect", ["postgresql+psycopg", "mysql+pymysql"])
def test_sqlmodel(dialect: str, make_application: Callable[..., Application], url: Callable[..., str]) -> None:
    app = make_application("postgres" if "postgres" in dialect else "mariadb")
    engine = sqlmodel.create_engine(url(dialect, app, on_rotation="drain"))
    for number in range(3):
        with sqlmodel.Session(engine) as session:
            session.add(Order(id=number, item="tea"))
            session.commit()
        app.rotator("alternating-users").rotate()
        engine.dispose()
    with sqlmodel.Session(engine) as session:
        assert [order.id for order in session.exec(sqlmodel.select(Order))] == [0, 1, 2]
    engine.dispose()
