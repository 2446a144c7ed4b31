"""ADBC from Go: the driver manager with our driver in its process, and the Flight SQL driver, which is Go itself, with a server. Both are asked the same."""

import contextlib
import json
import subprocess

import pytest

import adbc_door
from conftest import ROOT
from flight_door import door, needs_door
from rh_program import rh  # noqa: F401 (a fixture)

SCHEMA = ("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL, b BLOB) STRICT; "
          "CREATE TABLE c (x INTEGER REFERENCES t (id), y TEXT NOT NULL)")
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(scope="session")
def programs():
    done = subprocess.run([ROOT / "scripts" / "go_clients.sh"], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(params=["manager", pytest.param("flightsql", marks=needs_door)])
def ask(request, rh, build, programs):
    """A function that runs questions on one connection, and its driver's name."""
    @contextlib.contextmanager
    def reached():
        if request.param == "manager":
            rh.run("exec", "--db", "a.db", SCHEMA)
            yield [adbc_door.library(build), f"uri={rh.folder / 'a.db'}"]
        else:
            with door(rh, schema=SCHEMA) as at:
                yield ["flightsql", f"uri={at.uri}"]

    with reached() as arguments:
        def run(*questions):
            done = subprocess.run([f"{programs}/client", *arguments], input=json.dumps(questions), capture_output=True, text=True, timeout=100)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        run.driver = request.param
        yield run


def rows(told):
    assert "error" not in told, told
    return [tuple(row) for row in told["rows"]]


def columns(types, *values):
    """Parameters by position: columns("int64 utf8", [1, "a"], ...)."""
    schema = [[str(i + 1), kind] for i, kind in enumerate(types.split())]
    return {"schema": schema, "rows": [{str(i + 1): value for i, value in enumerate(row)} for row in values]}


def test_d1_go_asks_writes_and_takes_in(ask):
    told = ask(
        ["update", "INSERT INTO t VALUES (?, ?, ?, ?)",
         columns("int64 utf8 double binary", [1, "Ada", 1.5, "AP8="], [9223372036854775807, None, None, None])],
        ["query", "SELECT * FROM t ORDER BY id"],
        ["query", "SELECT name FROM t WHERE id = ? AND v > ?", columns("int16 double", [1, 1.25])],
        ["ingest", "c", "append", {"schema": [["y", "utf8"], ["x", "int64"]], "rows": [{"y": "one", "x": 1}, {"y": "two", "x": None}]}],
        ["ingest", "made", "create", {"schema": [["d", "date32"], ["e", "decimal"], ["f", "bool"]], "rows": [{"d": "2024-02-29", "e": "1.50", "f": True}]}],
        ["query", "SELECT d, e, f, typeof(d), typeof(e), typeof(f) FROM made"],
        ["query", "SELECT count(*) AS n, sum(x) AS s FROM c"],
        ["update", "UPDATE t SET name = upper(name) WHERE name IS NOT NULL"])
    assert told[0]["count"] == 2
    assert rows(told[1]) == [(1, "Ada", 1.5, "AP8="), (9223372036854775807, None, None, None)]
    assert rows(told[2]) == [("Ada",)] and told[3]["count"] == 2 and told[4]["count"] == 1
    assert rows(told[5]) == [("2024-02-29", "1.50", 1, "text", "text", "integer")] and rows(told[6]) == [(2, 1)]
    assert told[7]["count"] == 1 and "rhei.route" in told[6]["schema"]


def test_d1_go_commits_and_rolls_back(ask):
    told = ask(
        ["end", "false"],
        ["update", "INSERT INTO t (id) VALUES (1)"],
        ["query", "SELECT count(*) FROM t"],
        ["end", "rollback"],
        ["query", "SELECT count(*) FROM t"],
        ["update", "INSERT INTO t (id) VALUES (2)"],
        ["end", "commit"],
        ["end", "true"],
        ["query", "SELECT id FROM t"])
    assert [one for one in told if "error" in one] == []
    assert rows(told[2]) == [(1,)] and rows(told[4]) == [(0,)] and rows(told[8]) == [(2,)]


def test_d1_go_reads_the_catalog(ask):
    objects, schema, types, info, parameters = ask(
        ["objects", "c"], ["schema", "t"], ["types", ""], ["info", ""], ["parameters", "SELECT id FROM t WHERE name = ? AND v < :most"])
    table, = [table for _, schemas in objects["rows"] for one in schemas or [] if one["db_schema_name"] == "main"
              for table in one["db_schema_tables"]]
    assert table["table_name"] == "c" and [column["column_name"] for column in table["table_columns"]] == ["x", "y"]
    assert [kind.lower() for kind, in rows(types)][:2] == ["table", "view"] and rows(info)[0][1] == [0, "Rhei"]
    assert schema["names"] == ["id int64", "name utf8", "v float64", "b binary"]
    kinds = {"flightsql": ["utf8", "float64"], "manager": ["null", "null"]}[ask.driver]
    assert [name.split(" ")[1] for name in parameters["names"]] == kinds


def test_d5_go_gets_codes_states_and_words(ask):
    told = ask(
        ["query", "SELECT nope FROM t"],
        ["update", "INSERT INTO t (id) VALUES (1), (1)"],
        ["update", "INSERT INTO t (id, name) VALUES (?, ?)", columns("int64", [1])],
        ["ingest", "t", "create", columns("int64", [1])],
        ["query", "SELECT count(*) FROM t"])
    for one, state in zip(told, ("42000", "23505")):  # the driver for Flight SQL hands no state on, but the words have it
        assert state == one["state"] if ask.driver == "manager" else f" {state}]" in one["error"]
    assert told[0]["code"] == "Invalid Argument" and "no such column: nope" in told[0]["error"]
    assert "UNIQUE constraint failed: t.id" in told[1]["error"]
    assert "parameter" in told[2]["error"] and "Already Exists" == told[3]["code"] and "t" in told[3]["error"]
    assert rows(told[4]) == [(0,)]


def test_d1_go_gives_a_question_up(ask):
    """The driver of Flight SQL heeds its context; the driver manager has none, and our own option is for it."""
    gone, after = ask(["impatient", ENDLESS], ["query", "SELECT 1 AS one"])
    assert gone["code"] in ("Cancelled", "Timeout"), gone
    assert rows(after) == [(1,)]
