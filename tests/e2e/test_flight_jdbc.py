"""The network door with the JDBC driver, as DBeaver and the like use it."""

import json
import pathlib
import subprocess
import sys

import pytest

from flight_door import door, jar, needs_door, needs_java  # noqa: F401 (a fixture)
from rh_program import rh  # noqa: F401 (a fixture)

HERE = pathlib.Path(__file__).resolve().parent
pytestmark = [needs_door, needs_java]


def ask(url, jar, *questions):
    done = subprocess.run([sys.executable, HERE / "jdbc_client.py", url, jar], input=json.dumps(questions), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_d1_jdbc_logs_in_asks_writes_and_reads_the_catalog(rh, jar):
    line = rh.run("serve", "--make-user", "ada", input="correct-horse\n").stdout
    (rh.folder / "users").write_text(line)
    text = ("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL, b BLOB) STRICT; CREATE TABLE c (x INTEGER REFERENCES t (id) ON DELETE CASCADE); "
            "CREATE TABLE loose (a)")
    with door(rh, auth=("--users-file", "users"), schema=text) as at:
        url = f"jdbc:arrow-flight-sql://127.0.0.1:{at.port}?useEncryption=false&user=ada&password="
        told = ask(url + "correct-horse", jar,
                   ["update", "INSERT INTO t VALUES (1, 'Ada', 1.5, x'00ff'), (9223372036854775807, NULL, NULL, NULL)"],
                   ["query", "SELECT * FROM t ORDER BY id"],
                   ["query", "SELECT count(*) AS n, sum(v) AS s FROM t"],
                   ["update", "INSERT INTO loose VALUES (1), ('two'), (2.5)"],
                   ["query", "SELECT a FROM loose"],
                   ["query", "SELECT nope FROM t"],
                   ["getTables", None, None, "%", ["TABLE"]],
                   ["getColumns", None, None, "t", "%"],
                   ["getPrimaryKeys", None, None, "t"],
                   ["getImportedKeys", None, None, "c"],
                   ["getSchemas"], ["getCatalogs"], ["getTableTypes"],
                   ["getDatabaseProductName"], ["getIdentifierQuoteString"], ["supportsTransactions"], ["getSQLKeywords"])
        assert told[0] == {"count": 2}
        assert told[1]["rows"] == [["id", "name", "v", "b"], ["1", "Ada", "1.5", "00ff"], ["9223372036854775807", None, None, None]]
        assert told[2]["rows"] == [["n", "s"], ["2", "1.5"]] and told[3] == {"count": 3}
        assert told[4]["rows"] == [["a"], ["1"], ["two"], ["2.5"]]
        assert "no such column: nope [SQL 42000]" in told[5]["error"]
        assert [row[2] for row in told[6]["rows"][1:]] == ["c", "loose", "t"]
        assert [(row[3], row[5]) for row in told[7]["rows"][1:]] == [("id", "INTEGER"), ("name", "TEXT"), ("v", "REAL"), ("b", "BLOB")]
        assert told[8]["rows"][1][3:5] == ["id", "1"]
        assert told[9]["rows"][1][2:4] + told[9]["rows"][1][6:8] == ["t", "id", "c", "x"]
        assert told[10]["rows"][1:] == [["main", ""]] and told[11]["rows"][1:] == [[""]] and ["TABLE"] in told[12]["rows"]
        assert [one["value"] for one in told[13:16]] == ["Rhei", '"', "True"] and "GLOB" in told[16]["value"]
        done = subprocess.run([sys.executable, HERE / "jdbc_client.py", url + "wrong", jar], input="[]", capture_output=True, text=True, timeout=100)
        assert done.returncode != 0 and "name or password is wrong" in done.stderr


def bound(*setters):
    """Values by position, a setter each: bound("setInt", 1, "setString", "Ada")."""
    return [list(pair) for pair in zip(setters[::2], setters[1::2])]


def test_d1_jdbc_binds_parameters_of_every_kind(rh, jar):
    text = ("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL, b BLOB) STRICT; "
            "CREATE TABLE e (id INTEGER PRIMARY KEY, day DATE, at TIMESTAMP, clock TIME, price DECIMAL(10, 2), live BOOLEAN, loose)")
    with door(rh, schema=text) as at:
        row = bound("setInt", 1, "setString", "Ada", "setDouble", 1.5, "setBytes", "00ff")
        told = ask(
            f"jdbc:arrow-flight-sql://127.0.0.1:{at.port}?useEncryption=false", jar,
            ["prepared_update", "INSERT INTO t VALUES (?, ?, ?, ?)", row],
            ["prepared_update", "INSERT INTO t (name, id, v) VALUES (?, ?, ?)",
             bound("setString", "Bob", "setLong", 9223372036854775807, "setInt", 2), bound("setString", None, "setInt", 3, "setDouble", None)],
            ["prepared_query", "SELECT * FROM t WHERE id IN (?, ?) ORDER BY id", bound("setLong", 9223372036854775807, "setInt", 1)],
            ["prepared_query", "SELECT id FROM t WHERE name = ? AND v > ? AND b = ?", bound("setString", "Ada", "setInt", 1, "setBytes", "00ff")],
            ["prepared_query", "SELECT count(*) AS n FROM t GROUP BY name IS NULL HAVING n > ? ORDER BY n LIMIT ?", bound("setInt", 1, "setInt", 1)],
            ["prepared_query", "SELECT id FROM t WHERE name IS ?", bound("setString", None)],
            ["prepared_update", "INSERT INTO e VALUES (?, ?, ?, ?, ?, ?, ?)",
             bound("setInt", 1, "setDate", "2024-02-29", "setTimestamp", "2024-02-29 12:30:00.5", "setTime", "12:30:00", "setBigDecimal", "12.25",
                   "setBoolean", True, "setString", "free")],
            ["prepared_query", "SELECT id, day, at, clock, price, live, typeof(price), loose FROM e WHERE day = ? AND price < ? AND live = ?",
             bound("setDate", "2024-02-29", "setBigDecimal", "12.5", "setBoolean", True)],
            ["prepared_query", "SELECT id FROM e WHERE day = CAST(? AS TEXT)", bound("setString", "2024-02-29")],
            ["prepared_query", "SELECT typeof(?), typeof(CAST(? AS INTEGER)), 1.5 * ?", bound("setString", "x", "setLong", 7, "setInt", 2)],
            ["prepared_update", "UPDATE t SET v = v + ?, name = ? WHERE id = ?", bound("setDouble", 0.25, "setString", "Ada L.", "setInt", 1)],
            ["prepared_query", "SELECT name, v FROM t WHERE id = ?", bound("setInt", 1)],
            ["prepared_update", "INSERT INTO t (id) VALUES (?)", bound("setString", "one")],
            ["prepared_update", "INSERT INTO t (id) VALUES (?)", bound("setInt", 1)],
            ["prepared_update", "DELETE FROM t WHERE id = ?", bound("setInt", 3)],
            ["prepared_query", "SELECT id FROM t WHERE id < ? QUALIFY row_number() OVER (ORDER BY id) = ?", bound("setString", "100", "setString", "1")])
    assert told[:2] == [{"count": 1}, {"count": 2}]
    assert told[2]["rows"][1:] == [["1", "Ada", "1.5", "00ff"], ["9223372036854775807", "Bob", "2.0", None]]
    assert [one["rows"][1:] for one in told[3:6]] == [[["1"]], [["2"]], [["3"]]] and told[6] == {"count": 1}
    assert told[7]["rows"][1:] == [["1", "2024-02-29", "2024-02-29 12:30:00.5", "12:30:00", "12.25", "1", "real", "free"]]
    assert told[8]["rows"][1:] == [["1"]] and told[9]["rows"][1:] == [["text", "integer", "3.0"]]
    assert told[10] == {"count": 1} and told[11]["rows"][1:] == [["Ada L.", "1.75"]]
    assert "type STRING is not yet supported for expected Arrow type Int(64, true)" in told[12]["error"]  # the driver's own words
    assert "UNIQUE constraint failed: t.id [CONSTRAINT 23505]" in told[13]["error"] and told[14] == {"count": 1}
    assert told[15]["rows"][1:] == [["1"]]  # the column store's own words: told as texts


def test_d1_jdbc_reads_of_a_schema_what_dbeaver_shows(rh, jar):
    text = ("CREATE TABLE customers (region TEXT NOT NULL, id INTEGER NOT NULL, name VARCHAR(40), PRIMARY KEY (region, id)) WITHOUT ROWID; "
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, region TEXT, customer INTEGER, price DECIMAL(10, 2), rate NUMERIC(5), day DATE, at TIMESTAMP, live BOOLEAN, "
            "doc JSON, FOREIGN KEY (region, customer) REFERENCES customers ON DELETE CASCADE ON UPDATE SET NULL); "
            "CREATE TABLE lines (o INTEGER REFERENCES orders (id) ON DELETE RESTRICT, n INT); "
            "CREATE UNIQUE INDEX by_day ON orders (day, at DESC); CREATE VIEW dear AS SELECT id, price, price * 2 AS twice FROM orders WHERE price > 100; "
            "INSERT INTO customers VALUES ('eu', 1, 'Ada'); INSERT INTO orders (id, region, customer, price, day) VALUES (1, 'eu', 1, 12.25, '2024-02-29')")
    with door(rh, schema=text) as at:
        told = ask(f"jdbc:arrow-flight-sql://127.0.0.1:{at.port}?useEncryption=false", jar,
                   ["everything"], ["getTables", "", "main", "%", None], ["getColumns", "", "main", "orders", "%"], ["getColumns", "", "main", "dear", "%"],
                   ["getPrimaryKeys", "", "main", "customers"], ["getImportedKeys", "", "main", "orders"], ["getExportedKeys", "", "main", "orders"],
                   ["getCrossReference", "", "main", "customers", "", "main", "orders"], ["getCrossReference", "", "main", "lines", "", "main", "orders"],
                   ["getIndexInfo", "", "main", "orders", False, True], ["query", "SELECT i.name, i.\"unique\", c.name, c.\"desc\" FROM pragma_index_list('orders') AS i, "
                                                                                   "pragma_index_xinfo(i.name) AS c WHERE c.key ORDER BY i.seq, c.seqno"],
                   ["query", "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = 'dear'"], ["query", "SELECT price, day FROM orders"])
        assert told[0] == {"failed": {}}
        assert [row[2:4] for row in told[1]["rows"][1:]] == [["customers", "TABLE"], ["dear", "VIEW"], ["lines", "TABLE"], ["orders", "TABLE"]]
        # name, java.sql.Types, the declared type, its digits, whether it is given by itself
        assert [(row[3], row[4], row[5], row[6], row[8], row[22]) for row in told[2]["rows"][1:]] == [
            ("id", "-5", "INTEGER", "19", "0", "YES"), ("region", "12", "TEXT", "65536", None, "NO"), ("customer", "-5", "INTEGER", "19", "0", "NO"),
            ("price", "8", "DECIMAL(10, 2)", "10", "2", "NO"), ("rate", "8", "NUMERIC(5)", "5", "0", "NO"), ("day", "91", "DATE", "10", "0", "NO"),
            ("at", "93", "TIMESTAMP", "23", "3", "NO"), ("live", "16", "BOOLEAN", None, None, "NO"), ("doc", "12", "JSON", "65536", None, "NO")]
        assert [(row[3], row[4], row[22]) for row in told[3]["rows"][1:]][:2] == [("id", "-5", "NO"), ("price", "8", "NO")] and len(told[3]["rows"]) == 4
        assert [row[3:5] for row in told[4]["rows"][1:]] == [["region", "1"], ["id", "2"]]
        keys = [["main", "customers", "region", "", "main", "orders", "region", "1", None, None, "2", "0"],
                ["main", "customers", "id", "", "main", "orders", "customer", "2", None, None, "2", "0"]]
        assert [row[1:13] for row in told[5]["rows"][1:]] == keys == [row[1:13] for row in told[7]["rows"][1:]]
        assert [(row[2], row[3], row[6], row[7], row[11], row[12]) for row in told[6]["rows"][1:]] == [("orders", "id", "lines", "o", "3", "1")]
        assert told[8]["rows"][1:] == [] == told[9]["rows"][1:]  # Flight SQL has no command for indexes, so SQL tells them
        assert told[10]["rows"][1:] == [["by_day", "1", "day", "0"], ["by_day", "1", "at", "1"]]
        assert told[11]["rows"][1][0].startswith("CREATE VIEW dear AS SELECT") and told[12]["rows"][1:] == [["12.25", "2024-02-29"]]
