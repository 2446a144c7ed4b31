"""C1-C4: whatever statement, whoever runs it, while an engine lives on the file."""

import itertools
import math
import sqlite3
import struct

import pytest

import foreign
from foreign import assert_mirror, assert_whole, contents, mirror_rows, shell
from rhei_engine import RheiError

# Schemas with the statements to run on them, in order; many are meant to fail, with and without capture alike.
SCENARIOS = {
    "replace": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT UNIQUE, pair INTEGER, note TEXT, UNIQUE (pair, note));"
        "INSERT INTO t VALUES (1,'a',1,'x'),(2,'b',2,'y'),(3,'c',3,'z'),(4,'d',4,'w')",
        [
            "REPLACE INTO t VALUES (1, 'a2', 10, 'x2')",
            "INSERT OR REPLACE INTO t VALUES (9, 'b', 2, 'q')",
            "INSERT OR REPLACE INTO t VALUES (3, 'd', 10, 'x2')",
            "UPDATE OR REPLACE t SET code = 'b' WHERE id = 3",
            "UPDATE OR REPLACE t SET id = 9 WHERE id = 3",
            "INSERT OR IGNORE INTO t VALUES (9, 'other', 1, 'n')",
            "INSERT INTO t VALUES (9, 'fails', 1, 'n')",
            "INSERT INTO t (code, pair, note) VALUES ('new', 5, 'five')",
            "REPLACE INTO t (code) VALUES ('new')",
            "REPLACE INTO t SELECT id + 100, code, pair, note FROM t",
            "DELETE FROM t WHERE id > 100",
        ]),
    "upsert": (
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER DEFAULT 0, at REAL);"
        "INSERT INTO t VALUES ('a', 1, 0.5)",
        [
            "INSERT INTO t VALUES ('a', 7, 1.5) ON CONFLICT (k) DO UPDATE SET n = n + excluded.n, at = excluded.at",
            "INSERT INTO t VALUES ('b', 7, 1.5) ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES ('b', 8, 2.5) ON CONFLICT DO NOTHING",
            "INSERT INTO t VALUES ('b', 8, 2.5), ('c', 1, 1), ('a', 0, 9) ON CONFLICT (k) DO UPDATE SET n = 100 WHERE n < 8",
            "INSERT INTO t (k) SELECT k || k FROM t WHERE true ON CONFLICT (k) DO UPDATE SET k = 'z' || excluded.k",
        ]),
    "keys": (
        "CREATE TABLE t (a INTEGER, b TEXT, v INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;"
        "CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT);"
        "INSERT INTO t VALUES (1,'x',1),(1,'y',2),(2,'x',3);"
        "INSERT INTO u VALUES (1,'one'),(2,'two'),(3,'three'),(-9223372036854775808,'low'),(9223372036854775806,'high')",
        [
            "UPDATE u SET id = id + 10 WHERE id BETWEEN 1 AND 3",
            "UPDATE u SET id = CASE id WHEN 11 THEN 12 WHEN 12 THEN 11 ELSE id END",  # SQLite refuses: checked row by row
            "UPDATE u SET id = -id WHERE id IN (11, 12)",
            "UPDATE u SET id = CASE id WHEN -11 THEN 12 ELSE 11 END WHERE id IN (-11, -12)",
            "UPDATE t SET a = 3 - a, v = v * 10 WHERE b = 'y'",
            "UPDATE t SET b = upper(b)",
            "UPDATE u SET rowid = 77 WHERE v = 'three'",
            "INSERT INTO u (v) VALUES ('after the highest')",
            "UPDATE u SET id = 5 WHERE id = 9223372036854775807",
            "DELETE FROM t",
            "INSERT INTO t VALUES (1, 'x', 5)",
            "DELETE FROM u",
        ]),
    "key swap": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v TEXT);"
        "CREATE TABLE w (k TEXT UNIQUE ON CONFLICT REPLACE, v INTEGER);"
        "INSERT INTO t VALUES (1,'one'),(2,'two'),(3,'three'); INSERT INTO w VALUES ('a', 1), ('b', 2), ('c', 3)",
        [
            "UPDATE t SET id = 3 - id WHERE id < 3",
            "UPDATE t SET id = 2",
            "UPDATE w SET k = CASE k WHEN 'a' THEN 'b' ELSE 'a' END WHERE k < 'c'",
            "UPDATE w SET k = 'all'",
        ]),
    "cascades": (
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER REFERENCES author ON DELETE CASCADE ON UPDATE CASCADE, title TEXT);"
        "CREATE TABLE review (book INTEGER REFERENCES book ON DELETE SET NULL, stars INTEGER);"
        "CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE);"
        "INSERT INTO author VALUES (1,'A'),(2,'B'); INSERT INTO book VALUES (1,1,'x'),(2,1,'y'),(3,2,'z');"
        "INSERT INTO review VALUES (1,5),(1,4),(2,3),(3,1); INSERT INTO tree VALUES (1,NULL),(2,1),(3,2),(4,3),(5,NULL)",
        [
            "UPDATE author SET id = 20 WHERE id = 2",
            "DELETE FROM author WHERE id = 1",
            "DELETE FROM tree WHERE id = 1",
            "INSERT INTO book VALUES (9, 99, 'no author')",
            "REPLACE INTO author VALUES (20, 'replaced, so its books go')",
        ]),
    "user triggers": (
        "CREATE TABLE account (id INTEGER PRIMARY KEY, n INTEGER, changed INTEGER DEFAULT 0);"
        "CREATE TABLE log (what TEXT, id INTEGER);"
        "CREATE TRIGGER before_up BEFORE UPDATE OF n ON account BEGIN INSERT INTO log VALUES ('before', old.id); END;"
        "CREATE TRIGGER after_up AFTER UPDATE OF n ON account BEGIN"
        " UPDATE account SET changed = changed + 1 WHERE id = new.id; INSERT INTO log VALUES ('after', new.id); END;"
        "CREATE TRIGGER after_in AFTER INSERT ON account WHEN new.n < 0 BEGIN"
        " UPDATE account SET n = 0 WHERE id = new.id; END;"
        "CREATE TRIGGER after_in2 AFTER INSERT ON account WHEN new.n = 13 BEGIN DELETE FROM account WHERE id = new.id; END;"
        "CREATE TRIGGER no_100 BEFORE INSERT ON account WHEN new.n = 100 BEGIN SELECT raise(ABORT, 'not a hundred'); END;"
        "CREATE TRIGGER skip_101 BEFORE INSERT ON account WHEN new.n = 101 BEGIN SELECT raise(IGNORE); END;"
        "CREATE VIEW v AS SELECT id, n FROM account;"
        "CREATE TRIGGER in_v INSTEAD OF INSERT ON v BEGIN INSERT INTO account (id, n) VALUES (new.id, new.n * 2); END;"
        "INSERT INTO account (id, n) VALUES (1, 10), (2, 20)",
        [
            "UPDATE account SET n = n + 1",
            "INSERT INTO account (n) VALUES (-5)",
            "INSERT INTO account (n) VALUES (13)",
            "INSERT INTO account (n) VALUES (100)",
            "INSERT INTO account (n) VALUES (101)",
            "INSERT INTO account (n) VALUES (1), (2), (100)",
            "INSERT INTO v VALUES (50, 7)",
            "REPLACE INTO account (id, n) VALUES (1, -1)",
            "DELETE FROM account WHERE id = 2",
            "UPDATE OR FAIL account SET id = 3 WHERE id = 50",
        ]),
    "names": (
        "CREATE TABLE \"select\" (\"group\" INTEGER PRIMARY KEY, \"order by\" TEXT, \"it's\" TEXT, \"a\"\"b\" REAL);"
        "CREATE TABLE \"größe ✓ 表\" (\"naïve\" TEXT, \"Ünïcode\" INTEGER);"
        "CREATE TABLE [in brackets] (`back``tick` TEXT PRIMARY KEY, [semi;colon] INTEGER) WITHOUT ROWID;"
        "CREATE TABLE \"new\" (\"old\" INTEGER, \"seq\" INTEGER, \"op\" TEXT, \"c1\" TEXT);"
        "CREATE TABLE \"with \"\"quotes\"\" and 'more'\" (\"?1\" INTEGER, \":a\" TEXT)",
        [
            "INSERT INTO \"select\" VALUES (1, 'x', 'y', 1.5), (2, NULL, NULL, NULL)",
            "UPDATE \"select\" SET \"a\"\"b\" = 2.5, \"it's\" = 'z' WHERE \"group\" = 1",
            "DELETE FROM \"select\" WHERE \"group\" = 2",
            "INSERT INTO \"größe ✓ 表\" VALUES ('ä', 1), ('✓', 2)",
            "UPDATE \"größe ✓ 表\" SET \"Ünïcode\" = 5",
            "INSERT INTO [in brackets] VALUES ('k', 1), ('l', 2)",
            "UPDATE [in brackets] SET `back``tick` = 'm' WHERE [semi;colon] = 2",
            "INSERT INTO \"new\" VALUES (1, 2, 'I', 'text')",
            "UPDATE \"new\" SET \"old\" = \"seq\"",
            "INSERT INTO \"with \"\"quotes\"\" and 'more'\" VALUES (1, ':a'), (2, '?')",
            "DELETE FROM \"with \"\"quotes\"\" and 'more'\" WHERE \"?1\" = 2",
        ]),
    "no key": (
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (NULL, NULL), (2.5, x'00ff')",
        [
            "INSERT INTO t VALUES (1, 'x')",
            "UPDATE t SET b = 'y' WHERE rowid = 2",
            "DELETE FROM t WHERE rowid = 1",
            "INSERT INTO t SELECT * FROM t",
            "UPDATE t SET rowid = rowid + 100",
            "DELETE FROM t WHERE a IS NULL",
            "DELETE FROM t",
            "INSERT INTO t VALUES (9, 9)",
        ]),
    "generated and strict": (
        "CREATE TABLE g (id INTEGER PRIMARY KEY, a INTEGER, twice INTEGER AS (a * 2), stored TEXT AS ('n' || a) STORED);"
        "CREATE TABLE s (id INTEGER PRIMARY KEY, n INT, r REAL, t TEXT, b BLOB, x ANY) STRICT;"
        "INSERT INTO g (id, a) VALUES (1, 10)",
        [
            "INSERT INTO g (a) VALUES (5), (NULL)",
            "UPDATE g SET a = a + 1",
            "INSERT INTO s VALUES (1, 2, 3, 'four', x'05', '6'), (2, 2, 2.5, 'x', x'', 6)",
            "INSERT INTO s VALUES (3, 'not a number', 1, 'x', x'', 1)",
            "UPDATE s SET x = x'ff' WHERE id = 1",
            "UPDATE s SET n = 'seven'",
            "DELETE FROM g WHERE id = 1",
        ]),
    "autoincrement": (
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT NOT NULL CHECK (v <> 'bad'))",
        [
            "INSERT INTO t (v) VALUES ('a'), ('b')",
            "DELETE FROM t WHERE id = 2",
            "INSERT INTO t (v) VALUES ('c')",
            "INSERT INTO t (v) VALUES (NULL)",
            "INSERT INTO t (v) VALUES ('d'), ('bad')",
            "INSERT OR FAIL INTO t (v) VALUES ('e'), ('bad')",
            "INSERT OR IGNORE INTO t (v) VALUES ('f'), (NULL), ('bad'), ('g')",
            "INSERT INTO t (id, v) VALUES (500, 'x')",
            "INSERT INTO t (v) VALUES ('after 500')",
            "UPDATE t SET v = 'bad' WHERE id = 1",
        ]),
}


