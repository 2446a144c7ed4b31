"""Sidecars in olap_path: what was followed goes on after a restart, with its history, and nothing is lost or doubled (S2)."""

import json
import re
import subprocess

import pytest

import foreign
import test_sidecar_postgres as postgres
import test_sidecar_sqlite as sqlite
from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from test_bad_input import small_disk  # noqa: F401
from test_sidecar_postgres_history import Writer, versions_here

POINTS = ("checkpoint.begun", "checkpoint.segments", "checkpoint.encoded", "checkpoint.written", "checkpoint.swept", "sync.cycle.begun",
          "sync.cycle.batch", "sync.cycle.applied", "sync.cycle.published", "sync.build.loaded", "sync.build.attached", "sync.cycle.pruned")
ROCKSDB_POINTS = ("rocksdb.put.begun", "rocksdb.put.done", "rocksdb.manifest.begun", "rocksdb.manifest.done")
BY = pytest.mark.parametrize("by", ["olap_path", "watermark_path"])  # what keeps its rows and the position that they are of


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"track_commit_timestamp": "on"}) as made:
        yield made


def kept(engine, name="app"):
    return next(sidecar for sidecar in json.loads(engine.info())["sidecars"] if sidecar["name"] == name)["disk"]


def end(engine):
    engine.close()
    engine.kill()


def said(engine):
    return " ".join(text for _, _, text in engine.log)


def versions(engine):
    sql = "SELECT *, _rhei_operation, _rhei_valid_from, _rhei_valid_to FROM app.t_history"
    return sorted(map(repr, engine.query(sql).rows))


# ---- SQLite. ---------------------------------------------------------------------------------------------------------


def keeping(folder, by):
    """Of [engine], and of [sidecar]."""
    return (f'olap_path = "{folder / "mirror"}"\n', "") if by == "olap_path" else ("", f'watermark_path = "{folder / "rocks"}"\n')


def sqlite_settings(folder, mode, local, by="olap_path"):
    ours, its = keeping(folder, by)
    engine = f'sync_mode = "temporal"\n{ours}'
    more = f'mode = "{mode}"\n{its}'
    if local:
        engine += f'oltp_path = "{folder / "own.db"}"\n'
        more += "enable_local_oltp = true\n"
    return sqlite.settings(folder, engine=engine, more=more, detection='mode = "full_diff"\nevery_n_cycles = 1' if mode == "poll" else "")


@pytest.mark.parametrize("mode", ["poll", "snapshot"])
@pytest.mark.parametrize("local", [False, True])
@BY
def test_s2_a_restart_goes_on_where_it_was(spawn, tmp_path, mode, local, by):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    sqlite.many(source, "INSERT INTO t VALUES (?, ?, ?)", [(i, f"row {i}", 100 + i) for i in range(2000)])
    file = sqlite_settings(tmp_path, mode, local, by)
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)
    source.execute("UPDATE t SET a = 'second', updated_at = 5000 WHERE id = 7")
    sqlite.until(lambda: sqlite.same(engine, source))
    before = versions(engine)
    end(engine)
    source.execute("UPDATE t SET a = 'in silence' WHERE id = 9")  # nothing but a sweep finds these
    source.execute("DELETE FROM t WHERE id = 11")
    source.execute("INSERT INTO t VALUES (3000, 'new', 6000), (3001, 'long ago', 1)")
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)  # with the first look
    disk = kept(engine)
    assert disk["restored_tables"] == 1 and disk["message"] == "", disk
    after = versions(engine)
    ended = {line for line in before if "'row 9'" in line or "'row 11'" in line}
    assert len(ended) == 2 and set(before) - set(after) == ended  # they end, and all others are as they were
    assert {(row[0], row[1]) for row in engine.query("SELECT _rhei_operation, id FROM app.t_history WHERE id IN (9, 11, 3000, 3001)").rows} == {
        ("I", 9), ("U", 9), ("I", 11), ("D", 11), ("I", 3000), ("I", 3001)}
    source.execute("UPDATE t SET a = 'third', updated_at = 7000 WHERE id = 7")
    sqlite.until(lambda: sqlite.same(engine, source))
    end(engine)
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)
    assert [row[0] for row in engine.query("SELECT a FROM app.t_history WHERE id = 7 ORDER BY _rhei_seq").rows] == ["row 7", "second", "third"]


