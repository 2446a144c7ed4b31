"""Q2: a file in UTF-16, whose texts SQLite orders by their bytes there."""

import sqlite3

import pytest

NAMES = ["Abo", "Zug", "\u0100dazi", "\u0130zmir", "\u4eac\u90fd", "\U0001f3d9 x", "\uff21x", "", "abo", None]
SAFE = [  # the column store's to answer
    "SELECT count(*) FROM city WHERE name = '\u0100dazi'",
    "SELECT count(DISTINCT name), count(*) FROM city",
    "SELECT count(*) FROM city WHERE name > 'M'",
    "SELECT count(*) FROM city WHERE name BETWEEN 'A' AND '\uff21'",
    "SELECT count(*) FROM city WHERE name LIKE '%Z%'",
    "SELECT name, count(*) FROM city GROUP BY name ORDER BY name",
    "SELECT name, count(*) AS c FROM city GROUP BY name ORDER BY c DESC, name DESC LIMIT 4",
    "SELECT name, row_number() OVER (ORDER BY name, id) FROM city ORDER BY 2",
    "SELECT c.name, d.id FROM city AS c JOIN city AS d USING (name) ORDER BY name, c.id, d.id",
    "SELECT max(code), min(code) FROM city",
    "SELECT sum(length(name)), upper(max(code)) FROM city",
    "SELECT name COLLATE NOCASE AS n, id FROM city ORDER BY n DESC, id",
    "SELECT count(*) FROM city AS a JOIN city AS b ON a.name < b.name",
    "SELECT max(id) FROM city WHERE name >= ?",
]
BYTES = [  # SQLite's own
    "SELECT max(name), min(name) FROM city",
    "SELECT max(name, 'M') FROM city ORDER BY id",
    "SELECT sum(octet_length(name)), octet_length(id) FROM city GROUP BY 2",
    "SELECT min(hex(name)), max(hex(id)) FROM city",
    "SELECT hex(CAST(name AS BLOB)) FROM city ORDER BY id",
]


def make(path, encoding, statements):
    with sqlite3.connect(path, isolation_level=None, timeout=60) as db:
        db.execute(f"PRAGMA encoding = '{encoding}'")
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_q2_texts_are_ordered_as_in_the_file(encoding, path, open_engine):
    make(path, encoding, ["CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, code TEXT)"])
    engine = open_engine(prefer_olap=True)
    engine.initial_sync()
    engine.batch("INSERT INTO city VALUES (?, ?, ?)", [(i, NAMES[i % len(NAMES)], f"c{i % 7}") for i in range(60)])
    engine.sync()
    for sql in SAFE + BYTES:
        values = ["\uff00"] if "?" in sql else []
        ours = engine.query(sql, *values)
        assert ours.rows == engine.query(sql, *values, route="oltp").rows, sql
        assert ours.route == ("olap" if sql in SAFE else "oltp"), (sql, ours.rule)
    engine.verify()


@pytest.mark.parametrize("encoding,high,low", [("UTF-16le", "00D8", "00DC"), ("UTF-16be", "D800", "DC00")])
def test_q2_lone_surrogates_are_no_other_texts(encoding, high, low, path, open_engine):
    """SQLite's UTF-8 of a lone surrogate and what follows it is that of another text."""
    letter = "4100" if encoding == "UTF-16le" else "0041"
    make(path, encoding, [
        "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
        f"INSERT INTO t VALUES (CAST(x'{high}{letter}' AS TEXT), 1), (char(65601), 2), (CAST(x'{low}' AS TEXT), 3),"
        f" (CAST(x'{high}' AS TEXT), 4), ('x', 5)",
        "CREATE TABLE u (id INTEGER PRIMARY KEY, s TEXT)",
        "INSERT INTO u VALUES (1, 'x' || char(0) || 'y'), (2, 'x')",
    ])
    engine = open_engine(prefer_olap=True)
    engine.initial_sync()
    for sql in ["SELECT count(DISTINCT k) FROM t", "SELECT v FROM t ORDER BY k", "SELECT v FROM t WHERE k = char(65601)",
                "SELECT count(DISTINCT s) FROM u", "SELECT sum(v) FROM t"]:
        assert engine.query(sql).rows == engine.query(sql, route="oltp").rows, sql
    engine.execute(f"UPDATE t SET v = v + 10 WHERE k = CAST(x'{high}' AS TEXT)")
    engine.execute(f"DELETE FROM t WHERE k = CAST(x'{high}{letter}' AS TEXT)")
    assert [tuple(row) for row in engine.query("SELECT sum(v), count(*) FROM t").rows] == [(24, 4)]
    engine.verify()


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_q2_text_keys_written_twice_in_a_cycle_stay(encoding, path, open_engine):
    """The second row of a key is looked for in the table, by the bytes of the file."""
    make(path, encoding, ["CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID"])
    engine = open_engine(prefer_olap=True)
    engine.initial_sync()
    for v in range(3):
        engine.batch("INSERT OR REPLACE INTO t VALUES (?, ?)", [(f"k{i}\u0100", f"v{v}") for i in range(40)])
    engine.execute("UPDATE t SET v = v || 'x' WHERE k < 'k2'")
    engine.execute("DELETE FROM t WHERE k LIKE 'k3%'")
    engine.sync()
    sql = "SELECT v, count(*) FROM t GROUP BY v ORDER BY v"
    ours = engine.query(sql)
    assert ours.route == "olap"
    assert ours.rows == engine.query(sql, route="oltp").rows
    engine.verify()
