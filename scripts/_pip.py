"""Finds pip's wheel, from which pip runs: the environments hold what they need, and not pip.

Python brings the wheel with ensurepip. Debian's does not unless it has python3-venv; then it is fetched from the
package index (PyPI's simple API, PEP 503) and checked by the hash that the index lists.
"""

from __future__ import annotations

import configparser
import hashlib
import html
import os
import re
import ssl
import sys
import sysconfig
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

SETTINGS = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/pip.conf")
LINK = re.compile(
    r'<a\s[^>]*href="(?P<link>(?:[^"#]*/)?(?P<file>pip-(?P<version>[\d.]+)-[^"/#]*\.whl))#sha256=(?P<hash>\w{64})"(?P<rest>[^>]*)>'
)
MINIMUM = re.compile(r'data-requires-python="[^"]*>=\s*3\.(\d+)')
BUNDLED = [
    Path(folder)
    for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), f"{sysconfig.get_path('stdlib')}/ensurepip/_bundled")
    if folder
] + [Path("/usr/share/python-wheels")]
TIMEOUT = 60.0
"""Seconds for one answer of the index."""


def wheel(folder: Path) -> Path:
    """Returns pip's wheel: Python's own, or the one in the folder, fetched into it now or on an earlier run."""
    for place in [*BUNDLED, folder]:
        for found in sorted(place.glob("pip-*.whl"), reverse=True):
            return found
    index = setting("index-url") or "https://pypi.org/simple"
    try:
        name, content = newest(index.rstrip("/") + "/pip/")
    except (OSError, ValueError) as error:
        sys.exit(
            f"secretconn: pip is missing here and cannot be fetched from {index.rpartition('@')[2]}: {error}\n"
            "secretconn: is ca-certificates there? Or install your Python's venv module (python3-venv)."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f".{name}").write_bytes(content)
    return (folder / f".{name}").rename(folder / name)


def newest(page: str) -> tuple[str, bytes]:
    """Returns the newest wheel for this Python, its name and its content."""
    links = [link for link in LINK.finditer(fetch(page, accept="text/html").decode()) if fits(link["rest"])]
    if not links:
        raise ValueError(f"no wheel for Python {sys.version_info.major}.{sys.version_info.minor} is listed")
    chosen = max(links, key=lambda link: tuple(int(part) for part in link["version"].split(".")))
    content = fetch(urljoin(page, html.unescape(chosen["link"])))
    if hashlib.sha256(content).hexdigest() != chosen["hash"]:
        raise ValueError(f"{chosen['file']} is not the file that the index lists")
    return chosen["file"], content


def fits(attributes: str) -> bool:
    minimum = MINIMUM.search(html.unescape(attributes))
    return minimum is None or sys.version_info >= (3, int(minimum[1]))


def fetch(address: str, *, accept: str = "*/*") -> bytes:
    request = urllib.request.Request(address, headers={"Accept": accept})
    trusted = ssl.create_default_context(cafile=setting("cert"))
    with urllib.request.urlopen(request, timeout=TIMEOUT, context=trusted) as answer:
        content: bytes = answer.read()
        return content


def setting(name: str) -> str | None:
    """Returns pip's setting, by its environment variable or its files."""
    told = os.environ.get(f"PIP_{name.upper().replace('-', '_')}")
    if told:
        return told
    files = [os.environ.get("PIP_CONFIG_FILE", ""), *SETTINGS]
    for file in files:
        parser = configparser.RawConfigParser()
        parser.read(Path(file).expanduser() if file else [])
        if parser.has_option("global", name):
            return parser.get("global", name).strip()
    return None
