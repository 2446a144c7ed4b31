"""A slot of a name is whose who has the folder: whoever comes beside him takes one of his own, moves nothing, and costs the history no version (S2)."""

import threading

import pytest

import test_sidecar_sqlite as sqlite
from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError
from tcp_proxy import TcpProxy
from test_sidecar_restart import BY, kept, open_postgres, postgres_settings, until_there

STARTS = 'received replication command: START_REPLICATION SLOT "rhei_app"'


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"log_replication_commands": "on", "max_replication_slots": "20", "max_wal_senders": "20"}) as made:
        made.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
        yield made


def starts(server):
    return (server.folder / "log").read_text().count(STARTS)


def slots(server):
    return server.sql("SELECT count(*) FROM pg_replication_slots").strip()


def lines(done):
    return done.stdout.split()


QUIET = ("--format", "csv", "--no-header")
VERSIONS = "SELECT n FROM app.t_history ORDER BY _rhei_seq"


@BY
def test_s2_commands_beside_an_engine_cost_its_history_nothing(rh, spawn, server, tmp_path, by):  # noqa: F811
    file = postgres_settings(tmp_path, server, by=by)
    engine = open_postgres(spawn, file, checkpoint_interval_ms=50)
    until_there(engine)
    assert starts(server) == 1
    n = 0
    for round_ in range(4):
        for _ in range(3):
            n += 1
            server.sql(f"UPDATE t SET n = {n}")
        if round_ >= 2:  # the slot has no reader for a moment
            server.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'rhei_app'")
        assert lines(rh.run("query", "SELECT n FROM app.t", "--config", file, *QUIET)) == [str(n)]
        assert "away" not in rh.run("status", "--config", file).stdout
        past = rh.run("query", VERSIONS, "--config", file, code=None)
        assert past.returncode != 0 and "another" in past.stderr, past.stderr
        until_there(engine)
        assert round_ >= 2 or starts(server) == 1
        confirmed = int(server.sql("SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots WHERE slot_name = 'rhei_app'"))
        assert confirmed <= kept(engine)["position"]
    assert engine.query(VERSIONS).rows == [(version,) for version in range(n + 1)]
    assert not any("loaded again" in str(line) for line in engine.log), engine.log
    sqlite.until(lambda: slots(server) == "1")  # nothing is left behind


def test_s2_commands_at_once_lose_no_version(rh, server, tmp_path):  # noqa: F811
    file = postgres_settings(tmp_path, server)
    rh.run("sync", "--config", file)
    n = 0
    for _ in range(5):
        for _ in range(3):
            n += 1
            server.sql(f"UPDATE t SET n = {n}")
        answers = []
        ask = lambda: answers.append(lines(rh.run("query", "SELECT n FROM app.t", "--config", file, *QUIET, code=None)))
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [[str(n)]] * 3
    assert lines(rh.run("query", VERSIONS, "--config", file, *QUIET)) == [str(version) for version in range(n + 1)]


def test_s2_commands_without_a_folder_leave_the_slot_of_an_engine(rh, spawn, server, tmp_path):  # noqa: F811
    file = postgres_settings(tmp_path, server)
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "olap_path" not in line) + "\n")
    engine = open_postgres(spawn, file)
    until_there(engine)
    other = spawn()
    for n in range(1, 4):
        server.sql(f"UPDATE t SET n = {n}")
        assert lines(rh.run("query", "SELECT n FROM app.t", "--config", file, *QUIET)) == [str(n)]
        assert "away" not in rh.run("status", "--config", file).stdout
        other.open(None, config_file=file, manual_sync=True)
        assert other.query("SELECT n FROM app.t").value == n
        other.close()
    until_there(engine)
    assert engine.query(VERSIONS).rows == [(version,) for version in range(4)]
    assert starts(server) == 1
    sqlite.until(lambda: slots(server) == "1")


def test_s2_handles_without_a_folder_take_turns_at_a_slot_and_lose_no_row(spawn, server, tmp_path):
    """Who comes second is refused in words; who finds it read on from loads its tables again, and tells nothing of the time between."""
    proxy = TcpProxy(server.port)
    (tmp_path / "far").mkdir()
    file, far = postgres_settings(tmp_path, server), tmp_path / "far" / "side.toml"
    text = "\n".join(line for line in file.read_text().splitlines() if "olap_path" not in line) + "\n"
    file.write_text(text)
    far.write_text(text.replace(f"port={server.port}", f"port={proxy.port}"))
    first, second = spawn(), spawn()
    first.open(None, config_file=far, busy_timeout_ms=500)
    until_there(first)
    second.open(None, config_file=file, busy_timeout_ms=500)

    def reads(engine, n):
        try:
            return f"{engine.query('SELECT n FROM app.t').value == n}"
        except RheiError as error:
            return error.message

    sqlite.until(lambda: "give each follower a slot of its own" in reads(second, 0))
    server.sql("UPDATE t SET n = 1")
    assert reads(first, 1) == "True"
    proxy.leave()
    sqlite.until(lambda: reads(second, 1) == "True")  # the server has noticed that the first one is gone
    for n in (2, 3):
        server.sql(f"UPDATE t SET n = {n}")
        assert reads(second, n) == "True"
    between = int(server.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))
    server.sql("UPDATE t SET n = 4")
    assert reads(second, 4) == "True"
    proxy.come_back()
    sqlite.until(lambda: "give each follower a slot of its own" in reads(first, 4))
    second.close()
    server.sql("UPDATE t SET n = 5")
    sqlite.until(lambda: reads(first, 5) == "True")
    assert any("somebody else read on from the slot" in line[2] for line in first.log), first.log
    with pytest.raises(RheiError, match="doesn't know what the table was between"):
        first.query(f"SELECT n FROM app.t FOR SYSTEM_TIME AS OF {between}")


def test_a_slot_that_the_settings_name_is_none_that_is_left(rh, server, tmp_path):  # noqa: F811
    """Between two commands nobody reads it; it is kept for the next one."""
    source = 'source_type = "postgres"\nmode = "logical"\nsource_path = "{}"\nslot = "{}"\n'
    file = tmp_path / "side.toml"
    file.write_text('[engine]\nolap_path = "olap"\n' + "".join(
        f'[[sidecar]]\nname = "{name}"\n' + source.format(server.conninfo, f"rhei_{name}") for name in ("app", "shop")))
    server.sql("SELECT pg_create_logical_replication_slot('rhei_old', 'pgoutput')")
    rh.run("sync", "--config", file)
    for _ in range(2):
        told = rh.run("status", "--config", file).stdout
        assert told.count("slots that nobody reads: rhei_old (") == 2 and "slot rhei_app, for which" in told and "slot rhei_shop, for which" in told, told
