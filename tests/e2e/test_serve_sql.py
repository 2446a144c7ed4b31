"""POST /sql of rh serve: values both ways, JSON and Arrow, who may come in, what a browser can't be led to, limits, cut connections."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import threading
import time

import pyarrow as pa
import pytest

from foreign import connect
from flight_door import have_door
from rh_program import Program, rh  # noqa: F401 (a fixture)
from serve_door import Service, service, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(not have_door(), reason="librhei_flight isn't built: gRPC or libsodium is missing")
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
ARROW = "application/vnd.apache.arrow.stream"
TOKEN = "a-long-secret-of-ones-own"


# one LIKE whose time is the product of the lengths, within one step of SQLite's machine
ENDLESS = "SELECT replace(hex(zeroblob(4000000)), '0', 'a') LIKE '%' || replace(hex(zeroblob(12000)), '0', 'a') || 'b%'"


def processor_time(pid):
    """Seconds of it, of all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Asking:
    """One connection, as a client of few words has it."""

    def __init__(self, served, headers=None):
        self.port = int(served.said(r"SQL on http://127\.0\.0\.1:(\d+)/sql\n").group(1))
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def raw(self, body, headers=None, method="POST", path="/sql"):
        headers = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def ask(self, sql, params=None, code=200, headers=None, **more):
        body = {"sql": sql, **({} if params is None else {"params": params}), **more}
        status, found, text = self.raw(json.dumps(body), headers)
        assert status == code, (status, text)
        self.found = found
        return json.loads(text)

    def rows(self, sql, *args, **more):
        return self.ask(sql, *args, **more)["rows"]

    def refused(self, code, words, *args, **more):
        error = self.ask(*args, code=code, **more)["error"]
        assert words in error["message"], error
        return error


def open_door(rh, *options, auth=("--no-auth",), **more):
    return service(rh, "--db", "a.db", "--http", "0", *auth, *options, **more)


def test_values_go_both_ways_as_they_are(rh):
    with open_door(rh) as served:
        door = Asking(served)
        values = [None, 9007199254740993, -9223372036854775808, 0.1, 1e308, "", "\u00e4\U0001F600\0\"\\\n", "007", {"base64": ""}, {"base64": "AP8="}]
        marks = ", ".join("?" for _ in values)
        assert door.rows(f"SELECT {marks}", values) == [values]
        assert door.rows("SELECT typeof(?), typeof(?), typeof(?)", [True, 1.0, "1"]) == [["integer", "real", "text"]]
        assert door.rows("SELECT :b, @a, :b", {":b": "x", "@a": 2}) == [["x", 2, "x"]]
        done = door.ask("INSERT INTO t (name, v) VALUES (?, ?)", ["x", 2.5])
        assert (done["changes"], done["last_insert_rowid"], done["rows"]) == (1, 1, [])
        done = door.ask("INSERT INTO t (name) VALUES ('y') RETURNING id, name")
        assert (done["columns"], done["rows"]) == (["id", "name"], [[2, "y"]])
        assert door.rows("SELECT 1, 1") == [[1, 1]]
        with connect(rh.folder / "a.db") as reader:
            assert reader.execute("SELECT name, v FROM t").fetchall() == [("x", 2.5), ("y", None)]


def test_headers_tell_what_answered(rh):
    with open_door(rh) as served:
        served.built()
        door = Asking(served)
        door.ask("INSERT INTO t (name, v) VALUES ('x', 1.5)")
        for sql, more, route in (("SELECT * FROM t WHERE id = 1", {}, "oltp"), ("SELECT name, sum(v) FROM t GROUP BY name", {"route": "olap"}, "olap")):
            door.ask(sql, **more)
            assert door.found["X-Rhei-Route"] == route and door.found["X-Rhei-Rule"]
            assert int(door.found["X-Rhei-Position"]) >= 1 and int(door.found["X-Rhei-Age-Us"]) >= 0
            status, headers, body = door.raw(json.dumps({"sql": sql, **more}), {"Accept": ARROW})
            assert (status, headers["Content-Type"], headers["X-Rhei-Route"]) == (200, ARROW, route)
            assert pa.ipc.open_stream(body).read_all().num_rows == 1
        door.ask("SELECT count(*) FROM t", freshness="bounded:1000")
        assert door.rows("EXPLAIN ROUTE SELECT 1")


