"""Sidecars beside one another, how old an answer may be, what is read of materialized views, and what is said before a server gives a slot up."""

import json
import time

import pytest

import foreign
from postgres_server import PostgresServer
from rhei_engine import RheiError
from tcp_proxy import TcpProxy
from test_sidecar_postgres import until_seen as until
from test_sidecar_postgres_poll import Base

MODES = ["sqlite-snapshot", "sqlite-poll", "poll", "logical"]


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"min_wal_size": "32MB", "wal_keep_size": "0"}) as made:
        made.sql("CREATE ROLE reader LOGIN")
        yield made


@pytest.fixture
def engine(spawn):
    return spawn()


def sidecar(name, mode, source, more=""):
    kind = "" if mode.startswith("sqlite") else 'source_type = "postgres"\n'
    return f'[[sidecar]]\nname = "{name}"\n{kind}mode = "{mode.split("-")[-1]}"\nsource_path = "{source}"\n{more}'


def write(folder, *parts, engine=""):
    (folder / "side.toml").write_text(f"[engine]\n{engine}\n" + "".join(parts))
    return folder / "side.toml"


def told(engine):
    return {side["name"]: side for side in json.loads(engine.info())["sidecars"]}


def test_s1_two_databases_that_are_polled_are_two_schemas_with_two_positions(engine, server, tmp_path):
    bases = {name: Base(server) for name in ("one", "two")}
    for name, base in bases.items():
        base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT clock_timestamp());"
                 f"INSERT INTO t SELECT n, '{name}' FROM generate_series(1, 100) n")
    proxy = TcpProxy(server.port)
    paths = {"one": bases["one"].conninfo, "two": bases["two"].conninfo.replace(f"port={server.port}", f"port={proxy.port}")}
    engine.open(None, config_file=write(tmp_path, *[sidecar(name, "poll", path) for name, path in paths.items()]), busy_timeout_ms=2000)
    sql = "SELECT one.t.a, two.t.a, count(*) FROM one.t JOIN two.t USING (id) GROUP BY 1, 2"
    for route in ("oltp", "olap"):
        assert engine.query(sql, route=route).rows == [("one", "two", 100)]
    for name, base in bases.items():
        base.sql(f"UPDATE t SET a = 'newer {name}', updated_at = clock_timestamp() WHERE id <= 50")
    assert sorted(engine.query(sql).rows) == [("newer one", "newer two", 50), ("one", "two", 50)]
    proxy.leave()
    until(lambda: told(engine)["two"]["away"])
    bases["one"].sql("INSERT INTO t VALUES (1000, 'beside one that is away')")
    assert engine.query("SELECT a FROM one.t WHERE id = 1000").rows == [("beside one that is away",)]
    with pytest.raises(RheiError) as why:
        engine.query(sql)
    assert why.value.name == "STALE" and 'source "two"' in why.value.message and 'source "one"' not in why.value.message
    assert not told(engine)["one"]["away"]
    proxy.come_back()
    bases["two"].sql("INSERT INTO t VALUES (1000, 'back')")
    until(lambda: engine.query("SELECT one.t.a, two.t.a FROM one.t JOIN two.t USING (id) WHERE id = 1000").rows == [("beside one that is away", "back")])
    proxy.close()


class Source:
    """Of a mode, with a way to take it away."""

    def __init__(self, mode, server, folder):
        self.mode, self.folder, self.base, self.proxy = mode, folder, None, None
        if mode.startswith("sqlite"):
            self.connection = foreign.connect(folder / "app.db")
            self.path, self.more = folder / "app.db", ""
            self.sql("CREATE TABLE t (id int PRIMARY KEY, updated_at bigint)")
        else:
            self.base, self.proxy = Base(server), TcpProxy(server.port)
            self.path = self.base.conninfo.replace(f"port={server.port}", f"port={self.proxy.port}").replace("user=reader", "user=postgres")
            self.more = f'publication = "{self.base.name}"\n' if mode == "logical" else ""
            self.sql("CREATE TABLE t (id int PRIMARY KEY, updated_at bigint)")

    def sql(self, text):
        return self.base.sql(text) if self.base else self.connection.execute(text)

    def leave(self):
        if self.proxy:
            self.proxy.leave()
        else:
            (self.folder / "app.db").rename(self.folder / "gone.db")

    def come_back(self):
        if self.proxy:
            self.proxy.come_back()
        else:
            (self.folder / "gone.db").rename(self.folder / "app.db")


