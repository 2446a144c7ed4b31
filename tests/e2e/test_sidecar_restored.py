"""A PostgreSQL server that was started anew: as it was, restored to an older copy, or a standby that was promoted (S2)."""

import shutil
import signal
import subprocess
import time

import pytest

from postgres_server import LIMIT as SERVER_LIMIT
from postgres_server import PostgresServer
from rhei_engine import RheiError

LIMIT = 90  # seconds that anything may take to be seen

TABLE = "CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5) n"
LOGICAL = 'mode = "logical"\nslot = "rhei_app"'
POLL = 'mode = "poll"\n[sidecar.delete_detection]\nmode = "disabled"'


def settings(folder, server, mode=LOGICAL, kept=True, conninfo=None):
    text = f'[engine]\nolap_path = "{folder}/olap"\n' if kept else ""
    text += f'[sidecar]\nname = "app"\nsource_type = "postgres"\nsource_path = "{conninfo or server.conninfo}"\n{mode}\n'
    (folder / "side.toml").write_text(text)
    return folder / "side.toml"


def rows_here(engine):
    return sorted([str(value) for value in row] for row in engine.query("SELECT id, a FROM app.t", timeout_ms=5000).rows)


def rows_there(server):
    return sorted(line.split("\t") for line in server.sql("SELECT id, a FROM t").splitlines())