# A statement that fails leaves last_insert_rowid() to SQLite's whim (it moves when the table has any trigger), so
# it is compared after those that succeed.


class ShellWriter:
    """Each statement in a shell of its own."""

    def __init__(self, path):
        self.path = path

    def run(self, sql):
        said = shell(self.path, f"PRAGMA foreign_keys = ON;\n{sql};\nSELECT changes();\nSELECT last_insert_rowid();\n", check=False)
        *rows, changes, rowid = said.partition("Runtime error")[0].splitlines()
        error = said.partition("Runtime error")[2].partition(": ")[2]
        return rows, changes, error or rowid


class PythonWriter:
    def __init__(self, path):
        self.connection = foreign.connect(path)
        self.connection.execute("PRAGMA foreign_keys = ON")

    def run(self, sql):
        try:
            self.connection.execute(sql)
        except sqlite3.Error as error:
            return str(error), self.connection.execute("SELECT changes()").fetchall()
        return "done", self.connection.execute("SELECT changes(), last_insert_rowid()").fetchall()

    def close(self):
        self.connection.close()


def test_c1_an_insert_that_a_foreign_key_refuses_as_with_any_trigger(folder, path, open_engine):
    plain, statements = folder / "plain.db", [
        "INSERT INTO t VALUES (77, 1)", "INSERT INTO c VALUES (5, 1)", "INSERT INTO d VALUES (6, 1)", "INSERT INTO t VALUES (8, 1)",
        "INSERT INTO t VALUES (9, 1000)", "INSERT INTO t VALUES (10, 10), (11, 1)", "INSERT INTO c VALUES (15, NULL), (16, 3)"]
    schema = ("CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE c (a INTEGER PRIMARY KEY, p REFERENCES p);"
              "CREATE TABLE d (a INTEGER PRIMARY KEY, p REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
              "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE CHECK (b < 100));")
    shell(path, schema)
    shell(plain, schema + "".join(f"CREATE TRIGGER {t}_1 AFTER INSERT ON {t} BEGIN SELECT 1; END;" for t in "cdt"))
    open_engine().close()
    found = []
    for writer in PythonWriter(path), PythonWriter(plain):
        told = []
        for sql in statements:
            told.append((writer.run(sql), writer.connection.execute("SELECT last_insert_rowid()").fetchone()))
        writer.close()
        found.append(told)
    assert found[0] == found[1]
    assert foreign.rows(path, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'") != [(0,)]


def compare_step(engine, captured, plain, sql):
    expected, found = contents(plain), contents(captured)
    assert found == expected, sql
    for name, rows in expected.items():
        assert engine.verify(name) == len(rows), (sql, name)
        seen = mirror_rows(engine, name, rows)
        assert seen is None or seen == rows, (sql, name)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("writer", [ShellWriter, PythonWriter])
def test_c1_c2_c4_foreign_statements_as_without_capture(writer, name, folder, path, open_engine):
    schema, statements = SCENARIOS[name]
    plain = folder / "plain.db"
    for file in (path, plain):
        shell(file, schema + ";")
    engine = open_engine()
    engine.initial_sync()
    writers = [writer(path), writer(plain)]
    for sql in statements:
        with_capture, without = (each.run(sql) for each in writers)
        assert with_capture == without, sql
        compare_step(engine, path, plain, sql)
    for each in writers:
        getattr(each, "close", lambda: None)()
    assert_whole(path)


@pytest.mark.parametrize("name", SCENARIOS)
def test_c1_c4_own_statements_as_without_capture(name, folder, path, open_engine):
    schema, statements = SCENARIOS[name]
    plain = folder / "plain.db"
    shell(path, schema + ";")
    shell(plain, schema + ";")
    engine = open_engine()
    engine.initial_sync()
    # what a bare SQLite says of the same statement, foreign keys as the engine has them
    bare = foreign.connect(plain)
    bare.execute(f"PRAGMA foreign_keys = {engine.query('PRAGMA foreign_keys').value}")
    for sql in statements:
        rowid = bare.execute("SELECT last_insert_rowid()").fetchone()[0]
        try:
            bare.execute(sql)
            expected = bare.execute("SELECT changes()").fetchone()[0]
        except sqlite3.Error as error:
            expected = str(error)
        inserted = bare.execute("SELECT last_insert_rowid()").fetchone()[0]
        try:
            result = engine.execute(sql)
            assert result.changes == expected, sql
            if inserted != rowid:
                assert result.last_insert_rowid == inserted, sql
        except RheiError as error:
            assert isinstance(expected, str) and expected in error.message, sql
            assert error.name == "CONSTRAINT"
        compare_step(engine, path, plain, sql)
    bare.close()


def test_c1_changes_are_as_without_capture_in_one_connection(folder, path, open_engine):
    """changes() and last_insert_rowid() after each of many statements of one transaction, and of one shell."""
    plain = folder / "plain.db"
    schema, statements = SCENARIOS["replace"]
    for file in (path, plain):
        shell(file, schema + ";")
    engine = open_engine()
    engine.initial_sync()
    wanted = [sql for sql in statements if "fails" not in sql]
    script = "BEGIN;\n" + "".join(f"{sql};\nSELECT changes(), last_insert_rowid();\n" for sql in wanted) + "COMMIT;\n"
    assert shell(path, script) == shell(plain, script)
    compare_step(engine, path, plain, script)


def awkward_values(rng, count):
    yield from (None, 0, 1, -1, 2**63 - 1, -2**63, 2**53 + 1, -(2**53) - 1, 0.1 + 0.2, -0.0, 0.0, 5e-324, -5e-324)
    yield from (1.7976931348623157e308, -1.7976931348623157e308, math.inf, -math.inf, math.nan, 1e100, 1 / 3, 1e15, 9007199254740993.0)
    yield from ("", "x", "a\0b", "\0", "0123456789ab", "0123456789abc", "é" * 6, "表✓", "1", "1.0", "0x10", " 1", "1e5", "NULL", "inf")
    yield from (b"", b"\0", b"\xff\xfe", bytes(range(256)), b"abc", b"1")
    yield from ("\udcff", "ab\udce2\udc82", "\udcc0\udc80", "ok\udced\udca0\udc80ok")  # invalid UTF-8
    for _ in range(count):
        yield struct.unpack("<d", rng.randbytes(8))[0]
        yield rng.randrange(-2**63, 2**63)
        yield rng.randbytes(rng.randrange(40))
        yield "".join(chr(rng.randrange(1, 0x2FFF)) for _ in range(rng.randrange(30)))


def bind(value):
    """Text that isn't UTF-8 goes in as bytes, to be cast."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def placeholder(value):
    return "CAST(? AS TEXT)" if isinstance(value, str) else "?"


@pytest.mark.parametrize("declared", ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "VARCHAR(3)", "BOOLEAN", "DATETIME"])
def test_c3_every_value_arrives_bit_for_bit(declared, path, open_engine, python_writer, rng):
    shell(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    engine = open_engine()
    engine.initial_sync()
    writer = python_writer()
    values = list(awkward_values(rng, 60))
    half = len(values) // 2
    writer.execute("BEGIN")
    for value in values[:half]:
        writer.execute(f"INSERT INTO t (v) VALUES ({placeholder(value)})", (bind(value),))
    writer.execute("COMMIT")
    assert_mirror(engine, path)
    for value in values[half:]:
        engine.execute("INSERT INTO t (v) VALUES (?)", value)
    assert_mirror(engine, path)
    # and by update, one class in the place of another
    for number, value in enumerate(itertools.islice(rng.sample(values, len(values)), 80)):
        writer.execute(f"UPDATE t SET v = {placeholder(value)} WHERE id = ?", (bind(value), number + 1))
    assert_mirror(engine, path)
    # a mirror that is built from the table instead of the log
    engine.rebuild()
    assert_mirror(engine, path)


def test_c3_sum_of_tenths_stays_itself(path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL)")
    engine.initial_sync()
    shell(path, "INSERT INTO t VALUES (1, 0.1 + 0.2)")
    assert repr(engine.olap("SELECT v FROM t").value) == "0.30000000000000004"


def test_c1_c3_long_text_and_blob(path, open_engine, python_writer):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, b BLOB)")
    engine.initial_sync()
    writer = python_writer()
    long_text = "0123456789äöü" * 100_000
    writer.execute("INSERT INTO t VALUES (1, ?, zeroblob(3000000))", (long_text,))
    writer.execute("INSERT INTO t VALUES (2, ?, ?)", ("x" * 5_000_000, b"\0\xff" * 1_000_000))
    shell(path, "INSERT INTO t VALUES (3, replace(hex(zeroblob(600000)), '0', 'ab'), NULL)")
    engine.execute("INSERT INTO t VALUES (4, ?, ?)", "y" * 1_500_000, b"\1" * 1_500_000)
    assert_mirror(engine, path)
    writer.execute("UPDATE t SET v = v || '!' WHERE id < 3")
    writer.execute("DELETE FROM t WHERE id = 2")
    assert_mirror(engine, path)
    assert engine.olap("SELECT v FROM t WHERE id = 1").value == long_text + "!"


RANDOM_SCHEMA = """
CREATE TABLE parent (id INTEGER PRIMARY KEY, code TEXT UNIQUE, n INTEGER);
CREATE TABLE child (k TEXT, parent INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE, v, PRIMARY KEY (k, parent)) WITHOUT ROWID;
CREATE TABLE loose (a, b UNIQUE ON CONFLICT REPLACE, c INTEGER);
CREATE TRIGGER parent_up AFTER UPDATE OF n ON parent BEGIN INSERT INTO loose VALUES ('up', new.id, old.n); END;
CREATE TRIGGER loose_in AFTER INSERT ON loose WHEN new.c % 5 = 0 BEGIN UPDATE loose SET c = c + 1 WHERE rowid = new.rowid; END;
"""


def random_statement(rng):
    i, j, code = rng.randrange(30), rng.randrange(30), rng.choice("abcdefgh")
    value = rng.choice(["NULL", "1.5", "'t'", "x'00'", str(j)])
    return rng.choice([
        f"INSERT OR IGNORE INTO parent VALUES ({i}, '{code}{j % 4}', {j})",
        f"REPLACE INTO parent VALUES ({i}, '{code}{j % 4}', {j})",
        f"INSERT INTO parent VALUES ({i}, '{code}', {j}) ON CONFLICT (id) DO UPDATE SET n = n + 1",
        f"UPDATE OR REPLACE parent SET code = '{code}{j % 4}' WHERE id = {i}",
        f"UPDATE OR REPLACE parent SET id = {j} WHERE id = {i}",
        f"UPDATE parent SET n = n + 1 WHERE id % 7 = {j % 7}",
        f"UPDATE OR IGNORE parent SET id = id + 1 WHERE id > {i}",
        f"DELETE FROM parent WHERE id = {i}",
        f"INSERT OR IGNORE INTO child SELECT '{code}', id, {value} FROM parent WHERE id % 5 = {j % 5}",
        f"REPLACE INTO child SELECT '{code}', id, {value} FROM parent LIMIT 3",
        f"UPDATE OR REPLACE child SET k = '{code}' WHERE parent = {i}",
        f"DELETE FROM child WHERE k = '{code}'",
        f"INSERT INTO loose VALUES ('{code}', {i}, {j}), ('{code}', {j}, {i})",
        f"UPDATE loose SET a = {value} WHERE c = {j}",
        f"UPDATE loose SET b = {i} WHERE c > {j}",
        f"UPDATE loose SET rowid = rowid + {j} WHERE c % 3 = 0 AND rowid < 1000",
        f"DELETE FROM loose WHERE c = {j}",
        rng.choice(["DELETE FROM loose", "DELETE FROM child", "SELECT 1", "SELECT 1"]),
    ])


def test_c2_c4_random_statements_of_three_writers(path, open_engine, python_writer, rng, long):
    shell(path, RANDOM_SCHEMA)
    engine = open_engine()
    engine.initial_sync()
    writer = python_writer()
    pragmas = "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;"
    writer.executescript(pragmas.replace("recursive_triggers = ON", f"recursive_triggers = {rng.choice(['ON', 'OFF'])}"))
    for _ in range(200 if long else 25):
        for _ in range(12):
            for run in (writer.execute, engine.execute):
                try:
                    run(random_statement(rng))
                except (sqlite3.IntegrityError, RheiError) as error:
                    assert not isinstance(error, RheiError) or error.name == "CONSTRAINT", error
        shell(path, pragmas + ";\n".join(random_statement(rng) for _ in range(6)) + ";", check=False)
        assert_mirror(engine, path)
    assert_whole(path)


def test_c2_attached_and_quiet_writers(folder, path, open_engine, python_writer):
    """Writes through ATTACH, inside a rolled-back savepoint, and by a connection that was open before the engine."""
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'before')")
    early = python_writer()
    assert early.execute("SELECT count(*) FROM t").fetchone() == (1,)
    engine = open_engine()
    engine.initial_sync()
    early.execute("INSERT INTO t VALUES (2, 'prepared before the triggers')")
    other = python_writer(folder / "other.db")
    other.execute("CREATE TABLE source (id INTEGER, v TEXT)")
    other.execute("INSERT INTO source VALUES (10, 'attached'), (11, 'too')")
    other.execute(f"ATTACH '{path}' AS shop")
    other.execute("INSERT INTO shop.t SELECT * FROM source")
    other.execute("BEGIN")
    other.execute("SAVEPOINT a")
    other.execute("DELETE FROM shop.t")
    other.execute("ROLLBACK TO a")
    other.execute("UPDATE shop.t SET v = v || '!' WHERE id = 10")
    other.execute("COMMIT")
    other.execute("BEGIN")
    other.execute("DELETE FROM shop.t")
    other.execute("ROLLBACK")
    assert_mirror(engine, path)
    assert engine.olap("SELECT count(*) FROM t").value == 4


def test_c1_vacuum_and_reindex_by_a_foreign_process(path, open_engine):
    shell(path, "CREATE TABLE keyed (id INTEGER PRIMARY KEY, v); CREATE TABLE keyless (v);"
          "INSERT INTO keyed VALUES (1,1),(5,5),(9,9); INSERT INTO keyless VALUES (1),(2),(3),(4); DELETE FROM keyless WHERE v = 2")
    engine = open_engine()
    engine.initial_sync()
    shell(path, "DELETE FROM keyed WHERE id = 5; VACUUM; REINDEX; ANALYZE; INSERT INTO keyless VALUES (5); INSERT INTO keyed VALUES (2, 2)")
    assert_mirror(engine, path)
    shell(path, "UPDATE keyless SET v = v * 10; DELETE FROM keyless WHERE v = 30")
    assert_mirror(engine, path)
    assert_whole(path)
