"""Another program's SQLite database, followed from the side: S1 to S5."""

import hashlib
import json
import os
import time

import pytest

import foreign
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError, exact_rows

LIMIT = 90  # seconds that anything may take to be seen


@pytest.fixture
def engine(spawn):
    return spawn()


def settings(folder, *tables, name="app", path="app.db", more="", engine="", detection=""):
    """A file of settings; tables are texts of keys."""
    text = f'[engine]\n{engine}\n[sidecar]\nname = "{name}"\nsource_path = "{folder / path}"\n{more}\n'
    text += f"[sidecar.delete_detection]\n{detection}\n" if detection else ""
    text += "".join(f"[[sidecar.tables]]\n{table}\n" for table in tables)
    (folder / "side.toml").write_text(text)
    return folder / "side.toml"


def open_on(engine, file, **config):
    engine.open(None, config_file=file, **config)
    return engine


def until(condition):
    """Waits until it is true; what is seen late is seen in the end."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.005)


def same(engine, source, table="t", **options):
    here = exact_rows(engine.query(f"SELECT * FROM app.{table}", **options).rows)
    return sorted(here) == sorted(exact_rows(source.execute(f"SELECT * FROM {table}").fetchall()))


def many(source, sql, rows):
    """In one transaction: a disk that is busy takes its time for each."""
    source.execute("BEGIN")
    source.executemany(sql, rows)
    source.execute("COMMIT")


def hash_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_s1_rows_arrive_whatever_their_timestamps(engine, tmp_path, journal):
    source = foreign.connect(tmp_path / "app.db")
    source.execute(f"PRAGMA journal_mode = {journal}")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, updated_at)")
    source.execute("CREATE INDEX by_time ON t (updated_at)")
    source.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
                   "INSERT INTO t SELECT i, 'row ' || i, 1700000000 + i / 10 FROM n")
    open_on(engine, settings(tmp_path))
    assert same(engine, source)
    for statement in (
            "UPDATE t SET a = 'edited', updated_at = 1700001000 WHERE id = 5",
            "UPDATE t SET a = 'second, same tick' WHERE id = 5",
            "UPDATE t SET a = 'equal', updated_at = 1700001000 WHERE id IN (3, 9)",
            "INSERT INTO t VALUES (1000, 'none', NULL)",
            "UPDATE t SET a = 'none still' WHERE id = 1000",
            "INSERT INTO t VALUES (1001, 'text', '2026-11-28 01:02:03'), (1002, 'real', 1700001000.25), (1003, 'blob', x'00')",
            "INSERT INTO t VALUES (1004, 'text', '2026-11-28T01:02:04Z')",
    ):
        source.execute(statement)
        until(lambda: same(engine, source))
    source.execute("INSERT INTO t VALUES (2000, 'long ago', 5)")  # no look by time finds these
    source.execute("UPDATE t SET a = 'in silence' WHERE id = 100")
    until(lambda: same(engine, source))
    assert same(engine, source, route="olap")
    until(lambda: same(engine, source, freshness="eventual"))


def test_s1_a_late_commit_with_an_older_timestamp_is_seen(engine, tmp_path):
    source, late = foreign.connect(tmp_path / "app.db"), foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    source.execute("INSERT INTO t VALUES (1, 'a', 100), (2, 'b', 100)")
    open_on(engine, settings(tmp_path))
    stamp = 200  # taken before its transaction begins
    source.execute("UPDATE t SET a = 'c', updated_at = 201 WHERE id = 1")
    assert same(engine, source)
    late.execute("UPDATE t SET a = 'd', updated_at = ? WHERE id = 2", (stamp,))
    until(lambda: same(engine, source))  # by the next look, if that comes within the overlap


def test_s1_a_clock_that_steps_costs_no_row(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    many(source, "INSERT INTO t VALUES (?, 0, ?)", [(i, 1_800_000_000 + i) for i in range(50)])
    open_on(engine, settings(tmp_path))
    assert same(engine, source)
    now = 1_800_000_100
    for round_, step in enumerate((0, -3600, 1, 200_000, -10**8, 0, 10**9, 0, -1)):
        many(source, "INSERT OR REPLACE INTO t VALUES (?, ?, ?)", [(round_ * 3 + i, round_ + 1, now + step) for i in range(10)])
        until(lambda: same(engine, source))


def test_s2_one_bad_table_costs_the_others_nothing(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)")
    source.execute("CREATE TABLE no_key (a, updated_at)")
    source.execute("CREATE TABLE no_time (id INTEGER PRIMARY KEY, a)")
    source.execute("CREATE TABLE null_key (k TEXT PRIMARY KEY, updated_at)")
    source.execute("CREATE VIEW v AS SELECT * FROM t")
    source.execute("INSERT INTO t VALUES (1, 1)")
    source.execute("INSERT INTO null_key VALUES ('a', 1)")
    tables = [f'table_name = "{name}"' for name in ("t", "no_key", "no_time", "null_key", "v", "absent")]
    tables[1] += '\nprimary_key = "a"'
    open_on(engine, settings(tmp_path, *tables))
    assert same(engine, source) and same(engine, source, "null_key")
    for table, reason in (("no_key", "unique index"), ("no_time", "updated_at"), ("v", "view"), ("absent", "no such table")):
        with pytest.raises(RheiError) as told:
            engine.query(f"SELECT * FROM app.{table}")
        assert told.value.name == "SQL" and f"app.{table}" in told.value.message and reason in told.value.message
    source.execute("INSERT INTO null_key VALUES (NULL, 2)")
    source.execute("INSERT INTO t VALUES (2, 2)")
    assert same(engine, source)

    def is_aside():
        told = {table["name"]: table for table in json.loads(engine.info())["sidecars"][0]["tables"]}
        return told["null_key"]["state"] == "unmirrored" and "NULL" in told["null_key"]["message"]

    until(is_aside)
    source.execute("INSERT INTO t VALUES (3, 3)")
    assert same(engine, source)
    source.execute("CREATE TABLE absent (id INTEGER PRIMARY KEY, updated_at)")
    source.execute("INSERT INTO absent VALUES (7, 7)")

    def is_there():
        try:
            return same(engine, source, "absent")
        except RheiError:
            return False

    until(is_there)


@pytest.mark.parametrize("form", ["time", "flag"])
def test_s3_soft_deletes_and_undeletes_reach_the_mirror(engine, tmp_path, form):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at INTEGER, gone)")
    source.execute("INSERT INTO t VALUES (1, 10, NULL), (2, 10, NULL), (3, 10, 1), (4, 10, 0)")
    open_on(engine, settings(tmp_path, detection='mode = "soft_delete"\ncolumn = "gone"'))

    def ids():
        return [row[0] for row in engine.query("SELECT id FROM app.t ORDER BY id").rows]

    assert ids() == [1, 2, 4]
    source.execute("UPDATE t SET gone = ? WHERE id = 1", (20 if form == "time" else 1,))  # updated_at as it was
    until(lambda: ids() == [2, 4])
    source.execute("UPDATE t SET gone = NULL WHERE id = 1")
    until(lambda: ids() == [1, 2, 4])
    source.execute("UPDATE t SET gone = 1, updated_at = 30 WHERE id = 2")
    until(lambda: ids() == [1, 4])


def test_s3_hard_deletes_reach_the_mirror_by_a_full_compare(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute('CREATE TABLE t ("a key" TEXT, n, v, updated_at INTEGER, PRIMARY KEY (n, "a key")) WITHOUT ROWID')
    many(source, "INSERT INTO t VALUES (?, ?, ?, ?)", [(f"k{i % 7}", [i, i + 0.5, f"n{i}", b"%d" % i][i % 4], i, i)
                                                             for i in range(1000)])
    open_on(engine, settings(tmp_path, detection='mode = "full_diff"\nevery_n_cycles = 2'))
    assert same(engine, source)
    source.execute("DELETE FROM t WHERE v % 3 = 0")
    source.execute("UPDATE t SET \"a key\" = 'moved', updated_at = 5000 WHERE v = 100")

    def seen():
        source.execute("INSERT INTO t VALUES ('more', (SELECT count(*) FROM t) + 10000, 1, 6000)")
        return same(engine, source)

    until(seen)


def test_s3_mode_snapshot_shows_every_commit_without_timestamps(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v)")
    many(source, "INSERT INTO t VALUES (?, ?)", [(f"k{i}", i) for i in range(500)])
    open_on(engine, settings(tmp_path, more='mode = "snapshot"'))
    assert same(engine, source)
    for statement in ("UPDATE t SET v = 'x' WHERE k = 'k7'", "DELETE FROM t WHERE k LIKE 'k1%'",
                      "INSERT INTO t VALUES ('new', 1.5)", "UPDATE t SET k = 'other' WHERE k = 'k2'", "DELETE FROM t"):
        source.execute(statement)
        assert same(engine, source)


def test_s4_values_are_kept_as_they_are_stored(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, r REAL, n NUMERIC, updated_at)")
    values = [None, 0, -1, 2**63 - 1, -2**63, 0.1 + 0.2, -0.0, 1e308, float("inf"), "", "text", "ä\0b", b"", b"\0\xff", "1", "1.0"]
    many(source, "INSERT INTO t VALUES (?, ?, ?, ?, 1)", [(i, v, v, v) for i, v in enumerate(values)])
    open_on(engine, settings(tmp_path))
    assert same(engine, source)
    many(source, "UPDATE t SET v = ?, updated_at = 2 WHERE id = ?", [(v, len(values) - 1 - i) for i, v in enumerate(values)])
    until(lambda: same(engine, source))


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_s5_the_source_is_never_made_or_changed(rh, journal):  # noqa: F811
    source = foreign.connect(rh.folder / "app.db")
    source.execute(f"PRAGMA journal_mode = {journal}")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at)")
    source.execute("INSERT INTO t VALUES (1, 2, 3), (4, 5, 6)")
    source.close()
    settings(rh.folder)
    (rh.folder / "app.db").chmod(0o444)
    before, names = hash_of(rh.folder / "app.db"), sorted(os.listdir(rh.folder))
    for route in ("oltp", "olap"):
        told = rh.run("query", "SELECT count(*), sum(a) FROM app.t", "--config", "side.toml", "--route", route, "--format", "csv")
        assert told.stdout.split() == ["count(*),sum(a)", "2,7"]
    for statement in ("INSERT INTO app.t VALUES (9, 9, 9)", "CREATE TABLE here (a)"):
        assert rh.run("exec", statement, "--config", "side.toml", code=1).stderr
    assert hash_of(rh.folder / "app.db") == before and sorted(os.listdir(rh.folder)) == names
    settings(rh.folder, path="absent.db")
    told = rh.run("query", "SELECT * FROM app.t", "--config", "side.toml", "--timeout", "200", code=1)
    assert "absent.db" in told.stderr and sorted(os.listdir(rh.folder)) == names


def test_tables_of_ones_own_take_from_a_sidecar_and_status_tells_of_it(rh):  # noqa: F811
    source = foreign.connect(rh.folder / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)")
    source.execute("CREATE TABLE bad (a)")
    source.execute("INSERT INTO t VALUES (1, 2), (4, 6)")
    settings(rh.folder, more="enable_local_oltp = true", engine='oltp_path = "own.db"')
    rh.run("exec", "CREATE TABLE own AS SELECT * FROM app.t", "--config", "side.toml")
    rh.run("exec", "INSERT INTO own SELECT id + 100, updated_at FROM app.t; DELETE FROM own WHERE id = 1", "--config", "side.toml")
    told = rh.run("query", "SELECT id FROM own ORDER BY id", "--config", "side.toml", "--format", "csv").stdout
    assert told.split() == ["id", "4", "101", "104"]
    told = rh.run("status", "--config", "side.toml").stdout
    assert "app.t" in told and "app.bad" in told and "it has no PRIMARY KEY" in told
    told = rh.run("sync", "--config", "side.toml").stdout
    assert "app.bad: it has no PRIMARY KEY" in told and "app.t" not in told
    (rh.folder / "app.db").unlink()
    sidecar = json.loads(rh.run("info", "--config", "side.toml", "--json").stdout)["sidecars"][0]
    assert sidecar["name"] == "app" and sidecar["mode"] == "poll" and sidecar["tables"] == []


def test_s5_a_source_that_is_away_is_told_and_met_again(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)")
    source.execute("INSERT INTO t VALUES (1, 1)")
    open_on(engine, settings(tmp_path, more="enable_local_oltp = true", engine=f'oltp_path = "{tmp_path / "own.db"}"'),
            busy_timeout_ms=2000)
    engine.execute("CREATE TABLE own (id INTEGER PRIMARY KEY, name)")
    engine.execute("INSERT INTO own VALUES (1, 'one')")
    engine.initial_sync()
    assert engine.query("SELECT name FROM app.t JOIN own USING (id)").rows == [("one",)]
    assert engine.olap("SELECT name FROM app.t JOIN own USING (id)").rows == [("one",)]
    source.close()
    (tmp_path / "app.db").rename(tmp_path / "away.db")
    with pytest.raises(RheiError) as told:
        engine.query("SELECT count(*) FROM app.t")
    assert told.value.name == "STALE" and 'source "app"' in told.value.message and "app.db" in told.value.message
    assert engine.query("SELECT count(*) FROM app.t", freshness="eventual").value == 1
    assert engine.query("SELECT count(*) FROM own").value == 1
    until(lambda: json.loads(engine.info())["sidecars"][0]["away"])
    other = foreign.connect(tmp_path / "app.db")  # another file under the name
    other.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)")
    other.execute("INSERT INTO t VALUES (1, 1), (2, 2)")

    def is_other():
        try:
            return engine.query("SELECT count(*) FROM app.t").value == 2
        except RheiError:
            return False

    until(is_other)


def test_s5_a_restored_file_is_noticed(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at)")
    source.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
    backup = foreign.connect(tmp_path / "backup.db")
    source.backup(backup)
    open_on(engine, settings(tmp_path))
    source.execute("INSERT INTO t VALUES (3, 3)")
    source.execute("DELETE FROM t WHERE id = 1")
    until(lambda: (3,) in engine.query("SELECT id FROM app.t").rows)
    backup.backup(source)
    until(lambda: same(engine, source))


def test_columns_that_come_and_go_at_the_source_are_followed(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at)")
    source.execute("INSERT INTO t VALUES (1, 'a', 1)")
    open_on(engine, settings(tmp_path))
    assert same(engine, source)

    def is_same():
        try:
            return same(engine, source)
        except RheiError:
            return False

    for statement in ("ALTER TABLE t ADD COLUMN b DEFAULT 'new'", "ALTER TABLE t RENAME COLUMN a TO c", "ALTER TABLE t DROP COLUMN c",
                      "DROP TABLE t", "CREATE TABLE t (id INTEGER PRIMARY KEY, z, updated_at)"):
        source.execute(statement)
        if statement.startswith("DROP TABLE"):
            continue
        source.execute("INSERT INTO t (updated_at) VALUES (5)")
        until(is_same)


def test_two_sidecars_are_two_schemas_with_two_positions(engine, tmp_path):
    for name in ("one", "two"):
        source = foreign.connect(tmp_path / f"{name}.db")
        source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name, updated_at)")
        source.execute("INSERT INTO t VALUES (1, ?, 1)", (name,))
    text = "".join(f'[[sidecar]]\nname = "{name}"\nsource_path = "{tmp_path / name}.db"\n' for name in ("one", "two"))
    (tmp_path / "side.toml").write_text(text)
    open_on(engine, tmp_path / "side.toml")
    sql = "SELECT one.t.name, two.t.name FROM one.t JOIN two.t USING (id)"
    assert engine.query(sql).rows == [("one", "two")]
    assert engine.olap(sql).rows == [("one", "two")]
    assert [sidecar["name"] for sidecar in json.loads(engine.info())["sidecars"]] == ["one", "two"]
    assert os.listdir(tmp_path) and not (tmp_path / "rhei.db").exists()


def test_a9_a_sidecar_keeps_the_history_of_its_rows(engine, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    source.execute("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1)")
    open_on(engine, settings(tmp_path, engine='sync_mode = "temporal"', detection='mode = "full_diff"\nevery_n_cycles = 1'))
    assert same(engine, source)
    loaded = engine.query("SELECT max(_rhei_valid_from) FROM app.t FOR SYSTEM_TIME ALL").value
    for statement in ("UPDATE t SET a = 'A', updated_at = 2 WHERE id = 1", "DELETE FROM t WHERE id = 2",
                      "INSERT INTO t VALUES (4, 'd', 3)", "UPDATE t SET a = 'AA', updated_at = 4 WHERE id = 1",
                      "UPDATE t SET updated_at = updated_at"):
        source.execute(statement)
        until(lambda: same(engine, source))
    for route in ("auto", "olap"):
        versions = engine.query("SELECT id, a FROM app.t_history WHERE _rhei_operation <> 'D'", route=route).rows
        assert sorted(versions) == [(1, "A"), (1, "AA"), (1, "a"), (2, "b"), (3, "c"), (4, "d")]
        was = engine.query("SELECT id, a FROM app.t FOR SYSTEM_TIME AS OF ? ORDER BY id", loaded, route=route).rows
        assert was == [(1, "a"), (2, "b"), (3, "c")]
    now = engine.query("SELECT id, a FROM t FOR SYSTEM_TIME AS OF ? ORDER BY id", int(time.time() * 1e6) + 10**9).rows
    assert now == [(1, "AA"), (3, "c"), (4, "d")]
    source.execute("ALTER TABLE t ADD COLUMN more DEFAULT 7")
    source.execute("INSERT INTO t VALUES (5, 'e', 5, 8)")

    def is_there():
        try:
            return same(engine, source)
        except RheiError:
            return False

    until(is_there)
    until(lambda: (5, "e", 8) in engine.query("SELECT id, a, more FROM app.t FOR SYSTEM_TIME ALL").rows)
    assert (2, "b", None) in engine.query("SELECT id, a, more FROM app.t FOR SYSTEM_TIME ALL").rows
    broken = engine.query("SELECT count(*) FROM app.t_history x JOIN app.t_history y USING (id) WHERE x._rhei_seq < y._rhei_seq "
                          "AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)").value
    assert broken == 0
    assert engine.query("SELECT id FROM app.t_history WHERE _rhei_operation = 'D'").rows == [(2,)]
    with pytest.raises(RheiError):
        engine.query("SELECT * FROM app.absent FOR SYSTEM_TIME ALL")
