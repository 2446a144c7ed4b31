"""Debezium's envelope as consumers of that format take it: Kafka Connect's JsonConverter and Debezium's ExtractNewRecordState read what
rh changes prints, and a copy that is kept by key alone equals SQLite's table."""

import json
import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

from rhei_engine import encode
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 240
SCHEMA = '''
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, height REAL, photo BLOB, anything, made AS (id * 2));
CREATE TABLE word (word TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, n NUMERIC, other UNIQUE);
CREATE TABLE pair (a, b, v, PRIMARY KEY (a, b));
CREATE TABLE bare (v, w TEXT);
CREATE TABLE flat (k1 TEXT, k2 INTEGER, "a ""name"" of . it" TEXT, PRIMARY KEY (k2, k1)) WITHOUT ROWID, STRICT;
CREATE TABLE "a table, its ""name""" (id INTEGER PRIMARY KEY, "the key" TEXT);
CREATE TABLE loud (id INTEGER PRIMARY KEY, n INTEGER);
CREATE TRIGGER grow AFTER UPDATE OF n ON loud WHEN new.n < 3 BEGIN UPDATE loud SET n = n + 1 WHERE id = new.id; END;
'''
KEYS = {"person": ["id"], "word": ["word"], "pair": ["a", "b"], "bare": ["rowid"], "flat": ["k1", "k2"],
        'a table, its "name"': ["id"], "loud": ["id"]}
VALUES = ["NULL", "0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993", "0.1", "-0.0", "1e308", "5e-324",
          "9e999", "-9e999", "2.0", "''", "'text'", "'line\n\ttab \"quoted\" \\'", "'a' || char(0) || 'b'", "'ü € 😀'",
          "x''", "x'00ff80'", "zeroblob(300)"]
PARTS, TEXTS = ["1", "1.5", "x'01'", "'1'"], ["NULL", "'text'"]


class Consumer:
    def __init__(self, folders):
        self.folders = folders

    def read(self, lines, schemas, keys=None):
        done = subprocess.run(
            [sys.executable, HERE / "connect_consumer.py", "schemas" if schemas else "plain", *self.folders], input=lines.encode(),
            capture_output=True, timeout=LIMIT, env=dict(os.environ, KEYS=json.dumps(keys or KEYS), PYTHONPATH=str(HERE)))
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-4000:]
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def connect():
    """Where Kafka Connect and Debezium's transforms lie; ./dev test has fetched them."""
    paths = subprocess.run([HERE.parent.parent / "scripts" / "fetch.sh", "--paths", "tests"], check=True, capture_output=True,
                           text=True, timeout=LIMIT)
    return Consumer(paths.stdout.split())


def table_rows(path, table):
    columns = "rowid, *" if KEYS[table] == ["rowid"] else "*"
    with sqlite3.connect(path) as db:
        found = db.execute('SELECT {} FROM "{}"'.format(columns, table.replace('"', '""')))
        names = [column[0] for column in found.description]
        return sorted(json.dumps(dict(zip(names, map(word, row))), sort_keys=True) for row in found)


def word(value):
    """The converter reads numbers as BigDecimal, which has no negative zero; the line has it."""
    return encode(0.0 if value == 0 and isinstance(value, float) else value)


def statement(rng):
    value, other, number = rng.choice(VALUES), rng.choice(VALUES), rng.randrange(5)
    word = f"'{rng.choice('aAbB')}{number % 3}'"
    return rng.choice([
        f"INSERT OR REPLACE INTO person (id, name, height, photo, anything) VALUES ({number}, 'n' || {number}, {rng.choice(['NULL', '1', '1.5', '9e999'])}, {value}, {other})",
        f"UPDATE person SET anything = {value} WHERE id = {number}",
        f"UPDATE OR REPLACE person SET id = {rng.randrange(5)} WHERE id = {number}",
        f"DELETE FROM person WHERE id = {number}",
        f"REPLACE INTO word VALUES ({word}, {value}, {number})",
        f"UPDATE OR REPLACE word SET word = '{rng.choice('aAbB')}{number % 3}' WHERE word = {word}",
        f"DELETE FROM word WHERE other = {number}",
        # of rows with NULL in their key there is at most one of that key, as the guide asks
        f"DELETE FROM pair WHERE a = {number} AND b IS NULL; INSERT INTO pair VALUES ({number}, NULL, {value})",
        f"INSERT OR REPLACE INTO pair VALUES ({number}, {rng.choice(PARTS)}, {value})",
        f"UPDATE OR IGNORE pair SET b = 'moved' WHERE a = {number}",
        f"DELETE FROM pair WHERE a = {number} AND b IS NULL",
        f"INSERT INTO bare VALUES ({value}, {other})",
        "DELETE FROM bare WHERE rowid = (SELECT min(rowid) FROM bare)",
        "INSERT OR REPLACE INTO flat (k1, k2, \"a \"\"name\"\" of . it\") VALUES "
        f"('k{number % 2}', {number}, {rng.choice(TEXTS)})",
        f"UPDATE OR REPLACE flat SET k2 = {rng.randrange(5)}",
        f'INSERT OR REPLACE INTO "a table, its ""name""" VALUES ({number}, {rng.choice(TEXTS)})',
        f"INSERT OR REPLACE INTO loud VALUES ({number}, 0)",
        f"UPDATE loud SET n = {number}",
        *(["DELETE FROM " + rng.choice(["person", "word", "pair", "bare", "flat", "loud"])] if rng.randrange(6) == 0 else []),
    ])


