"""Hand-written servers that speak just enough of a protocol for a real driver's login: accept it, or refuse it.

Each keeps what the driver sent: (user, password) of every login, so that a test sees what became of odd characters.
"""

from __future__ import annotations

import socket
import struct

from tests.support.sockets import Listener, exactly


class FakeServer(Listener):
    """Takes some logins.

    Attributes:
        accepted: The logins it takes.
        refusal: How it refuses the others; what that is, each server says.
        logins: What was sent.
    """

    def __init__(self, refusal: tuple[int, str]) -> None:
        super().__init__()
        self.accepted: set[tuple[str, str]] = set()
        self.refusal = refusal
        self.logins: list[tuple[str, str]] = []

    def takes(self, user: str, password: str) -> bool:
        """Note a login and say whether it is accepted."""
        self.logins.append((user, password))
        return (user, password) in self.accepted


class FakeTds(FakeServer):
    """SQL Server's TDS 7.4 ([MS-TDS]): prelogin without encryption, LOGIN7, then "done" to whatever is asked.

    ``refusal``: the error's number and text.
    """

    def converse(self, peer: socket.socket) -> None:
        while True:
            kind, body = self._message(peer)
            if kind == 0x12:
                self._answer(peer, self._prelogin())
            elif kind == 0x10:
                if not self.takes(*self._login(body)):
                    self._answer(peer, self._error() + struct.pack("<BHHQ", 0xFD, 2, 0, 0))
                    return
                self._answer(peer, self._acknowledged() + struct.pack("<BHHQ", 0xFD, 0, 0, 0))
            else:
                self._answer(peer, struct.pack("<BHHQ", 0xFD, 0, 0, 0))

    @staticmethod
    def _message(peer: socket.socket) -> tuple[int, bytes]:
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH", exactly(peer, 8)[:4])
            body += exactly(peer, length - 8)
            if status & 1:
                return kind, body

    @staticmethod
    def _answer(peer: socket.socket, body: bytes) -> None:
        peer.sendall(struct.pack(">BBHHBB", 4, 1, len(body) + 8, 0, 1, 0) + body)

    @staticmethod
    def _prelogin() -> bytes:
        options = [(0, bytes([16, 0, 0, 0, 0, 0])), (1, bytes([2])), (2, b"\0"), (3, b""), (4, b"\0")]
        at, head, data = 5 * len(options) + 1, b"", b""
        for token, value in options:
            head += struct.pack(">BHH", token, at + len(data), len(value))
            data += value
        return head + b"\xff" + data

    @staticmethod
    def _login(body: bytes) -> tuple[str, str]:
        def text(at: int) -> bytes:
            start, length = struct.unpack_from("<HH", body, at)
            return body[start : start + 2 * length]

        hidden = bytes((byte ^ 0xA5) >> 4 | ((byte ^ 0xA5) << 4 & 0xF0) for byte in text(44))
        return text(40).decode("utf-16-le"), hidden.decode("utf-16-le")

    def _error(self) -> bytes:
        number, text = self.refusal
        body = struct.pack("<iBB", number, 1, 14) + struct.pack("<H", len(text)) + text.encode("utf-16-le")
        body += b"\x03" + "srv".encode("utf-16-le") + b"\0" + struct.pack("<i", 1)
        return struct.pack("<BH", 0xAA, len(body)) + body

    @staticmethod
    def _acknowledged() -> bytes:
        name = "Microsoft SQL Server"
        body = b"\1" + bytes([0x74, 0, 0, 4]) + bytes([len(name)]) + name.encode("utf-16-le") + bytes([16, 0, 0, 0])
        database = "master".encode("utf-16-le")
        change = b"\1\6" + database + b"\6" + database
        return struct.pack("<BH", 0xE3, len(change)) + change + struct.pack("<BH", 0xAD, len(body)) + body


