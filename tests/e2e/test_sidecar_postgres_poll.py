"""Another program's PostgreSQL database, followed from the side by looking at it, with no right but to read: S1 to S5."""

import itertools
import random
import shutil
import subprocess
import time

import pytest

from postgres_server import DEBIAN, PostgresServer
from rhei_engine import RheiError
from tcp_proxy import TcpProxy
from test_sidecar_postgres import until_seen as until

LIMIT = 90  # seconds that anything may take to be seen
NUMBERS = itertools.count()


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param, {"max_prepared_transactions": "10", "wal_level": "replica"}) as made:
        made.sql("CREATE ROLE reader LOGIN")
        yield made


class Base:
    """A database of its own for a test, read by a role that may connect, use and select."""

    def __init__(self, server):
        self.server, self.name = server, f"base_{next(NUMBERS)}"
        server.sql(f"CREATE DATABASE {self.name}")
        self.sql("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader")
        self.conninfo = f"host=127.0.0.1 port={server.port} user=reader dbname={self.name}"

    def sql(self, text):
        return self.server.sql(text, database=self.name)

    def rows(self, sql):
        return sorted(line.split("\t") for line in self.sql(sql).splitlines())

    def session(self):
        return Session(self)


class Session:
    """A psql that stays."""

    def __init__(self, base):
        self.psql = subprocess.Popen(
            [str(DEBIAN / "psql"), "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(base.server.port), "-U", "postgres",
             base.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, sql):
        self.psql.stdin.write(f"{sql};\n\\echo done\n")
        self.psql.stdin.flush()
        lines = []
        while (line := self.psql.stdout.readline().rstrip("\n")) != "done":
            assert "ERROR" not in line and self.psql.poll() is None, line
            lines.append(line)
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.psql.stdin.close()
        self.psql.wait(LIMIT)
        self.psql.stdout.close()


@pytest.fixture
def base(server):
    return Base(server)


@pytest.fixture
def engine(spawn):
    return spawn()


def settings(folder, base, *tables, detection="", more="", engine="", conninfo=None):
    text = (f'[engine]\n{engine}\n[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "poll"\n'
            f'source_path = "{conninfo or base.conninfo}"\n{more}\n')
    text += f"[sidecar.delete_detection]\n{detection}\n" if detection else ""
    text += "".join(f"[[sidecar.tables]]\n{table}\n" for table in tables)
    (folder / "side.toml").write_text(text)
    return folder / "side.toml"


def here(engine, sql, **options):
    return sorted(["" if value is None else str(value) for value in row] for row in engine.query(sql, **options).rows)


def same(engine, base, columns="id, a", table="t", where=""):
    return here(engine, f"SELECT {columns} FROM app.{table}") == base.rows(f"SELECT {columns} FROM {table} {where}")


def is_away(engine):
    try:
        engine.query("SELECT * FROM app.t")
    except RheiError as told:
        assert told.name == "STALE" and 'source "app"' in told.message
        return True
    return False


STAMPS = {
    "timestamptz": "timestamptz '2026-01-01' + {} * interval '1 s'", "timestamp": "timestamp '2026-01-01' + {} * interval '1 s'",
    "date": "date '2026-01-01' + {}", "integer": "{}", "bigint": "1767225600000000 + {}", "numeric": "{} / 7.0",
    "numeric(10,2)": "{} / 4.0", "real": "{}::real / 3", "double precision": "{}::float8 / 3",
    "text": "to_char(timestamp '2026-01-01' + {} * interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
}


@pytest.mark.parametrize("kind", STAMPS)
def test_s1_rows_arrive_whatever_their_timestamps_are(engine, base, tmp_path, kind):
    at = lambda n: STAMPS[kind].format(n)  # noqa: E731
    base.sql(f"CREATE TABLE t (id int PRIMARY KEY, a text, updated_at {kind}); CREATE INDEX ON t (updated_at);"
             f"INSERT INTO t SELECT n, 'row', {at('n')} FROM generate_series(1, 50) n")
    engine.open(None, config_file=settings(tmp_path, base, more="poll_batch_size = 7"))
    assert same(engine, base)
    base.sql(f"UPDATE t SET a = 'newer', updated_at = {at(100)} WHERE id % 2 = 0")  # equal ones, over several pages
    assert same(engine, base)
    base.sql(f"UPDATE t SET a = 'same tick' WHERE id = 2; INSERT INTO t VALUES (1000, 'equal', {at(100)})")
    assert same(engine, base)
    base.sql("INSERT INTO t VALUES (1001, 'none', NULL)")
    assert same(engine, base)
    base.sql(f"INSERT INTO t SELECT n, 'filler', {at('n')} FROM generate_series(2000, 3500) n")
    assert same(engine, base)
    base.sql(f"INSERT INTO t VALUES (-1, 'old', {at(-1000)}); UPDATE t SET a = 'untold' WHERE id = 3")
    until(lambda: same(engine, base))  # by what the transaction's number says


def test_s1_a_late_commit_is_seen_though_its_transaction_began_before_it_wrote(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now());"
             "INSERT INTO t SELECT n, 'row', now() - interval '1 day' FROM generate_series(1, 10) n")
    engine.open(None, config_file=settings(tmp_path, base))
    assert same(engine, base)
    with base.session() as late, base.session() as prepared:
        late.run("BEGIN")
        late.run("SELECT now()")  # its time is fixed, and it has no number yet
        prepared.run("BEGIN")
        prepared.run("INSERT INTO t VALUES (1, 'prepared') ON CONFLICT (id) DO UPDATE SET a = excluded.a")
        prepared.run("PREPARE TRANSACTION 'long'")
        # so many rows of an hour later that no look by timestamp reaches back before them
        for hour in range(2):
            base.sql(f"INSERT INTO t SELECT n, 'later', now() + interval '1 hour' FROM generate_series({hour * 3000 + 100}, {hour * 3000 + 3000}) n")
            assert same(engine, base)
        late.run("INSERT INTO t VALUES (11, 'late')")
        late.run("SAVEPOINT s")
        late.run("UPDATE t SET a = 'late, too' WHERE id = 5")
        late.run("COMMIT")
        began = time.monotonic()
        until(lambda: same(engine, base))
        assert time.monotonic() - began < 30
        prepared.run("COMMIT PREPARED 'long'")
        until(lambda: same(engine, base))


