"""Endpoints that do what RDS and ElastiCache do before a real server: ask for a token through TLS, and judge it.

A connection whose token is accepted is joined to the server behind, where its user needs no password. Users that are no
IAM users are the server's own affair, as they are at RDS.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from tests.support.iam import Iam
from tests.support.sockets import Listener, exactly

__all__ = ["Endpoint", "MySQLEndpoint", "PostgresEndpoint", "RedisEndpoint", "certificate"]

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
SECONDS = 60.0

CONNECT_WITH_DB, COMPRESS, SSL = 0x8, 0x20, 0x800
SECURE_CONNECTION, PLUGIN_AUTH, LENENC_AUTH, ZSTD = 1 << 15, 1 << 19, 1 << 21, 1 << 26
CLEAR, COM_QUIT = b"mysql_clear_password", b"\x01"


def certificate(folder: Path) -> Path:
    """A self-made certificate for 127.0.0.1 and localhost; its key is beside it, as server.key."""
    made, subject = (
        folder / "ca.pem",
        ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
    )
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", folder / "server.key", "-out", made], check=True, capture_output=True)
    return made


class Endpoint(Listener):
    """Stands before a real server.

    Args:
        behind: Host and port of the real server.
        certificate: What it shows; its key is beside it.

    Attributes:
        iam: Judges the tokens.
        users: The IAM users.
        in_clear: What it was sent as a login without TLS.
    """

    seconds = SECONDS

    def __init__(self, behind: tuple[str, int], certificate: Path, users: set[str]) -> None:
        super().__init__()
        self.behind, self.users, self.in_clear = behind, users, 0
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, certificate.with_name("server.key"))
        self.iam: Iam

    def _encrypted(self, client: socket.socket) -> ssl.SSLSocket:
        return self._tls.wrap_socket(client, server_side=True)

    def _to_server(self) -> socket.socket:
        return socket.create_connection(self.behind, SECONDS)


def join(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Hand all that one says to the other, until one has ended."""
    client.settimeout(None)
    server.settimeout(None)
    while True:
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for one in ready:
            said = one.recv(65536)
            if not said:
                return
            (server if one is client else client).sendall(said)


class PostgresEndpoint(Endpoint):
    """RDS for PostgreSQL: a member of rds_iam is asked for a token, through PAM, and only on a TLS connection."""

    def converse(self, client: socket.socket) -> None:
        startup = self._startup(client)
        while struct.unpack("!i", startup[4:8])[0] == GSS_REQUEST:
            client.sendall(b"N")
            startup = self._startup(client)
        user = self._user(startup)
        if struct.unpack("!i", startup[4:8])[0] != SSL_REQUEST:
            line = f'no pg_hba.conf entry for host "127.0.0.1", user "{user}", database "orders", no encryption'
            client.sendall(self._error("28000", line))
            return
        client.sendall(b"S")
        with self._encrypted(client) as encrypted:
            startup = self._startup(encrypted)
            user = self._user(startup)
            if user in self.users:
                encrypted.sendall(b"R" + struct.pack("!ii", 8, 3))
                kind, length = struct.unpack("!ci", exactly(encrypted, 5))
                token = exactly(encrypted, length - 4).rstrip(b"\0").decode()
                if kind != b"p" or not self.iam.accepts(user, token):
                    encrypted.sendall(self._error("28000", f'PAM authentication failed for user "{user}"'))
                    return
            with self._to_server() as server:
                server.sendall(startup)
                join(encrypted, server)

    @staticmethod
    def _startup(client: socket.socket) -> bytes:
        length = exactly(client, 4)
        return length + exactly(client, struct.unpack("!i", length)[0] - 4)

    @staticmethod
    def _user(startup: bytes) -> str:
        words = startup[8:].split(b"\0")
        return dict(zip(words[::2], words[1::2], strict=False)).get(b"user", b"").decode()

    @staticmethod
    def _error(code: str, text: str) -> bytes:
        fields = b"".join(
            f"{kind}{value}\0".encode() for kind, value in zip("SVCM", ("FATAL", "FATAL", code, text), strict=True)
        )
        return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"


