"""S2, S5: how far a PostgreSQL sidecar is behind, since when it is away, and what its server keeps for it: told, bounded, mended."""

import json
import os
import re
import signal
import time

import pytest

from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from test_sidecar_postgres import rows_here, rows_there, settings, until_fresh

LIMIT = 40  # seconds that anything may take to be told
SLOT = 'slot = "rhei_app"'


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_keep_size": "0"}) as made:
        made.sql("CREATE TABLE t (id int PRIMARY KEY, n int, a text); INSERT INTO t SELECT n, 0 FROM generate_series(1, 100) n")
        yield made


@pytest.fixture
def engine(spawn):
    return spawn()


def told(engine):
    return json.loads(engine.info())["sidecars"][0]


def wait_told(engine, condition):
    end = time.monotonic() + LIMIT
    while not condition(told(engine)):
        assert time.monotonic() < end, told(engine)
        time.sleep(0.01)
    return told(engine)


def same(engine, server):
    return rows_here(engine, "SELECT id, n FROM app.t") == rows_there(server, "SELECT id, n FROM t")


def test_s5_status_tells_position_lag_and_slot(rh, engine, server, tmp_path):  # noqa: F811
    file = settings(tmp_path, server, SLOT)
    engine.open(None, config_file=file)
    assert same(engine, server)
    state = wait_told(engine, lambda state: state["slots"] and state["lag_ms"] == 0)
    assert (state["mode"], state["away"], state["away_ms"], state["message"], state["reloads"]) == ("logical", False, 0, "", 0)
    assert state["lag_bytes"] >= 0 and state["server_version"] // 10000 == server.version
    slot = state["slots"][0]
    assert (slot["name"], slot["own"], slot["active"], slot["wal_status"], slot["invalidated"]) == ("rhei_app", True, True, "reserved", "")
    assert len(state["slots"]) == 1 and 0 <= slot["held_bytes"] < 64 << 20

    # another process looks, and takes nothing
    text = rh.run("status", "--config", file).stdout
    assert re.search(r"app: postgres, mode logical, position \d+, ", text) and "slot rhei_app, for which the server keeps" in text, text
    listed = json.loads(rh.run("status", "--json", "--config", file).stdout)
    assert listed["sidecars"][0]["slot"] == "rhei_app" and listed["sidecars"][0]["away"] is False
    names = {metric["name"]: (metric["labels"], metric["value"]) for metric in listed["metrics"]}
    assert names["rhei_sidecar_away"] == ('source="app"', 0) and names["rhei_sidecar_slot_held_bytes"][1] >= 0
    assert names["rhei_sidecar_lag_seconds"][1] >= 0 and names["rhei_sidecar_lag_bytes"][1] >= 0
    assert server.sql("SELECT slot_name FROM pg_replication_slots") == "rhei_app\n"
    server.sql("INSERT INTO t VALUES (1000, 1)")
    assert same(engine, server)


def test_s5_a_source_that_is_away_is_told_with_since_when_and_why(rh, engine, server, tmp_path):  # noqa: F811
    file = settings(tmp_path, server, SLOT)
    engine.open(None, config_file=file)
    assert same(engine, server)
    server.stop()
    first = wait_told(engine, lambda state: state["away"])
    later = wait_told(engine, lambda state: state["away_ms"] >= first["away_ms"] + 50 and state["lag_ms"] >= 50)
    assert later["away"] and "refused" in wait_told(engine, lambda state: "refused" in state["message"])["message"]
    assert engine.query("SELECT count(*) FROM app.t", freshness="eventual").rows == [(100,)]
    text = rh.run("status", "--config", file).stdout
    assert "away for" in text and "Connection refused" in text, text
    server.start()
    server.sql("UPDATE t SET n = n + 1")
    until_fresh(lambda: same(engine, server))
    wait_told(engine, lambda state: not state["away"] and state["message"] == "" and state["away_ms"] == 0 and state["lag_ms"] == 0)


