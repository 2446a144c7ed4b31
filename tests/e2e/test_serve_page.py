"""The web page of rh serve, in a real browser: what it shows, what it lets nobody do, and that data is never more than text."""

import contextlib
import base64
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


def test_q6_numbers_are_exact_and_values_are_told_apart(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query("SELECT 9007199254740993 AS a, -9223372036854775808 AS b, NULL AS c, '' AS d, x'00ff10' AS e, '007' AS f, 0.1 AS g, '日本\n語' AS h")
        assert shown.table() == [["9007199254740993", "-9223372036854775808", "NULL", "empty text", "x'00ff10' 3 bytes", "007", "0.1", "日本\n語"]]
        assert browser.script("return [...document.querySelectorAll('#answer td')].map((one) => one.className)") == \
            ["number", "number", "null", "empty", "blob", "text", "number", "text"]
        shown.query("SELECT hex(zeroblob(600)) AS long")
        assert browser.texts("#answer td button") == ["… all 1,200 characters"]
        browser.click("#answer td button")
        assert shown.table() == [["0" * 1200]]


def test_completion_by_keys(rh, browser):
    with page(rh, browser, schema="CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, \"two words\" REAL)") as shown:
        shown.come_in()
        def value():
            return browser.script("return document.getElementById('sql').value")

        browser.type("#sql", "sel")
        shown.until_shown("#choices")
        browser.press("tab")
        assert value() == "SELECT" and not browser.shown("#choices")
        browser.type("#sql", " * FROM o")
        shown.until("the table", "return [...document.querySelectorAll('#choices li')].some((one) => one.textContent.startsWith('orders'))")
        assert browser.texts("#choices li") == ["orderstable"]
        browser.press("tab")
        browser.type("#sql", " AS o WHERE o.")
        shown.until_shown("#choices")
        assert browser.texts("#choices li span") == ["id", "customer", '"two words"']
        assert browser.script("return document.getElementById(document.getElementById('sql').getAttribute('aria-activedescendant')).textContent") == "idorders INTEGER"
        browser.press("down")
        browser.press("down")
        browser.press("enter")
        assert value() == 'SELECT * FROM orders AS o WHERE o."two words"'
        browser.type("#sql", " > 1 AND cus")
        shown.until_shown("#choices")
        browser.press("escape")
        assert not browser.shown("#choices")
        browser.press("control", "space")
        shown.until_shown("#choices")
        browser.press("enter")  # the list was asked for
        assert value().endswith("AND customer")
        browser.type("#sql", " = 'sel")
        assert not browser.shown("#choices")  # a text has no names
        browser.fill("#sql", "")
        browser.type("#sql", "sel")
        shown.until_shown("#choices")
        browser.press("enter")  # it wasn't: a new line is one
        assert value() == "sel\n"


def test_a_chart_is_drawn(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query("SELECT 'a' AS name, 1 AS low, 10 AS high UNION ALL SELECT 'b', -2, NULL UNION ALL SELECT NULL, 3, 30")
        browser.script("document.querySelector('input[value=bars]').click()")
        assert browser.script("return ['rect.series0', 'rect.series1'].map((one) => document.querySelectorAll('#answer svg ' + one).length)") == [3, 2]
        assert browser.texts("#answer .legend li") == ["low", "high"]
        heights = [float(one) for one in browser.script("return [...document.querySelectorAll('rect.series0')].map((one) => one.getAttribute('height'))")]
        assert heights[1] == pytest.approx(2 * heights[0], rel=0.02) and heights[2] == pytest.approx(3 * heights[0], rel=0.02)
        assert browser.script("return document.querySelector('#answer svg').getAttribute('aria-label')") == "Bars of low, high by name, 3 rows"
        browser.script("document.querySelector('input[value=lines]').click()")
        assert browser.script("return document.querySelectorAll('#answer path.line').length") == 2
        for sql in ("SELECT 5 AS n", "SELECT 7 AS n, 7 AS m UNION ALL SELECT 8, 7", "SELECT 'x' AS a, 1e308 AS b UNION ALL SELECT 'y', -1e308", "SELECT 'x', 9e999",
                    "SELECT 9007199254740993 AS n UNION ALL SELECT 9007199254740994", "SELECT 5e-324 AS n UNION ALL SELECT 0.0", "SELECT 0 AS n"):
            shown.query(sql)
            assert "NaN" not in browser.script("return document.querySelector('#answer').innerHTML"), sql
        shown.query("SELECT 'only words' AS a")
        shown.until_text("#answer", "There is nothing to draw")
        assert browser.complaints() == []


def test_tables_are_browsed_with_their_history(rh, browser):
    (rh.folder / "a.toml").write_text('[engine]\noltp_path = "a.db"\nsync_mode = "temporal"\n')
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); CREATE VIEW seen AS SELECT name FROM t")
    with service(rh, "--config", "a.toml", "--http", "0", "--no-auth", schema=None) as served:
        served.built()
        door = Asking(served)
        door.ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) INSERT INTO t SELECT i, 'row ' || i FROM n")
        door.ask("UPDATE t SET name = 'new' WHERE id = 1")
        shown = Page(served, browser)
        shown.come_in()
        browser.click("#tab-browse")
        shown.until_text("#tables", r"t\s+150 rows\s+ready")
        assert browser.texts("#tables .name") == ["seen", "t"]
        browser.click("#tables li:nth-child(2) button")
        shown.until_text("#place", "rows 1 to 100")
        assert shown.table("#page-rows")[:2] == [["1", "new"], ["2", "row 2"]]
        assert browser.texts("#columns li") == ["id INTEGER, key", "name TEXT"]
        browser.click("#next")
        shown.until_text("#place", "rows 101 to 150, the last")
        assert shown.table("#page-rows")[-1] == ["150", "row 150"] and browser.script("return document.getElementById('next').disabled")
        browser.click("#see-history")
        shown.until_text("#place", "versions 1 to 100")
        newest, names = shown.table("#page-rows")[0], browser.texts("#page-rows th")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", dict(zip(names, newest))["_rhei_valid_from"])
        assert dict(zip(names, newest))["_rhei_operation"] == "U" and newest[:2] == ["1", "new"]
        browser.click("#next")
        shown.until_text("#place", "versions 101 to 151, the last")
        browser.click("#tables li:nth-child(1) button")
        shown.until("the view's rows", "return document.querySelectorAll('#page-rows tbody tr').length === 100 && document.querySelector('#page-rows th').textContent === 'name'")
        assert not browser.shown("#of-history")
        assert browser.complaints() == []
        browser.open("about:blank")


