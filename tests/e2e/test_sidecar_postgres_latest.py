"""Commit on PostgreSQL, then ask: the answer has it, whoever else commits, rolls back or asks meanwhile."""

import queue
import subprocess
import threading

import pytest

from postgres_server import DEBIAN, PostgresServer
from rhei_engine import RheiError
from test_sidecar_postgres import rows_here, rows_there, settings
from test_sidecar_postgres_poll import Base

SESSIONS, ROUNDS, ROWS = 4, 60, 5000


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"logical_decoding_work_mem": "64kB", "wal_writer_delay": "10ms"}) as made:
        yield made


def disturb(base, rng, turns):
    """What else is in the log: large transactions that are streamed, some of them in vain, and rows that nobody follows. As many as the sessions ask for:
    a server that is written to faster than it can tell of has no end to its backlog."""
    with base.session() as session:
        while turns.get():
            session.run(f"BEGIN; UPDATE wide SET n = n + 1; SAVEPOINT s; DELETE FROM wide; ROLLBACK TO s; {rng.choice(('COMMIT', 'ROLLBACK'))};"
                        f"INSERT INTO unfollowed SELECT repeat('x', {rng.randrange(9000)})")


def commit_and_ask(base, engine, number, rounds, turns, wrong):
    lane = engine.on(f"session{number}")
    with base.session() as session:
        for round_ in range(1, rounds + 1):
            if round_ % 10 == number:
                turns.put(True)
            session.run(f"BEGIN; UPDATE t SET n = {round_} WHERE id = {number}; UPDATE t SET n = n + 1 WHERE id = {1000 + round_ % 1000}; COMMIT")
            found = lane.query(f"SELECT n FROM app.t WHERE id = {number}", route="olap").value
            if found != round_:
                wrong.append((number, round_, found))


