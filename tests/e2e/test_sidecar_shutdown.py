"""A PostgreSQL server that shuts down isn't kept waiting by a sidecar, which loses and doubles nothing for it (S2)."""

import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from postgres_server import PostgresServer, free_port
from rh_program import rh  # noqa: F401
from rhei_engine import answer
from test_sidecar_postgres import rows_here, rows_there, until_fresh
from test_sidecar_rights import wait_until

SOON = 8  # seconds: far from what a server was kept waiting, and a machine may be busy
LATER = {"checkpoint_interval_ms": 3600000}  # so that only what a shutdown asks for is made
ROWS = "SELECT id, a FROM {}t"
CHANGES = {
    "nothing": "SELECT 1",
    "rows": "INSERT INTO t SELECT n, 'new' FROM generate_series(1000, 1500) n; DELETE FROM t WHERE id < 20",
    "columns": "ALTER TABLE t ADD COLUMN later int DEFAULT 7; DELETE FROM t WHERE id < 20",
}


@pytest.fixture(scope="module", params=[15, 18])
def started(request):
    with PostgresServer(request.param) as made:
        yield made


@pytest.fixture
def server(started):
    if started.process is None:
        started.start()
    wait_until(lambda: started.sql("SELECT count(*) FROM pg_replication_slots WHERE active") == "0\n")
    started.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots; DROP PUBLICATION IF EXISTS rhei; DROP TABLE IF EXISTS t")
    started.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 300) n")
    return started


def settings(folder, server, slot=True, kept=True):
    text = '[engine]\nsync_mode = "temporal"\n' + (f'olap_path = "{folder}/olap"\n' if kept else "")
    text += f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "logical"\nsource_path = "{server.conninfo}"\n'
    (folder / "side.toml").write_text(text + ('slot = "rhei_app"\n' if slot else ""))
    return folder / "side.toml"


def same(engine, server):
    return rows_here(engine, ROWS.format("app.")) == rows_there(server, ROWS.format(""))


def stops(server):
    """As `pg_ctl stop -m fast` does it; how long it took."""
    process, server.process = server.process, None
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(SOON)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(60)
        raise AssertionError(f"the server was kept waiting: {server.log_text()}") from None
    return time.monotonic() - began


def told_once(engine, server):
    """Each row that was ever there has one version that began with its insert, and none that the source didn't have."""
    first = engine.query("SELECT count(*), count(DISTINCT id) FROM app.t_history WHERE _rhei_operation = 'I'").rows
    return first[0][0] == first[0][1] == 300 + int(server.sql("SELECT count(*) FROM t WHERE id > 300"))


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("slot, kept", [(True, True), (True, False), (False, False)], ids=["folder", "slot", "neither"])
def test_s2_a_server_that_shuts_down_is_not_kept_waiting(spawn, server, tmp_path, changes, slot, kept):
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, server, slot, kept), **LATER)
    until_fresh(lambda: same(engine, server))
    server.sql("INSERT INTO t VALUES (400, 'in no checkpoint')")
    assert same(engine, server)
    server.sql(changes)
    stops(server)
    server.start()
    server.sql("UPDATE t SET a = 'behind it' WHERE id = 100")
    until_fresh(lambda: same(engine, server))
    if slot and "ALTER" not in changes:
        assert told_once(engine, server), engine.query("SELECT * FROM app.t_history").rows
        assert not any("loaded again" in line[2] for line in engine.log), engine.log


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("point", ["checkpoint.begun", "checkpoint.encoded", "checkpoint.written", "checkpoint.swept", None])
def test_s2_who_is_killed_while_it_shuts_down_loses_and_doubles_nothing(spawn, server, tmp_path, changes, point):
    file = settings(tmp_path, server)
    engine = spawn()
    engine.open(None, config_file=file, **LATER)
    until_fresh(lambda: same(engine, server))
    engine.checkpoint()
    server.sql("INSERT INTO t VALUES (400, 'in no checkpoint')")
    assert same(engine, server)
    if point:
        engine.faults(die_point=point, die_at=1)
    server.sql(changes)
    stops(server)
    engine.kill()
    server.start()
    server.sql("UPDATE t SET a = 'behind it' WHERE id = 100")
    engine = spawn()
    engine.open(None, config_file=file, **LATER)
    until_fresh(lambda: same(engine, server))
    if "ALTER" not in changes:
        assert told_once(engine, server), engine.query("SELECT * FROM app.t_history").rows
        assert not any("loaded again" in line[2] for line in engine.log), engine.log