def test_s1_a_clock_that_steps_costs_no_row_and_no_version(engine, base, tmp_path):
    """The server's clock can't be stepped without the machine's, so its stamps are written as such a clock would."""
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz NOT NULL DEFAULT now()); CREATE INDEX ON t (updated_at);"
             "INSERT INTO t SELECT n, 'a', now() FROM generate_series(1, 50) n")
    engine.open(None, config_file=settings(tmp_path, base, engine='sync_mode = "temporal"'))
    assert same(engine, base)
    for round_, step in enumerate(("0 s", "-1 hour", "-1 hour", "2 days", "-3 years", "0 s", "10 years", "0 s", "-1 s")):
        base.sql(f"UPDATE t SET a = 'round {round_}', updated_at = now() + interval '{step}' WHERE id % 9 = {round_} AND id <= 50;"
                 f"INSERT INTO t VALUES ({100 + round_}, 'new', now() + interval '{step}')")
        until(lambda: same(engine, base))
    broken = engine.query("SELECT count(*) FROM app.t_history x JOIN app.t_history y USING (id) WHERE x._rhei_seq < y._rhei_seq"
                          " AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)").value
    assert broken == 0  # one version after the other, whatever their stamps say
    assert engine.query("SELECT count(*) FROM app.t_history").value == 50 + 50 + 9


def test_s2_one_bad_table_costs_the_others_nothing(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (1, 'x');"
             "CREATE TABLE nokey (a int, updated_at int); CREATE TABLE nostamp (id int PRIMARY KEY);"
             "CREATE VIEW v AS SELECT * FROM t; CREATE TABLE secret (id int PRIMARY KEY, updated_at int);"
             "REVOKE SELECT ON secret FROM reader; CREATE TABLE guarded (id int PRIMARY KEY, updated_at int);"
             "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE TABLE odd (id int PRIMARY KEY, updated_at json);"
             "INSERT INTO odd VALUES (1, '1')")
    names = ["t", "nokey", "nostamp", "v", "secret", "guarded", "odd", "absent"]
    engine.open(None, config_file=settings(tmp_path, base, *[f'table_name = "{name}"' for name in names]))
    assert same(engine, base)
    for name, words in {"nokey": "primary key", "nostamp": "updated_at", "v": "view", "secret": "GRANT SELECT", "guarded": "row level security",
                        "odd": "json", "absent": "no table of that name"}.items():
        with pytest.raises(RheiError, match=words):
            engine.query(f"SELECT * FROM app.{name}")
    base.sql("UPDATE t SET a = 'y', updated_at = now()")
    assert same(engine, base)


