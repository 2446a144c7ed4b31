"""Another program's PostgreSQL database, followed from the side by logical decoding: S1 to S5."""

import shutil
import subprocess
import time

import pytest

from postgres_server import DEBIAN, PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError

LIMIT = 90  # seconds that anything may take to be seen


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        yield made


@pytest.fixture
def engine(spawn):
    return spawn()


def settings(folder, server, more="", tables=()):
    text = (f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "logical"\n'
            f'source_path = "{server.conninfo}"\n{more}\n')
    text += "".join(f'[[sidecar.tables]]\ntable_name = "{table}"\n' for table in tables)
    (folder / "side.toml").write_text(text)
    return folder / "side.toml"


def rows_there(server, sql):
    return sorted(line.split("\t") for line in server.sql(sql).splitlines())


def rows_here(engine, sql, **options):
    return sorted([str(value) for value in row] for row in engine.query(sql, **options).rows)


def test_s1_every_commit_is_seen_by_the_next_query(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, a text, n numeric(10,2)); INSERT INTO t SELECT n, 'row ' || n, n / 4.0 FROM generate_series(1, 300) n")
    engine.open(None, config_file=settings(tmp_path, server))
    assert rows_here(engine, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t")
    for statement in ("UPDATE t SET a = 'edited' WHERE id = 5", "DELETE FROM t WHERE id < 4", "UPDATE t SET id = 1000 WHERE id = 10",
                      "TRUNCATE t", "INSERT INTO t VALUES (1, 'again', 12.10)"):
        server.sql(statement)
        assert rows_here(engine, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t"), statement
    server.sql("ALTER TABLE t ADD COLUMN later int DEFAULT 7")  # of which the stream tells nothing
    until_fresh(lambda: engine.query("SELECT n, later FROM app.t").rows == [(12.1, 7)])
    assert engine.query("SELECT sum(n), count(*) FROM app.t", route="olap").rows == [(12.1, 1)]


def test_s2_kills_of_the_server_and_cuts_lose_and_double_nothing(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT n, 0 FROM generate_series(1, 100) n")
    engine.open(None, config_file=settings(tmp_path, server, 'slot = "rhei_app"'))
    same = lambda: rows_here(engine, "SELECT id, n FROM app.t") == rows_there(server, "SELECT id, n FROM t")
    assert same()
    for round_ in range(3):
        server.sql(f"UPDATE t SET n = n + 1; INSERT INTO t VALUES ({1000 + round_}, 0)")
        server.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
        server.sql("UPDATE t SET n = n + 1 WHERE id % 2 = 0")
        until_fresh(same)
        server.kill()
        assert engine.query("SELECT count(*) FROM app.t", freshness="eventual").rows == [(101 + round_,)]
        server.start()
        server.sql(f"UPDATE t SET n = n + 5 WHERE id = {round_ + 1}")
        until_fresh(same)


def until_fresh(condition):
    """A source that is away is RHEI_STALE in the end; it comes back."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            assert condition()
            return
        except RheiError:
            assert time.monotonic() < end, "it never came back"


def test_s1_pgbench_beside_it_comes_to_the_same_sums(engine, server, tmp_path):
    pgbench = [str(DEBIAN / "pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "postgres"]
    subprocess.run([*pgbench, "-i", "-s", "1", "-q"], check=True, capture_output=True)
    # pgbench_history has no key; who follows it has to give it one
    engine.open(None, config_file=settings(tmp_path, server, tables=("pgbench_accounts", "pgbench_branches", "pgbench_tellers")))
    load = subprocess.Popen([*pgbench, "-c", "4", "-t", "300", "-n"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    looks = 0
    sums = ("SELECT (SELECT sum(abalance) FROM app.pgbench_accounts), (SELECT sum(bbalance) FROM app.pgbench_branches),"
            " (SELECT sum(tbalance) FROM app.pgbench_tellers)")
    while load.poll() is None:
        accounts, branches, tellers = engine.query(sums).rows[0]
        assert accounts == branches == tellers  # whole transactions only
        looks += 1
    assert load.wait() == 0 and looks > 0
    there = server.sql("SELECT sum(abalance), (SELECT sum(delta) FROM pgbench_history) FROM pgbench_accounts").split()
    assert there[0] == there[1]
    assert [str(value) for value in engine.query(sums).rows[0]] == [there[0]] * 3


def test_a_big_table_is_loaded_by_as_many_connections_as_asked(engine, tmp_path):
    with PostgresServer(15, {"log_statement": "all"}) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); ALTER TABLE t ALTER a SET STORAGE PLAIN;"
                   "INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 40000) n; ANALYZE t")
        engine.open(None, config_file=settings(tmp_path, server, "load_connections = 3"))
        assert engine.query("SELECT count(*), sum(id), sum(length(a)) FROM app.t").rows == [(40000, 800020000, 12000000)]
        copies = [line for line in (server.folder / "log").read_text().splitlines() if "COPY (SELECT" in line]
        assert len(copies) == 3 and len(set(copies)) == 3 and all("ctid" in line for line in copies), copies


def test_generated_columns_are_shown_where_the_publication_has_them(engine, tmp_path):
    with PostgresServer(18) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY, a text, g int GENERATED ALWAYS AS (id * 2) STORED, v int GENERATED ALWAYS AS (id * 3) VIRTUAL);"
                   "INSERT INTO t (id, a) VALUES (1, 'a'); CREATE PUBLICATION rhei FOR TABLE t WITH (publish_generated_columns = stored)")
        engine.open(None, config_file=settings(tmp_path, server))
        assert engine.query("SELECT * FROM app.t").rows == [(1, "a", 2)]
        for n in range(2, 42):
            server.sql(f"INSERT INTO t (id, a) VALUES ({n}, 'b')")
            assert engine.query("SELECT count(*), sum(g) FROM app.t").rows == [(n, n * (n + 1))]
        server.sql("ALTER PUBLICATION rhei SET (publish_generated_columns = none); INSERT INTO t (id, a) VALUES (100, 'c')")
        until_fresh(lambda: engine.query("SELECT * FROM app.t WHERE id = 100").rows == [(100, "c")])


def test_s5_what_is_wrong_is_said_and_the_rest_goes_on(engine, server, tmp_path):
    server.sql("CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1); CREATE TABLE nokey (a int)")
    engine.open(None, config_file=settings(tmp_path, server))
    assert engine.query("SELECT id FROM app.good").rows == [(1,)]
    with pytest.raises(RheiError, match="primary key"):
        engine.query("SELECT * FROM app.nokey")
    with pytest.raises(RheiError):
        engine.execute("INSERT INTO app.good VALUES (2)")


@pytest.mark.parametrize("line, words", [
    ('source_path = "postgresql://u:secret-word@db/x"', "password"),
    ('source_path = "host=db password=secret-word"', "password"),
])
def test_s5_a_password_in_the_settings_is_refused_unseen(rh, tmp_path, line, words):  # noqa: F811
    (tmp_path / "side.toml").write_text(f'[sidecar]\nsource_type = "postgres"\nmode = "logical"\n{line}\n')
    done = rh.run("query", "--config", tmp_path / "side.toml", "SELECT 1", code=None)
    assert done.returncode != 0 and words in done.stderr and "secret-word" not in done.stderr + done.stdout


PLAIN = "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 5) n;"
BY_SCHEMA = PLAIN + "CREATE SCHEMA other; CREATE PUBLICATION rhei FOR TABLES IN SCHEMA public"
PARTED = ("CREATE TABLE t (id int, part int, a text, PRIMARY KEY (id, part)) PARTITION BY LIST (part);"
          "CREATE TABLE mid PARTITION OF t FOR VALUES IN (1, 2) PARTITION BY LIST (part); CREATE TABLE p1 PARTITION OF mid FOR VALUES IN (1);"
          "INSERT INTO t SELECT n, 1, 'row ' || n FROM generate_series(1, 5) n;")
THERE_AND_BACK = {
    "partition": (PARTED, "ALTER TABLE mid DETACH PARTITION p1; UPDATE p1 SET a = 'untold'; DELETE FROM p1 WHERE id = 3;"
                          "ALTER TABLE mid ATTACH PARTITION p1 FOR VALUES IN (1)"),
    "above": (PARTED, "ALTER TABLE t DETACH PARTITION mid; UPDATE p1 SET a = 'untold';"
                      "ALTER TABLE t ATTACH PARTITION mid FOR VALUES IN (1, 2)"),
    "kinds": (PLAIN, "ALTER PUBLICATION rhei SET (publish = 'insert'); UPDATE t SET a = 'untold' WHERE id = 1; DELETE FROM t WHERE id = 2;"
                     "ALTER PUBLICATION rhei SET (publish = 'insert, update, delete, truncate')"),
    "schema": (BY_SCHEMA, "ALTER PUBLICATION rhei DROP TABLES IN SCHEMA public; INSERT INTO t VALUES (20, 'untold');"
                          "ALTER PUBLICATION rhei ADD TABLES IN SCHEMA public"),
    "moved": (BY_SCHEMA, "ALTER TABLE t SET SCHEMA other; UPDATE other.t SET a = 'untold'; ALTER TABLE other.t SET SCHEMA public"),
}


@pytest.mark.parametrize("what", THERE_AND_BACK)
def test_what_ceases_to_be_published_between_two_looks_is_loaded_anew(engine, server, tmp_path, what):
    before, steps = THERE_AND_BACK[what]
    server.sql(before)
    engine.open(None, config_file=settings(tmp_path, server))
    same = lambda: rows_here(engine, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t")
    assert same()
    server.sql(f"BEGIN; {steps}; COMMIT")  # no look comes between
    until_seen(same)


def until_seen(condition, limit=LIMIT):
    """What is seen late is seen in the end; a source, or a table, that is away comes back."""
    end = time.monotonic() + limit
    while True:
        why = "it was never seen"
        try:
            if condition():
                return
        except RheiError as error:
            why = str(error)
        assert time.monotonic() < end, why
        time.sleep(0.005)


def test_what_ceases_to_be_published_while_nobody_looks_is_loaded_anew(spawn, server, tmp_path):
    server.sql(PARTED)
    config = settings(tmp_path, server, 'slot = "rhei_app"')
    config.write_text(f'[engine]\nolap_path = "{tmp_path}/olap"\n' + config.read_text())
    first = spawn()
    first.open(None, config_file=config)
    assert rows_here(first, "SELECT count(*) FROM app.t") == [["5"]]
    first.close()
    server.sql(f"BEGIN; {THERE_AND_BACK['partition'][1]}; COMMIT")
    second = spawn()
    second.open(None, config_file=config)
    until_seen(lambda: rows_here(second, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t"))


@pytest.mark.parametrize("version", [15, 18])
def test_upkeep_and_writes_load_nothing_anew(engine, tmp_path, version):
    with PostgresServer(version, {"log_statement": "all"}) as server:
        server.sql(PARTED + "CREATE TABLE q (id int PRIMARY KEY); CREATE PUBLICATION rhei FOR TABLES IN SCHEMA public")
        engine.open(None, config_file=settings(tmp_path, server))
        same = lambda: rows_here(engine, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t")
        until_seen(same)
        log = lambda: (server.folder / "log").read_text()
        loads, looks = log().count("COPY (SELECT"), log().count("pg_partition_ancestors")
        assert loads > 0 and looks > 0
        for statement in ("VACUUM FREEZE", "ANALYZE", "CREATE INDEX ON t (a)", "UPDATE t SET a = 'told'", "VACUUM FULL pg_inherits",
                          "VACUUM FULL pg_depend", "TRUNCATE q"):
            server.sql(statement)
            assert same(), statement
        end, looks = time.monotonic() + LIMIT, log().count("pg_partition_ancestors")
        while log().count("pg_partition_ancestors") < looks + 3:
            assert same() and time.monotonic() < end
        assert log().count("COPY (SELECT") == loads


def kept_settings(folder, server):
    config = settings(folder, server, 'slot = "rhei_app"')
    config.write_text(f'[engine]\nolap_path = "{folder}/olap"\n' + config.read_text())
    return config


def copy_folder(source, target):
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)  # whose it is, too


def test_a_server_restored_to_an_older_state_is_loaded_anew(spawn, server, tmp_path):
    server.sql(PLAIN)
    config = kept_settings(tmp_path, server)

    def until_same(engine):
        until_seen(lambda: rows_here(engine, "SELECT id, a FROM app.t") == rows_there(server, "SELECT id, a FROM t"))

    def opened():
        engine = spawn()
        engine.open(None, config_file=config)
        until_same(engine)
        return engine

    opened().close()
    server.stop()
    copy_folder(server.data, server.folder / "older")
    server.start()
    engine = opened()
    server.sql("INSERT INTO t SELECT n, 'of the other history' FROM generate_series(2000, 2100) n")
    until_same(engine)
    engine.close()
    server.stop()
    shutil.rmtree(server.data)
    copy_folder(server.folder / "older", server.data)
    server.start()
    server.sql("INSERT INTO t SELECT n, repeat('grown', 20) FROM generate_series(100, 1000) n")  # past the folder's position
    server.sql("DELETE FROM t WHERE id >= 100")
    engine = opened()
    assert any("was restored" in str(line) for line in engine.log), engine.log


@pytest.mark.parametrize("version", [15, 18])
def test_a_server_that_was_started_anew_while_closed_is_gone_on_with(spawn, tmp_path, version):
    with PostgresServer(version, {"log_statement": "all"}) as server:
        server.sql(PLAIN)
        config = kept_settings(tmp_path, server)
        loads = lambda: (server.folder / "log").read_text().count("COPY (SELECT")
        engine = spawn()
        engine.open(None, config_file=config)
        assert rows_here(engine, "SELECT count(*) FROM app.t") == [["5"]]
        loaded = loads()
        for more in (1, 2):
            server.sql(f"INSERT INTO t VALUES ({10 + more}, 'told')")
            assert rows_here(engine, "SELECT count(*) FROM app.t") == [[str(5 + more)]]
            engine.close()
            server.stop()
            server.start()
            engine = spawn()
            engine.open(None, config_file=config)
            assert rows_here(engine, "SELECT count(*) FROM app.t") == [[str(5 + more)]]
            assert loads() == loaded, engine.log


@pytest.mark.parametrize("local", [False, True])
def test_the_age_of_an_answer_is_that_of_the_source_it_was_read_from(engine, server, tmp_path, local):
    server.sql(PLAIN)
    config = settings(tmp_path, server, "enable_local_oltp = true" if local else "")
    if local:
        config.write_text(f'[engine]\noltp_path = "{tmp_path}/own.db"\n' + config.read_text())
    engine.open(None, config_file=config)
    began = time.monotonic()
    assert rows_here(engine, "SELECT count(*) FROM app.t") == [["5"]]
    server.stop()
    for route in ("olap", "oltp"):
        end, age = time.monotonic() + LIMIT, 0
        while age < 1_500_000:
            age = engine.query("SELECT sum(id) FROM app.t", freshness="eventual", route=route).age_us
            assert 0 <= age <= (time.monotonic() - began) * 1e6 and time.monotonic() < end
