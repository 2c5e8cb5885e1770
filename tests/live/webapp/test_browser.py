"""A person with a browser uses the web application while its secret rotates: no error page, and the status follows."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from selenium.webdriver.common.by import By

from secretconn.testing import RotationStep, Strategy

from .pages import Pages

ROOT = Path(__file__).parents[3]
STRATEGIES: tuple[Strategy, ...] = ("single-user", "alternating-users")
DESKTOP, PHONE = (1280, 900), (390, 844)
MOST_BYTES = 300 * 1024

NAMES = """Ada Lovelace, Grace Hopper, Mary Somerville, Katherine Johnson, Hedy Lamarr, Annie Easley, Radia Perlman,
    Joan Clarke, Evelyn Boyd Granville, Dorothy Vaughan, Jean Bartik, Kathleen Booth"""


def test_forms_go_through_every_window_and_the_status_follows(make_site: Callable[..., Any], browser: Any) -> None:
    site = make_site("postgres", workers=4, ttl=2.0)
    pages, sent, users = Pages(browser, site.url), 0, set()
    for strategy in STRATEGIES:
        last: RotationStep | None = None
        for step in site.app.rotator(strategy).steps():
            users.add(pages.add_customer(f"Customer {sent}"))
            sent, last = sent + 1, step
        assert last is not None
        pages.open("/status/")
        pages.wait_for_text("#version", last.version_id[:8])
        pages.wait_for_text("#stage", "AWSCURRENT")
        pages.wait_for_text("#rotations li:first-child [data-f=version]", last.version_id[:8])
        pages.wait_for_text("#me [data-f=user]", last.username)
    users.add(pages.add_customer("The last"))
    assert users == {site.app.username, f"{site.app.username}_clone"}, "the database saw both users"
    rows = site.app.server.sql("SELECT count(*) FROM customers_customer", database=site.app.database)
    assert rows == [[str(sent + 1)]]
    pages.open("/status/")
    assert pages.text("#all .failures") == "0"
    assert int(pages.text("#all [data-f=recovered]")) > 0, "no login was ever rejected: the windows were missed"
    assert pages.violations() == []


def test_the_button_rotates_and_the_pages_look_well(
    make_site: Callable[..., Any], browser: Any, tmp_path: Path
) -> None:
    """Also takes the pictures of docs/images: ``SECRETCONN_SCREENSHOTS=docs/images scripts/test-webapp -k button``."""
    kept = os.environ.get("SECRETCONN_SCREENSHOTS")
    folder = ROOT / kept if kept else tmp_path
    site = make_site("postgres", workers=4, ttl=2.0, pause=2.5 if kept else 1.0)
    pages = Pages(browser, site.url)
    pages.resize(*DESKTOP)
    names = (name.strip() for name in NAMES.split(","))
    for strategy in STRATEGIES * (2 if kept else 1):
        pages.open("/status/")
        before = pages.text("#version")
        pages.click(f"button[value={strategy}]")
        assert "Rotating" in pages.text(".message")
        if strategy == "single-user":
            pages.wait_for_text("#stage", "AWSPENDING")  # in the window: what no other client can log in with
            _picture(pages, folder / "webapp-status-window.png", DESKTOP)
        for _ in range(3):
            name = next(names)
            pages.add_customer(name, f"{name.split()[0].lower()}@example.com", "")
        pages.open("/status/")
        pages.wait_for_text("#step", f"{strategy}: done")
        pages.wait_for_other_text("#version", before)
        pages.wait_for_text("#stage", "AWSCURRENT")
    pages.wait_for_text("#rotations li:first-child [data-f=workers]", "4")
    for page, path in (("status", "/status/"), ("form", "/")):
        pages.open(path)
        for screen, size in (("desktop", DESKTOP), ("phone", PHONE)):
            _picture(pages, folder / f"webapp-{page}-{screen}.png", size)
    pages.open("/status/")
    _picture(pages, folder / "webapp-status-dark.png", DESKTOP, dark=True)


def _picture(pages: Pages, path: Path, size: tuple[int, int], *, dark: bool = False) -> None:
    pages.resize(*size, dark=dark)
    if "status" in path.name:
        pages.wait_for_a_strip(size[0])
    assert pages.too_wide() <= 0, f"{path.name}: the page scrolls sideways"
    assert pages.unlabelled() == []
    assert pages.violations() == []
    pages.picture(path, 2 * size[1])
    assert 10_000 < path.stat().st_size < MOST_BYTES, path.name


def test_a_wrong_form_says_what_is_wrong(make_site: Callable[..., Any], browser: Any) -> None:
    site = make_site("postgres", workers=1)
    pages = Pages(browser, site.url)
    for name, email in (("", "ada@example.com"), ("Ada", "no address")):
        pages.open("/")
        browser.find_element(By.NAME, "name").send_keys(name)
        browser.find_element(By.NAME, "email").send_keys(email)
        pages.click("button.primary")
        wrong = browser.find_element(By.CSS_SELECTOR, ".wrong input")
        assert wrong.get_attribute("aria-invalid") == "true"
        assert browser.find_element(By.ID, wrong.get_attribute("aria-describedby")).text
    assert site.app.server.sql("SELECT count(*) FROM customers_customer", database=site.app.database) == [["0"]]


OTHER = "feedfacecafe"
"""A container's host name."""