class Refusing:
    """Listens where a server did, and lets nobody in, as that does while it shuts down."""

    def __init__(self, port):
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.refuse, daemon=True).start()

    def refuse(self):
        fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0\0"
        while True:
            try:
                client, _ = self.listener.accept()
                with client:
                    client.recv(4096)
                    self.count += 1
                    client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            except OSError:
                if self.listener.fileno() < 0:
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.mark.parametrize("mode", ["logical", "poll"])
def test_s2_a_server_that_is_away_is_asked_seldom_and_answers_soon_when_it_is_back(spawn, server, tmp_path, mode):
    file = settings(tmp_path, server)
    file.write_text(file.read_text().replace('"logical"\n', f'"{mode}"\n').replace("dbname=", "sslmode=disable dbname="))
    if mode == "poll":
        server.sql("ALTER TABLE t ADD COLUMN updated_at timestamptz DEFAULT now()")
        file.write_text(file.read_text().replace('slot = "rhei_app"\n', '[sidecar.delete_detection]\nmode = "disabled"\n'))
    engine = spawn()
    engine.open(None, config_file=file)
    until_fresh(lambda: same(engine, server))
    stops(server)
    with Refusing(server.port) as refusing:
        asked = [engine.on(f"asks{n}").start_query(ROWS.format("app.")) for n in range(4)]
        wait_until(lambda: refusing.count >= 8)  # the pauses between two grow
        began, before = time.monotonic(), refusing.count
        wait_until(lambda: refusing.count >= before + 4)
        took = time.monotonic() - began
    assert took > 0.6, took
    server.start()
    began = time.monotonic()
    assert all(len(answer(lane.wait()).rows) == 300 for lane in asked)
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("mode", ["logical", "poll"])
@pytest.mark.parametrize("old, new, words", [
    ("user=postgres", "user=nobody", 'role "nobody" does not exist'),
    ("dbname=postgres", "dbname=nowhere", 'database "nowhere" does not exist'),
    ("user=postgres", "user=postgres sslmode=require", "the server has TLS off"),
    (None, None, "Connection refused Is the server running on that host and accepting TCP/IP connections?"),
])
def test_s5_what_waiting_cant_mend_is_told_at_once(rh, server, tmp_path, mode, old, new, words):  # noqa: F811
    file = settings(tmp_path, server, slot=False)
    text = file.read_text().replace('"logical"\n', f'"{mode}"\n').replace("[engine]\n", "[engine]\nbusy_timeout_ms = 60000\n")
    file.write_text(text.replace(old, new) if old else text.replace(f"port={server.port}", f"port={free_port()}"))
    began = time.monotonic()
    said = rh.run("query", "SELECT * FROM app.t", "--config", file, code=1).stderr
    assert words in said and "\t" not in said and time.monotonic() - began < SOON, said


def test_s5_a_role_that_may_not_make_the_publication_is_told_so_in_one_sentence(rh, server, tmp_path):  # noqa: F811
    server.sql("DROP ROLE IF EXISTS reads; CREATE ROLE reads LOGIN REPLICATION; GRANT SELECT ON t TO reads")
    file = settings(tmp_path, server, slot=False)
    file.write_text(file.read_text().replace("user=postgres", "user=reads"))
    said = rh.run("query", "SELECT * FROM app.t", "--config", file, code=1).stderr
    assert "the role may not make it (permission denied for database postgres): as the tables' owner, CREATE PUBLICATION rhei FOR TABLE" in said, said
    server.sql("DROP OWNED BY reads; DROP ROLE reads")


def test_status_says_of_a_healthy_sidecar_when_its_tables_are_loaded(rh, server, tmp_path):  # noqa: F811
    told = rh.run("status", "--config", settings(tmp_path, server, slot=False)).stdout
    assert "which is loaded when it is read" in told and "isn't loaded yet" not in told, told
