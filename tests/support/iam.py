"""What IAM does with a token: recompute the signature, and compare host, port, user, region and age.

Written from "Create a presigned URL" in the IAM user guide, with nothing of botocore or of ours: it is to check both.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from calendar import timegm
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

__all__ = ["Iam", "Keys"]


@dataclass(frozen=True)
class Keys:
    """AWS keys of a process."""

    id: str
    secret: str
    token: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which botocore finds them."""
        named = {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}
        return named | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


@dataclass
class Iam:
    """Knows some keys and judges tokens.

    Attributes:
        service: The service in the signature: "rds-db".
        region: Its region.
        authority: What is signed for: "host:port".
        keys: The keys that are valid.
        ahead: Seconds by which its clock is ahead of ours.
        asked: What the token must ask for besides the signature, but the user: {"Action": "connect"}.
        user_key: The parameter that names the user, or None.
        tokens: Those it was shown, in order.
        refused: Why it refused those that it did.
    """

    service: str
    region: str
    authority: str
    keys: list[Keys]
    ahead: float = 0.0
    asked: dict[str, str] = field(default_factory=lambda: {"Action": "connect"})
    user_key: str | None = "DBUser"
    tokens: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accepts(self, user: str, token: str) -> bool:
        """Whether the user may come in with this token now."""
        why = self._why_not(user, token)
        with self._lock:
            self.tokens.append(token)
            self.refused += [why] if why else []
        return why is None

    def _why_not(self, user: str, token: str) -> str | None:
        authority, _, query = token.partition("/?")
        told = dict(parse_qsl(query, strict_parsing=True)) if query else {}
        if not query or "X-Amz-Signature" not in told:
            return "no token"
        expected = self.asked | ({self.user_key: user} if self.user_key else {})
        said = {name: value for name, value in told.items() if not name.startswith("X-Amz-")}
        key_id, date, region, service, ending = told["X-Amz-Credential"].split("/")
        keys = next((keys for keys in self.keys if keys.id == key_id), None)
        known = keys is not None and told.get("X-Amz-Security-Token") == keys.token
        signed_at = timegm(time.strptime(told["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        in_time = -300 <= time.time() + self.ahead - signed_at <= int(told["X-Amz-Expires"]) <= 900
        signature = _signature(authority, told, keys.secret if keys is not None else "")
        reasons = (
            (authority == self.authority, f"it is for {authority}"),
            (said == expected, "it asks for something else"),
            ((region, service, ending) == (self.region, self.service, "aws4_request"), f"for {service} in {region}"),
            (known, "unknown keys"),
            (in_time and date == told["X-Amz-Date"][:8], "its time is over"),
            (hmac.compare_digest(signature, told["X-Amz-Signature"]), "the signature is wrong"),
        )
        return next((why for right, why in reasons if not right), None)


def _signature(authority: str, told: dict[str, str], secret: str) -> str:
    """The signature of such a request, by Signature Version 4."""
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in told.items() if name != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    canonical = "\n".join(["GET", "/", query, f"host:{authority}", "", "host", hashlib.sha256(b"").hexdigest()])
    scope = told["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", told["X-Amz-Date"], scope, digest])
    return hmac.digest(key, text.encode(), "sha256").hex()


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