def test_s3_soft_deletes_undeletes_and_a_full_compare(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now(), gone {});".format("boolean DEFAULT false") +
             "INSERT INTO t SELECT n, 'row', now() FROM generate_series(1, 20) n")
    engine.open(None, config_file=settings(tmp_path, base, detection='mode = "soft_delete"\ncolumn = "gone"'))
    shown = lambda: same(engine, base, where="WHERE NOT gone")  # noqa: E731
    assert shown()
    base.sql("UPDATE t SET gone = true, updated_at = now() WHERE id < 5")
    assert shown()
    base.sql("UPDATE t SET gone = true WHERE id = 6; UPDATE t SET gone = false WHERE id = 2")  # which no time tells of
    until(shown)


@pytest.mark.parametrize("detection, gone", [('mode = "soft_delete"\ncolumn = "deleted_at"', "deleted_at IS NULL"),
                                             ('mode = "full_diff"\nevery_n_cycles = 2', "true")])
def test_s3_deletions_reach_the_mirror(engine, base, tmp_path, detection, gone):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now(), deleted_at timestamptz);"
             "INSERT INTO t SELECT n, 'row', now() FROM generate_series(1, 20) n")
    engine.open(None, config_file=settings(tmp_path, base, detection=detection))
    shown = lambda: same(engine, base, where=f"WHERE {gone}")  # noqa: E731
    assert shown()
    if gone == "true":
        for statement in ("DELETE FROM t WHERE id < 5", "UPDATE t SET id = 100 WHERE id = 10", "TRUNCATE t", "INSERT INTO t VALUES (1, 'again')"):
            base.sql(statement)
            until(lambda: base.sql("CREATE TABLE IF NOT EXISTS other (id int); INSERT INTO other VALUES (1)") == "" and shown())
    else:
        base.sql("UPDATE t SET deleted_at = now() WHERE id = 3")  # leaves updated_at alone
        assert shown()
        base.sql("UPDATE t SET deleted_at = NULL, updated_at = now() WHERE id = 3")
        assert shown()


def test_a_table_without_the_column_that_tells_of_deletions_is_followed_and_told(engine, base, tmp_path):
    for name in ("t", "u"):
        base.sql(f"CREATE TABLE {name} (id int PRIMARY KEY, updated_at int{', gone boolean' if name == 'u' else ''}); INSERT INTO {name} VALUES (1, 1)")
    engine.open(None, config_file=settings(tmp_path, base, detection='mode = "soft_delete"\ncolumn = "gone"'))
    assert engine.query("SELECT id FROM app.t").rows == engine.query("SELECT id FROM app.u").rows == [(1,)]
    said = lambda words: [line[2] for line in engine.log if words in line[2]]  # noqa: E731
    until(lambda: len(said("CREATE INDEX")) == 2)
    assert len(said('no column "gone"')) == 1 and 'table t: it has no column "gone"' in said('no column "gone"')[0], engine.log


def test_s4_types_and_names_are_those_of_mode_logical(engine, base, tmp_path):
    base.sql('CREATE SCHEMA "Sales"; GRANT USAGE ON SCHEMA "Sales" TO reader; CREATE TYPE mood AS ENUM (\'sad\', \'ok\'); CREATE DOMAIN price AS numeric(12,2);'
             'CREATE TABLE "Sales"."Order Items" ("Order" uuid, "n""o" smallint, m mood, p price, d date, ts timestamptz, j jsonb, b bytea, r int4range, l int[], f real,'
             ' t time, big numeric, yes boolean, "Changed" timestamp, PRIMARY KEY ("Order", "n""o")); GRANT SELECT ON "Sales"."Order Items" TO reader;'
             'INSERT INTO "Sales"."Order Items" SELECT \'6ecd8c99-4036-403d-bf84-cf8400f67836\', n, \'ok\', 12.30, \'infinity\', \'2026-01-31 12:00:00.5+02\','
             ' \'{"a": 1}\', \'\\x00ff\', \'[1,5)\', \'{1,NULL}\', 0.1, \'24:00\', 12345678901234567890.5, true, \'2026-01-01\' FROM generate_series(1, 9) n')
    table = 'table_name = "Sales.Order Items"\nupdated_at_column = "Changed"'
    engine.open(None, config_file=settings(tmp_path, base, table, more="poll_batch_size = 2"))
    read = lambda: engine.query('SELECT * FROM app."Sales.Order Items" WHERE "n""o" = 9').rows  # noqa: E731
    row = ("6ecd8c99-4036-403d-bf84-cf8400f67836", 9, "ok", 12.3, "infinity", "2026-01-31 10:00:00.5+00:00", '{"a": 1}', b"\x00\xff", "[1,5)", "{1,NULL}",
           0.10000000149011612, "24:00:00", "12345678901234567890.5", 1, "2026-01-01 00:00:00")
    assert read() == [row]
    base.sql('UPDATE "Sales"."Order Items" SET m = \'sad\', "Changed" = \'2026-01-02\'')
    assert read() == [(*row[:2], "sad", *row[3:-1], "2026-01-02 00:00:00")]
    assert engine.query('SELECT count(*) FROM app."Sales.Order Items" WHERE m = \'sad\'').rows == [(9,)]


