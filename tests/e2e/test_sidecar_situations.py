"""The fifteen situations in which followers of databases are known to break, one by one, in every mode.

Each test is a situation, each of its parameters a mode, so the list of tests is the table of both. What a mode promises differently is
said in the test: without mode `logical` deletions are seen as [sidecar.delete_detection] says, and in it a soft delete is an update.
"""

import hashlib
import itertools
import json
import os

import pytest

import foreign
from postgres_server import PostgresServer
from rhei_engine import RheiError
from tcp_proxy import TcpProxy
from test_sidecar_postgres import until_seen as until

MODES = ["sqlite-snapshot", "sqlite-poll", "poll-15", "poll-18", "logical-15", "logical-18"]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def servers():
    """By version, started when a test first asks for it."""
    made = {}
    yield made
    for server in made.values():
        server.close()


class SqliteBase:
    def __init__(self, folder, mode):
        self.path, self.mode = folder / "app.db", mode
        self.connection = foreign.connect(self.path)
        self.connection.execute("PRAGMA journal_mode = delete")

    def sql(self, text):
        for statement in filter(str.strip, text.split(";")):
            self.connection.execute(statement)

    def rows(self, sql):
        return sorted(["" if value is None else str(value) for value in row] for row in self.connection.execute(sql))

    def settings(self):
        return f'mode = "{self.mode}"\nsource_path = "{self.path}"\n'

    def state(self):
        """What nobody but its own programs changes."""
        names = sorted(os.listdir(self.path.parent))
        return hashlib.sha256(self.path.read_bytes()).hexdigest(), [name for name in names if name.startswith("app")]

    def leave(self):
        self.connection.close()
        self.path.rename(self.path.with_name("gone"))

    def come_back(self):
        self.path.with_name("gone").rename(self.path)
        self.connection = foreign.connect(self.path)

    def close(self):
        self.connection.close()


class PostgresBase:
    """A database of its own, through a proxy that can be cut."""

    def __init__(self, server, mode):
        self.server, self.mode, self.name = server, mode, f"situation_{next(NUMBERS)}"
        server.sql(f"CREATE DATABASE {self.name}")
        self.proxy = TcpProxy(server.port)

    def sql(self, text):
        return self.server.sql(text, database=self.name)

    def rows(self, sql):
        return sorted(line.split("\t") for line in self.sql(sql).splitlines())

    def settings(self):
        more = f'publication = "{self.name}"\nslot = "{self.name}"\n' if self.mode == "logical" else ""
        return (f'source_type = "postgres"\nmode = "{self.mode}"\n'
                f'source_path = "host=127.0.0.1 port={self.proxy.port} user=postgres dbname={self.name}"\n{more}')

    def state(self):
        """Every object, whatever of it can be altered, and what the server keeps for others."""
        return [self.sql(f"SELECT * FROM {table} x ORDER BY x::text") for table in (
            "pg_class", "pg_attribute", "pg_index", "pg_trigger", "pg_proc", "pg_constraint", "pg_namespace", "pg_publication",
            "pg_replication_slots", "pg_roles")]

    def leave(self):
        self.proxy.leave()

    def come_back(self):
        self.proxy.come_back()

    def close(self):
        self.proxy.close()
        self.server.sql(f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = '{self.name}'")
        until(lambda: self.server.sql(f"SELECT 1 FROM pg_replication_slots WHERE database = '{self.name}' AND active") == "")
        self.server.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{self.name}'")


@pytest.fixture(params=MODES)
def base(request, tmp_path, servers):
    kind, _, rest = request.param.partition("-")
    if kind == "sqlite":
        made = SqliteBase(tmp_path, rest)
    else:
        if rest not in servers:
            servers[rest] = PostgresServer(int(rest), {"track_commit_timestamp": "on"})
        made = PostgresBase(servers[rest], kind)
    yield made
    made.close()


class Followed:
    """An engine that follows it."""

    def __init__(self, spawn, folder, base, detection="", more=""):
        self.spawn, self.base, self.file = spawn, base, folder / "side.toml"
        text = f'[engine]\n{more}\n[sidecar]\nname = "app"\n{base.settings()}'
        self.file.write_text(text + (f"[sidecar.delete_detection]\n{detection}\n" if detection else ""))
        self.open()

    def open(self):
        self.engine = self.spawn()
        self.engine.open(None, config_file=self.file, busy_timeout_ms=2000)

    def rows(self, columns, table="t"):
        return sorted(["" if value is None else str(value) for value in row] for row in self.engine.query(f"SELECT {columns} FROM app.{table}").rows)

    def same(self, columns="id, a", where="", table="t"):
        return self.rows(columns, table) == self.base.rows(f"SELECT {columns} FROM {table} {where}")


@pytest.fixture
def follow(spawn, tmp_path, base):
    return lambda **options: Followed(spawn, tmp_path, base, **options)


def numbers(first, last):
    """Rows of a statement, in both dialects."""
    return f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT i"


TABLE = "CREATE TABLE t (id int PRIMARY KEY, a text, updated_at bigint)"


def test_s1_01_rows_that_were_edited_before_the_first_look(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 50)}, 'row', i FROM n")
    base.sql("UPDATE t SET a = 'edited', updated_at = 1000 WHERE id % 3 = 0; UPDATE t SET a = 'edited and untold' WHERE id % 5 = 0")
    assert follow().same()