def test_a9_history_is_told_by_either_engine_though_no_statement_may_name_a_file(rh):
    (rh.folder / "a.toml").write_text('[engine]\noltp_path = "a.db"\nsync_mode = "temporal"\n')
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    with service(rh, "--config", "a.toml", "--http", "0", "--no-auth", schema=None) as served:
        served.built()
        door = Asking(served)
        door.ask("INSERT INTO t (name) VALUES ('x')")
        door.ask("UPDATE t SET name = 'y'")
        for route in ("auto", "oltp", "olap"):
            assert door.rows("SELECT name, _rhei_operation FROM t_history ORDER BY _rhei_seq", route=route) == [["x", "I"], ["y", "U"]], route
        assert door.refused(400, "no ATTACH, no DETACH", "ATTACH ':memory:' AS b")["code"] == "UNSUPPORTED"
        assert "can't be shown" not in served.log()


def test_d5_what_is_wrong_is_told(rh):
    with open_door(rh) as served:
        door = Asking(served)
        assert door.refused(400, "no such table", "SELECT * FROM gone")["code"] == "SQL"
        assert door.refused(409, "UNIQUE", "INSERT INTO t (id) VALUES (1), (1)")["code"] == "CONSTRAINT"
        for sql in ("BEGIN", "COMMIT", "SAVEPOINT s"):
            error = door.refused(400, "POST /sql has no sessions: send one statement, or use Flight SQL", sql)
            assert error["code"] == "TRANSACTION" and "rhei_" not in error["message"], error
        assert "rhei_" not in door.refused(400, "one by one", "SELECT 1; SELECT 2")["message"]
        # what is advised is a member of the request, or a setting of the service, and no call or option of other doors
        for sql, more in (("PRAGMA query_only = 1", {}), ("PRAGMA busy_timeout = 7", {}), ("SELECT load_extension('x')", {"route": "olap"}),
                          ("FROM t SELECT", {"route": "oltp"}), ("FROM 'other.csv'", {"route": "olap"}), ("INSERT INTO t (id) VALUES (9)", {"route": "olap"})):
            status, _, text = door.raw(json.dumps({"sql": sql, **more}), {"Content-Type": "application/json"})
            assert status >= 400 and not re.search(r"rhei_[a-z]|--\w|\brh \w|\bhandle\b", json.loads(text)["error"]["message"]), (sql, text)
        door.refused(400, "an array in it", "SELECT ?", [[1]])
        door.refused(400, "is a BLOB", "SELECT ?", [{"base64": "A"}])
        door.refused(400, "there is no \"sqll\"", "SELECT 1", sqll=1)
        door.refused(400, "a route is auto, oltp or olap", "SELECT 1", route="x")
        door.refused(400, "without a NUL", "SELECT 1\0; SELECT 2")
        assert b"sql is there twice" in door.raw('{"sql": "SELECT 1", "sql": "SELECT 2"}')[2]
        door.refused(400, "timeout_ms is a whole number", "SELECT 1", timeout_ms=0)
        door.refused(504, "", SLOW, timeout_ms=50)
        for sql in ("ATTACH 'b.db' AS b", "ATTACH ':memory:' AS b", "ATTACH '' AS b", "DETACH b"):
            assert door.refused(400, "no ATTACH, no DETACH", sql)["code"] == "UNSUPPORTED"
        for body in ("", "[]", "x", "{", "1", "{sql: 'SELECT 1'}", "\"x\"", "null"):
            status, _, text = door.raw(body)
            assert status == 400 and "isn't one object of JSON" in text.decode(), (body, text)
        assert door.raw("{}")[0] == 400
        for body in (b'{"sql": "SELECT \'\xff\'"}', b'{"sql": "SELECT ?", "params": ["\xed\xa0\x80"]}', b'{"sql": "SELECT 1", "\xc3": 1}'):
            status, _, text = door.raw(body)
            assert status == 400 and b"isn't UTF-8" in text, (body, text)
        for text in (r"\ud800", r"\uDFFF", r"\ud83dx", r"\ud83d\u0041", r"\\\ud800", r"\ude00\ud83d"):
            status, _, told = door.raw('{"sql": "SELECT ?", "params": ["%s"]}' % text)
            assert status == 400 and b"half a character" in told, (text, told)
        assert json.loads(door.raw(r'{"sql": "SELECT ?", "params": ["\ud83d\ude00 \\ud800"]}')[2])["rows"] == [["\U0001F600 \\ud800"]]
        door.refused(400, "parameter 2 is a whole number beyond 64 bits", "SELECT ?, ?", [1, 1 << 63])
        door.refused(400, "parameter 1 is a whole number beyond 64 bits", "SELECT ?", [-(1 << 63) - 1])
        door.refused(400, "parameter \":n\" is a whole number beyond 64 bits", "SELECT :n", {":n": 10 ** 30})
        assert door.rows("SELECT ?, ?", [(1 << 63) - 1, 1e20]) == [[(1 << 63) - 1, 1e20]]
        assert door.rows("SELECT 1") == [[1]]
    assert not (rh.folder / "b.db").exists()


