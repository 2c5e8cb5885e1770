"""Celery's prefork workers and SQLAlchemy. ``SECRET_ID=prod/orders celery -A examples.celery_app worker``"""

from __future__ import annotations

import os

from celery import Celery
from celery.signals import worker_process_init
from sqlalchemy import create_engine, text

app = Celery("orders")
app.config_from_object("celeryconfig", silent=True)  # your broker and all the rest
engine = create_engine(
    f"postgresql+psycopg:///?plugin=secretconn&secret_id={os.environ['SECRET_ID']}&on_rotation=drain", pool_size=1
)


@worker_process_init.connect
def forget_the_parents_connections(**_: object) -> None:
    engine.dispose(close=False)  # SQLAlchemy's own rule after a fork; secretconn needs nothing


@app.task
def take_order(number: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (:id, :item)"), {"id": number, "item": str(os.getpid())})