def test_s1_02_equal_timestamps_over_many_pages(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 3000)}, 'row', 7 FROM n")
    followed = follow()
    assert followed.same()
    base.sql("UPDATE t SET a = 'all at once', updated_at = 8")
    until(followed.same)
    base.sql(f"INSERT INTO t {numbers(5001, 5100)}, 'equal, too', 8 FROM n")
    until(followed.same)


def test_s1_03_a_second_update_in_the_same_tick(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 50)}, 'row', i FROM n")
    followed = follow()
    for text in ("first", "second", "third"):
        base.sql(f"UPDATE t SET a = '{text}', updated_at = 100 WHERE id = 7")
        assert followed.same(), text


def test_s1_04_a_late_commit_with_an_older_timestamp(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 5000)}, 'row', i FROM n")
    followed = follow()
    assert followed.same()
    base.sql(f"INSERT INTO t {numbers(10001, 13000)}, 'newer', i FROM n")  # further than a look reaches back
    assert followed.same()
    base.sql("INSERT INTO t VALUES (-1, 'late', 3); UPDATE t SET a = 'late', updated_at = 4 WHERE id = 9")
    until(followed.same)


def test_s1_05_rows_without_a_timestamp(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 50)}, 'row', CASE WHEN i % 2 = 0 THEN i END FROM n")
    followed = follow()
    assert followed.same()
    base.sql("INSERT INTO t VALUES (100, 'none', NULL); UPDATE t SET a = 'of none' WHERE id = 3; UPDATE t SET updated_at = NULL WHERE id = 4")
    assert followed.same()


def test_s1_06_timestamps_that_are_texts(base, follow):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at text);"
             "INSERT INTO t VALUES (1, 'a', '2026-01-01T00:00:00Z'), (2, 'b', '2026-01-01 00:00:00'), (3, 'c', 'never'), (4, 'd', '')")
    followed = follow()
    assert followed.same()
    base.sql("UPDATE t SET a = 'e', updated_at = '2026-01-02T00:00:00.5+02' WHERE id = 2; INSERT INTO t VALUES (5, 'f', '2026-01-02T00:00:00.5+02')")
    until(followed.same)


def test_s2_07_an_error_in_one_table_costs_the_others_nothing(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t VALUES (1, 'x', 1); CREATE TABLE nokey (a text, updated_at bigint); CREATE VIEW v AS SELECT * FROM t;"
             "CREATE TABLE late (id int PRIMARY KEY, a text, updated_at bigint); INSERT INTO late VALUES (1, 'y', 1)")
    followed = follow()
    assert followed.same() and followed.same(table="late")
    with pytest.raises(RheiError, match="nokey"):
        followed.rows("a", "nokey")
    base.sql("DROP TABLE late; UPDATE t SET a = 'z', updated_at = 2")
    until(followed.same)
    base.sql("CREATE TABLE late (id int PRIMARY KEY, a text, updated_at bigint); INSERT INTO late VALUES (2, 'new', 9); UPDATE t SET a = 'zz', updated_at = 3")
    until(followed.same)


