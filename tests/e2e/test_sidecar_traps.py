"""S1, S2, S5: what an ordinary PostgreSQL server does to those who follow it: each trap, and cuts and kills in loops beside pgbench."""

import json
import subprocess
import time
from types import SimpleNamespace

import pytest

from postgres_server import DEBIAN, PostgresServer
from rhei_engine import RheiError
from tcp_proxy import TcpProxy
from test_sidecar_postgres import rows_here, rows_there, settings, until_seen
from test_sidecar_postgres_poll import Session

LIMIT = 60  # seconds that anything may take to be seen
SLOT = 'slot = "rhei_app"'


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        yield made


@pytest.fixture
def engine(spawn):
    return spawn()


def until(condition):
    until_seen(condition, LIMIT)


def same(engine, server, table="t", columns="id, n"):
    return rows_here(engine, f"SELECT {columns} FROM app.{table}") == rows_there(server, f"SELECT {columns} FROM {table}")


def refusal(engine, sql):
    """What it is refused with; "": it isn't."""
    try:
        engine.query(sql)
        return ""
    except RheiError as error:
        return error.message


def test_s1_a_table_that_somebody_locks_costs_the_others_nothing(engine, server, tmp_path):
    """VACUUM FULL, an ALTER or a TRUNCATE that isn't over: the catalogue is read beside it."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0); CREATE TABLE u (id int PRIMARY KEY, n int);"
               "CREATE TABLE p (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;"
               "CREATE PUBLICATION rhei FOR ALL TABLES")
    engine.open(None, config_file=settings(tmp_path, server))
    assert same(engine, server)
    for held in ("LOCK TABLE u", "LOCK TABLE p", "ALTER TABLE u ADD COLUMN more int", "TRUNCATE u, p", "DROP TABLE p1"):
        with Session(SimpleNamespace(server=server, name="postgres")) as owner:
            server.sql("TRUNCATE u")  # what was told of is waited for, and the lock is somebody else's by then
            owner.run(f"BEGIN; {held}")
            for _ in range(2):
                server.sql("UPDATE t SET n = n + 1; CREATE TABLE more (id int PRIMARY KEY); DROP TABLE more")
                assert rows_here(engine, "SELECT id, n FROM app.t", timeout=2000) == rows_there(server, "SELECT id, n FROM t"), held
                time.sleep(1.1)  # another look at the catalogue is due
            owner.run("ROLLBACK")


@pytest.mark.parametrize("slot", ["", SLOT])
def test_s2_a_publication_that_is_dropped_while_running_and_made_again(engine, server, tmp_path, slot):
    """15 ends the stream, 18 leaves the changes out in silence."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) n")
    engine.open(None, config_file=settings(tmp_path, server, slot), busy_timeout_ms=2000)
    assert same(engine, server)
    server.sql("DROP PUBLICATION rhei")
    server.sql("UPDATE t SET n = 1; DELETE FROM t WHERE id = 3")
    until(lambda: "publication" in refusal(engine, "SELECT count(*) FROM app.t"))
    server.sql("INSERT INTO t VALUES (100, 5)")
    server.sql("CREATE PUBLICATION rhei FOR TABLE t; UPDATE t SET n = n + 1 WHERE id = 5")
    until(lambda: same(engine, server))
    server.sql("UPDATE t SET n = n + 1; INSERT INTO t VALUES (101, 6)")
    until(lambda: same(engine, server))


def test_s1_a_publication_that_is_dropped_and_made_again_between_two_looks(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) n")
    engine.open(None, config_file=settings(tmp_path, server, SLOT), busy_timeout_ms=2000)
    assert same(engine, server)
    for _ in range(3):
        server.sql("DROP PUBLICATION rhei; UPDATE t SET n = n + 1; CREATE PUBLICATION rhei FOR TABLE t")
        server.sql("UPDATE t SET n = n + 10 WHERE id = 1")
        until(lambda: same(engine, server))


