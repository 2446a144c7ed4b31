"""Every version of every row of a PostgreSQL database that is followed from the side, against a model that keeps them as plainly as can be (A9)."""

import os
import random
import subprocess
import time

import pytest

from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError
from test_sidecar_postgres import settings, until_fresh, until_seen

TEMPORAL = '[engine]\nsync_mode = "temporal"\n'


@pytest.fixture(params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"track_commit_timestamp": "on"}) as made:
        yield made


@pytest.fixture
def engine(spawn):
    return spawn()


def temporal(folder, server, **more):
    file = settings(folder, server, **more)
    file.write_text(TEMPORAL + file.read_text())
    return file


class Model:
    """Rows by id, and the versions that ended: [id, n, big, operation, from, to]."""

    def __init__(self):
        self.rows, self.ended = {}, []

    def put(self, key, n, big, at, inserted):
        self.rows[key] = [key, n, big, "I" if inserted else "U", at, None]

    def end(self, key, at, deleted):
        row = self.rows.pop(key)
        row[5] = at
        self.ended.append(row)
        if deleted:
            self.ended.append([*row[:3], "D", at, at])

    def update(self, key, n, big, at):
        if self.rows[key][1:3] != [n, big]:
            self.end(key, at, False)
            self.put(key, n, big, at, False)

    def versions(self):
        return sorted(map(repr, self.ended + list(self.rows.values())))

    def as_of(self, at):
        return sorted((row[0], row[1], row[2]) for row in self.ended + list(self.rows.values())
                      if row[3] != "D" and row[4] <= at and (row[5] is None or at < row[5]))


class Writer:
    """Random transactions; what each does to the model is known once its commit's time is."""

    def __init__(self, seed, server, full):
        self.random, self.server, self.full = random.Random(seed), server, full
        self.model, self.rows, self.next_id, self.texts = Model(), {}, 1000, 0
        self.times = []

    def big(self):
        """Stored apart from its row, so that an UPDATE of something else doesn't send it."""
        self.texts += 1
        return f"{self.texts}:" + "x" * 3000

    def statement(self):
        what = self.random.random()
        key = self.random.choice(list(self.rows)) if self.rows else None
        if key is None or what < 0.2:
            self.next_id += 1
            row = (self.random.randrange(5), self.big())
            self.rows[self.next_id] = row
            return f"INSERT INTO t VALUES ({self.next_id}, {row[0]}, '{row[1]}')", ("insert", self.next_id, *row)
        n, big = self.rows[key]
        if what < 0.6:  # now and then as it was
            n = self.random.randrange(5)
            self.rows[key] = (n, big)
            return f"UPDATE t SET n = {n} WHERE id = {key}", ("update", key, n, big)
        if what < 0.7:
            big = self.big()
            self.rows[key] = (n, big)
            return f"UPDATE t SET big = '{big}' WHERE id = {key}", ("update", key, n, big)
        if what < 0.8:
            self.next_id += 1
            # without the whole old row the stream doesn't tell a large value of a row whose key changes
            big = big if self.full else self.big()
            del self.rows[key]
            self.rows[self.next_id] = (n, big)
            more = "" if self.full else f", big = '{big}'"
            return f"UPDATE t SET id = {self.next_id}{more} WHERE id = {key}", ("move", key, self.next_id, n, big)
        if what < 0.97:
            del self.rows[key]
            return f"DELETE FROM t WHERE id = {key}", ("delete", key)
        self.rows.clear()
        return "TRUNCATE t", ("truncate",)

    def transaction(self):
        done = [self.statement() for _ in range(self.random.choice([1, 1, 2, 5]))]
        sql = "BEGIN; " + "; ".join(text for text, _ in done) + "; SELECT pg_current_xact_id(); COMMIT;"
        number = self.server.sql(sql).strip()
        at = int(self.server.sql(f"SELECT (extract(epoch FROM pg_xact_commit_timestamp('{number}'::xid)) * 1000000)::bigint"))
        self.times.append(at)
        for _, (what, *values) in done:
            self.follow(what, values, at)

    def follow(self, what, values, at):
        model = self.model
        if what == "insert":
            model.put(*values, at, True)
        elif what == "update":
            model.update(*values, at)
        elif what == "move":
            model.end(values[0], at, True)
            model.put(*values[1:], at, True)
        elif what == "delete":
            model.end(values[0], at, True)
        else:
            for key in list(model.rows):
                model.end(key, at, True)


def versions_here(engine):
    sql = "SELECT id, n, big, _rhei_operation, _rhei_valid_from, _rhei_valid_to FROM app.t_history"
    return sorted(repr(list(row)) for row in engine.query(sql).rows)