def test_s2_08_kills_and_restarts_lose_and_double_nothing(base, follow, tmp_path, rng):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 200)}, 'row', i FROM n")
    followed = follow(more=f'olap_path = "{tmp_path / "mirror"}"\nsync_mode = "temporal"\ncheckpoint_interval_ms = 20')
    for round_ in range(4):
        assert followed.same()
        for step in range(10):
            base.sql(f"UPDATE t SET a = '{round_}.{step}', updated_at = {1000 + 100 * round_ + step} WHERE id = {rng.randrange(1, 200)}")
        until(followed.same)
        versions = followed.engine.query("SELECT count(*), count(DISTINCT _rhei_seq) FROM app.t_history").rows[0]
        followed.engine.start("checkpoint")
        followed.engine.kill()
        base.sql(f"UPDATE t SET a = 'away {round_}', updated_at = {1090 + 100 * round_} WHERE id = 5")
        followed.open()
        until(followed.same)
        assert followed.engine.query("SELECT count(*) - count(DISTINCT id) FROM app.t").value == 0
        assert followed.engine.query("SELECT count(*) FROM app.t FOR SYSTEM_TIME AS OF '2100-01-01'").value == 200
        assert versions[0] >= 200


def test_s3_09_a_soft_delete_by_its_time(base, follow):
    base.sql(f"CREATE TABLE t (id int PRIMARY KEY, a text, updated_at bigint, deleted_at bigint); INSERT INTO t {numbers(1, 50)}, 'row', i, NULL FROM n")
    followed = follow(detection='mode = "soft_delete"\ncolumn = "deleted_at"')
    where = "" if base.mode == "logical" else "WHERE deleted_at IS NULL"
    assert followed.same(where=where)
    base.sql("UPDATE t SET deleted_at = 100, updated_at = 100 WHERE id = 3; UPDATE t SET deleted_at = 101 WHERE id = 4")  # one leaves updated_at alone
    assert followed.same(where=where) and followed.same("id, deleted_at", where=where)


def test_s3_10_a_soft_delete_by_a_flag_that_no_time_tells_of(base, follow):
    base.sql(f"CREATE TABLE t (id int PRIMARY KEY, a text, updated_at bigint, gone int); INSERT INTO t {numbers(1, 50)}, 'row', i, 0 FROM n")
    followed = follow(detection='mode = "soft_delete"\ncolumn = "gone"')
    where = "" if base.mode == "logical" else "WHERE gone = 0"
    assert followed.same(where=where)
    base.sql("UPDATE t SET gone = 1 WHERE id = 3")
    until(lambda: followed.same("id, gone", where=where))


def test_s3_11_a_row_that_is_there_again(base, follow):
    base.sql(f"CREATE TABLE t (id int PRIMARY KEY, a text, updated_at bigint, deleted_at bigint); INSERT INTO t {numbers(1, 50)}, 'row', i, 5 FROM n")
    followed = follow(detection='mode = "soft_delete"\ncolumn = "deleted_at"')
    where = "" if base.mode == "logical" else "WHERE deleted_at IS NULL"
    assert followed.same(where=where)
    base.sql("UPDATE t SET deleted_at = NULL, updated_at = 100, a = 'again' WHERE id = 3; UPDATE t SET deleted_at = NULL WHERE id = 4")
    until(lambda: followed.same("id, a, deleted_at", where=where))