def test_d5_an_error_is_shown_as_the_server_said_it(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query("SELECT * FROM gone")
        assert browser.texts("#problem .error > *")[:2] == ["SQL 42000", "no such table: gone"]
        shown.query("SELECT '日本😀' AS a,\n  nme FROM t")
        assert browser.text("#problem .place") == "line 2, column 3:   nme FROM t" and browser.text("#problem .mark") == "n"
        shown.query("SELECT '日本😀', nme FROM t")
        assert browser.text("#problem .place").startswith("line 1, column 15: ") and browser.text("#problem .mark") == "n"
        shown.query("SELECT 1")
        assert browser.text("#problem") == "" and shown.table() == [["1"]]


HOSTILE = "<img src=x onerror=\"window.led=1\"><script>window.led=1</script>"


def test_d3_data_is_never_more_than_text(rh, browser):
    name = '"' + HOSTILE.replace('"', '""') + '"'
    with page(rh, browser, schema=f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {name} TEXT)") as shown:
        Asking(shown.served).ask(f"INSERT INTO {name} VALUES (1, ?)", [HOSTILE])
        shown.come_in()
        shown.query(f"SELECT {name}, 1 AS \"{HOSTILE.replace(chr(34), '')}\", 2 AS __proto__, 3 AS constructor FROM {name}")
        assert shown.table() == [[HOSTILE, "1", "2", "3"]] and browser.texts("#answer th")[0] == HOSTILE
        for kind in ("bars", "lines", "table"):
            browser.script("document.querySelector(`input[value=${arguments[0]}]`).click()", kind)
        shown.query(f"SELECT * FROM {name} WHERE {name} = no_such_{'column'}")
        browser.fill("#sql", f"SELECT * FROM {name} WHERE ")
        browser.press("control", "space")
        shown.until_shown("#choices")
        browser.press("escape")
        browser.click("#tab-browse")
        browser.click("#tables button")
        shown.until("the row", "return document.querySelector('#page-rows td.text')?.textContent === arguments[0]", HOSTILE)
        assert browser.text("#table-name") == HOSTILE
        browser.click("#tab-status")
        shown.until_text("#log", "onerror")
        assert browser.script("return [typeof window.led, document.querySelectorAll('img, main script').length]") == ["undefined", 0]
        # nor does the policy let anything of it run that came in by another way
        browser.script("document.body.insertAdjacentHTML('beforeend', arguments[0])", HOSTILE)
        browser.until(lambda: any("Content Security Policy" in one for one in browser.complaints()), "the policy's refusal")
        assert browser.script("return typeof window.led") == "undefined"


def make_users(rh):
    (rh.folder / "token").write_text(TOKEN + "\n")
    (rh.folder / "users").write_text(rh.run("serve", "--make-user", "bob", input="battery stäple\n").stdout.strip() + ":read_only,rows=2\n")
    for name in ("token", "users"):
        (rh.folder / name).chmod(0o600)
    return ("--token-file", "token", "--users-file", "users")


def test_d3_who_is_not_known_sees_nothing(rh, browser):
    with page(rh, browser, auth=make_users(rh)) as shown:
        shown.open()
        shown.until_shown("#token")
        assert not browser.shown("#work") and not browser.shown("#leave")
        browser.type("#token", "wrong-secret-of-nobody")
        browser.press("enter")
        shown.until_text("#who-problem", "the token is wrong")
        assert browser.script("return sessionStorage.length") == 0
        browser.type("#token", TOKEN)
        browser.press("enter")
        shown.until_shown("#sql")
        shown.query("INSERT INTO t (name) VALUES ('x'), ('y'), ('z')")
        shown.until_text("#answer", "Done: 3 rows changed")
        shown.open()  # the tab knows it still
        shown.until_shown("#sql")
        assert browser.script("return document.cookie") == ""
        browser.click("#leave")
        shown.until_shown("#token")
        assert browser.script("return sessionStorage.length") == 0


def test_d3_a_user_who_may_only_read_is_told_so(rh, browser):
    with page(rh, browser, auth=make_users(rh)) as shown:
        token = Asking(shown.served, {"Authorization": f"Bearer {TOKEN}"})
        token.ask("INSERT INTO t (name) VALUES ('x'), ('y'), ('z')")
        shown.open()
        shown.until_shown("#token")
        browser.script("document.querySelector('input[value=user]').click()")
        browser.type("#user", "bob")
        browser.type("#password", "battery stäple")
        browser.press("enter")
        shown.until_shown("#sql")
        shown.query("DELETE FROM t")
        assert browser.texts("#problem .error > *") == ["READ_ONLY 25006", 'user "bob" may only read']
        shown.query("SELECT id FROM t WHERE id < 3")
        assert shown.table() == [["1"], ["2"]] and not browser.shown("#left")
        shown.query("SELECT id FROM t")  # three rows, of two
        shown.until_text("#left", "The server cut the answer off behind [0-2] rows?: more rows than it gives")
        assert token.rows("SELECT count(*) FROM t") == [[3]]
        browser.click("#leave")
        shown.until_shown("#token")


def test_q5_cancel_ends_the_statement(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query("SELECT 'of another statement'")
        assert shown.table() == [["of another statement"]]
        browser.fill("#sql", SLOW)
        browser.click("#run")
        shown.until_shown("#cancel")
        browser.click("#cancel")
        assert browser.script("return document.getElementById('answer').textContent + document.getElementById('facts').textContent") == ""  # not of this one
        shown.until_text("#told", "Cancelled")
        assert browser.script("return document.getElementById('answer').textContent + document.getElementById('facts').textContent") == ""

        def ended():
            values = {one["name"]: one["value"] for one in shown.served.ask()["metrics"]}
            return values["rhei_cancelled_total"] + values["rhei_errors_total"] >= 1

        wait_for(ended, "the end of the statement")
        shown.query("SELECT 1")
        assert shown.table() == [["1"]]


def test_d4_what_is_left_out_is_said(rh, browser):
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT %s FROM n"
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query(many % (12345, "i"))
        assert browser.text("#left") == "These are the first 10,000 rows of 12,345: the page keeps no more."
        assert len(shown.table()) == 200 and browser.text("#answer .rows > button") == "Show 200 more of 10,000"
        browser.click("#answer .rows > button")
        assert len(shown.table()) == 400 and shown.table()[-1] == ["400"]
        shown.query(many % (200, "hex(zeroblob(50000))"))  # 20 MB
        shown.until_text("#left", r"These are the first \d+ rows\. The page takes 8\.0 MiB of an answer and left the rest")
        assert re.fullmatch(r"(\d+) of more than \1", shown.pills()["rows"]) and re.fullmatch(r"(\d+) of more than \1 rows\.", browser.text("#told"))
        shown.query(many % (2000000, "'a text of some length'"))
        assert re.fullmatch(r"10,000 of more than \d{3},\d{3}", shown.pills()["rows"]), shown.pills()
        shown.query(many % (12345, "i"))
        assert shown.pills()["rows"] == "10,000 of 12,345" and browser.text("#told") == "10,000 of 12,345 rows."
        shown.query("SELECT 1")
        assert shown.pills()["rows"] == "1" and browser.text("#told") == "1 row."


def test_an_answer_is_saved_as_a_file(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        browser.script("URL.createObjectURL = (blob) => { window.saved = blob; return '#'; }; HTMLAnchorElement.prototype.click = function () { window.called = this.download; }")
        shown.query("SELECT 9007199254740993 AS a, 'say \"x\", or' AS b, NULL AS c, '' AS d, x'00ff' AS e")
        text = "return window.saved.text().then((text) => [window.called, text])"
        browser.click("#save-csv")
        assert browser.script(text) == ["answer.csv", "a,b,c,d,e\r\n9007199254740993,\"say \"\"x\"\", or\",,\"\",x'00ff'\r\n"]
        browser.click("#save-json")
        name, saved = browser.script(text)
        assert name == "answer.json" and "9007199254740993" in saved
        assert json.loads(saved) == {"columns": ["a", "b", "c", "d", "e"], "rows": [[9007199254740993, 'say "x", or', None, "", {"base64": "AP8="}]]}
        shown.query("DELETE FROM t")
        assert not browser.shown("#save")


def test_d3_other_hosts_and_pages_get_nothing(rh, browser):
    with page(rh, browser) as shown:
        door = Asking(shown.served)
        own = {"Host": f"127.0.0.1:{door.port}"}
        for path in ("/", "/page.js", "/page.css", "/status"):
            for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example"):
                assert door.raw(None, {"Host": host}, "GET", path)[0] == 421, (path, host)
            status, headers, body = door.raw(None, {**own, "Sec-Fetch-Site": "same-origin"}, "GET", path)
            assert status == 200 and headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff" and body, path
            assert door.raw(None, own, "POST", path)[0] == 405
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert door.raw(None, {**own, **headers}, "GET", "/status")[0] == 403, headers
        policy = door.raw(None, own, "GET", "/")[1]["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        # a page of another origin: a second service on this machine
        rh.run("exec", "--db", "b.db", "CREATE TABLE u (a)")
        with service(rh, "--db", "b.db", "--http", "0", "--no-auth", schema=None) as other:
            browser.open(Page(other, browser).url)
            for options in ("{}", "{mode: 'no-cors'}", "{method: 'POST', body: '{\"sql\": \"DELETE FROM t\"}', headers: {'Content-Type': 'application/json'}}"):
                told = browser.ask("POST", "/execute/async", {"script": f"const done = arguments[1]; fetch(arguments[0], {options}).then((a) => a.text()).then(done, (e) => done('refused: ' + e.name))", "args": [shown.url + "status"]})
                assert told.startswith("refused"), told
            browser.complaints()


def test_status_asks_for_credentials(rh, browser):
    with page(rh, browser, auth=make_users(rh)) as shown:
        assert Asking(shown.served).raw(None, method="GET", path="/status")[0] == 401
        assert Asking(shown.served).raw(None, method="GET", path="/")[0] == 200
        token = Asking(shown.served, {"Authorization": f"Bearer {TOKEN}"})
        token.ask("SELECT 1")
        status, _, body = token.raw(None, method="GET", path="/status")
        assert status == 200 and json.loads(body)["service"]["ready"] in (True, False) and TOKEN not in body.decode()
        assert json.loads(body)["log"] != []
        bob = base64.b64encode("bob:battery stäple".encode()).decode()
        status, _, body = Asking(shown.served, {"Authorization": f"Basic {bob}"}).raw(None, method="GET", path="/status")
        assert status == 200 and json.loads(body)["log"] == []  # others' statements are in it


def test_it_looks_right_on_a_phone_and_in_the_dark(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.query("SELECT 1 AS one, 'some words that are rather long for a narrow screen' AS two, x'00' AS three, 4 AS four, 5 AS five, 6 AS six")
        back = "return getComputedStyle(document.body).backgroundColor"
        browser.look_as("light")
        light = browser.script(back)
        browser.look_as("dark", 400, 800, motion="reduce")
        assert browser.script(back) != light
        assert browser.script("return getComputedStyle(document.querySelector('.dot')).animationName") == "none"
        for tab in ("query", "browse", "status"):
            browser.click(f"#tab-{tab}")
            assert browser.script("return document.documentElement.scrollWidth") <= 400, tab
        unnamed = "return [...document.querySelectorAll('button, input, select, textarea')].filter((one) => !one.textContent.trim() && !one.labels?.length && !one.ariaLabel).map((one) => one.id)"
        assert browser.script(unnamed) == []


def test_a_server_that_is_away_is_said(rh, browser):
    with page(rh, browser) as shown:
        shown.come_in()
        shown.served.stop()
        shown.until_text("#health", "not reachable")
        shown.query("SELECT 1")
        shown.until_text("#problem", "the server doesn't answer")