@pytest.mark.parametrize("mode", MODES)
def test_q1_an_answer_is_no_older_than_it_may_be(engine, server, tmp_path, mode):
    source = Source(mode, server, tmp_path)
    source.sql("INSERT INTO t VALUES (0, 0)")
    # looks are made for queries alone, so what is seen is what the bound makes it be
    engine.open(None, config_file=write(tmp_path, sidecar("app", mode, source.path, source.more)), manual_sync=True, busy_timeout_ms=500)
    count = lambda freshness, **options: engine.query("SELECT count(*) FROM app.t", freshness=freshness, **options)  # noqa: E731
    assert count("latest").value == 1
    for n in range(1, 6):
        source.sql(f"INSERT INTO t VALUES ({n}, {n})")
        for route in ("oltp", "olap"):
            assert count("bounded:0", route=route).value == n + 1  # as latest
    source.sql("INSERT INTO t VALUES (6, 6)")
    committed = time.monotonic()
    answer = count("bounded:100000")
    assert 6 <= answer.value <= 7 and 0 <= answer.age_us <= 100_000_000
    assert mode == "logical" or answer.value == 6  # inside the bound nobody looks
    while time.monotonic() - committed < 0.3:  # beyond it somebody does
        time.sleep(0.01)
    answer = count("bounded:200")
    assert answer.value == 7 and 0 <= answer.age_us <= 200_000
    source.leave()
    left = time.monotonic()
    assert count("bounded:100000").value == 7 and count("eventual").value == 7
    while time.monotonic() - left < 0.3:
        time.sleep(0.01)
    for route in ("oltp", "olap"):
        with pytest.raises(RheiError) as why:
            count("bounded:200", route=route)
        assert why.value.name == ("STALE" if route == "oltp" else "OLAP_UNAVAILABLE") and 'source "app"' in why.value.message
    answer = count("bounded:100000")
    assert answer.value == 7 and answer.age_us >= 300_000  # and says how old it is
    source.come_back()
    until(lambda: count("bounded:200").value == 7)


def test_s1_a_materialized_view_is_followed_by_a_unique_index(engine, server, tmp_path):
    base = Base(server)
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT clock_timestamp()); INSERT INTO t SELECT n, 'row' FROM generate_series(1, 500) n;"
             "CREATE MATERIALIZED VIEW m AS SELECT id, upper(a) AS a, updated_at FROM t WHERE id % 2 = 0; CREATE UNIQUE INDEX ON m (id);"
             "CREATE MATERIALIZED VIEW bare AS SELECT id, updated_at FROM t; CREATE MATERIALIZED VIEW empty AS SELECT id, updated_at FROM t WITH NO DATA; CREATE UNIQUE INDEX ON empty (id)")
    tables = "".join(f'[[sidecar.tables]]\ntable_name = "{name}"\n{more}' for name, more in (
        ("m", 'primary_key = ["id"]\n'), ("t", ""), ("bare", ""), ("empty", 'primary_key = ["id"]\n')))
    detection = '[sidecar.delete_detection]\nmode = "full_diff"\nevery_n_cycles = 1\n'
    engine.open(None, config_file=write(tmp_path, sidecar("app", "poll", base.conninfo), detection, tables))
    here = lambda table="m": sorted([str(value) for value in row] for row in engine.query(f"SELECT id, a FROM app.{table}").rows)  # noqa: E731
    same = lambda: here() == base.rows("SELECT id, a FROM m")  # noqa: E731
    assert same() and len(here()) == 250
    for name, words in (("bare", "primary key"), ("empty", "REFRESH MATERIALIZED VIEW fills it")):
        with pytest.raises(RheiError, match=words):
            engine.query(f"SELECT * FROM app.{name}")
    base.sql("UPDATE t SET a = 'newer', updated_at = clock_timestamp() WHERE id < 100; DELETE FROM t WHERE id = 200")
    before = here()
    until(lambda: here("t") == base.rows("SELECT id, a FROM t"))
    assert here() == before  # until it is refreshed
    for how in ("", "CONCURRENTLY"):
        base.sql(f"UPDATE t SET a = 'by {how}', updated_at = clock_timestamp() WHERE id < 50; DELETE FROM t WHERE id = {300 + len(how)}; REFRESH MATERIALIZED VIEW {how} m")
        until(same)
    assert [table["state"] for table in told(engine)["app"]["tables"] if table["name"] == "empty"] == ["unmirrored"]
    base.sql("REFRESH MATERIALIZED VIEW empty")
    until(lambda: engine.query("SELECT count(*) FROM app.empty").value == int(base.sql("SELECT count(*) FROM empty")))