def test_d3_only_who_is_known_comes_in(rh):
    (rh.folder / "token").write_text(TOKEN + "\n")
    made = rh.run("serve", "--make-user", "ada", input="correct horse\n").stdout
    reader = rh.run("serve", "--make-user", "bob", input="battery staple\n").stdout.strip()
    (rh.folder / "users").write_text(made + reader + ":read_only,rows=2\n")
    for name in ("token", "users"):
        (rh.folder / name).chmod(0o600)

    def basic(text):
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    with open_door(rh, auth=("--token-file", "token", "--users-file", "users")) as served:
        nobody = Asking(served)
        token, password = "the token is wrong", "name or password is wrong"
        for headers, words in (({}, "isn't known: send a bearer token, or name and password"), ({"Authorization": "Bearer wrong-secret"}, token),
                               ({"Authorization": f"Bearer {TOKEN}x"}, token), ({"Authorization": "Bearer "}, "the"), ({"Authorization": TOKEN}, "neither Bearer nor Basic"),
                               (basic("ada:wrong"), password), (basic("eve:correct horse"), password), (basic("ada"), password),
                               (basic("ada\0eve:correct horse"), password), (basic("ada\0:correct horse"), password), (basic("ada:correct horse\0"), password),
                               ({"Authorization": "Basic !!"}, password)):
            error = nobody.refused(401, words, "INSERT INTO t (id) VALUES (9)", headers=headers)
            assert error["sqlstate"] == "28000" and "Bearer" in nobody.found.get_all("WWW-Authenticate")
        assert Asking(served, {"Authorization": f"Bearer {TOKEN}"}).ask("INSERT INTO t (name) VALUES ('x'), ('y'), ('z')")["changes"] == 3
        assert Asking(served, basic("ada:correct horse")).rows("SELECT count(*) FROM t") == [[3]]
        bob = Asking(served, basic("bob:battery staple"))
        assert bob.rows("SELECT count(*) FROM t") == [[3]]
        for sql in ("DELETE FROM t", "INSERT INTO t (name) VALUES ('b') RETURNING id", "/* x */ WITH a AS (SELECT 1) DELETE FROM t", "PRAGMA user_version = 3"):
            assert bob.ask(sql, code=403)["error"]["code"] == "READ_ONLY"
        assert bob.rows("SELECT id FROM t WHERE id <= 2") == [[1], [2]]
        with pytest.raises(http.client.IncompleteRead):
            bob.ask("SELECT id FROM t")  # three rows, of two
        assert TOKEN not in served.log() and "horse" not in served.log()
    with connect(rh.folder / "a.db") as found:
        assert found.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_d3_who_guesses_credentials_is_seen_and_fills_no_log(rh):
    (rh.folder / "token").write_text(TOKEN + "\n")
    (rh.folder / "token").chmod(0o600)
    with open_door(rh, auth=("--token-file", "token")) as served:
        nobody = Asking(served)
        nobody.refused(401, "isn't known", "SELECT 1")  # as a browser asks first: no line
        nobody.refused(401, "name or password is wrong", "SELECT 1", headers={"Authorization": "Basic " + base64.b64encode(b"eve:s3cr3t").decode()})
        served.logged(r"warning: http: refused POST/sql of ipv4:127\.0\.0\.1:\d+: name or password is wrong\n")
        for guess in range(100):
            nobody.refused(401, "the token is wrong", "SELECT 1", headers={"Authorization": f"Bearer guess-{guess:04}"})
        lines = re.findall(r"http: refused .*", served.log())
        assert 2 <= len(lines) <= 60 and sum("isn't known" in line for line in lines) == 0, lines  # some for each ten seconds
        assert "guess-" not in served.log() and "s3cr3t" not in served.log()
    lines = len(re.findall(r"http: refused .*", served.log()))
    assert lines + sum(map(int, re.findall(r"serve: refused (\d+) more within", served.log()))) == 101


