"""A10, C4: what other programs do to the file without the log's knowing; the mirror never answers what isn't there."""

import ctypes
import ctypes.util
import os
import sqlite3
import time

import pytest

from foreign import assert_mirror, shell
from rhei_engine import RheiError

ROWS = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "


def make(path, sign=""):
    shell(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); {ROWS} INSERT INTO t SELECT i, {sign}i FROM n;")


def built(open_engine, path):
    make(path)
    engine = open_engine()
    engine.initial_sync()
    assert engine.olap("SELECT sum(v) FROM t").rows == [(4501500,)]
    return engine


def test_a10_a_file_replaced_by_rename_is_refused_by_every_call(path, folder, open_engine):
    engine = built(open_engine, path)
    make(folder / "new.db", "-")
    for suffix in ("-wal", "-shm"):
        if os.path.exists(f"{path}{suffix}"):
            os.remove(f"{path}{suffix}")
    os.rename(folder / "new.db", path)
    for call in (lambda: engine.query("SELECT sum(v) FROM t"),
                 lambda: engine.query("SELECT sum(v) FROM t", freshness="eventual"),
                 lambda: engine.execute("UPDATE t SET v = v + 1 WHERE id = 1"),
                 lambda: engine.script("DELETE FROM t; INSERT INTO t VALUES (1, 1);"),
                 lambda: engine.query("SELECT v FROM t WHERE id = 1"),
                 engine.sync, engine.verify):
        with pytest.raises(RheiError) as refused:
            call()
        assert refused.value.name == "REPLACED", refused.value
        assert "open the database again" in refused.value.message
    engine.close()
    assert shell(path, "SELECT sum(v) FROM t;").strip() == "-4501500"
    again = open_engine()
    again.initial_sync()
    assert again.olap("SELECT sum(v) FROM t").rows == [(-4501500,)]


@pytest.mark.parametrize("lost, made", [(1, 1), (2, 5), (5, 2), (3, 3)])
def test_a10_an_older_copy_is_restored_over_the_live_file(lost, made, path, folder, open_engine):
    engine = built(open_engine, path)
    live, copy = sqlite3.connect(path, isolation_level=None, timeout=60), sqlite3.connect(folder / "copy.db", timeout=60)
    live.backup(copy)
    for i in range(lost):
        engine.execute(f"UPDATE t SET v = 111111 WHERE id = {i + 1}")
    engine.sync()
    copy.backup(live)
    for i in range(made):
        live.execute("UPDATE t SET v = v + 7 WHERE id = ?", (i + 100,))
    assert engine.query("SELECT sum(v) FROM t").rows == [(4501500 + 7 * made,)]
    assert_mirror(engine, path)
    live.close()
    copy.close()


def test_a10_an_older_copy_has_other_columns_under_the_same_number(path, folder, open_engine):
    shell(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v INT, w INT); {ROWS} INSERT INTO t SELECT i, i, -i FROM n;")
    engine = open_engine()
    engine.initial_sync()
    live, copy = sqlite3.connect(path, isolation_level=None, timeout=60), sqlite3.connect(folder / "copy.db", timeout=60)
    live.backup(copy)
    # at once, so that the log has no row of it, which would tell
    for change in ("BEGIN", "DROP TABLE t", "CREATE TABLE t (id INTEGER PRIMARY KEY, w INT, v INT)",
                   ROWS + "INSERT INTO t SELECT i, -i, i FROM n", "COMMIT"):
        live.execute(change)
    engine.initial_sync()
    assert engine.olap("SELECT sum(v), min(w) FROM t").rows == [(4501500, -3000)]
    copy.backup(live)  # its registry gives the table anew the number that the other one had
    assert engine.query("SELECT sum(v), min(w) FROM t").rows == [(4501500, -3000)]
    engine.initial_sync()
    assert engine.olap("SELECT sum(v), min(w) FROM t").rows == [(4501500, -3000)]
    assert_mirror(engine, path)
    live.close()
    copy.close()


def made_anew(file, factor):
    """With as many rows, in one transaction, so that neither the log nor their count tells."""
    for change in ("BEGIN", "DROP TABLE t", "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)",
                   ROWS + f"INSERT INTO t SELECT i, {factor} * i FROM n", "COMMIT"):
        file.execute(change)


