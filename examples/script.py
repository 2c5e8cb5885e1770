"""A plain script: takes some orders, each on a connection of its own. ``python examples/script.py prod/orders 3``"""

from __future__ import annotations

import sys

import secretconn


def main(secret_id: str, count: int) -> None:
    for number in range(count):
        with secretconn.connect(secret_id) as connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s, %s)", (number, "tea"))
        print(f"order {number} taken", flush=True)
        sys.stdin.readline()  # go on at each line


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