@pytest.mark.parametrize("seed, full", [(1, False), (2, True)])
def test_a9_every_version_has_its_whole_row_and_the_time_of_its_commit(engine, server, tmp_path, seed, full):
    writer = Writer(seed, server, full)
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL")
    if full:
        server.sql("ALTER TABLE t REPLICA IDENTITY FULL")
    for key in range(20):
        writer.rows[key] = (key, writer.big())
        server.sql(f"INSERT INTO t VALUES ({key}, {key}, '{writer.rows[key][1]}')")
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT count(*) FROM app.t").value == 20
    loaded = engine.query("SELECT max(_rhei_valid_from) FROM app.t_history").value
    assert engine.query("SELECT min(_rhei_valid_from) FROM app.t_history").value == loaded
    for key, row in writer.rows.items():
        writer.model.put(key, *row, loaded, True)
    for step in range(40):
        writer.transaction()
        if step % 8 == 7:
            assert versions_here(engine) == writer.model.versions(), step
    assert versions_here(engine) == writer.model.versions()
    for at in [loaded, *writer.times[::5], writer.times[-1] - 1]:
        for route in ("auto", "olap"):
            here = engine.query("SELECT id, n, big FROM app.t FOR SYSTEM_TIME AS OF ?", at, route=route).rows
            assert sorted(here) == writer.model.as_of(at), (at, route)
    tells = engine.query("SELECT count(*) FROM app.t_history x JOIN app.t_history y USING (id) WHERE x._rhei_seq < y._rhei_seq "
                         "AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)").value
    assert tells == 0  # half-open, one behind the other


def test_a9_a_history_outlives_a_reload_of_its_table(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); INSERT INTO t VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')")
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT count(*) FROM app.t").value == 3
    server.sql("UPDATE t SET n = 10 WHERE id = 1; DELETE FROM t WHERE id = 2")
    assert engine.query("SELECT count(*) FROM app.t").value == 2
    before = engine.query("SELECT id, n, _rhei_operation, _rhei_valid_from FROM app.t_history").rows
    assert sorted(row[:3] for row in before) == [(1, 1, "I"), (1, 10, "U"), (2, 2, "D"), (2, 2, "I"), (3, 3, "I")]
    server.sql("ALTER TABLE t ADD COLUMN more int DEFAULT 7; UPDATE t SET n = 30 WHERE id = 3")
    until_fresh(lambda: engine.query("SELECT id, n, more FROM app.t").rows and
                sorted(engine.query("SELECT id, n, more FROM app.t").rows) == [(1, 10, 7), (3, 30, 7)])
    here = engine.query("SELECT id, n, _rhei_operation, _rhei_valid_from FROM app.t_history").rows
    assert set(before) <= set(here)
    assert [row[:3] for row in set(here) - set(before)] == [(3, 30, "U")]
    first = min(row[3] for row in before)
    assert sorted(engine.query("SELECT id, n FROM app.t FOR SYSTEM_TIME AS OF ?", first).rows) == [(1, 1), (2, 2), (3, 3)]


def test_a9_the_past_shows_no_value_of_an_added_column_that_was_written_later(engine, server, tmp_path):
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1), (2, 2)")
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT count(*) FROM app.t").value == 2
    first = engine.query("SELECT min(_rhei_valid_from) FROM app.t_history").value
    columns = {"a": "int DEFAULT 7", "b": "text", "c": "numeric(8, 2) NOT NULL DEFAULT 1.5", "d": "date DEFAULT '2026-01-31'", "e": "text DEFAULT 'it''s, {1}'",
               "f": "float8 DEFAULT -0.1", "g": "bytea DEFAULT '\\x0102'", "h": "jsonb DEFAULT '{\"a\": [1]}'"}
    adds = ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in columns.items())
    server.sql(f"BEGIN; ALTER TABLE t {adds}; UPDATE t SET a = 9 WHERE id = 1; COMMIT")
    until_fresh(lambda: len(engine.query("SELECT * FROM app.t").rows[0]) == 10 and engine.query("SELECT a FROM app.t WHERE id = 1").value == 9)
    now = {row[0]: tuple(row) for row in engine.query("SELECT * FROM app.t").rows}
    then = sorted(engine.query("SELECT * FROM app.t FOR SYSTEM_TIME AS OF ?", first).rows)
    assert then == [(1, 1) + (None,) * 8, now[2]] and now[2][2] == 7, then
    server.sql("ALTER TABLE t ADD COLUMN b2 text; UPDATE t SET b2 = 'later' WHERE id = 2")
    until_fresh(lambda: engine.query("SELECT b2 FROM app.t WHERE id = 2").value == "later")
    then = sorted(engine.query("SELECT id, b2 FROM app.t FOR SYSTEM_TIME AS OF ?", first).rows)
    assert then == [(1, None), (2, None)]


