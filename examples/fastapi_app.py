"""FastAPI and SQLAlchemy's asyncio. Only the URL knows of secretconn. ``SECRET_ID=prod/orders fastapi run``"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine(
    f"postgresql+asyncpg:///?plugin=secretconn&secret_id={os.environ['SECRET_ID']}&on_rotation=drain"
)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    id: int
    item: str


@app.get("/orders")
async def list_orders() -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT item FROM orders ORDER BY id"))).scalars())


@app.post("/orders", status_code=201)
async def take_order(order: Order) -> Order:
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO orders VALUES (:id, :item)"), order.model_dump())
    return order