def test_columns_keys_and_stamps_that_the_settings_name(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int, a text UNIQUE, secret text, made int, changed int); CREATE INDEX ON t (changed);"
             "INSERT INTO t SELECT n, 'a' || n, 's', n, n FROM generate_series(1, 10) n")
    table = 'table_name = "t"\nprimary_key = ["a"]\nupdated_at_column = "changed"\ncreated_at_column = "made"\ncolumns = [{ name = "id" }]'
    engine.open(None, config_file=settings(tmp_path, base, table))
    names = "id, a, made, changed"
    assert same(engine, base, names)
    assert [row[0] for row in engine.query("SELECT name FROM pragma_table_info('t', 'app') ORDER BY name").rows] == ["a", "changed", "id", "made"]
    base.sql("INSERT INTO t VALUES (11, 'a11', 's', 11, NULL); UPDATE t SET id = 0, changed = 12 WHERE a = 'a1'")
    assert same(engine, base, names)


def test_columns_and_partitions_that_come_and_go_are_followed(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int, a text, updated_at timestamptz DEFAULT now(), PRIMARY KEY (id)) PARTITION BY RANGE (id);"
             "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); CREATE TABLE t2 (LIKE t1 INCLUDING ALL); REVOKE SELECT ON t1, t2 FROM reader;"
             "INSERT INTO t SELECT n, 'row' FROM generate_series(1, 20) n; INSERT INTO t2 VALUES (150, 'waits', '2020-01-01')")
    engine.open(None, config_file=settings(tmp_path, base, 'table_name = "t"'))
    assert same(engine, base)
    base.sql("ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (100) TO (200)")
    until(lambda: same(engine, base))
    base.sql("ALTER TABLE t DETACH PARTITION t1")
    until(lambda: same(engine, base))
    base.sql("ALTER TABLE t ADD COLUMN later int DEFAULT 7")
    until(lambda: same(engine, base, "id, a, later"))
    base.sql("ALTER TABLE t DROP COLUMN later, ADD COLUMN later int DEFAULT 8")  # no row is written by it
    until(lambda: same(engine, base, "id, a, later"))
    base.sql("ALTER TABLE t ALTER COLUMN later TYPE numeric(10,1); UPDATE t SET later = 1.5")
    until(lambda: same(engine, base, "id, a, later"))
    base.sql("ALTER TABLE t DROP COLUMN later; ALTER TABLE t RENAME COLUMN a TO b")
    until(lambda: same(engine, base, "id, b"))
    base.sql("CREATE TABLE u (id int PRIMARY KEY, b text, updated_at timestamptz); INSERT INTO u VALUES (7, 'another', '2001-01-01');"
             "BEGIN; ALTER TABLE t RENAME TO gone; ALTER TABLE u RENAME TO t; COMMIT")
    until(lambda: same(engine, base, "id, b"))


def test_a_computed_column_that_is_computed_by_something_else_is_compared(engine, base, tmp_path):
    if base.server.version < 18:
        pytest.skip("VIRTUAL columns are PostgreSQL 18's")
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a int GENERATED ALWAYS AS (id * 2) VIRTUAL, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (1), (2)")
    engine.open(None, config_file=settings(tmp_path, base, 'table_name = "t"'))
    assert same(engine, base)
    base.sql("ALTER TABLE t ALTER a SET EXPRESSION AS (id * 1000)")
    until(lambda: same(engine, base))