class MySQLEndpoint(Endpoint):
    """RDS for MySQL and MariaDB: a user of AWSAuthenticationPlugin is asked for mysql_clear_password, through TLS."""

    def converse(self, client: socket.socket) -> None:
        with self._to_server() as server:
            _, greeting = self._packet(server)
            self._send(client, 0, self._with_tls(greeting))
            sequence, request = self._packet(client)
            if not struct.unpack("<I", request[:4])[0] & SSL:
                self.in_clear += CLEAR in request
                self._send(client, sequence + 1, self._denied("?"))
                return
            with self._encrypted(client) as encrypted:
                sequence, response = self._packet(encrypted)
                user, sent, database, rest = self._taken_apart(response)
                if user not in self.users:
                    self._pass_on(encrypted, server, response)
                    return
                if not response.rpartition(CLEAR)[1]:
                    self._send(encrypted, sequence + 1, b"\xfe" + CLEAR + b"\0")
                    sequence, sent = self._packet(encrypted)
                    if sent in (COM_QUIT, b""):  # MariaDB's library, two threads loading the plugin at once
                        return
                if not self.iam.accepts(user, sent.rstrip(b"\0").decode()):
                    self._send(encrypted, sequence + 1, self._denied(user))
                    return
                answer = self._logged_in(server, greeting, response, user, database, rest)
                self._send(encrypted, sequence + 1, answer)
                join(encrypted, server)

    def _logged_in(
        self, server: socket.socket, greeting: bytes, response: bytes, user: str, database: bytes, rest: bytes
    ) -> bytes:
        """Log in at the server as this user, who has no password there; the server's last word."""
        flags = struct.unpack("<I", response[:4])[0] & ~SSL
        plugin = greeting.rstrip(b"\0").rpartition(b"\0")[2] + b"\0" if flags & PLUGIN_AUTH else b""
        own = struct.pack("<I", flags) + response[4:32] + user.encode() + b"\0\0" + database + plugin + rest
        self._send(server, 1, own)
        while True:
            sequence, answer = self._packet(server)
            if answer[:1] == b"\xfe":
                self._send(server, sequence + 1, b"")
            elif answer[:1] != b"\x01":
                return answer

    def _pass_on(self, client: ssl.SSLSocket, server: socket.socket, response: bytes) -> None:
        """Let client and server talk about the login; the client is one packet ahead, that which asked for TLS."""
        flags = struct.unpack("<I", response[:4])[0] & ~SSL
        self._send(server, 1, struct.pack("<I", flags) + response[4:])
        while True:
            sequence, said = self._packet(server)
            self._send(client, sequence + 1, said)
            if said[:1] in (b"\x00", b"\xff"):
                break
            if said[:2] != b"\x01\x03":
                sequence, said = self._packet(client)
                self._send(server, sequence - 1, said)
        join(client, server)

    @staticmethod
    def _with_tls(greeting: bytes) -> bytes:
        """The server's greeting, as if it had TLS and no compression."""
        at = greeting.index(b"\0", 1) + 1 + 4 + 8 + 1
        low, high = struct.unpack("<H3xH", greeting[at : at + 7])
        low, high = (low | SSL) & ~COMPRESS, high & ~(ZSTD >> 16)
        return (
            greeting[:at]
            + struct.pack("<H", low)
            + greeting[at + 2 : at + 5]
            + struct.pack("<H", high)
            + greeting[at + 7 :]
        )

    @staticmethod
    def _taken_apart(response: bytes) -> tuple[str, bytes, bytes, bytes]:
        """User, what was sent as the password, database with its end, and what follows the plugin's name."""
        flags = struct.unpack("<I", response[:4])[0]
        user, _, rest = response[32:].partition(b"\0")
        length, rest = rest[0], rest[1:]
        if flags & LENENC_AUTH and length == 0xFC:
            length, rest = struct.unpack("<H", rest[:2])[0], rest[2:]
        sent, rest, database = rest[:length], rest[length:], b""
        if flags & CONNECT_WITH_DB:
            database, _, rest = rest.partition(b"\0")
            database += b"\0"
        if flags & PLUGIN_AUTH:
            rest = rest.partition(b"\0")[2]
        return user.decode(), sent, database, rest

    @staticmethod
    def _packet(connection: socket.socket) -> tuple[int, bytes]:
        header = exactly(connection, 4)
        return header[3], exactly(connection, int.from_bytes(header[:3], "little"))

    @staticmethod
    def _send(connection: socket.socket, sequence: int, payload: bytes) -> None:
        connection.sendall(len(payload).to_bytes(3, "little") + bytes([sequence]) + payload)

    @staticmethod
    def _denied(user: str) -> bytes:
        text = f"Access denied for user '{user}'@'127.0.0.1' (using password: YES)"
        return b"\xff" + struct.pack("<H", 1045) + b"#28000" + text.encode()


class RedisEndpoint(Endpoint):
    """ElastiCache and MemoryDB: a token that is accepted is the user's password in the server's own ACL for that login.

    Args:
        run: Runs a command at the server as its administrator.
    """

    def __init__(self, behind: tuple[str, int], certificate: Path, users: set[str], run: Callable[..., object]) -> None:
        self._run, self._one_at_a_time = run, threading.Lock()
        super().__init__(behind, certificate, users)

    def converse(self, client: socket.socket) -> None:
        with self._encrypted(client) as encrypted, self._to_server() as server:
            words, raw = self._command(encrypted)
            login = [word.upper() for word in words].index("AUTH")
            user, token = words[login + 1 : login + 3]
            with self._one_at_a_time:
                accepted = [f">{token}"] if user in self.users and self.iam.accepts(user, token) else []
                if user in self.users:
                    self._run("ACL", "SETUSER", user, "on", "resetpass", *accepted)
                server.sendall(raw)
                encrypted.sendall(server.recv(65536))
            join(encrypted, server)

    @staticmethod
    def _command(client: socket.socket) -> tuple[list[str], bytes]:
        """The words of one command, and its bytes."""
        raw = b""

        def line() -> bytes:
            nonlocal raw
            begun = len(raw)
            while not raw.endswith(b"\r\n") or len(raw) == begun:
                raw += exactly(client, 1)
            return raw[begun:-2]

        words = []
        for _ in range(int(line()[1:])):
            size = int(line()[1:])
            word = exactly(client, size)
            raw += word + exactly(client, 2)
            words.append(word.decode())
        return words, raw