def test_d3_it_does_not_start_where_it_could_be_open(rh):
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (a)")
    for options, words in ((["--http", "0"], "neither a token nor a user"),
                           (["--http", "0.0.0.0:0", "--no-auth"], "isn't a loopback address"),
                           (["--http", "[::]:0", "--no-auth"], "isn't a loopback address")):
        done = rh.run("serve", "--db", "a.db", *options, code=1)
        assert words in done.stderr and "CONFIG" in done.stderr, done.stderr
    assert not list(rh.folder.glob("a.db-serve*"))


def test_a_statement_has_its_line_in_the_log_without_the_values_of_its_parameters(rh):
    with open_door(rh) as served:
        door = Asking(served)
        door.ask("INSERT INTO t (name) VALUES (?), (?)", ["s3cr3t", "x"])
        sql = "SELECT id,\n 'a\"b' FROM t"
        assert len(door.rows(sql)) == 2
        door.raw(json.dumps({"sql": "SELECT id FROM t /* arrow */"}), {"Accept": ARROW})
        door.ask("SELECT gone FROM t", code=400)
        for status, rows, shown in (("OK", " rows=0", "INSERT INTO t (name) VALUES (?), (?)"), ("OK", " rows=2", "SELECT id,  'a\\\"b' FROM t"),
                                    ("OK", " rows=2", "SELECT id FROM t /* arrow */"), ("SQL", "", "SELECT gone FROM t")):
            served.logged(rf'http: user="[^"]*" peer=ipv4:127\.0\.0\.1:\d+ call=POST/sql status={status} ms=\d+\.\d{rows} sql="{re.escape(shown)}"\n')
        assert "s3cr3t" not in served.log()


def test_each_query_is_counted_once_by_the_engine_that_answered(rh):
    with open_door(rh, "--metrics", "0") as served:
        served.built()
        door = Asking(served)

        def counted():
            found = dict(re.findall(r"^(rhei_\S+) (\S+)$", served.get("/metrics")[1], re.M))
            oltp, olap = (int(float(found[f'rhei_query_routed_total{{target="{target}"}}'])) for target in ("oltp", "olap"))
            assert oltp + olap == int(float(found["rhei_queries_total"]))
            return oltp, olap, int(float(found["rhei_writes_total"]))

        oltp, olap, writes = counted()
        for sql, more, step in (("SELECT 1", {}, (1, 0, 0)), ("SELECT name, sum(v) FROM t GROUP BY 1", {"route": "olap"}, (0, 1, 0)),
                                ("SELECT ?", {"params": [7]}, (1, 0, 0)), ("INSERT INTO t (name) VALUES ('x')", {}, (0, 0, 1)),
                                ("EXPLAIN ROUTE SELECT sum(v) FROM t", {}, (0, 0, 0))):
            door.ask(sql, **more)
            oltp, olap, writes = oltp + step[0], olap + step[1], writes + step[2]
            assert counted() == (oltp, olap, writes), sql


def test_a_browser_cannot_be_led_to_ask(rh):
    write = json.dumps({"sql": "INSERT INTO t (name) VALUES ('led')"})
    with open_door(rh) as served:
        door = Asking(served)
        own = f"127.0.0.1:{door.port}"
        for headers, code in (({"Host": "evil.example"}, 421), ({"Host": "localhost.evil.example"}, 421), ({"Host": "127.0.0.1.evil.example"}, 421),
                              ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://127.0.0.1:1"}, 403),
                              ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
                              ({"Content-Type": "text/plain"}, 415), ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
                              ({"Content-Type": None}, 415), ({"Content-Type": "application/jsonx"}, 415)):
            assert door.raw(write, headers)[0] == code, headers
        assert door.raw(None, method="OPTIONS")[0] == 405 and door.raw(None, method="GET")[0] == 405
        assert door.raw(write, path="/other")[0] == 404
        assert door.rows("SELECT count(*) FROM t") == [[0]]
        assert door.raw(write, {"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json; charset=utf-8"})[0] == 200
        assert door.raw(write, {"Host": "localhost"})[0] == 200