def test_s2_another_database_behind_the_name_is_loaded_anew_and_told(spawn, tmp_path):
    file = sqlite_settings(tmp_path, "poll", False)
    for round_ in range(2):
        (tmp_path / "app.db").unlink(missing_ok=True)
        source = foreign.connect(tmp_path / f"app{round_}.db")
        source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
        source.execute("INSERT INTO t VALUES (1, ?, 1), (?, 'only here', 1)", (f"of {round_}", 10 + round_))
        source.close()
        (tmp_path / f"app{round_}.db").rename(tmp_path / "app.db")
        source = foreign.connect(tmp_path / "app.db")
        engine = spawn()
        engine.open(None, config_file=file)
        assert sqlite.same(engine, source)
        assert kept(engine)["restored_tables"] == round_
        assert ("isn't the database that the folder has the state of" in said(engine)) == (round_ == 1)
        end(engine)


def test_s2_a_source_that_is_away_costs_the_folder_nothing(spawn, tmp_path):
    source = foreign.connect(tmp_path / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    source.execute("INSERT INTO t VALUES (1, 'a', 1)")
    file = sqlite_settings(tmp_path, "poll", True)
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)
    before = versions(engine)
    end(engine)
    (tmp_path / "app.db").rename(tmp_path / "away.db")
    engine = spawn()
    engine.open(None, config_file=file, busy_timeout_ms=100)
    engine.execute("CREATE TABLE IF NOT EXISTS own (id INTEGER PRIMARY KEY)")
    engine.initial_sync()
    engine.checkpoint()
    end(engine)
    (tmp_path / "away.db").rename(tmp_path / "app.db")
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source) and versions(engine) == before


def die_somewhere(chance, engine, by="olap_path"):
    """Kills it at a named step, or at any moment."""
    points = POINTS if by == "olap_path" else POINTS + ROCKSDB_POINTS
    try:
        if chance.random() < 0.7:
            engine.faults(die_point=chance.choice(points), die_at=chance.choice([1, 1, 2, 5]))
            engine.process.wait(chance.random() * 1.5)
    except Exception:  # it lives: the step wasn't reached in that time, or the command found it dead
        pass
    engine.kill()


@pytest.mark.parametrize("mode", ["poll", "snapshot"])
@BY
def test_s2_kills_lose_and_double_nothing(spawn, tmp_path, rng, mode, by):
    chance = rng
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    sqlite.many(source, "INSERT INTO t VALUES (?, ?, ?)", [(i, 0, i) for i in range(500)])
    file = sqlite_settings(tmp_path, mode, chance.random() < 0.5, by)

    def change():
        for _ in range(20):
            key = chance.randrange(600)
            source.execute(chance.choice(("INSERT OR REPLACE INTO t VALUES (?1, ?2, ?2)", "UPDATE t SET a = ?2 WHERE id = ?1",
                                          "DELETE FROM t WHERE id = ?1 AND ?2 >= 0")), (key, chance.randrange(10**6)))

    for _ in range(8):
        engine = spawn()
        engine.open(None, config_file=file, checkpoint_interval_ms=50)
        assert sqlite.same(engine, source)
        now = engine.query("SELECT count(*) FROM app.t FOR SYSTEM_TIME AS OF '2100-01-01'").value
        assert now == source.execute("SELECT count(*) FROM t").fetchone()[0]
        broken = engine.query("SELECT count(*) FROM app.t_history x JOIN app.t_history y USING (id) WHERE x._rhei_seq < y._rhei_seq "
                              "AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)").value
        assert broken == 0
        change()
        die_somewhere(chance, engine, by)
        change()


# ---- PostgreSQL. -----------------------------------------------------------------------------------------------------


def postgres_settings(folder, server, more='slot = "rhei_app"', by="olap_path"):
    ours, its = keeping(folder, by)
    file = postgres.settings(folder, server, its + more)
    file.write_text(f'[engine]\nsync_mode = "temporal"\n{ours}' + file.read_text())
    return file


def open_postgres(spawn, file, **config):
    engine = spawn()
    engine.open(None, config_file=file, **config)
    return engine


def until_there(engine):
    postgres.until_fresh(lambda: engine.query("SELECT count(*) FROM app.t").value >= 0)