@pytest.mark.parametrize("registered", [False, True])
def test_a10_an_older_copy_has_another_table_for_a_known_number(registered, path, folder, open_engine):
    engine = built(open_engine, path)
    live = sqlite3.connect(path, isolation_level=None, timeout=60)
    copy = sqlite3.connect(folder / "copy.db", isolation_level=None, timeout=60)
    live.backup(copy)
    for factor in range(2, 8, 2):
        made_anew(live, factor)
        engine.initial_sync()
        assert engine.olap("SELECT sum(v) FROM t").rows == [(4501500 * factor,)]
        made_anew(copy, factor + 1)
        if registered:  # by an engine that doesn't know what the live file's gave
            open_engine(folder / "copy.db").close()
        copy.backup(live)  # its registry would give this t the number of the one before
        assert engine.query("SELECT sum(v) FROM t").rows == [(4501500 * (factor + 1),)]
        engine.initial_sync()
        assert engine.olap("SELECT sum(v) FROM t").rows == [(4501500 * (factor + 1),)]
    assert_mirror(engine, path)
    live.close()
    copy.close()


def test_c4_temp_triggers_of_other_programs(path, open_engine):
    engine = built(open_engine, path)
    shell(path, "CREATE TEMP TRIGGER x AFTER UPDATE ON t WHEN NEW.v < 5 BEGIN UPDATE t SET v = NEW.v + 1 WHERE id = NEW.id; END;"
          "UPDATE t SET v = 1 WHERE id < 50;")
    assert engine.query("SELECT count(*), max(v) FROM t WHERE id < 50").rows == [(49, 2)]
    assert_mirror(engine, path)


def quiet(path, *statements):
    """Another program with its triggers switched off; a log of many pages is copied by it as SQLite does on its own."""
    lib = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
    handle = ctypes.c_void_p()
    assert lib.sqlite3_open(str(path).encode(), ctypes.byref(handle)) == 0
    lib.sqlite3_busy_timeout(handle, 60000)
    assert lib.sqlite3_db_config(handle, 1003, 0, None) == 0  # SQLITE_DBCONFIG_ENABLE_TRIGGER
    for statement in statements:
        assert lib.sqlite3_exec(handle, statement.encode(), None, None, None) == 0, statement
    lib.sqlite3_close(handle)


def agrees(engine, sql, rows, seconds=120):
    """Until the answer is this one."""
    until = time.monotonic() + seconds
    while engine.query(sql).rows != rows:
        assert time.monotonic() < until, f"{engine.query(sql).rows} instead of {rows}"
        time.sleep(0.01)