def test_a9_rh_query_asks_a_server_as_of_a_time(rh, server):  # noqa: F811
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)")
    temporal(rh.folder, server)
    options = ("--config", "side.toml", "--format", "csv", "--no-header")
    now = str(int(time.time()) + 100)
    assert rh.run("query", "SELECT id, n FROM app.t", "--as-of", now, *options).stdout.split() == ["1,1"]
    assert rh.run("query", "SELECT id, n FROM app.t", "--as-of", "2020-01-01", *options).stdout.split() == []
    assert rh.run("query", "SELECT n, _rhei_operation FROM app.t_history", *options).stdout.split() == ["1,I"]


def test_a9_what_a_reload_didnt_see_is_refused(engine, server, tmp_path):
    """A key change without the large value loads the table anew: as of the changes meanwhile nobody is told what was before them, or what came of them."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
               "INSERT INTO t SELECT x, 0, repeat('x', 3000) FROM generate_series(1, 2000) x")
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT count(*) FROM app.t").rows == [(2000,)]

    def change(sql):
        server.sql(sql)
        return int(server.sql("SELECT (extract(epoch FROM timestamp) * 1000000)::bigint FROM pg_last_committed_xact()"))

    known = {0: change("UPDATE t SET n = 1 WHERE id = 7")}
    until_fresh(lambda: engine.query("SELECT n FROM app.t WHERE id = 7").rows == [(1,)])
    times = [(1, known[0]), (1, change("UPDATE t SET id = -1 WHERE id = 1"))]
    for n in range(2, 6):
        times.append((n, change(f"UPDATE t SET n = {n} WHERE id = 7")))
    until_fresh(lambda: engine.query("SELECT n FROM app.t WHERE id = 7").rows == [(5,)])
    times.append((6, change("UPDATE t SET n = 6 WHERE id = 7")))
    until_fresh(lambda: engine.query("SELECT n FROM app.t WHERE id = 7").rows == [(6,)])
    told = 0
    for n, at in times:
        try:
            assert engine.query(f"SELECT n FROM app.t FOR SYSTEM_TIME AS OF {at} WHERE id = 7").rows == [(n,)]
            assert engine.query(f"SELECT count(*) FROM app.t FOR SYSTEM_TIME AS OF {at} WHERE id = 1").rows == [(int(at < times[1][1]),)]
            told += 1
        except RheiError as error:
            assert "doesn't know what the table was between" in error.message, error.message
    assert told >= 2  # before the load and behind it


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int (*next)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec += SECONDS;
    return result;
}
"""


def with_clock(spawn, folder, seconds):
    """An engine whose clock is so many seconds ahead."""
    (folder / "clock.c").write_text(CLOCK)
    library = folder / f"clock{seconds}.so"
    subprocess.run(["cc", "-shared", "-fPIC", f"-DSECONDS=({seconds})", folder / "clock.c", "-o", library, "-ldl"], check=True)
    link_order = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return spawn(env=dict(os.environ, LD_PRELOAD=str(library), ASAN_OPTIONS=link_order))


@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_a9_times_are_those_of_the_servers_clock_alone(spawn, server, tmp_path, seconds):
    """Of loads, and of how long a table was known, too: a gap from one clock's time to the other's would be too short, and so is one that begins where we last asked."""
    engine = with_clock(spawn, tmp_path, seconds)
    server.sql("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (7, 0)")
    now = lambda: int(server.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT n FROM app.t").rows == [(0,)]
    loaded = now()
    as_of = lambda at: engine.query(f"SELECT n FROM app.t FOR SYSTEM_TIME AS OF {at}").rows
    assert as_of(loaded) == [(0,)]
    server.sql("UPDATE t SET n = 1")
    assert engine.query("SELECT n FROM app.t").rows == [(1,)]
    changed = int(server.sql("SELECT (extract(epoch FROM timestamp) * 1000000)::bigint FROM pg_last_committed_xact()"))
    assert as_of(changed - 1) == [(0,)] and as_of(changed) == [(1,)]
    between = now()
    server.sql("ALTER TABLE t ALTER n TYPE int USING n + 1")  # which no change tells
    until_seen(lambda: engine.query("SELECT n FROM app.t").rows == [(2,)])
    assert as_of(now()) == [(2,)]
    with pytest.raises(RheiError, match="doesn't know what the table was between"):
        as_of(between)


def test_a9_a_change_that_cannot_be_told_leaves_no_gap_before_it(engine, server, tmp_path):
    """Whatever was committed before it was told, so the table is known up to it, however long nothing happened."""
    server.sql("CREATE TABLE t (id int PRIMARY KEY, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL; INSERT INTO t VALUES (7, repeat('x', 5000))")
    now = lambda: int(server.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))
    engine.open(None, config_file=temporal(tmp_path, server))
    ids = lambda behind="": engine.query(f"SELECT id FROM app.t{behind}").rows
    assert ids() == [(7,)]
    quiet = now()
    server.sql("UPDATE t SET id = 8")  # the stream has the new key, and not the large value
    until_fresh(lambda: ids() == [(8,)])
    assert any("a large value of it wasn't sent" in text for _, _, text in engine.log)
    assert ids(f" FOR SYSTEM_TIME AS OF {quiet}") == [(7,)]
    assert ids(f" FOR SYSTEM_TIME AS OF {now()}") == [(8,)]