def until_same(engine, server):
    """A source that is away is RHEI_STALE in the end, and so is one that is being loaded; it comes back."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            here = rows_here(engine)
        except RheiError as error:
            here = error
        if here == rows_there(server):
            return
        assert time.monotonic() < end, (here, rows_there(server), engine.log)


def copy_folder(source, target):
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)  # whose it is, too


def loads(server):
    return (server.folder / "log").read_text().count("COPY (SELECT")


def told(engine, words):
    return [line for line in engine.log if words in str(line)]


def keep_copy(server):
    server.stop()
    copy_folder(server.data, server.folder / "older")
    server.start()


def put_back(server, statements):
    """The older copy, with other statements than the ones that were seen, under the same address in the end."""
    port = server.port
    server.stop()
    shutil.rmtree(server.data)
    copy_folder(server.folder / "older", server.data)
    server.port = None  # where nobody follows it
    server.start()
    before = server.sql("SELECT pg_current_wal_insert_lsn()")
    server.sql(statements)
    server.stop()
    server.port = port
    server.start()
    return before


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("mode", [LOGICAL, POLL], ids=["logical", "poll"])
@pytest.mark.parametrize("kept", [True, False])
def test_s2_a_server_restored_to_an_older_copy_is_noticed_by_who_stays_open(spawn, tmp_path, version, mode, kept):
    with PostgresServer(version) as server:
        server.sql(TABLE)
        engine = spawn()
        engine.open(None, config_file=settings(tmp_path, server, mode, kept))
        until_same(engine, server)
        keep_copy(server)
        server.sql("INSERT INTO t SELECT n, 'of the history that goes' FROM generate_series(100, 400) n; UPDATE t SET a = 'edited' WHERE id = 3")
        if mode == LOGICAL:  # a poll that is told to look for no deletes sees one only by the comparison behind a restart
            server.sql("DELETE FROM t WHERE id = 2")
        until_same(engine, server)
        seen = server.sql("SELECT pg_current_wal_insert_lsn()").strip()
        # far beyond what was seen, and about the same rows
        put_back(server, "INSERT INTO t SELECT n, repeat('of the history that comes', 20) FROM generate_series(300, 3000) n; DELETE FROM t WHERE id > 350; DELETE FROM t WHERE id = 4")
        assert server.sql(f"SELECT pg_current_wal_lsn() > '{seen}'") == "t\n"
        until_same(engine, server)
        server.sql("UPDATE t SET a = 'on and on', updated_at = now() WHERE id = 1; INSERT INTO t VALUES (9, 'more')")
        until_same(engine, server)
        if mode == LOGICAL:
            assert told(engine, "restored to an older state"), engine.log


@pytest.mark.parametrize("version", [15, 18])
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_s2_a_server_that_was_started_anew_costs_no_load(spawn, tmp_path, version, how):
    ends = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
    with PostgresServer(version, {"log_statement": "all"}) as server:
        def start_anew():
            server.end((ends[how], SERVER_LIMIT))
            server.start()

        server.sql(TABLE)
        config = settings(tmp_path, server)
        engine = spawn()
        engine.open(None, config_file=config)
        until_same(engine, server)
        loaded = loads(server)
        number = 10
        for closed in (False, True, False, True):
            for statement in ("INSERT INTO t VALUES ({0}, 'told')", "UPDATE t SET a = 'told {0}' WHERE id = 1",
                              "CREATE TABLE other{0} (a int)"):
                number += 1
                server.sql(statement.format(number))
            until_same(engine, server)
            if closed:
                engine.close()
            start_anew()
            server.sql(f"INSERT INTO t VALUES ({number + 1000}, 'behind it')")
            if closed:
                engine = spawn()
                engine.open(None, config_file=config)
            until_same(engine, server)
            assert loads(server) == loaded, engine.log
        # killed with what the folder hasn't got
        server.sql("INSERT INTO t VALUES (5000, 'in no checkpoint')")
        until_same(engine, server)
        engine.kill()
        start_anew()
        engine = spawn()
        engine.open(None, config_file=config)
        until_same(engine, server)
        assert loads(server) == loaded, engine.log


def test_s2_a_copy_that_parted_where_nothing_was_seen_is_gone_on_with(spawn, tmp_path):
    """Behind the last change that was seen nothing was missed, whatever history it is."""
    with PostgresServer(15, {"log_statement": "all"}) as server:
        server.sql(TABLE)
        engine = spawn()
        engine.open(None, config_file=settings(tmp_path, server))
        until_same(engine, server)
        server.sql("INSERT INTO t VALUES (50, 'the last that was seen')")
        until_same(engine, server)
        keep_copy(server)
        server.sql("CREATE TABLE nobody AS SELECT n FROM generate_series(1, 1000) n")  # which is no change of a table that is followed
        until_same(engine, server)
        loaded = loads(server)
        put_back(server, "CREATE TABLE somebody AS SELECT n FROM generate_series(1, 100000) n; INSERT INTO t VALUES (51, 'new')")
        until_same(engine, server)
        assert loads(server) == loaded, engine.log


# ---- A standby that is promoted. -----------------------------------------------------------------------------------


def make_standby(first, second, more):
    """`second` follows `first`, and may be asked for in its place."""
    first.sql("SELECT pg_create_physical_replication_slot('standby')")
    first.stop()
    second.stop()
    shutil.rmtree(second.data)
    copy_folder(first.data, second.data)
    second.settings.update({"primary_conninfo": first.conninfo, "primary_slot_name": "standby", "hot_standby_feedback": "on", **more})
    second.write("standby.signal", "")
    first.start()
    second.start()
    return f"host=127.0.0.1,127.0.0.1 port={first.port},{second.port} user=postgres dbname=postgres target_session_attrs=primary"


def wait_until(server, question):
    end = time.monotonic() + LIMIT
    while server.sql(question) != "t\n":
        assert time.monotonic() < end, (question, server.log_text())


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("behind", [False, True])
def test_s2_a_promoted_standby_that_has_the_slot_is_gone_on_with_unless_it_lost_changes(spawn, tmp_path, kept, behind):
    with PostgresServer(18) as first, PostgresServer(18, {"log_statement": "all"}) as second:
        first.sql(TABLE)
        conninfo = make_standby(first, second, {"sync_replication_slots": "on"})
        config = settings(tmp_path, first, LOGICAL, kept, conninfo)
        if kept:
            config.write_text(config.read_text().replace("[engine]\n", "[engine]\ncheckpoint_interval_ms = 100\n"))
        engine = spawn()
        engine.open(None, config_file=config)
        until_same(engine, first)
        end = time.monotonic() + LIMIT
        number = 100
        while second.sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'rhei_app' AND synced AND NOT temporary") != "1\n":
            assert time.monotonic() < end, second.log_text()
            number += 1
            first.sql(f"INSERT INTO t VALUES ({number}, 'what moves the slot')")
            until_same(engine, first)
        first.sql("INSERT INTO t VALUES (9000, 'seen on both')")
        until_same(engine, first)
        position = first.sql("SELECT pg_current_wal_flush_lsn()").strip()
        wait_until(second, f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
        if behind:
            second.stop()
            first.sql("INSERT INTO t VALUES (9001, 'seen on the first alone'); DELETE FROM t WHERE id = 1")
            until_same(engine, first)
        first.kill()
        if behind:
            second.start()
        second.sql("SELECT pg_promote()")
        loaded = loads(second)
        second.sql("CREATE TABLE more AS SELECT n FROM generate_series(1, 100000) n; INSERT INTO t VALUES (9002, 'on its own')")
        until_same(engine, second)
        if behind:
            assert told(engine, "as one that was restored"), engine.log
        else:
            assert loads(second) == loaded, engine.log


@pytest.mark.parametrize("version", [15, 18])
def test_s2_a_promoted_standby_without_the_slot_is_loaded_and_said(spawn, tmp_path, version):
    with PostgresServer(version) as first, PostgresServer(version) as second:
        first.sql(TABLE)
        conninfo = make_standby(first, second, {})
        engine = spawn()
        engine.open(None, config_file=settings(tmp_path, first, conninfo=conninfo))
        until_same(engine, first)
        position = first.sql("SELECT pg_current_wal_flush_lsn()").strip()
        wait_until(second, f"SELECT pg_last_wal_replay_lsn() >= '{position}'")
        first.kill()
        second.sql("SELECT pg_promote()")
        second.sql("INSERT INTO t VALUES (9, 'on its own'); DELETE FROM t WHERE id = 1")
        until_same(engine, second)
        assert told(engine, "the slot was gone, as on a standby"), engine.log