def test_s1_partitions_truncated_attached_and_detached_in_silence(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
               "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (200);"
               "INSERT INTO t SELECT n, 0 FROM generate_series(0, 199) n;"
               "CREATE TABLE t3 (id int PRIMARY KEY, n int); INSERT INTO t3 VALUES (250, 1)")
    engine.open(None, config_file=settings(tmp_path, server, SLOT, tables=("t",)))
    assert same(engine, server)
    for statement in ("TRUNCATE t1", "ALTER TABLE t ATTACH PARTITION t3 FOR VALUES FROM (200) TO (300)", "ALTER TABLE t DETACH PARTITION t2",
                      "UPDATE t2 SET n = 9", "INSERT INTO t VALUES (260, 2)", "DROP TABLE t3", "INSERT INTO t VALUES (5, 5)"):
        server.sql(statement)
        until(lambda: same(engine, server))


def test_s1_partitions_published_through_their_root_are_refused_by_name(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t DEFAULT;"
               "CREATE TABLE other (id int PRIMARY KEY, n int); INSERT INTO other VALUES (1, 2);"
               "CREATE PUBLICATION rhei FOR TABLE t, other WITH (publish_via_partition_root)")
    engine.open(None, config_file=settings(tmp_path, server))
    assert same(engine, server, "other")
    with pytest.raises(RheiError, match="publish_via_partition_root"):
        engine.query("SELECT * FROM app.t")


def test_s1_row_level_security_that_comes_while_running(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2); CREATE ROLE rhei LOGIN REPLICATION;"
               "GRANT SELECT ON t TO rhei; CREATE PUBLICATION rhei FOR TABLE t")
    file = settings(tmp_path, server)
    file.write_text(file.read_text().replace("user=postgres", "user=rhei"))
    engine.open(None, config_file=file)
    assert same(engine, server)
    server.sql("ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (n = 1)")

    def hidden():
        try:
            return engine.query("SELECT count(*) FROM app.t").rows not in ([(2,)], [(1,)])
        except RheiError as error:
            return "row level security" in error.message
    until(hidden)
    server.sql("ALTER ROLE rhei BYPASSRLS")
    until(lambda: same(engine, server))


def test_s4_the_settings_of_role_database_and_server_change_no_value(engine, server, tmp_path):
    server.sql("CREATE SCHEMA elsewhere; CREATE TYPE elsewhere.mood AS ENUM ('calm', 'it''s');"
               "CREATE TABLE t (id int PRIMARY KEY, d date, ts timestamptz, i interval, b bytea, f float8, r float4, m elsewhere.mood, a text[], tr tsrange, s text)")
    values = ("'2026-03-02', '2026-03-02 12:00:00.25+05', '1 year 2 days 03:04:05', '\\x00ff5c', 0.1::float8 + 0.2::float8, 0.1, 'it''s',"
              " ARRAY['a\\b', 'c\"d', NULL], '[2026-01-02 03:04:05,)', 'back\\slash'")
    server.sql(f"INSERT INTO t VALUES (1, {values})")
    plain = engine
    plain.open(None, config_file=settings(tmp_path, server))
    right = plain.query("SELECT d, ts, i, b, f, r, m, a, tr, s FROM app.t").rows[0]
    assert right[0] == "2026-03-02" and right[1].startswith("2026-03-02 07:00:00.25") and right[4] == 0.30000000000000004 and right[3] == b"\x00\xff\\"
    for setting in ("datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", "intervalstyle = 'sql_standard'", "bytea_output = 'escape'", "extra_float_digits = -15",
                    "search_path = elsewhere", "standard_conforming_strings = off", "default_transaction_read_only = off", "statement_timeout = '60s'",
                    "default_transaction_isolation = 'serializable'", "synchronous_commit = off", "lc_monetary = 'C'"):
        server.sql(f"ALTER ROLE postgres SET {setting}; ALTER DATABASE postgres SET {setting}")
    server.sql("ALTER SYSTEM SET datestyle = 'German'; SELECT pg_reload_conf(); SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rhei'")
    server.sql(f"SET datestyle = ISO; SET standard_conforming_strings = on; INSERT INTO public.t VALUES (2, {values})".replace("'it''s'", "'it''s'::elsewhere.mood"))
    until(lambda: plain.query("SELECT count(*) FROM app.t").rows == [(2,)])
    assert plain.query("SELECT DISTINCT d, ts, i, b, f, r, m, a, tr, s FROM app.t").rows == [right]


