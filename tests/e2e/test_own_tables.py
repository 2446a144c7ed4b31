"""Rhei's own tables in a file: made again when others drop them, taken out by rh detach, and left alone by engines of
different registration."""

import sqlite3
import time

import pytest

from rh_program import rh  # noqa: F401 (fixture)
from rhei_engine import RheiError

LIMIT = 100


def names(path):
    connection = sqlite3.connect(path, timeout=60)
    try:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%rhei%' OR sql LIKE '%rhei%'").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    finally:
        connection.close()
    return [row[0] for row in rows]


def until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it didn't come true in time"
        time.sleep(0.005)


def write(path, sql):
    connection = sqlite3.connect(path, timeout=LIMIT, isolation_level=None)
    try:
        connection.execute(sql)
        return True
    except sqlite3.OperationalError as error:
        assert "_rhei_cdc_log" in str(error)  # the triggers name the log that is gone
        return False
    finally:
        connection.close()


def sums(engine):
    sql = "SELECT count(*), sum(v), max(v) FROM t"
    return engine.query(sql, route="oltp").rows, engine.query(sql, route="olap").rows


@pytest.mark.parametrize("piece", ["TABLE _rhei_cdc_log", "TABLE _rhei_tables", "TABLE _rhei_meta", "TABLE _rhei_engines"])
def test_a10_a_running_engine_makes_again_what_was_dropped(path, open_engine, piece):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    for i in range(50):
        engine.execute(f"INSERT INTO t VALUES ({i}, {i})")
    engine.initial_sync()
    assert write(path, f"DROP {piece}")
    until(lambda: write(path, "INSERT INTO t(v) VALUES (1000)"))
    engine.execute("UPDATE t SET v = v + 1 WHERE id < 10")
    engine.initial_sync()
    oltp, olap = sums(engine)
    assert oltp == olap
    assert {"_rhei_cdc_log", "_rhei_tables", "_rhei_meta", "_rhei_engines"} <= set(names(path))


TAKEN = [
    "DROP TABLE _rhei_cdc_log; CREATE VIEW _rhei_cdc_log AS SELECT 1 AS seq", "DROP TABLE _rhei_cdc_log; CREATE TABLE _rhei_cdc_log(a)",
    "DROP TABLE _rhei_meta; CREATE VIEW _rhei_meta AS SELECT 'version' AS key, 1 AS value", "DROP TABLE _rhei_tables; CREATE TABLE _rhei_tables(a)",
    "DROP TABLE _rhei_meta; CREATE TABLE _rhei_meta(a)",
    "DROP TABLE _rhei_engines; CREATE VIEW _rhei_engines AS SELECT 1 AS id", "DROP VIEW _rhei_cdc_events; CREATE TABLE _rhei_cdc_events(a)",
    "DELETE FROM _rhei_cdc_log WHERE seq < (SELECT max(seq) FROM _rhei_cdc_log); CREATE UNIQUE INDEX zz ON _rhei_cdc_log(op)", "CREATE INDEX zz ON _rhei_cdc_log(abs(c1))",
    "CREATE TRIGGER zz BEFORE INSERT ON _rhei_cdc_log BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER zz BEFORE INSERT ON _rhei_cdc_log BEGIN SELECT RAISE(IGNORE); END",
    "CREATE UNIQUE INDEX zz ON _rhei_tables(live, name)", "CREATE TRIGGER zz BEFORE UPDATE ON _rhei_meta BEGIN SELECT RAISE(ABORT, 'no'); END",
]


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("taken", TAKEN)
def test_a10_what_others_put_in_the_place_of_our_tables_is_taken_out(path, open_engine, taken, running):
    engine = open_engine()
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE u (a); INSERT INTO t VALUES (1, -1), (2, 2)")
    engine.initial_sync()
    if not running:
        engine.close()
    connection = sqlite3.connect(path, timeout=LIMIT, isolation_level=None)
    connection.executescript(taken)
    connection.close()
    if not running:
        engine = open_engine()

    def written():
        shell = sqlite3.connect(path, timeout=LIMIT, isolation_level=None)
        try:
            shell.execute("INSERT INTO t(v) VALUES (1000), (-7)")
            return True
        except sqlite3.Error:
            return False
        finally:
            shell.close()
    until(written)
    engine.execute("UPDATE t SET v = v + 1")
    engine.initial_sync()
    oltp, olap = sums(engine)
    assert oltp == olap
    assert not {"zz"} & set(names(path))


@pytest.mark.parametrize("ddl", [
    "CREATE TABLE _rhei_x (a)", "CREATE TABLE IF NOT EXISTS main.[_rhei_cdc_log] (a)", "CREATE TEMP TABLE _RHEI_x (a)", "CREATE VIEW _rhei_v AS SELECT 1",
    "CREATE VIRTUAL TABLE _rhei_f USING fts5(a)", "CREATE UNIQUE INDEX z ON _rhei_cdc_log(op)", "CREATE INDEX _rhei_i ON t(a)",
    "CREATE TRIGGER z AFTER INSERT ON _rhei_cdc_log BEGIN SELECT 1; END", "CREATE TRIGGER _rhei_t AFTER INSERT ON t BEGIN SELECT 1; END",
    "ALTER TABLE t RENAME TO _rhei_y", "CREATE TABLE \"_rhei_q\" AS SELECT 1"])
