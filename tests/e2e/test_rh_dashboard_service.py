"""rh dashboard attached to a running rh serve: it is found when it begins, left when it ends, and asked for what only it knows."""

import json
import re
import signal
import sqlite3
import subprocess
import urllib.request

import adbc_driver_flightsql.dbapi as flightsql
import pytest

from flight_door import Door, needs_door
from rh_program import BUILD, rh  # noqa: F401
from serve_door import service
from tmux_terminal import terminal  # noqa: F401

RH = BUILD / "tools" / "rh" / "rh"
LIMIT = 60


@pytest.fixture
def serve(tmp_path):
    """Begins a service of shop.db; all are ended behind the test."""
    begun = []

    def begin():
        begun.append(subprocess.Popen([RH, "serve", "--db", "shop.db", "--metrics", "127.0.0.1:0"], cwd=tmp_path, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return begun[-1]

    yield begin
    for one in begun:
        one.kill()
        one.wait()


def test_a_service_is_asked_while_it_runs(rh, terminal, serve, tmp_path):  # noqa: F811
    rh.run("exec", "--capture", "--db", "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL)")
    one = terminal(f"{RH} dashboard shop.db --refresh 200", width=120, height=40)
    one.wait("a look at shop.db", LIMIT)
    for _ in range(2):
        service = serve()
        one.wait(re.compile(rf"Rhei  the service of process {service.pid} on .*shop.db"), LIMIT)
        one.wait((re.compile(r"Tables +1 of 1 ready"), re.compile(r"│ orders +\d+ +\d[\d.]* ([KM]i)?B +ready")), LIMIT)
        db = sqlite3.connect(tmp_path / "shop.db", timeout=30)

        def write(screen):
            db.execute("INSERT INTO orders (amount) VALUES (1)")
            db.commit()
            return "known to its process" not in screen and not re.search(r"(File|Memory|Log) +-", screen)

        one.wait((write, re.compile(r"Events +[1-9][\d.]*/s, [1-9]"), re.compile(r"Cycles +[1-9][\d.]*/s")), LIMIT)
        rows = db.execute("SELECT count(*) FROM orders").fetchone()[0]
        db.close()
        one.wait(lambda screen: re.search(rf"│ orders +{rows} ", screen), LIMIT)
        one.keys("s")
        one.wait(lambda screen: re.search(r"in step now: \d+ changes? in", screen), LIMIT)
        service.send_signal(signal.SIGTERM)
        assert service.wait(LIMIT) == 0
        one.wait(("Rhei  a look at", "the service ended"), LIMIT)
    one.keys("q")
    assert one.ended() == 0


def test_a_service_that_stands_still_takes_no_key(rh, terminal, serve):  # noqa: F811
    rh.run("exec", "--capture", "--db", "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    service = serve()
    one = terminal(f"{RH} dashboard shop.db --refresh 200")
    one.wait(f"the service of process {service.pid}", LIMIT)
    service.send_signal(signal.SIGSTOP)
    one.wait("the service doesn't answer", LIMIT)
    one.keys("?")
    one.wait("pause: no new numbers", LIMIT)
    one.keys("?")
    service.send_signal(signal.SIGCONT)
    one.wait("it can be read again", LIMIT)
    service.send_signal(signal.SIGSTOP)
    one.keys("q")
    assert one.ended() == 0


@needs_door
def test_queries_of_a_service_are_counted_timed_and_listed(rh, terminal):  # noqa: F811
    rh.run("exec", "--capture", "--db", "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    door = Door(rh, db="shop.db", env={"RHEI_SLOW_QUERY_MS": "1"})
    try:
        one = terminal(f"{RH} dashboard shop.db --refresh 200", width=200, height=60)
        one.wait(f"the service of process {door.process.pid}", LIMIT)
        with flightsql.connect(door.uri) as connection, connection.cursor() as cursor:

            def ask(screen):
                cursor.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT max(i) AS most FROM n")
                assert cursor.fetchall() == [(20000,)]
                return all(re.search(pattern, screen) for pattern in (r"Queries +[1-9][\d.]*/s", r"p50 +[\d.]+ (us|ms|s)", r"p99 +[\d.]+ (us|ms|s)",
                                                                      r"Last calls: door, rows \d+-\d+ of"))

            def both_lists(screen):
                last, slow = (part.split("╰")[0] for part in (re.split("Last calls|Slow queries", screen) + ["", ""])[1:3])
                return re.search(r"[\d.]+ ms WITH RECURSIVE n\(i\) AS .* flight +1 │", last) and "WITH RECURSIVE n(i) AS" in slow

            screen = one.wait((ask, both_lists), LIMIT)
        assert "call=" not in screen  # no news in them
        one.keys("q")
        assert one.ended() == 0
    finally:
        door.stop()


@needs_door
def test_statements_over_http_are_listed(rh, terminal):  # noqa: F811
    with service(rh, "--db", "a.db", "--http", "0", "--no-auth") as served:
        served.built()
        one = terminal(f"{RH} dashboard a.db --refresh 200", width=200, height=60)
        one.wait(f"the service of process {served.process.pid}", LIMIT)
        asked = urllib.request.Request(served.said(r"SQL on (\S+)\n").group(1), json.dumps({"sql": "SELECT max(v) AS most FROM t"}).encode(),
                                       {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=LIMIT) as answer:
            assert json.load(answer)["rows"] == [[None]]
        screen = one.wait(re.compile(r"[\d.]+ [mu]s SELECT max\(v\) AS most FROM t .* http +1 │"), LIMIT)
        assert "call=" not in screen  # no news in them
        one.keys("q")
        assert one.ended() == 0