def test_s5_a_slot_that_is_left_keeps_a_server_of_lower_wal_level_from_starting(engine, server, tmp_path):
    """As the guide says; once it is dropped, it starts, and the sidecar says what it needs."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
    engine.open(None, config_file=settings(tmp_path, server, SLOT))
    assert same(engine, server)
    engine.close()
    server.stop()
    server.settings["wal_level"] = "replica"
    server.launch(server.port)
    assert server.process.wait(LIMIT) != 0 and 'wal_level" < "logical"' in server.log_text().replace("wal_level <", 'wal_level" <').replace("< logical", '< "logical"')
    server.process = None
    server.settings["wal_level"] = "logical"
    server.start()
    server.sql("SELECT pg_drop_replication_slot('rhei_app')")
    server.settings["wal_level"] = "replica"
    server.stop()
    server.start()
    engine.open(None, config_file=tmp_path / "side.toml")
    with pytest.raises(RheiError, match="set wal_level = logical"):
        engine.query("SELECT * FROM app.t", timeout=2000)


def test_s2_start_positions_that_others_moved(spawn, server, tmp_path):
    """A slot that somebody read on, and one that was made anew: silent losses for who doesn't compare."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) n")
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, server, SLOT))
    free = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active; UPDATE t SET n = n + 1;"
    for take in ("SELECT pg_replication_slot_advance('rhei_app', pg_current_wal_lsn())",
                 "SELECT pg_drop_replication_slot('rhei_app')",
                 "SELECT pg_drop_replication_slot('rhei_app'); SELECT pg_create_logical_replication_slot('rhei_app', 'pgoutput')"):
        assert same(engine, server)
        before = json.loads(engine.info())["sidecars"][0]["reloads"]
        end = time.monotonic() + LIMIT
        while "ERROR" in server.sql(free + take, check=False):  # it comes back between the two
            assert time.monotonic() < end
        server.sql("UPDATE t SET n = n + 1 WHERE id = 7")
        until(lambda: same(engine, server))
        assert json.loads(engine.info())["sidecars"][0]["reloads"] > before


# ---- Cuts and kills. --------------------------------------------------------------------------------------------------------


SUMS = ("SELECT (SELECT sum(abalance) FROM app.pgbench_accounts), (SELECT sum(bbalance) FROM app.pgbench_branches),"
        " (SELECT sum(tbalance) FROM app.pgbench_tellers)")
TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers")