def test_d4_sizes_and_times_have_limits(rh):
    with open_door(rh, "--max-rows", "5") as served:
        door = Asking(served)
        status, _, text = door.raw(json.dumps({"sql": "SELECT 1 -- " + "x" * (1 << 20)}))
        assert status == 413 and b"larger" in text
        door = Asking(served)
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"
        assert len(door.rows(many, [5])) == 5
        for headers in ({}, {"Accept": ARROW}):
            with pytest.raises(http.client.IncompleteRead):
                Asking(served).raw(json.dumps({"sql": many, "params": [6]}), headers)


@pytest.mark.parametrize("headers", ({}, {"Accept": ARROW}))
def test_d5_a_write_that_gives_too_many_rows_is_not_made(rh, headers):
    six = "INSERT INTO t (v) SELECT value FROM json_each('[1,2,3,4,5,6]') RETURNING id"
    with open_door(rh, "--max-rows", "5") as served:
        door = Asking(served, headers)
        for sql in (six, "WITH a AS (SELECT 1) " + six):
            error = door.refused(413, "more rows than the 5", sql)
            assert error["code"] == "TOO_BIG" and "nothing" in error["message"]
        assert Asking(served).rows("SELECT count(*) FROM t") == [[0]]
        assert door.raw(json.dumps({"sql": six.replace(",6]", "]")}))[0] == 200
        assert Asking(served).ask("INSERT INTO t (v) SELECT value FROM json_each('[1,2,3,4,5,6]')")["changes"] == 6  # it gives none
        door.refused(413, "more rows than the 5", "UPDATE t SET v = 0 RETURNING v")
        assert Asking(served).rows("SELECT min(v) FROM t") == [[1.0]]


@pytest.mark.parametrize("headers", ({}, {"Accept": ARROW}))
def test_q5_a_large_row_is_sent_within_the_time_of_its_statement(rh, headers):
    """Who takes it drop by drop holds no connection longer than its statement may take."""
    with open_door(rh) as served:
        door = Asking(served, headers)
        body = json.dumps({"sql": "SELECT hex(zeroblob(20000000))", "timeout_ms": 1500})
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", door.port))
            wanted = [f"{name}: {value}" for name, value in {"Host": "localhost", **door.headers}.items()]
            slow.sendall("\r\n".join(("POST /sql HTTP/1.1", *wanted, f"Content-Length: {len(body)}", "", body)).encode())
            begun = time.monotonic()
            served.logged(r"call=POST/sql status=TIMEOUT ms=(\d+)")  # nothing is read meanwhile
            assert 1 < time.monotonic() - begun < 20
        assert Asking(served).rows("SELECT 1") == [[1]]


def test_a_pragma_that_sets_something_is_a_write(rh):
    with open_door(rh) as served:
        door = Asking(served)
        assert door.rows("PRAGMA user_version = 5") == []
        assert door.rows("PRAGMA user_version") == [[5]]
        assert door.rows("PRAGMA cache_size = -4000") == [] and door.rows("PRAGMA cache_size") == [[-4000]]
        door.refused(400, "can't be set", "PRAGMA journal_mode = DELETE")