def test_a10_triggers_switched_off_by_another_program(path, open_engine):
    engine = built(open_engine, path)
    for round in range(1, 4):
        quiet(path, f"UPDATE t SET v = v + 1 WHERE id <= {round}")
        assert engine.query("SELECT sum(v) FROM t").rows == [(4501500 + round * (round + 1) // 2,)]
        assert_mirror(engine, path)


def test_a10_commits_that_the_log_lost_start_a_comparison(path, open_engine):
    engine = built(open_engine, path)
    # more than the log holds between two looks: it starts anew over frames that nobody saw
    quiet(path, "UPDATE t SET v = v + 1 WHERE id = 1", "PRAGMA wal_checkpoint(TRUNCATE)", "CREATE TABLE IF NOT EXISTS o(a)",
          "INSERT INTO o VALUES (1)", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO o VALUES (2)")
    agrees(engine, "SELECT sum(v) FROM t", [(4501501,)])
    assert_mirror(engine, path)


def test_a10_a_file_with_auto_vacuum_is_compared(path, open_engine):
    shell(path, "PRAGMA auto_vacuum = FULL;")
    engine = built(open_engine, path)
    quiet(path, "UPDATE t SET v = v + 1 WHERE id = 1")
    agrees(engine, "SELECT sum(v) FROM t", [(4501501,)])
    assert_mirror(engine, path)


def test_a10_the_scrub_finds_what_hides_behind_a_logged_change(path, open_engine):
    make(path)
    shell(path, "CREATE TABLE b (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO b VALUES (1, zeroblob(8)), (2, zeroblob(8));")
    engine = open_engine(scrub_interval_s=1)
    engine.initial_sync()
    other = sqlite3.connect(path, isolation_level=None, timeout=60)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE b SET v = zeroblob(9) WHERE id = 2")
    with other.blobopen("b", "v", 1) as blob:
        blob.write(b"\x01\x02")
    other.execute("COMMIT")
    other.close()
    agrees(engine, "SELECT hex(v), count(*) FROM b GROUP BY v ORDER BY v", [("000000000000000000", 1), ("0102000000000000", 1)])
    assert_mirror(engine, path)


def leaves(path, table):
    """Pages of the table's leaves, in their order, and the file's page size."""
    shell(path, "PRAGMA journal_mode = DELETE;")
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[16:18], "big")
    root = int(shell(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}';"))

    def below(number):
        at = (number - 1) * size
        if data[at] == 13:
            return [number]
        cells = int.from_bytes(data[at + 3:at + 5], "big")
        places = (at + int.from_bytes(data[at + 12 + 2 * i:at + 14 + 2 * i], "big") for i in range(cells))
        children = [int.from_bytes(data[place:place + 4], "big") for place in places]
        return [leaf for child in children + [int.from_bytes(data[at + 8:at + 12], "big")] for leaf in below(child)]

    return below(root), size


@pytest.mark.parametrize("damage", ["zeroed", "swapped", "emptied", "twice"])
def test_a5_a_damaged_table_is_not_mirrored_by_half(damage, path, open_engine):
    shell(path, "CREATE TABLE u (id INTEGER PRIMARY KEY, v INT); INSERT INTO u VALUES (1, 1), (2, 2);"
          "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT, x); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
          "WHERE i < 50000) INSERT INTO t SELECT i, i, 'some text of a row ' || i FROM n;")
    pages, size = leaves(path, "t")
    assert len(pages) > 100
    with open(path, "r+b") as file:
        def get(number):
            file.seek((number - 1) * size)
            return file.read(size)

        def put(number, page):
            file.seek((number - 1) * size)
            file.write(page)

        a, b = pages[len(pages) // 3], pages[len(pages) * 2 // 3]
        if damage == "zeroed":
            put(a, bytes(size))
        elif damage == "swapped":
            first, second = get(a), get(b)
            put(a, second)
            put(b, first)
        elif damage == "emptied":
            put(a, b"\x0d" + bytes(4) + (size % 65536).to_bytes(2, "big") + bytes(size - 7))
        else:
            put(a, get(b))
    engine = open_engine(threads=4)
    engine.initial_sync()
    state, rows, message = engine.tables()["t"]
    assert engine.olap("SELECT sum(v) FROM u").rows == [(3,)]
    if state == 2:  # ready: then it is what SQLite reads, too
        sql = "SELECT count(*), sum(v), sum(length(x)) FROM t"
        assert engine.olap(sql).rows == engine.query(sql, route="oltp").rows
    else:
        assert state == 3 and message, (state, rows, message)


TEMP = "CREATE TEMP TRIGGER x AFTER {} ON t WHEN {} BEGIN SELECT RAISE({}); END; "
LOGGED = "INSERT INTO t VALUES (9001, 1); "
NEWEST = "DELETE FROM _rhei_cdc_log WHERE seq = (SELECT max(seq) FROM _rhei_cdc_log);"
FORGED = "INSERT INTO _rhei_cdc_log(time, op, tab, c1, c2) VALUES (julianday('now'), '{}', 1, {}, {});"
BESIDE_THE_LOG = {
    "some rows ignored": TEMP.format("INSERT", "NEW.v = 5", "IGNORE") + "INSERT INTO t VALUES (9001, 4), (9002, 5), (9003, 6);",
    "some deletes ignored": TEMP.format("DELETE", "OLD.id = 2", "IGNORE") + "DELETE FROM t WHERE id < 4;",
    "failed half-way": TEMP.format("INSERT", "NEW.v = 5", "FAIL, 'no'") + "INSERT INTO t VALUES (9001, 4), (9002, 5);",
    "the conflict of a trigger's own, OR FAIL":
        "CREATE TEMP TRIGGER x AFTER INSERT ON t WHEN NEW.v = 5 BEGIN INSERT INTO t VALUES (1, NULL); END;"
        "INSERT OR FAIL INTO t VALUES (9001, 4), (9002, 5), (9003, 6);",
    "the newest row of the log taken out": "INSERT INTO t VALUES (9001, 4), (9002, 5);" + NEWEST,
    "that within the transaction": "BEGIN; INSERT INTO t VALUES (9001, 4), (9002, 5);" + NEWEST + "COMMIT;",
    "an insert called a delete": LOGGED + "UPDATE _rhei_cdc_log SET op = 'D' WHERE c1 = 9001;",
    "a forged insert": FORGED.format("I", 9001, 4),
    "a forged update": FORGED.format("U", 1, 77),
    "a forged delete": FORGED.format("D", 1, 1),
    "a forged insert beside a true one": LOGGED + FORGED.format("I", 9002, 4),
    "a forged delete beside a true change": LOGGED + FORGED.format("D", 1, 1),
}


@pytest.mark.parametrize("name", BESIDE_THE_LOG)
def test_a10_rows_that_the_log_does_not_tell(name, path, open_engine):
    engine = built(open_engine, path)
    for _ in range(2):
        shell(path, BESIDE_THE_LOG[name], check=False)
        for sql in ("SELECT count(*), sum(v), sum(id) FROM t", "SELECT count(*), sum(v) FROM t WHERE id < 5 OR id > 9000"):
            truth = shell(path, sql + ";").strip()
            assert "|".join(str(value) for value in engine.query(sql).rows[0]) == truth
        assert_mirror(engine, path)
        engine.execute("DELETE FROM t WHERE id > 9000")
    assert_mirror(engine, path)


@pytest.mark.parametrize("table", ["u(id INTEGER PRIMARY KEY, a UNIQUE, b)", "u(id INT, a INT, b, PRIMARY KEY(id, b), UNIQUE(a)) WITHOUT ROWID",
                                   "u(id INT, a INT UNIQUE, b)"])
@pytest.mark.parametrize("end", ["RAISE(IGNORE)", "RAISE(FAIL, 'no')"])
@pytest.mark.parametrize("update", ["UPDATE OR REPLACE u SET a = 0", "UPDATE OR REPLACE u SET a = 0, id = id + 10 WHERE id > 1"])
def test_c4_an_update_that_displaced_a_row_and_was_logged_by_nobody(table, end, update, path, open_engine):
    shell(path, f"CREATE TABLE {table}; INSERT INTO u VALUES (1, 0, 1), (2, 1, 1), (3, 2, 2);")
    engine = open_engine()
    engine.initial_sync()
    shell(path, f"CREATE TEMP TRIGGER x AFTER UPDATE ON u BEGIN SELECT {end}; END; {update};", check=False)
    truth = shell(path, "SELECT count(*), sum(id), sum(a), sum(b) FROM u;").strip()
    assert "|".join(str(value) for value in engine.query("SELECT count(*), sum(id), sum(a), sum(b) FROM u").rows[0]) == truth
    assert_mirror(engine, path)


def test_q1_who_demands_the_column_store_waits_for_a_table_that_is_built_again(path, open_engine):
    engine = built(open_engine, path)
    for round in range(1, 16):
        quiet(path, f"UPDATE t SET v = v + 1 WHERE id <= {round}")
        assert engine.olap("SELECT sum(v) FROM t").rows == [(4501500 + round * (round + 1) // 2,)]
        engine.initial_sync()
        shell(path, "BEGIN; UPDATE t SET v = v + 1; INSERT OR FAIL INTO t VALUES (9000, 1), (1, 1); ROLLBACK;", check=False)
        # taken back within a transaction that commits: its pages are written, and nothing changed
        shell(path, "CREATE TABLE IF NOT EXISTS o(a); BEGIN; INSERT INTO o VALUES (1); INSERT INTO t VALUES (9001, 1), (9002, 1), (1, 1); COMMIT;",
              check=False)
        assert engine.olap("SELECT count(*), max(id) FROM t").rows == [(3000, 3000)]


def test_c7_a_strict_table_whose_row_can_not_be_read(path, open_engine):
    shell(path, "CREATE TABLE s (id INTEGER PRIMARY KEY, a ANY, g INT AS (a * 2)) STRICT; INSERT INTO s(id, a) VALUES (1, 1);")
    engine = open_engine()
    engine.initial_sync()
    assert engine.olap("SELECT sum(g) FROM s").rows == [(2,)]
    shell(path, "INSERT INTO s(id, a) VALUES (2, 9223372036854775807);")
    for sql in ("SELECT sum(g) FROM s", "SELECT * FROM s", "SELECT id FROM s WHERE g > 5"):
        with pytest.raises(RheiError) as refused:
            engine.query(sql)
        assert "cannot store REAL value" in refused.value.message