def begin(spawn, server, tmp_path, seed, by="olap_path", **config):
    """A writer with its first rows in the folder."""
    writer = Writer(seed, server, True)
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY FULL")
    for key in range(20):
        writer.rows[key] = (key, writer.big())
        server.sql(f"INSERT INTO t VALUES ({key}, {key}, '{writer.rows[key][1]}')")
    file = postgres_settings(tmp_path, server, by=by)
    engine = open_postgres(spawn, file, **config)
    assert engine.query("SELECT count(*) FROM app.t").value == 20
    loaded = engine.query("SELECT max(_rhei_valid_from) FROM app.t_history").value
    for key, row in writer.rows.items():
        writer.model.put(key, *row, loaded, True)
    engine.checkpoint()
    return writer, file, engine


@BY
def test_s2_kills_cost_a_history_of_postgresql_no_version(spawn, server, tmp_path, rng, by):
    chance = rng
    writer, file, engine = begin(spawn, server, tmp_path, 3, by, checkpoint_interval_ms=100)
    for round_ in range(8):
        for _ in range(chance.randrange(4)):
            writer.transaction()
        if chance.random() < 0.3:
            engine.query("SELECT count(*) FROM app.t")
        die_somewhere(chance, engine, by)
        for _ in range(chance.randrange(3)):
            writer.transaction()
        engine = open_postgres(spawn, file, checkpoint_interval_ms=100)
        until_there(engine)
        assert versions_here(engine) == writer.model.versions(), round_
        assert kept(engine)["restored_tables"] == 1
        confirmed = int(server.sql("SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots"))
        assert confirmed <= kept(engine)["position"]  # never more than is in the folder
    end(engine)


def test_s2_the_slot_lets_go_of_what_is_in_the_folder(spawn, server, tmp_path):
    writer, file, engine = begin(spawn, server, tmp_path, 4, checkpoint_interval_ms=100)
    before = server.sql("SELECT pg_current_wal_lsn()").strip()
    server.sql("CREATE TABLE other (a int); INSERT INTO other SELECT generate_series(1, 1000)")  # of tables that nobody follows, too
    for _ in range(3):
        writer.transaction()
    sqlite.until(lambda: server.sql(f"SELECT confirmed_flush_lsn > '{before}' FROM pg_replication_slots").strip() == "t")
    end(engine)


def test_s2_changes_of_the_schema_while_nobody_looked(spawn, server, tmp_path):
    writer, file, engine = begin(spawn, server, tmp_path, 5)
    for statement in ("TRUNCATE t; INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b')",
                      "ALTER TABLE t ADD COLUMN more int DEFAULT 7; UPDATE t SET n = 8 WHERE id = 1",
                      "ALTER TABLE t ALTER n TYPE bigint USING n * 10; INSERT INTO t VALUES (3, 3, 'c')", "UPDATE t SET n = n + 1",
                      "ALTER TABLE t ALTER n TYPE bigint USING n + 1",  # rows that are another's now, and no shape tells
                      "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER PUBLICATION rhei ADD TABLE t;"
                      "INSERT INTO t VALUES (9, 9, 'other')"):
        count = engine.query("SELECT count(*) FROM app.t_history").value
        end(engine)
        server.sql(statement)
        engine = open_postgres(spawn, file)
        there = postgres.rows_there(server, "SELECT * FROM t")
        postgres.until_fresh(lambda: postgres.rows_here(engine, "SELECT * FROM app.t") == there)
        assert engine.query("SELECT count(*) FROM app.t_history").value > count, statement
    end(engine)


def test_s2_a_slot_that_went_further_costs_a_load_and_no_history(spawn, server, tmp_path):
    writer, file, engine = begin(spawn, server, tmp_path, 6)
    before = engine.query("SELECT count(*) FROM app.t_history").value
    end(engine)
    server.sql("UPDATE t SET n = 100 WHERE id < 5")
    sqlite.until(lambda: server.sql("SELECT active FROM pg_replication_slots").strip() == "f")
    server.sql("SELECT pg_replication_slot_advance('rhei_app', pg_current_wal_lsn())")
    server.sql("UPDATE t SET n = 200 WHERE id = 7")
    engine = open_postgres(spawn, file)
    there = postgres.rows_there(server, "SELECT id, n FROM t")
    postgres.until_fresh(lambda: postgres.rows_here(engine, "SELECT id, n FROM app.t") == there)
    assert engine.query("SELECT count(*) FROM app.t_history").value == before + 6
    assert "hasn't the changes any more" in said(engine)
    end(engine)


