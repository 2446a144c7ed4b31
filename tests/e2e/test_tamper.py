"""A10: what other programs do to triggers, log and registry by hand is noticed at the next cycle, and ends in a build, never in a difference
that nobody sees. With an engine that runs meanwhile, and with none, whose mirror waits in its folder."""

import sqlite3
import time

import pytest

from foreign import assert_mirror, shell
from rhei_engine import RheiError

SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, v INT);
CREATE TABLE u (k TEXT PRIMARY KEY, v INT) WITHOUT ROWID;
CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v INT);
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, i FROM n;
INSERT INTO u SELECT 'key ' || id, v FROM t;
INSERT INTO a SELECT id, v FROM t;
"""
CHANGES = "UPDATE t SET v = v + 1000 WHERE id IN (5, 6); DELETE FROM u WHERE v = 77; INSERT INTO a(v) VALUES (-1); UPDATE t SET v = 0 WHERE id = 9"
LOG = "(SELECT {}(seq) FROM _rhei_cdc_log)"
TAMPERED = {
    "a trigger is dropped": ["DROP TRIGGER {trigger}", CHANGES],
    "a trigger is dropped and put back after the changes": ["DROP TRIGGER {trigger}", CHANGES, "{trigger_sql}"],
    "a trigger is made to log nothing": ["DROP TRIGGER {trigger}", "CREATE TRIGGER {trigger} AFTER UPDATE ON t BEGIN SELECT 1; END", CHANGES],
    "a trigger logs another value": ["DROP TRIGGER {trigger}", "{wrong_sql}", CHANGES],
    "every trigger is dropped": ["{drop_all}", CHANGES],
    "the log's newest row goes": ["UPDATE t SET v = v + 1 WHERE id = 3; INSERT INTO a(v) VALUES (-7)", "DELETE FROM _rhei_cdc_log WHERE seq = "
                                  + LOG.format("max")],
    "the log's oldest row goes": [CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq = " + LOG.format("min")],
    "a row in the log's middle goes": [CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq = " + LOG.format("max") + " - 1"],
    "all rows of the log go": [CHANGES, "DELETE FROM _rhei_cdc_log"],
    "the log's numbers move": [CHANGES, "UPDATE _rhei_cdc_log SET seq = seq + 1000000"],
    "a row of the log has another op": [CHANGES, "UPDATE _rhei_cdc_log SET op = 'Z' WHERE seq = " + LOG.format("max")],
    "a row of the log has no table": [CHANGES, "UPDATE _rhei_cdc_log SET tab = 999 WHERE seq = " + LOG.format("max")],
    "the log is dropped": [CHANGES, "DROP TABLE _rhei_cdc_log"],
    "the log is dropped before the changes": ["{drop_all}", "DROP TABLE _rhei_cdc_log", CHANGES],
    "the registry is dropped": ["DROP TABLE _rhei_tables", CHANGES],
    "the registry is emptied": ["DELETE FROM _rhei_tables", CHANGES],
    "a table's number is changed": ["UPDATE _rhei_tables SET id = id + 50 WHERE name = 't'", CHANGES],
    "a table's name is changed": ["UPDATE _rhei_tables SET name = 'u2' WHERE name = 'u'", CHANGES],
    "a table's columns are changed": ["UPDATE _rhei_tables SET signature = 'none'", CHANGES],
    "the engines are dropped": ["DROP TABLE _rhei_engines", CHANGES],
    "the engines are forgotten": [CHANGES, "DELETE FROM _rhei_engines"],
    "the engines are said to be further": [CHANGES, "UPDATE _rhei_engines SET position = position + 100000"],
    "the engines are said to be behind": [CHANGES, "UPDATE _rhei_engines SET position = 0"],
    "the file's identity is changed": [CHANGES, "UPDATE _rhei_meta SET value = 'another' WHERE key = 'database_id'"],
    "the settled schema is changed": [CHANGES, "UPDATE _rhei_meta SET value = value + 5 WHERE key = 'schema_cookie'"],
    "the notes are dropped": ["DROP TABLE _rhei_meta", CHANGES],
    "the notes are emptied": ["DELETE FROM _rhei_meta", CHANGES],
    "a row of the log has another value": [CHANGES, "UPDATE _rhei_cdc_log SET c2 = 4711 WHERE seq = " + LOG.format("max")],
    "the log's newest row goes behind others of its table": [CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq = " + LOG.format("max")],
    "the log's newest rows go": [CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq > " + LOG.format("max") + " - 3"],
    "a row of the log has another table": [CHANGES, "UPDATE _rhei_cdc_log SET tab = (SELECT id FROM _rhei_tables WHERE name = 'a') WHERE seq = "
                                           + LOG.format("max")],
    "a row of the log has another key": [CHANGES, "UPDATE _rhei_cdc_log SET c1 = 2222 WHERE seq = " + LOG.format("max")],
    "all rows of the log go, with the mark behind them": [CHANGES, "DELETE FROM _rhei_cdc_log", "DELETE FROM _rhei_cdc_log", "DELETE FROM _rhei_cdc_log"],
    "the mark is made another row": [CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq = " + LOG.format("max"),
                                     "UPDATE _rhei_cdc_log SET tab = 1, op = 'O' WHERE seq = " + LOG.format("max")],
    "the log's guard is dropped": ["DROP TRIGGER _rhei_log_delete", CHANGES, "DELETE FROM _rhei_cdc_log WHERE seq = " + LOG.format("max")],
    "the log's guard does nothing": ["DROP TRIGGER _rhei_log_update", "CREATE TRIGGER _rhei_log_update BEFORE UPDATE ON _rhei_cdc_log BEGIN SELECT 1; END",
                                     CHANGES, "UPDATE _rhei_cdc_log SET c2 = 4711 WHERE seq = " + LOG.format("max")],
    "the sequences are changed": [CHANGES, "UPDATE sqlite_sequence SET seq = 1000000; INSERT INTO a(v) VALUES (5)"],
}
# valid in themselves, and no trigger sees them (docs/guide/other-programs.md says so): only who compares can find them
HIDDEN = {
    "a row of the log is replaced by another": [CHANGES, "REPLACE INTO _rhei_cdc_log(seq, time, op, tab, c1, c2) SELECT seq, time, op, tab, c1, 4711 "
                                                         "FROM _rhei_cdc_log WHERE seq = " + LOG.format("max")],
    "the log has a row more": [CHANGES, "INSERT INTO _rhei_cdc_log(time, op, tab, c1, c2) SELECT time, op, tab, 6, 4711 FROM _rhei_cdc_log WHERE seq = "
                                        + LOG.format("max")],
}
SUMS = [f"SELECT count(*), sum(v), min(v) FROM {table}" for table in ("t", "u", "a")]


def statements(path, case):
    with sqlite3.connect(path, timeout=60) as file:
        triggers = dict(file.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_rhei%' ESCAPE '\\'"))
        after = next(name for name, sql in triggers.items() if "AFTER UPDATE" in sql.upper() and file.execute(
            "SELECT tbl_name FROM sqlite_schema WHERE name = ?", (name,)).fetchone() == ("t",))
    assert "'U'" in triggers[after]
    words = {"{trigger_sql}": triggers[after], "{wrong_sql}": triggers[after].replace("'U'", "'P'"),
             "{trigger}": f'"{after}"', "{drop_all}": "; ".join(f'DROP TRIGGER "{name}"' for name in triggers)}
    for part in case:
        for word, text in words.items():
            part = part.replace(word, text)
        yield part


def tamper(path, case, by):
    script = "BEGIN IMMEDIATE;\n" + ";\n".join(statements(path, case)) + ";\nCOMMIT;"
    if by == "shell":
        shell(path, script)
    else:
        file = sqlite3.connect(path, timeout=60, isolation_level=None)
        file.executescript(script)
        file.close()


def truth(path):
    file = sqlite3.connect(path, timeout=60)
    found = [file.execute(sql).fetchall() for sql in SUMS]
    file.close()
    return found


def await_equal(engine, path):
    until = time.monotonic() + 120
    while True:
        try:
            return assert_mirror(engine, path)
        except (AssertionError, RheiError):
            assert time.monotonic() < until
            time.sleep(0.1)


def opened(open_engine, place, **more):
    return open_engine(olap_path=place, checkpoint_interval_ms=50, **more)


@pytest.fixture
def place(folder):
    return folder / "mirror"


@pytest.mark.parametrize("name, by", [(name, ("shell", "python")[i % 2]) for i, name in enumerate(TAMPERED)])
def test_a10_a_running_engine_notices_at_its_next_cycle(name, by, path, place, open_engine):
    engine = opened(open_engine, place)
    engine.script(SCHEMA)
    engine.initial_sync()
    tamper(path, TAMPERED[name], by)
    assert [engine.query(sql).rows for sql in SUMS] == truth(path)
    engine.initial_sync()
    assert [engine.olap(sql).rows for sql in SUMS] == truth(path)
    shell(path, CHANGES)
    assert [engine.query(sql).rows for sql in SUMS] == truth(path)
    assert_mirror(engine, path)
    engine.close()


@pytest.mark.parametrize("name", [*TAMPERED, *HIDDEN])
def test_a10_the_next_engine_notices(name, path, place, open_engine):
    engine = opened(open_engine, place)
    engine.script(SCHEMA)
    engine.initial_sync()
    engine.close()
    tamper(path, {**TAMPERED, **HIDDEN}[name], "python")
    engine = opened(open_engine, place)
    await_equal(engine, path)
    shell(path, CHANGES)
    assert [engine.query(sql).rows for sql in SUMS] == truth(path)
    assert_mirror(engine, path)
    engine.close()


@pytest.mark.parametrize("name", HIDDEN)
def test_a10_the_scrub_finds_what_is_valid_in_itself(name, path, place, open_engine):
    engine = opened(open_engine, place, scrub_interval_s=1)
    engine.script(SCHEMA)
    engine.initial_sync()
    tamper(path, HIDDEN[name], "python")
    await_equal(engine, path)
    engine.close()


@pytest.mark.parametrize("name", [name for name in TAMPERED if "the log" in name and "the log is dropped" not in name])
def test_a10_a_look_notices(name, path, place, open_engine):
    """It has the folder and the log behind it: where that doesn't go on from there, what it answers is SQLite's."""
    engine = opened(open_engine, place)
    engine.script(SCHEMA)
    engine.initial_sync()
    engine.checkpoint()
    engine.close()
    tamper(path, TAMPERED[name], "shell")
    look = open_engine(olap_path=place, read_only=True)
    assert [look.query(sql).rows for sql in SUMS] == truth(path)
    shell(path, CHANGES)
    assert [look.query(sql).rows for sql in SUMS] == truth(path)
    look.close()
