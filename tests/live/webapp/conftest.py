"""The web application of examples/webapp, driven from outside: by a browser, by HTTP, and never by its own code.

These tests need gunicorn, selenium and more that no other test does: scripts/test-webapp makes an environment with all
of that and fails where it finds no test. In another environment they are not collected.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from secretconn.testing import Application

WEBAPP = Path(__file__).parents[3] / "examples" / "webapp"
NEEDED = ("compose_spec", "gunicorn", "httpx", "selenium", "whitenoise", "yaml")
MISSING = [module for module in NEEDED if importlib.util.find_spec(module) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []

if not MISSING:
    sys.path.insert(0, str(WEBAPP))  # local.py runs as a script there
    os.environ.pop("SSL_CERT_FILE", None)  # tests/live makes it an empty file, which httpx refuses

MakeSite = Callable[..., Any]
BROWSER = ("chromium", "chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@pytest.fixture
def make_site(tmp_path: Path, make_application: Callable[..., Application]) -> Iterator[MakeSite]:
    """``make_site("postgres", workers=8)``: a running Site, its application with it; ends with the test."""
    from local import Site

    with ExitStack() as stack:

        def make(server: str = "postgres", **settings: Any) -> Any:
            app = make_application(server, name="harbour")
            log = stack.enter_context((tmp_path / "webapp.log").open("wb"))
            engine = "mysql" if server == "mariadb" else "postgresql"
            site = stack.enter_context(Site(app, engine=engine, log=log, **settings))
            site.app, site.output = app, tmp_path / "webapp.log"
            return site

        yield make


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Debian's Chromium, headless, with an empty profile."""
    from selenium import webdriver

    found = [shutil.which(name) for name in BROWSER]
    if None in found:
        pytest.fail("no browser: apt-get install chromium chromium-driver (scripts/test-webapp does it as root)")
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(found[1]))
    try:
        driver.set_page_load_timeout(30)
        yield driver
    finally:
        driver.quit()