def pgbench(server, *words):
    return [str(DEBIAN / "pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", *words, "postgres"]


def interrupt(how, server, proxy):
    if how == "cut":
        proxy.cut()
    elif how == "walsender":
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rhei'")
    else:
        server.kill()
        server.start()


@pytest.mark.parametrize("how", ["cut", "walsender", "postmaster"])
def test_s2_cuts_and_kills_in_loops_beside_pgbench_lose_and_double_nothing(engine, server, tmp_path, how, long):
    subprocess.run(pgbench(server, "-i", "-s", "1", "-q"), check=True, capture_output=True)
    with TcpProxy(server.port, delay=0.002) as proxy:
        file = settings(tmp_path, server, SLOT, tables=TABLES)
        file.write_text(file.read_text().replace(f"port={server.port}", f"port={proxy.port}"))
        engine.open(None, config_file=file)
        engine.query(SUMS)
        for _ in range(30 if long else 5):
            load = subprocess.Popen(pgbench(server, "-c", "2", "-t", "150", "-n"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            cycles = json.loads(engine.info())["sidecars"][0]["cycles"]
            until(lambda: json.loads(engine.info())["sidecars"][0]["cycles"] > cycles or load.poll() is not None)  # amid it
            interrupt(how, server, proxy)
            accounts, branches, tellers = engine.query(SUMS, freshness="eventual").rows[0]
            assert accounts == branches == tellers  # never half a transaction
            load.wait(LIMIT)
        until(lambda: all(same(engine, server, table, f"{key}, {value}") for table, key, value in
                          (("pgbench_accounts", "aid", "abalance"), ("pgbench_branches", "bid", "bbalance"), ("pgbench_tellers", "tid", "tbalance"))))
        state = json.loads(engine.info())["sidecars"][0]
        assert state["reloads"] == 0 and not state["away"]  # the slot went on where it was
        assert how != "cut" or proxy.cuts >= 5


def test_s1_a_query_waits_for_a_table_that_it_finds_has_to_be_loaded_again(engine, server, tmp_path):
    """Without the whole old row nothing tells a large value of a row whose key changes; the query that reads of that is the one that notices."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
               "INSERT INTO t SELECT n, repeat('x', 5000) || n FROM generate_series(1, 50) n")
    engine.open(None, config_file=settings(tmp_path, server))
    there = lambda: rows_there(server, "SELECT id, length(big) FROM t")  # noqa: E731
    for n in range(1, 21):
        assert rows_here(engine, "SELECT id, length(big) FROM app.t") == there()
        server.sql(f"UPDATE t SET id = {1000 + n} WHERE id = {n}")
    assert rows_here(engine, "SELECT id, length(big) FROM app.t") == there()
    assert any("a large value of it wasn't sent" in text for *_, text in engine.log)


@pytest.mark.parametrize("mode", ["logical", "poll"])
def test_s2_who_waits_for_a_server_that_says_nothing_leaves_at_his_own_time(engine, server, tmp_path, mode):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (1, 0); CREATE INDEX ON t (updated_at)")
    with TcpProxy(server.port) as proxy:
        file = settings(tmp_path, server)
        file.write_text(file.read_text().replace(f"port={server.port}", f"port={proxy.port}").replace('"logical"', f'"{mode}"'))
        engine.open(None, config_file=file, busy_timeout_ms=2500)
        assert same(engine, server)
        proxy.delay = 3600
        for options, least, most, name in (({"timeout": 700}, 0.6, 2, "TIMEOUT"), ({}, 2.4, 4, "STALE"), ({"timeout": 300}, 0.2, 1.5, "TIMEOUT")):
            began = time.monotonic()
            with pytest.raises(RheiError) as told:
                engine.query("SELECT n FROM app.t", **options)
            assert told.value.name == name and least < time.monotonic() - began < most, (told.value, time.monotonic() - began)
        assert engine.query("SELECT n FROM app.t", freshness="eventual").value == 0
        began = time.monotonic()
        engine.close()
        assert time.monotonic() - began < 4  # each of its connections asks for half a second whether anybody is there


@pytest.mark.parametrize("mode", ["logical", "poll"])
def test_s4_a_database_whose_bytes_mean_nothing_is_refused_by_name(engine, server, tmp_path, mode):
    """SQL_ASCII: nobody turns its texts into UTF-8, and one that isn't any would end the stream of every table for good."""
    server.sql("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int)", database="ascii")
    file = settings(tmp_path, server)
    file.write_text(file.read_text().replace("dbname=postgres", "dbname=ascii").replace('"logical"', f'"{mode}"'))
    engine.open(None, config_file=file, busy_timeout_ms=500)
    assert "SQL_ASCII" in refusal(engine, "SELECT * FROM app.t") and "ENCODING" in refusal(engine, "SELECT * FROM app.t")


def test_s2_what_ends_each_connection_is_said_once(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    with TcpProxy(server.port) as proxy:
        file = settings(tmp_path, server, SLOT)
        file.write_text(file.read_text().replace(f"port={server.port}", f"port={proxy.port}"))
        engine.open(None, config_file=file)
        assert same(engine, server)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            proxy.cut()
            time.sleep(0.15)
        proxy.delay = 0
        until(lambda: refusal(engine, "SELECT * FROM app.t") == "")
        said = [line for level, _, line in engine.log if "closed" in line or "connection" in line]
        assert 1 <= len(said) < 8, said
