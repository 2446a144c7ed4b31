"""Loads of PostgreSQL that are cut, and processes that die in one, beside writers: nothing is lost or doubled, and the log says what was read twice (S2)."""

import re
import threading

import pytest

import test_sidecar_postgres as postgres
import test_sidecar_restart as restart
from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from tcp_proxy import TcpProxy
from test_sidecar_sqlite import until

ROWS = 60000
COLUMNS = "id, n, length(filler)"
READERS = "query LIKE 'COPY (SELECT%'"
MODES = pytest.mark.parametrize("mode", ["logical", "poll"])


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        made.sql("CREATE TABLE big (id int PRIMARY KEY, n int, filler text, updated_at timestamptz DEFAULT clock_timestamp());"
                 f"INSERT INTO big SELECT i, 0, repeat('x', 900) FROM generate_series(1, {ROWS}) i; CREATE INDEX ON big (updated_at); ANALYZE big")
        yield made


def settings(folder, conninfo, mode, more="", engine=""):
    (folder / "side.toml").write_text(f'[engine]\nlog_level = "info"\n{engine}[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "{mode}"\n'
                                      f'source_path = "{conninfo}"\nload_connections = 2\n{more}')
    return folder / "side.toml"


class Writers:
    """Changes rows of the table until it is left, whatever else goes on."""

    def __init__(self, server):
        self.server, self.ends = server, threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        step = 0
        while not self.ends.wait(0.02):
            step += 1
            self.server.sql(f"UPDATE big SET n = n + 1, updated_at = clock_timestamp() WHERE id % 997 = {step % 997};"
                            f"INSERT INTO big VALUES ({ROWS + step}, {step}, 'new')")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


def said(engine):
    return " ".join(text for _, _, text in engine.log)


def loaded(engine):
    return re.findall(r'table "(\w+)": \d+ rows loaded in', said(engine))


def is_same(engine, server):
    return postgres.rows_here(engine, f"SELECT {COLUMNS} FROM app.big") == postgres.rows_there(server, f"SELECT {COLUMNS} FROM big")


def in_a_load(spawn, file, **config):
    """An engine whose loaders hold still behind their first batch."""
    engine = spawn()
    engine.open(None, config_file=file, hold="sync.build.batch", log_level=3, **config)
    return engine


@MODES
def test_s2_a_load_goes_on_where_a_connection_was_cut(spawn, server, tmp_path, mode):
    engine = in_a_load(spawn, settings(tmp_path, server.conninfo, mode))
    with Writers(server):
        engine.wait_point("sync.build.batch")
        told = next(table for name, table in engine.tables().items() if name == "app.big")
        assert re.fullmatch(rf'a table of sidecar "app": \d+ of about {ROWS} rows are loaded, \d+ s left', told[-1]), told
        assert int(server.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {READERS}")) >= 1
        engine.release()
        assert engine.query("SELECT count(*) FROM app.big").value >= ROWS
    until(lambda: is_same(engine, server))
    cuts, twice = map(int, re.search(r"(\d+) connections that loaded big were cut: (\d+) rows were read twice", said(engine)).groups())
    assert 1 <= cuts <= 2 and twice <= cuts * 1024 * 9  # 8 MB of pages of 8 rows for each
    assert loaded(engine) == ["big"]  # once
    engine.close()


@MODES
def test_s2_a_load_that_is_cut_whole_begins_anew_and_says_so(spawn, server, tmp_path, mode):
    with TcpProxy(server.port) as proxy:
        file = settings(tmp_path, server.conninfo.replace(f"port={server.port}", f"port={proxy.port}"), mode)
        engine = in_a_load(spawn, file)
        with Writers(server):
            engine.wait_point("sync.build.batch")
            proxy.cut()
            engine.release()
            postgres.until_fresh(lambda: engine.query("SELECT count(*) FROM app.big").value >= ROWS)
        postgres.until_fresh(lambda: is_same(engine, server))
        assert "connections that loaded big were cut" in said(engine)  # which the first load was ended by
        engine.close()


@MODES
@restart.BY
def test_s2_a_kill_in_a_load_costs_only_the_table_that_was_loaded(spawn, server, tmp_path, mode, by):
    """Smaller tables come first, and are in the folder by then."""
    server.sql("CREATE TABLE first (id int PRIMARY KEY, updated_at timestamptz DEFAULT clock_timestamp());"
               "INSERT INTO first SELECT generate_series(1, 100); ANALYZE first")
    ours, its = restart.keeping(tmp_path, by)
    slot = 'slot = "rhei_app"\n' if mode == "logical" else ""
    file = settings(tmp_path, server.conninfo, mode, slot + its, ours)
    engine = in_a_load(spawn, file, checkpoint_interval_ms=50)
    engine.wait_point("sync.build.batch")
    engine.release(once=True)
    engine.wait_point("sync.build.batch")
    until(lambda: restart.kept(engine)["tables"] == 1)  # there may be checkpoints without it
    engine.kill()
    with Writers(server):
        engine = spawn()
        engine.open(None, config_file=file, log_level=3)
        assert engine.query("SELECT count(*) FROM app.first").value == 100
        assert engine.query("SELECT count(*) FROM app.big").value >= ROWS
    until(lambda: is_same(engine, server))
    assert restart.kept(engine)["restored_tables"] == 1
    assert loaded(engine) == ["big"]
    engine.close()