def test_s1_every_session_finds_what_it_has_just_committed(spawn, server, tmp_path, rng, long):
    base, engine, turns, wrong = Base.__new__(Base), spawn(), queue.SimpleQueue(), []
    rounds = ROUNDS * 50 if long else ROUNDS
    base.server, base.name = server, "postgres"
    server.sql(f"CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, 0 FROM generate_series(0, 2000) i;"
               f"CREATE TABLE wide (id int PRIMARY KEY, n int); INSERT INTO wide SELECT i, 0 FROM generate_series(1, {ROWS}) i;"
               "CREATE TABLE unfollowed (a text)")
    pgbench = [str(DEBIAN / "pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "postgres"]
    subprocess.run([*pgbench, "-i", "-s", "1", "-q"], check=True, capture_output=True)
    engine.open(None, config_file=settings(tmp_path, server, tables=("t", "wide", "pgbench_accounts", "pgbench_branches")))
    assert engine.query("SELECT count(*) FROM app.t").value == 2001
    load = subprocess.Popen([*pgbench, "-c", "2", "-T", "600", "-n", "-R", "200"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    threads = [threading.Thread(target=commit_and_ask, args=(base, engine, number, rounds, turns, wrong)) for number in range(SESSIONS)]
    noise = threading.Thread(target=disturb, args=(base, rng, turns))
    for thread in [*threads, noise]:
        thread.start()
    for thread in threads:
        thread.join()
    turns.put(False)
    noise.join()
    load.terminate()
    load.wait()
    assert not wrong
    assert engine.query("SELECT sum(n) FROM app.t WHERE id >= 1000").value == SESSIONS * rounds
    assert sorted(engine.query("SELECT n FROM app.wide GROUP BY n").rows) == [(int(server.sql("SELECT DISTINCT n FROM wide")),)]


@pytest.mark.parametrize("manual", [False, True])
def test_q1_a_change_of_the_schema_is_in_the_next_answer(spawn, server, tmp_path, manual):
    """The stream tells of none of these: the query that comes next, and not one a second later."""
    engine = spawn()
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 9) i;"
               "CREATE TABLE other (id int PRIMARY KEY, n int); INSERT INTO other VALUES (2, 2);"
               "CREATE TABLE parts (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (9);"
               "CREATE TABLE parts2 (id int PRIMARY KEY, n int); INSERT INTO parts2 VALUES (10, 1)")
    engine.open(None, config_file=settings(tmp_path, server, tables=("t", "other", "parts")), manual_sync=manual)
    same = lambda table: rows_here(engine, f"SELECT * FROM app.{table}") == rows_there(server, f"SELECT * FROM {table}")
    assert same("t") and same("other") and same("parts")
    for table, statement in (("t", "ALTER TABLE t ADD COLUMN more int DEFAULT 7"),
                             ("t", "ALTER TABLE t ALTER n TYPE int USING n + 10"),
                             ("t", "TRUNCATE t; INSERT INTO t VALUES (1, 1, 1); ALTER TABLE t ALTER n TYPE int USING n + 10"),
                             ("t", "BEGIN; ALTER TABLE t DROP COLUMN more; ALTER TABLE t ADD COLUMN more int DEFAULT 8; COMMIT"),
                             ("t", "ALTER TABLE t DROP COLUMN more, ADD COLUMN more int DEFAULT 9"),
                             ("t", "ALTER TABLE t DROP COLUMN more"),
                             ("t", "ALTER TABLE t RENAME TO was; ALTER TABLE other RENAME TO t; ALTER TABLE was RENAME TO other"),
                             ("t", "ALTER PUBLICATION rhei SET (publish = 'insert'); UPDATE t SET n = n + 1;"
                                   "ALTER PUBLICATION rhei SET (publish = 'insert, update, delete, truncate')"),
                             ("t", "ALTER PUBLICATION rhei DROP TABLE t; UPDATE t SET n = n + 1; ALTER PUBLICATION rhei ADD TABLE t"),
                             ("parts", "ALTER TABLE parts ATTACH PARTITION parts2 FOR VALUES FROM (10) TO (20)"),
                             ("parts", "ALTER TABLE parts DETACH PARTITION parts2")):
        server.sql(statement)
        assert same(table), statement
    for statement, words in (("ALTER PUBLICATION rhei DROP TABLE t; ALTER TABLE t SET UNLOGGED; UPDATE t SET n = n + 1", "UNLOGGED"), ("DROP TABLE other", "no such table")):
        server.sql(statement)
        with pytest.raises(RheiError, match=words):
            engine.query(f"SELECT count(*) FROM app.{'t' if 'UNLOGGED' in words else 'other'}")


def test_a_column_that_another_one_took_the_place_of_while_closed_is_loaded_anew(spawn, server, tmp_path):
    """Same name, same type, same place, and no row was written: only its number in the catalogue is another."""
    engine = spawn()
    server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'old')")
    file = settings(tmp_path, server, 'slot = "rhei_app"', tables=("t",))
    file.write_text(f'[engine]\nolap_path = "{tmp_path}/mirror"\n' + file.read_text())
    engine.open(None, config_file=file)
    assert engine.query("SELECT a FROM app.t").value == "old"
    engine.close()
    server.sql("ALTER TABLE t DROP COLUMN a, ADD COLUMN a text DEFAULT 'new'")
    engine.open(None, config_file=file)
    assert engine.query("SELECT a FROM app.t").value == "new"


NEW_NAMES = (("ALTER TABLE big ADD COLUMN c1 int DEFAULT 5", "SELECT sum(c1) FROM app.big", 100000),
             ("ALTER TABLE big RENAME TO big2", "SELECT count(*) FROM app.big2", 20000),
             ("ALTER TABLE big2 RENAME v TO w", "SELECT count(w) FROM app.big2", 20000),
             ("CREATE TABLE small (id int PRIMARY KEY, updated_at int); INSERT INTO small VALUES (1, 7); ALTER PUBLICATION rhei ADD TABLE small",
              "SELECT updated_at FROM app.small", 7),
             ("BEGIN; ALTER TABLE big2 RENAME TO old; CREATE TABLE big2 (id int PRIMARY KEY, n int, updated_at int); INSERT INTO big2 VALUES (1, 8);"
              "ALTER PUBLICATION rhei ADD TABLE big2; COMMIT", "SELECT n FROM app.big2", 8))


@pytest.mark.parametrize("mode", ["logical", "poll"])
def test_q1_a_name_that_is_new_is_in_the_next_answer(spawn, server, tmp_path, mode):
    """Not refused as one that there isn't: the source is asked first, and a table that it changed is waited for."""
    engine = spawn()
    server.sql("CREATE TABLE big (id int PRIMARY KEY, v text, updated_at int); INSERT INTO big SELECT g, repeat('x', 200), g FROM generate_series(1, 20000) g;"
               "CREATE PUBLICATION rhei FOR TABLE big")
    file = settings(tmp_path, server)
    file.write_text(file.read_text().replace('"logical"', f'"{mode}"'))
    engine.open(None, config_file=file)
    assert engine.query("SELECT count(*) FROM app.big").value == 20000
    for statement, question, answer in NEW_NAMES:
        server.sql(statement)
        assert engine.query(question).value == answer, statement
    for question in ("SELECT absent FROM app.big2", "SELECT * FROM app.absent"):
        with pytest.raises(RheiError, match="no such"):
            engine.query(question)