def test_errors_are_json_whoever_tells_them(rh):
    with open_door(rh, "--metrics", "0") as served:
        port = Asking(served).port
        metrics = int(served.metrics.rsplit(":", 1)[1])
        host = "Host: localhost"
        for at, text, code, name in ((port, "GET / HTTP/2.0\r\n\r\n", 505, "UNSUPPORTED"), (port, "x\r\n\r\n", 400, "INVALID"),
                                     (port, f"POST /sql HTTP/1.1\r\n{host}\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "UNSUPPORTED"),
                                     (port, f"POST /sql HTTP/1.1\r\n{host}\r\nContent-Length: 9999999\r\n\r\n", 413, "TOO_BIG"),
                                     (port, f"GET /sql HTTP/1.1\r\n{host}\r\nX: {'x' * 17000}\r\n\r\n", 431, "TOO_BIG"),
                                     (port, f"GET /sql HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 405, "INVALID"),
                                     (port, f"POST / HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 405, "INVALID"),
                                     (port, f"POST /status HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 405, "INVALID"),
                                     (port, f"POST /sql HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 415, "INVALID"),
                                     (metrics, f"GET /x HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 404, "NOT_FOUND"),
                                     (metrics, f"PUT /metrics HTTP/1.1\r\n{host}\r\nConnection: close\r\n\r\n", 405, "INVALID")):
            head, _, body = said(at, text.encode()).partition(b"\r\n\r\n")
            assert head.startswith(f"HTTP/1.1 {code} ".encode()) and b"Content-Type: application/json" in head, (text, head)
            error = json.loads(body)["error"]
            assert error["code"] == name and len(error["sqlstate"]) == 5 and error["message"], text


def test_a_body_may_come_in_chunks(rh):
    with open_door(rh) as served:
        connection = http.client.HTTPConnection("127.0.0.1", Asking(served).port, timeout=60)
        for pieces in ((b'{"sql": "SEL', b'ECT 1, ?"', b', "params": [2]}'), (json.dumps({"sql": "SELECT 1, 2 -- " + "x" * 500000}).encode(),)):
            connection.request("POST", "/sql", iter(pieces), {"Content-Type": "application/json"}, encode_chunked=True)
            answer = connection.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["rows"] == [[1, 2]]
        connection.request("POST", "/sql", iter([b'{"sql": "SELECT 1 -- ' + b"x" * (1 << 20)]), {"Content-Type": "application/json"}, encode_chunked=True)
        answer = connection.getresponse()
        assert answer.status == 413 and json.loads(answer.read())["error"]["code"] == "TOO_BIG"


def test_q5_a_call_that_nothing_ends_is_left_at_the_end(rh):
    """A single call of a function isn't asked whether it is cancelled: the service doesn't wait for it, and what was committed is there."""
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    served = Service(rh, "--db", "a.db", "--http", "0", "--no-auth", "--drain", "100")
    try:
        Asking(served).ask("INSERT INTO t VALUES (1)")
        asking = threading.Thread(target=lambda: pytest.raises(Exception, Asking(served).ask, ENDLESS))
        asking.start()
        wait_for(lambda: processor_time(served.process.pid) > 1, "the call at work")
        served.stop(code=1)
        asking.join(60)
        assert "leaves without it" in served.log() and not asking.is_alive()
    finally:
        served.kill()
    with open_door(rh, schema=None) as served:
        assert Asking(served).rows("SELECT count(*) FROM t") == [[1]]


def said(port, text):
    """All that comes back to these bytes, up to the connection's end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(text)
        return b"".join(iter(lambda: one.recv(65536), b""))


def post(sql, version, *headers):
    body = json.dumps({"sql": sql})
    return "\r\n".join((f"POST /sql HTTP/{version}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers, "", body)).encode()


def test_headers_that_two_could_read_in_two_ways_are_refused(rh):
    with open_door(rh) as served:
        port = Asking(served).port
        for headers in (("Host: localhost", "Authorization: Bearer a", "Authorization: Bearer b"), ("Host: localhost:80x",), ("Host: localhost:80@evil.example",),
                        ("Host: [::1]x",), ("Host: [::1",), ("Host: 127.0.0.1:1:2",), ("Host: localhost", "Host: localhost"),
                        ("Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"),
                        ("Host: localhost", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site")):
            assert said(port, post("SELECT 1", "1.1", *headers)).startswith(b"HTTP/1.1 400 "), headers
        for host in ("localhost", f"localhost:{port}", "[::1]:1", "[::1]", "127.0.0.1:"):
            assert said(port, post("SELECT 1", "1.1", f"Host: {host}", "Connection: close")).startswith(b"HTTP/1.1 200 "), host


def test_a_client_of_http_1_0_gets_no_chunks(rh):
    with open_door(rh, "--max-rows", "5") as served:
        port = Asking(served).port
        head, body = said(port, post("SELECT 'x'", "1.0", "Host: localhost", "Connection: keep-alive")).split(b"\r\n\r\n", 1)
        assert b"chunked" not in head and b"Connection: close" in head and json.loads(body)["rows"] == [["x"]]
        with pytest.raises(ConnectionResetError):  # what has no end that could be missed isn't taken for whole
            said(port, post("SELECT value FROM json_each('[1,2,3,4,5,6]')", "1.0", "Host: localhost"))


def wait_for_writer(rh):
    """A statement of the service's has the file's lock."""
    def runs():
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        other.execute("ROLLBACK")
        return False

    with contextlib.closing(sqlite3.connect(rh.folder / "a.db", timeout=0, isolation_level=None)) as other:
        wait_for(runs, "the statement")


def test_what_runs_at_the_end_is_told_that_it_was_ended(rh):
    with open_door(rh, "--drain", "100") as served:
        door = Asking(served)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(door.raw(json.dumps({"sql": "INSERT INTO t (v) " + SLOW}))))
        asking.start()

        wait_for_writer(rh)
        served.stop()
        asking.join(60)
        assert answers and answers[0][0] == 503 and json.loads(answers[0][2])["error"]["code"] == "CANCELLED"
        assert "serve: waits up to 0.1 s for 1 call; another signal (Ctrl-C) ends it at once\n" in served.log()
        assert served.log().endswith("serve: ended by SIGTERM, 1 call drained; what took longer than --drain was cancelled\n")


def test_a_second_signal_says_that_calls_were_cut_off(rh):
    with open_door(rh, "--drain", "60000") as served:
        body = json.dumps({"sql": "INSERT INTO t (v) " + SLOW}).encode()
        with socket.create_connection(("127.0.0.1", Asking(served).port)) as asking:
            asking.sendall(b"POST /sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            wait_for_writer(rh)
            served.process.send_signal(signal.SIGINT)
            served.logged("waits up to 60 s for 1 call")
            served.stop(signal.SIGINT)
        assert "rh: ended at once by a second signal: calls that ran were cut off" in served.log()


def test_q5_a_client_that_leaves_ends_its_statement(rh):
    with open_door(rh) as served:
        door = Asking(served)
        body = json.dumps({"sql": SLOW}).encode()
        with socket.create_connection(("127.0.0.1", door.port)) as left:
            left.sendall(b"POST /sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        def ended():
            values = {one["name"]: one["value"] for one in served.ask()["metrics"]}
            return values["rhei_cancelled_total"] + values["rhei_errors_total"] >= 1

        wait_for(ended, "the end of the statement")
        assert door.rows("SELECT 1") == [[1]]


def test_a_large_result_streams_and_the_end_has_a_bound(rh):
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i, 'row ' || i FROM n"
    with open_door(rh, "--drain", "100") as served:
        door = Asking(served)
        rows = door.rows(many)
        assert len(rows) == 200000 and rows[-1] == [200000, "row 200000"]
        status, _, body = door.raw(json.dumps({"sql": many}), {"Accept": ARROW})
        assert status == 200 and pa.ipc.open_stream(body).read_all().num_rows == 200000
        endless = threading.Thread(target=lambda: pytest.raises(Exception, Asking(served).ask, SLOW))
        endless.start()
        served.stop()
        endless.join(60)
        assert not endless.is_alive()


def test_the_page_of_the_guide_is_run_as_it_stands(rh, build):
    page = (ROOT / "docs" / "guide" / "sql-over-http.md").read_text()
    lines = re.findall(r"^    (build/.*|printf.*|curl .*)$", page, re.M)
    serves = next(line for line in lines if " serve " in line).split()
    asks = [line for line in lines if line.startswith("curl")]
    (rh.folder / "build").symlink_to(build)
    shell = Program("sh", rh.folder)
    shell.run("-ec", "\n".join(lines[:lines.index(" ".join(serves))]))
    with service(rh, *["0" if word == "127.0.0.1:8080" else word for word in serves[2:]], schema=None) as served:
        port = Asking(served).port
        told = [shell.run("-ec", line.replace(":8080", f":{port}"), text=False).stdout for line in asks]
    answers = re.findall(r"It answers `([^`]*)`", page)
    assert [one.decode().strip() for one in told[:2]] == answers and len(answers) == 2
    assert pa.ipc.open_stream(told[2]).read_all().to_pydict() == {"customer": ["Ada"], "total": [9.5]}


@pytest.mark.parametrize("options", [["--no-page"], ["--config", "off.toml"]])
def test_the_page_can_be_turned_off_while_statements_are_answered(rh, options):
    (rh.folder / "off.toml").write_text("[engine]\nhttp_page = false\n")
    with open_door(rh, *options) as served:
        door = Asking(served)
        assert door.rows("SELECT 1") == [[1]]
        for path in ("/", "/page.js", "/page.css"):
            status, _, text = door.raw(None, method="GET", path=path)
            assert status == 404 and "http_page" in json.loads(text)["error"]["message"], text
        assert "Page on" not in served.out_path.read_text()