def test_s3_12_rows_that_are_deleted(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 2000)}, 'row', i FROM n")
    followed = follow(detection='mode = "full_diff"\nevery_n_cycles = 1')
    assert followed.same()
    for statement in ("DELETE FROM t WHERE id < 5", "UPDATE t SET id = 5000 WHERE id = 10", "DELETE FROM t", "INSERT INTO t VALUES (1, 'again', 1)"):
        base.sql(statement)
        until(followed.same)


def test_s4_13_values_stay_what_they_are_and_only_null_is_null(base, follow):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, i bigint, r double precision, updated_at bigint);"
             "INSERT INTO t VALUES (1, '', 0, 0.1, 1), (2, NULL, NULL, NULL, 2), (3, 'NULL', -9223372036854775807, -1.5e300, 3),"
             "(4, '1.0', 9223372036854775807, 5e-324, 4), (5, 'Zoë 漢字 😀', 1, 1e22, 5)")
    followed = follow()
    sql = "SELECT id, CASE WHEN a IS NULL THEN 'is null' ELSE 'text ' || a END, CASE WHEN i IS NULL THEN 'is null' ELSE 'is' END FROM {}t"
    here = lambda: sorted([str(value) for value in row] for row in followed.engine.query(sql.format("app.")).rows)  # noqa: E731
    reals = [0.1, None, -1.5e300, 5e-324, 1e22]
    assert here() == base.rows(sql.format("")) and followed.same("id, i")
    assert [row[0] for row in followed.engine.query("SELECT r FROM app.t ORDER BY id").rows] == reals
    base.sql("UPDATE t SET a = CASE WHEN a IS NULL THEN '' WHEN a = '' THEN NULL ELSE a END, updated_at = updated_at + 10")
    until(lambda: here() == base.rows(sql.format("")) and followed.same("id, i"))
    assert [row[0] for row in followed.engine.query("SELECT r FROM app.t ORDER BY id").rows] == reals


def test_s5_14_the_source_is_only_read(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 50)}, 'row', i FROM n; CREATE TABLE nokey (a text, updated_at bigint); INSERT INTO nokey VALUES ('x', 1)")
    if base.mode == "logical":  # what the settings name is all that is ever made
        base.sql(f"CREATE PUBLICATION {base.name} FOR TABLE t; SELECT pg_create_logical_replication_slot('{base.name}', 'pgoutput')")
    before = base.state()
    followed = follow()
    assert followed.same()
    for statement in ("INSERT INTO app.t VALUES (100, 'x', 1)", "DROP TABLE app.t", "CREATE TABLE x (a)", "UPDATE app.t SET a = 'x'"):
        with pytest.raises(RheiError):
            followed.engine.execute(statement)
    base.sql("UPDATE nokey SET a = 'it stays so'" if base.mode == "logical" else "SELECT 1")  # and isn't refused for a key that it hasn't
    assert followed.same()
    followed.engine.close()
    if base.mode == "logical":  # of the slot all but its place in the log stays
        assert base.state()[:-2] == before[:-2] and base.rows("SELECT slot_name FROM pg_replication_slots") == [[base.name]]
    else:
        assert base.state() == before


def test_s5_15_a_source_that_is_away_is_told_and_met_again(base, follow):
    base.sql(f"{TABLE}; INSERT INTO t {numbers(1, 50)}, 'row', i FROM n")
    followed = follow()
    told = lambda: json.loads(followed.engine.info())["sidecars"][0]  # noqa: E731
    assert followed.same()
    base.leave()

    def is_away():
        try:
            followed.rows("id")
            return False
        except RheiError as error:
            return error.name == "STALE" and 'source "app"' in error.message

    until(is_away)
    assert followed.engine.query("SELECT count(*) FROM app.t", freshness="eventual").value == 50
    first = told()
    assert first["away"] and first["message"] and first["lag_ms"] >= 0
    until(lambda: told()["lag_ms"] > first["lag_ms"] and told()["away_ms"] > first["away_ms"])
    base.come_back()
    base.sql("UPDATE t SET a = 'back', updated_at = 100 WHERE id = 3")
    until(followed.same)
    until(lambda: not told()["away"] and told()["message"] == "")