def test_s2_another_server_behind_the_name_is_loaded_anew(spawn, server, tmp_path):
    writer, file, engine = begin(spawn, server, tmp_path, 7)
    for _ in range(30):
        writer.transaction()
    end(engine)
    with PostgresServer(server.version) as other:  # whose positions are lower
        other.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); INSERT INTO t VALUES (1, 1, 'there')")
        text = file.read_text().replace(f"port={server.port}", f"port={other.port}")
        file.write_text(text)
        engine = open_postgres(spawn, file)
        postgres.until_fresh(lambda: engine.query("SELECT id, n, big FROM app.t").rows == [(1, 1, "there")])
        other.sql("UPDATE t SET n = 2; INSERT INTO t VALUES (2, 2, 'more')")
        assert sorted(engine.query("SELECT id, n, big FROM app.t").rows) == [(1, 2, "there"), (2, 2, "more")]
        end(engine)
        engine = open_postgres(spawn, file)
        assert sorted(engine.query("SELECT id, n, big FROM app.t").rows) == [(1, 2, "there"), (2, 2, "more")]
        assert kept(engine)["restored_tables"] == 1
        end(engine)


def test_s2_without_a_slot_tables_are_loaded_and_histories_go_on(spawn, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)")
    file = postgres_settings(tmp_path, server, "")
    engine = open_postgres(spawn, file)
    assert engine.query("SELECT count(*) FROM app.t").value == 2
    server.sql("UPDATE t SET n = 10 WHERE id = 1")
    assert engine.query("SELECT sum(n) FROM app.t").value == 12
    end(engine)
    server.sql("UPDATE t SET n = 20 WHERE id = 2")
    engine = open_postgres(spawn, file)
    assert engine.query("SELECT sum(n) FROM app.t").value == 30
    assert sorted(engine.query("SELECT id, n FROM app.t_history").rows) == [(1, 1), (1, 10), (2, 2), (2, 20)]
    end(engine)


# ---- Commands. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", [False, True])
@BY
def test_a9_commands_go_on_with_one_history(rh, spawn, local, by):  # noqa: F811
    source = foreign.connect(rh.folder / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    source.execute("INSERT INTO t VALUES (1, 'first', 1)")
    file = sqlite_settings(rh.folder, "poll", local, by)
    if local:
        rh.run("exec", "CREATE TABLE own (id INTEGER PRIMARY KEY)", "--config", file, "--capture")
    rh.run("sync", "--config", file)
    source.execute("UPDATE t SET a = 'second', updated_at = 2")
    rh.run("sync", "--config", file)
    source.execute("UPDATE t SET a = 'third', updated_at = 3")
    sql = "SELECT a, _rhei_valid_from FROM app.t_history ORDER BY _rhei_seq"
    told = [line.split(",") for line in rh.run("query", sql, "--config", file, "--format", "csv", "--no-header").stdout.split()]
    assert [a for a, _ in told] == ["first", "second", "third"]
    for a, since in told:
        done = rh.run("query", "SELECT a FROM app.t", "--as-of", since, "--config", file, "--format", "csv", "--no-header")
        assert done.stdout.split() == [a]
    engine = spawn()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)
    done = rh.run("query", sql, "--config", file, code=None)  # the engine has the folder
    assert done.returncode != 0 and "folder" in done.stderr and "first" not in done.stdout
    assert "third" in rh.run("query", "SELECT a FROM app.t", "--config", file).stdout