@pytest.mark.parametrize("hours, large", [(24, False), (-1, False), (-1, True)])
def test_a9_what_the_server_itself_received_has_a_time_of_its_own_clock(spawn, tmp_path, hours, large):
    """A subscriber's transactions are told with the time of the publisher's clock, which may be fast, and whose commit may be long ago."""
    engine = spawn()
    now = lambda: int(time.time() * 1000000)
    with PostgresServer(18 if large else 15, {"logical_decoding_work_mem": "64kB"}) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'one'); SELECT pg_replication_origin_create('o')")
        engine.open(None, config_file=temporal(tmp_path, server, more='slot = "rhei_app"'))
        assert engine.query("SELECT a FROM app.t").value == "one"
        more = "INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(2, 3000) n;" if large else ""
        before = now()
        server.sql("SELECT pg_replication_origin_session_setup('o'); BEGIN;"
                   f"SELECT pg_replication_origin_xact_setup('0/100', now() + interval '{hours} hours'); {more} UPDATE t SET a = 'two' WHERE id = 1; COMMIT")
        assert engine.query("SELECT a FROM app.t WHERE id = 1").value == "two"
        between = now()
        server.sql("UPDATE t SET a = 'three' WHERE id = 1")
        assert engine.query("SELECT a FROM app.t WHERE id = 1").value == "three"
        for at, there in ((before, "one"), (between, "two"), (now(), "three")):
            assert engine.query(f"SELECT a FROM app.t FOR SYSTEM_TIME AS OF {at} WHERE id = 1").value == there


def test_a9_what_the_server_received_while_nobody_listened_isnt_later_than_what_came_behind_it(spawn, tmp_path):
    engine = spawn()
    with PostgresServer(15) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'one'); SELECT pg_replication_origin_create('o')")
        file = temporal(tmp_path, server, more='slot = "rhei_app"')
        file.write_text(file.read_text().replace("[engine]\n", f'[engine]\nolap_path = "{tmp_path}/mirror"\n'))
        engine.open(None, config_file=file)
        assert engine.query("SELECT a FROM app.t").value == "one"
        engine.close()
        server.sql("SELECT pg_replication_origin_session_setup('o'); BEGIN; SELECT pg_replication_origin_xact_setup('0/100', now() + interval '1 day');"
                   "UPDATE t SET a = 'two'; COMMIT")
        server.sql("UPDATE t SET a = 'three'")
        at = int(time.time() * 1000000)
        engine.open(None, config_file=file)
        assert engine.query("SELECT a FROM app.t").value == "three"
        assert engine.query(f"SELECT a FROM app.t FOR SYSTEM_TIME AS OF {at}").value == "three"
        times = engine.query("SELECT _rhei_valid_from FROM app.t_history ORDER BY _rhei_seq").rows
        assert all(when <= at for (when,) in times)


def test_a9_a_key_that_is_stored_beside_its_row_costs_no_load(engine, server, tmp_path):
    """An UPDATE then sends the old key and leaves the new one out; a reload would have one version less, and cost the table."""
    server.sql("CREATE TABLE t (k text, id int, n int, b text, PRIMARY KEY (k, id)); ALTER TABLE t ALTER k SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;"
               "INSERT INTO t SELECT repeat(chr(96 + g), 2500), g, g, repeat('b', 2500) FROM generate_series(1, 20) g")
    engine.open(None, config_file=temporal(tmp_path, server))
    assert engine.query("SELECT count(*) FROM app.t").value == 20
    server.sql("UPDATE t SET n = n + 100 WHERE id = 5; UPDATE t SET n = n + 100 WHERE id = 5; UPDATE t SET id = 50, b = 'other' WHERE id = 5; DELETE FROM t WHERE id = 6")
    assert engine.query("SELECT sum(n), count(*), count(DISTINCT k) FROM app.t").rows == [(sum(range(21)) + 200 - 6, 19, 19)]
    assert sorted(engine.query("SELECT n, id, length(k), length(b), _rhei_operation FROM app.t_history WHERE n % 100 = 5").rows) == [
        (5, 5, 2500, 2500, "I"), (105, 5, 2500, 2500, "U"), (205, 5, 2500, 2500, "D"), (205, 5, 2500, 2500, "U"), (205, 50, 2500, 5, "I")]
    assert not [line for line in engine.log if "can't be told" in str(line) or "key" in str(line)]
