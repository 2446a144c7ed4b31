"""Another program's PostgreSQL database, followed from the side by logical decoding: S1 to S5."""

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
