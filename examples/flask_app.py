"""Flask and SQLAlchemy. Only the URL knows of secretconn.

``SECRET_ID=prod/orders flask --app examples/flask_app.py run``
"""

from __future__ import annotations

import os

from flask import Flask, request
from sqlalchemy import create_engine, text

app = Flask(__name__)
engine = create_engine(f"postgresql+psycopg:///?plugin=secretconn&secret_id={os.environ['SECRET_ID']}")


@app.get("/orders")
def list_orders() -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT item FROM orders ORDER BY id")).scalars())


@app.post("/orders")
def take_order() -> tuple[dict[str, int], int]:
    order = request.get_json()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO orders VALUES (:id, :item)"), order)
    return {"id": order["id"]}, 201