def test_s2_a_watermark_path_that_cant_be_right_is_refused(rh):  # noqa: F811
    source = foreign.connect(rh.folder / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    file = sqlite_settings(rh.folder, "poll", False, "watermark_path")
    rh.run("sync", "--config", file)
    file.write_text(file.read_text().replace('name = "app"', 'name = "other"'))
    done = rh.run("query", "SELECT 1 FROM other.t", "--config", file, code=1)
    assert "watermark_path: the folder" in done.stderr and 'is that of sidecar "app": name another one' in done.stderr
    (rh.folder / "full").mkdir()
    (rh.folder / "full" / "letter.txt").write_text("dear")
    file.write_text(file.read_text().replace(str(rh.folder / "rocks"), str(rh.folder / "full")))
    done = rh.run("query", "SELECT 1 FROM other.t", "--config", file, code=1)
    assert "watermark_path: the folder" in done.stderr and "has other things in it" in done.stderr
    assert [entry.name for entry in (rh.folder / "full").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("between", [["status"], ["info", "--json"], ["query", "SELECT 1 FROM app.nobody"], ["verify"]])
@pytest.mark.parametrize("mode", ["poll", "snapshot"])
def test_a9_commands_that_look_at_nothing_leave_the_folder_whole(rh, mode, between):  # noqa: F811
    """They close behind their first look; what they write is gone on from as a state of this database, and no file of it is taken for damaged."""
    source = foreign.connect(rh.folder / "app.db")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, updated_at INTEGER)")
    source.execute("INSERT INTO t VALUES (1, 0, 1)")
    file = sqlite_settings(rh.folder, mode, False)
    for a in range(1, 7):
        assert "damaged" not in rh.run("query", "SELECT a FROM app.t", "--config", file).stderr
        assert "damaged" not in rh.run(*between, "--config", file, code=None).stderr
        disk = json.loads(rh.run("info", "--json", "--config", file).stdout)["sidecars"][0]["disk"]
        assert disk["restored_tables"] == 1, disk
        source.execute("UPDATE t SET a = ?, updated_at = ?", (a, a + 1))
    done = rh.run("query", "SELECT a FROM app.t_history ORDER BY _rhei_seq", "--config", file, "--format", "csv", "--no-header")
    assert done.stdout.split() == [str(a) for a in range(7)] and "damaged" not in done.stderr
    assert not list((rh.folder / "mirror" / "sidecar-app").glob("x-*")), "something was set aside"


def test_s2_a_polled_server_goes_on_too(spawn, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, updated_at timestamptz DEFAULT clock_timestamp());"
               "INSERT INTO t SELECT i, i FROM generate_series(1, 2000) i")
    (tmp_path / "side.toml").write_text(f'[engine]\nsync_mode = "temporal"\nolap_path = "{tmp_path / "mirror"}"\n[sidecar]\nname = "app"\n'
                                        f'source_type = "postgres"\nmode = "poll"\nsource_path = "{server.conninfo}"\n')
    engine = open_postgres(spawn, tmp_path / "side.toml")
    assert engine.query("SELECT count(*) FROM app.t").value == 2000
    end(engine)
    server.sql("UPDATE t SET n = -1 WHERE id = 5; DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (3000, 1, '2001-01-01')")
    engine = open_postgres(spawn, tmp_path / "side.toml")
    assert postgres.rows_here(engine, "SELECT id, n FROM app.t") == postgres.rows_there(server, "SELECT id, n FROM t")
    assert kept(engine)["restored_tables"] == 1
    assert sorted(engine.query("SELECT id, _rhei_operation FROM app.t_history WHERE id IN (5, 7, 3000)").rows) == [
        (5, "I"), (5, "U"), (7, "D"), (7, "I"), (3000, "I")]
    end(engine)


# ---- A full disk. -----------------------------------------------------------------------------------------------------


@BY
def test_s2_a_full_disk_costs_a_sidecar_its_newest_checkpoint_alone(spawn, small_disk, tmp_path, by):  # noqa: F811
    disk, wrapper = small_disk
    source = foreign.connect(tmp_path / "app.db")
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    source.execute("INSERT INTO t VALUES (0, 'first')")
    ours, its = keeping(disk, by)
    file = sqlite.settings(tmp_path, engine=f"{ours}checkpoint_interval_ms = 50", more=f'mode = "snapshot"\n{its}')
    engine = spawn(wrapper=[word.replace("size=3m", "size=8m") for word in wrapper])
    engine.open(None, config_file=file)
    sqlite.until(lambda: sqlite.same(engine, source))
    sqlite.until(lambda: kept(engine)["position"] >= 0)
    # noise, so that it is as big on the disk
    source.execute("INSERT INTO t SELECT x, hex(randomblob(200)) FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 60000) SELECT x FROM c)")
    sqlite.until(lambda: kept(engine)["message"] != "")
    assert re.search("FULL|[Ss]pace|full", kept(engine)["message"]), kept(engine)
    assert sqlite.same(engine, source)
    source.execute("INSERT INTO t VALUES (-1, 'followed all the same')")
    assert sqlite.same(engine, source)
    subprocess.run(["nsenter", f"--target={engine.pid}", "--mount", "mount", "-o", "remount,size=200m", str(disk)], check=True)
    source.execute("INSERT INTO t VALUES (-2, 'with room again')")
    assert sqlite.same(engine, source)
    sqlite.until(lambda: kept(engine)["message"] == "" and kept(engine)["bytes"] > 1 << 20)
    engine.ok("checkpoint")
    engine.close()
    engine.open(None, config_file=file)
    assert sqlite.same(engine, source)
    assert kept(engine)["restored_tables"] == 1