def test_s1_a_materialized_view_is_in_no_stream_and_says_so(engine, server, tmp_path):
    base = Base(server)
    base.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNIQUE INDEX ON m (id)")
    tables = "".join(f'[[sidecar.tables]]\ntable_name = "{name}"\n' for name in ("m", "t"))
    engine.open(None, config_file=write(tmp_path, sidecar("app", "logical", base.conninfo.replace("user=reader", "user=postgres"), f'publication = "{base.name}"\n'), tables))
    assert engine.query("SELECT count(*) FROM app.t").value == 0
    with pytest.raises(RheiError, match="isn't mirrored: .*view"):
        engine.query("SELECT * FROM app.m")


def test_s5_what_a_server_keeps_for_a_slot_is_told_before_it_gives_it_up(engine, server, tmp_path):
    base = Base(server)
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')")
    slot = f'publication = "{base.name}"\nslot = "{base.name}"\n'
    engine.open(None, config_file=write(tmp_path, sidecar("app", "logical", base.conninfo.replace("user=reader", "user=postgres"), slot)))
    assert engine.query("SELECT count(*) FROM app.t").value == 1
    # no checkpoint but ours, which is when a server gives up what it has said it would
    server.sql("ALTER SYSTEM SET max_wal_size = '4GB'; ALTER SYSTEM SET max_slot_wal_keep_size = '48MB'; ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf()")
    safe = lambda: told(engine)["app"]["slots"][0]["safe_bytes"]  # noqa: E731
    until(lambda: told(engine)["app"]["slots"] and safe() >= 0)
    said = lambda words: [line[2] for line in engine.log if words in line[2]]  # noqa: E731
    state = lambda: server.sql(f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{base.name}'").strip()  # noqa: E731
    # a transaction that stays open keeps the slot where it is, and whoever follows goes on asking
    with base.session() as open_:
        open_.run("BEGIN")
        open_.run("INSERT INTO t VALUES (2, 'open')")
        before = safe()
        end = time.monotonic() + 60
        while state() != "unreserved":
            assert time.monotonic() < end and state() != "lost", state()
            base.sql("BEGIN; CREATE TABLE filler (a text); INSERT INTO filler SELECT repeat('x', 900) FROM generate_series(1, 8000) n; ROLLBACK; SELECT pg_switch_wal()")
        until(lambda: said(f"about to give up the slot {base.name}"))
        assert safe() < before
        open_.run("COMMIT")
    assert len(said("about to give up the slot")) == 1
    until(lambda: engine.query("SELECT count(*) FROM app.t").value == 2)
    server.sql("ALTER SYSTEM RESET max_wal_size; ALTER SYSTEM RESET max_slot_wal_keep_size; ALTER SYSTEM RESET wal_sender_timeout; SELECT pg_reload_conf()")
    engine.close()
    until(lambda: server.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{base.name}' AND active") == "")
    server.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{base.name}'")