class FakeMongo(FakeServer):
    """MongoDB's OP_MSG ("MongoDB Wire Protocol"): hello, and SCRAM-SHA-256 refused with a code at its first step.

    ``refusal``: the code and text. It cannot accept a SCRAM login, so ``accepted`` is not looked at.
    """

    def converse(self, peer: socket.socket) -> None:
        import bson

        while True:
            length, request, _, kind = struct.unpack("<iiii", exactly(peer, 16))
            body = exactly(peer, length - 16)
            old = kind == 2004  # OP_QUERY, of the first hello
            command = bson.decode(body[body.index(b"\0", 4) + 9 :] if old else body[5:])
            answer = bson.encode(self._answer(command))
            head = struct.pack("<iqii", 8, 0, 0, 1) if old else b"\0\0\0\0\0"
            code = 1 if old else 2013
            peer.sendall(struct.pack("<iiii", 16 + len(head) + len(answer), 1, request, code) + head + answer)

    def _answer(self, command: dict[str, object]) -> dict[str, object]:
        hello = {"ok": 1, "ismaster": True, "isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0}
        started = command.get("speculativeAuthenticate") or command
        if isinstance(started, dict) and started.get("saslStart"):
            payload = bytes(started["payload"]).decode()
            self.takes(payload.split("n=", 1)[1].split(",", 1)[0], "")
        if "saslStart" in command:
            code, text = self.refusal
            return {"ok": 0, "code": code, "codeName": "AuthenticationFailed", "errmsg": text}
        if "hello" in command or "ismaster" in command or "isMaster" in command:
            return {**hello, "maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000}
        return {"ok": 1}


class FakeSnowflake(FakeServer):
    """Snowflake's login request over HTTP, always refused. ``refusal``: the code and message of the JSON answer."""

    def converse(self, peer: socket.socket) -> None:
        import gzip
        import json

        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += exactly(peer, 1)
            fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
            body = exactly(peer, int(fields.get("content-length", 0)))
            if fields.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if b"login-request" in head:
                data = json.loads(body)["data"]
                self.takes(data.get("LOGIN_NAME", ""), data.get("PASSWORD", ""))
            code, text = self.refusal
            answer = json.dumps({"data": {"nextAction": None}, "code": str(code), "message": text, "success": False})
            fields_sent = f"content-type: application/json\r\ncontent-length: {len(answer)}"
            peer.sendall(f"HTTP/1.1 200 OK\r\n{fields_sent}\r\n\r\n{answer}".encode())


class FakeDb2(FakeServer):
    """Db2's DRDA ("Open Group DRDA volume 3"): EXCSAT and ACCSEC are answered, SECCHK is refused.

    ``refusal``: the SECCHKCD and nothing. It cannot accept a login; the client must send clear text
    (``AUTHENTICATION=SERVER``).
    """

    def converse(self, peer: socket.socket) -> None:
        while True:
            length, _, kind, number = struct.unpack(">HBBH", exactly(peer, 6))
            body = exactly(peer, length - 6)
            code, sent = struct.unpack(">H", body[2:4])[0], self._fields(body)
            if code == 0x1041:
                about = {point: "SQL11055".encode("cp500") for point in (0x115E, 0x1147, 0x116D, 0x115A)}
                self._reply(peer, number, 0x1443, about | {0x1404: sent[0x1404]}, chained=bool(kind & 0x40))
            elif code == 0x106D:
                self._reply(peer, number, 0x14AC, {0x11A2: sent[0x11A2]})
            elif code == 0x106E:
                self.takes(sent[0x11A0].decode(), sent[0x11A1].decode())
                self._reply(peer, number, 0x1219, {0x1149: b"\0\x08", 0x11A4: bytes([self.refusal[0]])})
                return

    @staticmethod
    def _fields(body: bytes) -> dict[int, bytes]:
        found, at = {}, 4
        while at + 4 <= len(body):
            size, point = struct.unpack_from(">HH", body, at)
            found[point] = body[at + 4 : at + size]
            at += max(size, 4)
        return found

    @staticmethod
    def _reply(peer: socket.socket, number: int, code: int, fields: dict[int, bytes], *, chained: bool = False) -> None:
        body = b"".join(struct.pack(">HH", len(value) + 4, point) + value for point, value in fields.items())
        whole = struct.pack(">HH", len(body) + 4, code) + body
        peer.sendall(struct.pack(">HBBH", len(whole) + 6, 0xD0, 0x52 if chained else 2, number) + whole)