def another_container(site: Any) -> None:
    """Another container's worker, with the process id of this one's, whose login was rejected."""
    run = partial(site.app.server.sql, database=site.app.database)
    ((pid,),) = run("SELECT pid FROM status_worker")
    columns = 'host, pid, started, seen, "user", version_id, stage, since'
    counters = "reads, hits, api_calls, connects, rejected, recovered, requests, failures"
    values = f"'{OTHER}', {pid}, now(), now() + interval '1 hour', 'app', 'v1', 'AWSCURRENT', now()"
    run(f"INSERT INTO status_worker (key, {columns}, {counters}) VALUES ('other', {values}, 1, 1, 1, 1, 1, 1, 1, 0);")
    columns = "at, worker, pid, kind, version_id, previous_version_id, stages, seconds, detail"
    values = f"now(), 'other', {pid}, 'Rejected', 'v1', '', '', 0, ''"
    run(f"INSERT INTO status_happening ({columns}) VALUES ({values});")


def test_two_containers_have_lanes_of_their_own(make_site: Callable[..., Any], browser: Any) -> None:
    """Containers count their processes alike: a worker is not its process id."""
    site = make_site("postgres", workers=1)
    pages = Pages(browser, site.url)
    pages.resize(*DESKTOP)
    pages.open("/status/")
    pages.wait_for_a_strip(DESKTOP[0])
    another_container(site)
    pages.wait_for_text("#all [data-f=workers]", "2")
    labels = [label.text for label in browser.find_elements(By.CSS_SELECTOR, "#strip .lane + .label")]
    assert sorted(OTHER in label for label in labels) == [False, True], labels
    lane = browser.find_elements(By.CSS_SELECTOR, "#strip .lane")[[OTHER in label for label in labels].index(True)]
    (rejected,) = browser.find_elements(By.CSS_SELECTOR, "#strip .rejected")
    middle = rejected.rect["y"] + rejected.rect["height"] / 2
    assert abs(middle - lane.rect["y"] - lane.rect["height"] / 2) < 5, "it is in the other one's lane"
    assert OTHER in pages.text("#workers")


def test_while_one_rotation_runs_no_other_can_be_asked_for(make_site: Callable[..., Any], browser: Any) -> None:
    site = make_site("postgres", workers=1, pause=2.0)
    pages = Pages(browser, site.url)
    pages.open("/status/")
    pages.click("button[value=single-user]")
    buttons = "return [...document.querySelectorAll('.rotate button')].map(button => button.disabled)"
    assert browser.execute_script(buttons) == [True, True]
    assert not browser.find_element(By.ID, "none").is_displayed(), "there is one, just now"
    pages.wait_for_text("#step", "single-user: done")
    assert browser.execute_script(buttons) == [False, False]
    clock = "#rotations li:first-child [data-f=clock]"
    pages.wait_for_other_text(clock, "")
    assert pages.text(clock).endswith(" UTC")


def test_a_phone_shows_the_workers_without_scrolling_sideways(make_site: Callable[..., Any], browser: Any) -> None:
    site = make_site("postgres", workers=1)
    pages = Pages(browser, site.url)
    pages.resize(*PHONE)
    pages.open("/status/")
    hidden = "const e = document.querySelector('.scroll'); return e.scrollWidth - e.clientWidth"
    assert browser.execute_script(hidden) <= 0
    assert browser.find_element(By.CSS_SELECTOR, "#workers [data-f=seen]").is_displayed()
