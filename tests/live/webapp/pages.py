"""What a person does with the two pages, in a browser."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

__all__ = ["Pages"]

PATIENCE = 60.0


class Pages:
    """A person at a browser. An error page is an AssertionError at once."""

    def __init__(self, browser: Any, url: str) -> None:
        self.browser, self.url = browser, url

    def open(self, path: str) -> None:
        self.browser.get(self.url + path)
        self._no_error_page()

    def add_customer(self, name: str, email: str = "ada@example.com", city: str = "London") -> str:
        """Fill in the form and send it; answers whom the page says the row was written by."""
        self.open("/")
        for field, text in (("name", name), ("email", email), ("city", city)):
            self.browser.find_element(By.NAME, field).send_keys(text)
        self.click("button.primary")
        assert name in self.text(".message")
        assert self.text(".people li:first-child strong") == name
        return self.text(".people li:first-child .by span").removeprefix("by ")

    def click(self, selector: str) -> None:
        """Click on what leads to another page, and wait for that page."""
        old = self.browser.find_element(By.TAG_NAME, "html")
        self.browser.find_element(By.CSS_SELECTOR, selector).click()
        self._until(lambda: self.browser.find_element(By.TAG_NAME, "html") != old, "no page came")
        self._until(lambda: self.browser.execute_script("return document.readyState") == "complete", "half a page came")
        self._no_error_page()

    def text(self, selector: str) -> str:
        return str(self.browser.find_element(By.CSS_SELECTOR, selector).text)

    def wait_for_text(self, selector: str, wanted: str) -> None:
        """Until the page itself, with no reload, shows this."""
        self._until(lambda: self.text(selector) == wanted, f"{selector} never became {wanted!r}")

    def wait_for_other_text(self, selector: str, than: str) -> None:
        """Until the page itself, with no reload, shows something else."""
        self._until(lambda: self.text(selector) != than, f"{selector} stayed {than!r}")

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        # A page that changes under the look is looked at again.
        WebDriverWait(self.browser, PATIENCE, 0.1, [WebDriverException]).until(lambda _: done(), otherwise)

    def violations(self) -> list[str]:
        """What the browser complained of: refused by the content security policy, missing files, script errors."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """A screen of this width, in CSS pixels; a phone has more device pixels."""
        phone = width < 600
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1.5 if phone else 1, "mobile": phone},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def too_wide(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(
            self.browser.execute_script(
                "return document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def unlabelled(self) -> list[str]:
        """Fields and buttons that a screen reader has no name for."""
        return list(
            self.browser.execute_script(
                "return [...document.querySelectorAll('input:not([type=hidden]), button, a')]"
                ".filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).map(e => e.outerHTML)"
            )
        )

    def wait_for_a_strip(self, width: int) -> None:
        """Until the timeline is drawn for a screen of this width."""
        drawn = "return document.getElementById('strip').viewBox.baseVal?.width ?? 0"
        self._until(lambda: 0.6 * width < self.browser.execute_script(drawn) < width, "no timeline was drawn")

    def picture(self, path: Path, height: int) -> None:
        """The page from its top, whole or this high."""
        size = self.browser.execute_script(
            "const e = document.documentElement; return [e.clientWidth, document.scrollingElement.scrollHeight]"
        )
        clip = {"x": 0, "y": 0, "width": size[0], "height": min(size[1], height), "scale": 1}
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _no_error_page(self) -> None:
        assert not self.browser.find_elements(By.CLASS_NAME, "error-page"), self.browser.page_source
        assert self.browser.find_elements(By.CLASS_NAME, "brand"), self.browser.page_source
