"""Tortoise ORM on asyncpg: it hands credentials it does not know on to asyncpg's pool, and so a connect gets there."""

from __future__ import annotations

from typing import Any

import asyncpg

import secretconn


def make_config(secret: str | secretconn.RotatingCredentials, modules: list[Any], port: int = 5432) -> dict[str, Any]:
    # None: the secret has it. Tortoise wants a number for the port, and what is said here wins over the secret.
    login = {"host": None, "port": port, "user": None, "password": None, "database": None}
    credentials = {**login, "connect": secretconn.wrap(asyncpg.connect, secret)}
    return {
        "connections": {"default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}},
        "apps": {"orders": {"models": modules, "default_connection": "default"}},
    }