def test_s5_slots_that_nobody_reads_are_told(rh, engine, server, tmp_path):  # noqa: F811
    server.sql("SELECT pg_create_logical_replication_slot('rhei_old', 'pgoutput'), pg_create_logical_replication_slot('theirs', 'pgoutput')")
    file = settings(tmp_path, server)
    engine.open(None, config_file=file)
    assert same(engine, server)
    state = wait_told(engine, lambda state: len(state["slots"]) == 2)
    assert [slot["name"] for slot in state["slots"] if not slot["own"]] == ["rhei_old"]
    text = rh.run("status", "--config", file).stdout
    assert "slots that nobody reads: rhei_old" in text and "pg_drop_replication_slot" in text, text
    server.sql("SELECT pg_drop_replication_slot('rhei_old')")
    wait_told(engine, lambda state: len(state["slots"]) == 1)
    engine.close()  # a slot without a name goes with its connection
    end = time.monotonic() + LIMIT
    while server.sql("SELECT slot_name FROM pg_replication_slots") != "theirs\n":
        assert time.monotonic() < end


def write_wal(server, megabytes):
    for _ in range(megabytes // 8):
        server.sql("BEGIN; INSERT INTO t SELECT n, 0, repeat('x', 900) FROM generate_series(100000, 108000) n; ROLLBACK; SELECT pg_switch_wal()")
    server.sql("CHECKPOINT")


def test_s2_a_slot_that_the_server_gave_up_is_made_anew_and_all_is_loaded_again(spawn, server, tmp_path):
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, server, SLOT))
    assert same(engine, server)
    server.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '32MB'; ALTER SYSTEM SET wal_sender_timeout = '1s'; SELECT pg_reload_conf()")
    wait_told(engine, lambda state: state["slots"] and state["slots"][0]["safe_bytes"] >= 0)
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        server.sql("UPDATE t SET n = n + 1; DELETE FROM t WHERE id = 7")
        end = time.monotonic() + LIMIT
        while server.sql("SELECT wal_status FROM pg_replication_slots") != "lost\n":
            assert time.monotonic() < end
            write_wal(server, 64)
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    server.sql("UPDATE t SET n = n + 10 WHERE id < 50")
    until_fresh(lambda: same(engine, server))
    state = wait_told(engine, lambda state: state["slots"] and state["slots"][0]["active"])
    assert state["reloads"] == 1 and "max_slot_wal_keep_size" in state["reloaded"] and "max_slot_wal_keep_size" in state["message"]
    assert state["slots"][0]["wal_status"] in ("reserved", "extended")
    assert any("the slot rhei_app is of no use any more, because it kept more WAL" in text for *_, text in engine.log)
    assert any("every table is loaded again" in text for *_, text in engine.log)
    server.sql("UPDATE t SET n = n + 100")
    assert same(engine, server)


@pytest.mark.parametrize("server", [18], indirect=True)
def test_s2_a_slot_that_was_idle_for_too_long_is_made_anew(spawn, server, tmp_path):
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, server, SLOT))
    assert same(engine, server)
    server.sql("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'; ALTER SYSTEM SET wal_sender_timeout = '500ms'; SELECT pg_reload_conf()")
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + LIMIT
        while server.sql("SELECT invalidation_reason FROM pg_replication_slots") != "idle_timeout\n":
            assert time.monotonic() < end
            server.sql("UPDATE t SET n = n + 1; CHECKPOINT")
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    until_fresh(lambda: same(engine, server))
    assert "idle_replication_slot_timeout" in told(engine)["reloaded"]


def test_s5_a_frozen_sidecar_holds_up_its_source_no_longer_than_the_servers_own_time_out(spawn, server, tmp_path):
    """And one that is only busy, not at all: a thread of its own answers."""
    engine = spawn()
    server.settings["wal_sender_timeout"] = "2s"
    server.stop()
    server.start()
    engine.open(None, config_file=settings(tmp_path, server, SLOT))
    assert same(engine, server)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 2  # it is told, and lets go
    server.start()
    until_fresh(lambda: same(engine, server))
    os.kill(engine.pid, signal.SIGSTOP)
    try:
        server.sql("INSERT INTO t SELECT n, 0, repeat('x', 900) FROM generate_series(1000, 40000) n")  # more than the sockets hold
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 14  # at 15 s the tests' own stop would be told to hurry
    finally:
        os.kill(engine.pid, signal.SIGCONT)
    server.start()
    until_fresh(lambda: same(engine, server))
    assert told(engine)["reloads"] == 0