def test_s5_a_server_that_is_away_is_told_and_met_again(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t SELECT n, 'row' FROM generate_series(1, 100) n")
    engine.open(None, config_file=settings(tmp_path, base), busy_timeout_ms=2000)
    assert same(engine, base)
    before = base.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")
    assert int(before) >= 1
    for end in (base.server.kill, base.server.stop):
        base.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")
        base.sql("UPDATE t SET a = a || '.', updated_at = now() WHERE id % 3 = 0")
        until(lambda: same(engine, base))
        end()
        assert len(engine.query("SELECT * FROM app.t", freshness="eventual").rows) == 100
        until(lambda: is_away(engine))  # a process of the server may outlive it for a moment, and answer
        base.server.start()
        base.sql("UPDATE t SET a = 'back', updated_at = now() WHERE id = 1")
        until(lambda: same(engine, base))


def test_s1_pgbench_beside_it_comes_to_the_same_sums(engine, base, tmp_path):
    pgbench = [str(DEBIAN / "pgbench"), "-h", "127.0.0.1", "-p", str(base.server.port), "-U", "postgres", base.name]
    subprocess.run([*pgbench, "-i", "-s", "1", "-q"], check=True, capture_output=True)
    names = ["pgbench_accounts", "pgbench_branches", "pgbench_tellers"]
    # timestamps that nobody keeps: only what the transactions' numbers say tells of changes
    base.sql("".join(f"ALTER TABLE {name} ADD COLUMN updated_at timestamptz DEFAULT now();" for name in names))
    engine.open(None, config_file=settings(tmp_path, base, *[f'table_name = "{name}"' for name in names]))
    sums = ("SELECT (SELECT sum(abalance) FROM app.pgbench_accounts), (SELECT sum(bbalance) FROM app.pgbench_branches),"
            " (SELECT sum(tbalance) FROM app.pgbench_tellers)")
    load = subprocess.Popen([*pgbench, "-c", "4", "-t", "200", "-n"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while load.poll() is None:
        engine.query(sums)
    assert load.wait() == 0
    there = base.sql("SELECT sum(abalance) FROM pgbench_accounts").strip()
    until(lambda: [str(value) for value in engine.query(sums).rows[0]] == [there] * 3)


class Writer:
    """An application with several connections, which does what a seed says: transactions that take long, are taken back, prepared, or lie about their time."""

    STAMPS = ["now()", "clock_timestamp()", "now() - interval '1 day'", "now() + interval '1 hour'", "NULL", "updated_at"]

    def __init__(self, base, seed):
        self.random, self.base = random.Random(seed), base
        self.sessions = [base.session() for _ in range(3)]
        self.busy = [False] * 3
        self.prepared = 0

    def statement(self, own):
        key = self.random.randrange(own, 300, 3)  # nobody waits for another's rows
        stamp = self.random.choice(self.STAMPS)
        return self.random.choice([
            f"INSERT INTO t VALUES ({key}, 'new', {stamp.replace('updated_at', 'now()')}) ON CONFLICT (id) DO UPDATE SET a = t.a || '+', updated_at = excluded.updated_at",
            f"UPDATE t SET a = a || '.', updated_at = {stamp} WHERE id = {key}", f"DELETE FROM t WHERE id = {key}",
            f"SAVEPOINT s; UPDATE t SET a = 'never' WHERE id = {key}; ROLLBACK TO s", f"SAVEPOINT s; UPDATE t SET a = 'saved', updated_at = {stamp} WHERE id = {key}; RELEASE s"])

    def step(self):
        number = self.random.randrange(3)
        session = self.sessions[number]
        if not self.busy[number]:
            session.run("BEGIN")
            session.run("SELECT now()")
        elif self.random.random() < 0.6:
            session.run(self.statement(number))
            return
        else:
            self.finish(number)
            return
        self.busy[number] = True

    def finish(self, number):
        end = self.random.choice(["COMMIT", "COMMIT", "ROLLBACK", "PREPARE"])
        if end != "PREPARE":
            self.sessions[number].run(end)
        else:
            self.prepared += 1
            name = f"{self.base.name}_{self.prepared}"
            self.sessions[number].run(f"PREPARE TRANSACTION '{name}'")
            self.sessions[number].run("SELECT count(*) FROM t")
            self.sessions[number].run(self.random.choice(["COMMIT", "ROLLBACK"]) + f" PREPARED '{name}'")
        self.busy[number] = False

    def close(self):
        for number, session in enumerate(self.sessions):
            if self.busy[number]:
                self.finish(number)
            session.__exit__()


@pytest.mark.parametrize("seed", [1, 2])
def test_s1_whatever_writers_do_and_wherever_the_connection_is_cut_all_is_equal_in_the_end(engine, base, tmp_path, seed):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); CREATE INDEX ON t (updated_at);"
             "INSERT INTO t SELECT n, 'row' FROM generate_series(0, 299) n")
    dice = random.Random(seed)
    with TcpProxy(base.server.port) as proxy:
        conninfo = base.conninfo.replace(f"port={base.server.port}", f"port={proxy.port}")
        engine.open(None, config_file=settings(tmp_path, base, detection='mode = "full_diff"\nevery_n_cycles = 7', conninfo=conninfo,
                                               more="poll_batch_size = 50"))
        until(lambda: same(engine, base))
        writer = Writer(base, seed)
        for step in range(400):
            writer.step()
            if step % 50 == 7:  # wherever it is by then
                cuts = proxy.cuts
                proxy.cut_after(dice.choice([1, 40, 300, 1000, 3000]))
            if step % 50 == 45:
                until(lambda: proxy.cuts > cuts)
        writer.close()
        until(lambda: base.sql("CREATE TABLE IF NOT EXISTS other (id int); INSERT INTO other VALUES (1)") == "" and same(engine, base))


def test_s1_a_table_that_somebody_locks_costs_the_others_nothing(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (1, 'x');"
             "CREATE TABLE u (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO u VALUES (1, 'x');"
             "CREATE TABLE p (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT")
    engine.open(None, config_file=settings(tmp_path, base))
    assert same(engine, base) and same(engine, base, table="u")
    with base.session() as owner:
        owner.run("BEGIN; LOCK TABLE t, p")
        base.sql("UPDATE u SET a = 'y', updated_at = now()")
        until(lambda: same(engine, base, table="u"))
        owner.run("UPDATE t SET a = 'y'")
        owner.run("COMMIT")
    until(lambda: same(engine, base))


def test_s1_a_standby_tells_of_every_commit_and_is_followed_when_it_is_promoted(engine, server, tmp_path):
    with PostgresServer(server.version) as first, PostgresServer(server.version) as second:
        first.sql("CREATE ROLE reader LOGIN")
        first.stop()
        second.stop()
        shutil.rmtree(second.data)
        subprocess.run(["cp", "-a", str(first.data), str(second.data)], check=True)
        second.settings["primary_conninfo"] = first.conninfo
        second.write("standby.signal", "")
        first.start()
        second.start()
        primary, standby = Base(first), Base.__new__(Base)
        standby.server, standby.name = second, primary.name
        standby.conninfo = primary.conninfo.replace(str(first.port), str(second.port))
        primary.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (0, 'x')")
        engine.open(None, config_file=settings(tmp_path, standby), busy_timeout_ms=5000)
        until(lambda: same(engine, primary))
        with primary.session() as oldest, primary.session() as middle, primary.session() as newest:
            for number, one in enumerate((oldest, middle, newest)):
                one.run("BEGIN")
                one.run(f"INSERT INTO t VALUES ({number + 1}, 'x')")
            newest.run("COMMIT")
            until(lambda: same(engine, primary))
            middle.run("COMMIT")  # by which neither the oldest nor the newest transaction is another
            until(lambda: same(engine, primary))
        first.kill()
        second.sql("SELECT pg_promote()")
        standby.sql("INSERT INTO t VALUES (10, 'on its own'); UPDATE t SET a = 'y' WHERE id = 1")
        until(lambda: same(engine, standby))


def test_a9_a_polled_database_keeps_the_history_of_its_rows(engine, base, tmp_path):
    base.sql("CREATE TABLE t (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now()); INSERT INTO t VALUES (1, 'first'), (2, 'stays')")
    engine.open(None, config_file=settings(tmp_path, base, engine='sync_mode = "temporal"'))
    assert same(engine, base)
    between = base.sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'").strip()
    base.sql("UPDATE t SET a = 'second', updated_at = now() WHERE id = 1")
    assert same(engine, base)
    assert here(engine, f"SELECT id, a FROM app.t FOR SYSTEM_TIME AS OF '{between}'") == [["1", "first"], ["2", "stays"]]
    versions = here(engine, "SELECT a FROM app.t_history WHERE id = 1")
    assert versions == [["first"], ["second"]]