def test_c7_names_of_ours_are_refused(open_engine, ddl):
    engine = open_engine()
    engine.execute("CREATE TABLE t (a)")
    for call in (engine.execute, engine.script):
        with pytest.raises(RheiError) as caught:
            call(ddl)
        assert caught.value.name == "UNSUPPORTED" and "_rhei_" in caught.value.message
    engine.script("CREATE TABLE rhei_x (_rhei_a, b); CREATE VIEW v AS SELECT seq FROM _rhei_cdc_events; ALTER TABLE t RENAME COLUMN a TO _rhei_c;"
                  "CREATE TRIGGER z AFTER INSERT ON t BEGIN INSERT INTO rhei_x VALUES (1, 2); END; INSERT INTO t VALUES (1)")
    engine.initial_sync()
    assert engine.olap("SELECT count(*), sum(b) FROM rhei_x").rows == [(1, 2)]


def test_a8_an_engine_that_registers_nothing_undoes_nothing(path, open_engine):
    first = open_engine()
    first.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    first.execute("INSERT INTO t VALUES (1, 1)")
    first.initial_sync()
    version = first.query("PRAGMA schema_version").value
    second = open_engine(no_auto_register=True)
    for i in range(20):
        assert second.query("SELECT sum(v) FROM t").value == i + 1
        first.execute("UPDATE t SET v = v + 1")
        assert first.query("SELECT sum(v) FROM t", route="olap").value == i + 2
    assert first.query("PRAGMA schema_version").value == version


def test_c6_detach_takes_everything_out(path, open_engine, rh):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER UNIQUE)")
    engine.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    assert "BUSY" in rh.run("detach", "--db", path, code=1).stderr
    engine.kill()  # its row in the registry stays
    assert "Nothing of Rhei's" in rh.run("detach", "--db", path).stdout
    assert names(path) == []
    assert write(path, "INSERT OR REPLACE INTO t VALUES (3, 2)")
    engine = open_engine()
    engine.initial_sync()
    assert engine.query("SELECT count(*), sum(v) FROM t", route="olap").rows == [(2, 3)]
    assert "CANT_OPEN" in rh.run("detach", "--db", "no-such.db", code=1).stderr
    assert rh.run("detach", "now", code=2).stderr != ""


def test_d5_pragmas_and_begin_say_what_is_wrong(path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = DELETE", "query_only = ON", "max_page_count = 5"):
        with pytest.raises(RheiError) as caught:
            engine.execute(f"PRAGMA {pragma}")
        assert caught.value.name == "UNSUPPORTED" and "can't be set" in caught.value.message
        engine.execute("INSERT INTO t(v) VALUES (1)")
        assert write(path, "INSERT INTO t(v) VALUES (2)")
    with pytest.raises(RheiError) as caught:
        engine.execute("BEGIN")
    assert caught.value.name == "TRANSACTION"
    engine.execute("PRAGMA foreign_keys = ON")
    assert engine.query("PRAGMA foreign_keys").value == 1


@pytest.mark.parametrize("drops", ["DROP TABLE _rhei_cdc_log", "DROP VIEW _rhei_cdc_events; DROP TABLE _rhei_cdc_log; DROP TABLE _rhei_tables",
                                   "DROP VIEW _rhei_cdc_events; DROP TABLE _rhei_cdc_log; DROP TABLE _rhei_tables; DROP TABLE _rhei_meta; "
                                   "DROP TABLE _rhei_engines; DROP TABLE _rhei_consumers"])
def test_a10_rh_makes_again_what_was_dropped_without_being_told_to_capture(drops, rh):
    rh.run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
    path = rh.folder / "rhei.db"
    connection = sqlite3.connect(path, timeout=LIMIT, isolation_level=None)
    connection.executescript(drops)
    connection.close()
    assert not write(path, "INSERT INTO t VALUES (2, 2)")
    rh.run("exec", "INSERT INTO t VALUES (3, 3)")
    assert write(path, "INSERT INTO t VALUES (4, 4)")
    assert {"_rhei_cdc_log", "_rhei_tables", "_rhei_meta", "_rhei_engines"} <= set(names(path))
    assert rh.run("query", "--format", "csv", "SELECT group_concat(id) FROM t").stdout.split()[-1] == '"1,3,4"'


def test_a10_a_file_without_capture_stays_without_it(rh):
    path = rh.folder / "rhei.db"
    connection = sqlite3.connect(path, timeout=LIMIT, isolation_level=None)
    connection.executescript("CREATE TABLE t (a); CREATE TABLE _rhei_meta (key, value); CREATE TRIGGER _rhei_cdc_mine AFTER INSERT ON t BEGIN SELECT 1; END")
    connection.close()
    before = names(path)
    rh.run("exec", "INSERT INTO t VALUES (1)")
    assert names(path) == before
