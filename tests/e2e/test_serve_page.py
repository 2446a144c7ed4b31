"""The web page of rh serve, in a real browser: what it shows, what it lets nobody do, and that data is never more than text."""

import contextlib
import json
import pathlib
import re

import pytest

from flight_door import have_door
from rh_program import Program, rh  # noqa: F401 (a fixture)
from serve_door import service, wait_for
from test_serve_sql import SLOW, TOKEN, Asking
from web_browser import Browser, have_browser

pytestmark = [pytest.mark.skipif(not have_door(), reason="librhei_flight isn't built: gRPC or libsodium is missing"),
              pytest.mark.skipif(not have_browser(), reason="chromium or chromedriver is missing: ./dev setup installs them")]


class Page:
    def __init__(self, served, browser):
        self.served, self.browser = served, browser
        self.url = served.said(r"Page on (http://\S+/)\n").group(1)

    def open(self):
        self.browser.open(self.url)

    def until(self, text, script, *args):
        return self.browser.until(lambda: self.browser.script(script, *args), text)

    def until_text(self, selector, words):
        return self.browser.until(lambda: re.search(words, self.browser.text(selector)), f"{words} in {selector}")

    def until_shown(self, selector):
        self.browser.until(lambda: self.browser.shown(selector), selector)

    def come_in(self):
        self.open()
        self.until_shown("#sql")
        self.until_text("#health", "live")

    def query(self, sql):
        self.browser.fill("#sql", sql)
        self.browser.press("control", "enter")
        self.browser.until(lambda: not self.browser.shown("#cancel") and not self.browser.text("#told").startswith("Running"), "the end of the statement")

    def table(self, within="#answer"):
        return self.browser.script("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))", within)

    def pills(self):
        return dict(self.browser.script("return [...document.querySelectorAll('#facts .pill')].map((one) => [one.firstChild.textContent, one.lastChild.textContent])"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@contextlib.contextmanager
def page(rh, browser, *options, auth=("--no-auth",), **more):
    with service(rh, "--db", "a.db", "--http", "0", *auth, *options, **more) as served:
        made = Page(served, browser)
        browser.complaints()
        try:
            yield made
        finally:
            browser.look_as()
            browser.open("about:blank")


def test_status_is_live_and_a_query_shows_its_rows_and_its_route(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.served.built()
        Asking(shown.served).ask("INSERT INTO t (name, v) VALUES ('Ada', 1.5), ('水', 2), (NULL, NULL)")
        shown.until_text("#tile-position", r"^[1-9]")
        shown.until_text("#tile-sync", "in step")
        shown.query("SELECT name, v FROM t ORDER BY id")
        assert shown.table() == [["Ada", "1.5"], ["水", "2.0"], ["NULL", "NULL"]]
        facts = shown.pills()
        assert facts["route"] in ("oltp", "olap") and facts["rule"] and int(facts["position"]) >= 1 and facts["age"] and facts["rows"] == "3"
        browser.script("document.getElementById('route').value = 'olap'")
        shown.query("SELECT count(*) FROM t")
        assert shown.table() == [["3"]] and shown.pills()["route"] == "olap"
        assert browser.complaints() == []