@pytest.mark.parametrize("schemas", [True, False], ids=["schemas", "plain"])
def test_a8_a_real_consumer_of_debeziums_format_keeps_an_equal_copy(schemas, rh, connect, rng):
    rh.run("exec", "--capture", SCHEMA)
    arguments = ["changes", "--consumer", "connect", "--format", "debezium", *(["--schemas"] if schemas else [])]
    lines = rh.run(*arguments).stdout
    with sqlite3.connect(rh.folder / "rhei.db", isolation_level=None, timeout=60) as db:
        for turn in range(12):
            for _ in range(20):
                transaction = "; ".join(statement(rng) for _ in range(rng.randrange(1, 4)))
                try:
                    db.executescript(f"BEGIN IMMEDIATE; {transaction}; COMMIT")
                except sqlite3.IntegrityError:
                    db.execute("ROLLBACK")
            read = rh.run(*arguments)
            assert "lost" not in read.stderr, read.stderr
            lines += read.stdout
            if turn == 6:  # everything was read, so nothing is lost by it
                rh.run("exec", "ALTER TABLE person ADD COLUMN later DEFAULT 7")
                rh.run("exec", "ALTER TABLE word RENAME COLUMN n TO amount; ALTER TABLE flat ADD COLUMN late TEXT; UPDATE word SET other = other")
                rh.run("exec", "UPDATE person SET id = id; UPDATE flat SET k1 = k1")
    copy = connect.read(lines, schemas)
    assert set(copy["operations"]) == {"c", "u", "d"} and copy["records"] > 100, copy["operations"]
    for table in KEYS:
        rows = sorted(json.dumps(row, sort_keys=True) for row in copy["tables"].get(table, []))
        expected = table_rows(rh.folder / "rhei.db", table)
        assert rows == expected, table


def test_a8_the_schema_of_a_column_is_of_its_values_and_of_nulls_by_declared_type(rh, connect):
    """So a table whose values are of their declared types has one schema from line to line."""
    rh.run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, s VARCHAR(10), b BLOB, n, d DECIMAL)")
    rh.run("exec", "INSERT INTO t VALUES (1, 2, 0.5, 'x', x'00', NULL, 1.5), (2, NULL, NULL, NULL, NULL, NULL, NULL), (3, 'i', 1, 2, 's', 4, 5); "
                   "DELETE FROM t WHERE id = 1")
    lines = rh.run("changes", "--oldest", "--format", "debezium", "--schemas").stdout
    types = []
    for line in lines.splitlines():
        key, value = map(json.loads, line.split("\t"))
        assert key["schema"]["fields"] == [{"type": "int64", "optional": False, "field": "id"}]
        before, after = value["schema"]["fields"][:2]
        assert (before["field"], after["field"], before["name"], after["name"]) == ("before", "after", "rhei.t.Value", "rhei.t.Value")
        types.append([field["type"] for field in after["fields"]])
    declared = ["int64", "int64", "double", "string", "bytes", "string", "double"]
    assert types == [declared, declared, ["int64", "string", "double", "string", "string", "int64", "int64"], declared]
    copy = connect.read(lines, True)
    assert [row["i"] for row in copy["tables"]["t"]] == [encode(None), encode("i")]


def test_schemas_are_for_debeziums_format(rh):
    assert "--schemas goes with --format debezium" in rh.run("changes", "--schemas", code=2).stderr
