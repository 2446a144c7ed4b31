"""Names that PostgreSQL tells apart and queries here don't: what can't be told apart is refused, and nothing is answered for another. And
names within values, whose rows nobody wrote when they change."""

import json
import re
import time

import pytest

from postgres_server import PostgresServer
from rhei_engine import RheiError

LIMIT = 90  # seconds that anything may take to be seen


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        yield made


@pytest.fixture(params=["logical", "poll"])
def follow(request, server, spawn, tmp_path):
    """Opens an engine that follows a new database, of which the SQL is."""
    name = f"{request.param}_{time.monotonic_ns()}"
    server.sql(f"CREATE DATABASE {name}")

    class Followed:
        mode, engine = request.param, spawn()

        @staticmethod
        def sql(text):
            return server.sql(text, database=name)

        def open(self, *tables):
            text = (f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "{self.mode}"\n'
                    f'source_path = "host=127.0.0.1 port={server.port} user=postgres dbname={name}"\n')
            text += "".join(f"[[sidecar.tables]]\n{table}\n" for table in tables)
            (tmp_path / "side.toml").write_text(text)
            self.engine.open(None, config_file=tmp_path / "side.toml")
            return self.engine

        def message(self, table):
            listed = json.loads(self.engine.info())["sidecars"][0]["tables"]
            found = [one for one in listed if one["name"] == table]
            assert [one["state"] for one in found] == ["unmirrored"], listed
            return found[0]["message"]

    made = Followed()
    if made.mode == "logical":  # one that Rhei makes has no table that is refused
        made.sql("CREATE PUBLICATION rhei FOR ALL TABLES")
    yield made
    made.engine.close()
    server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


def table(name, value):
    return (f"CREATE TABLE {name} (id int PRIMARY KEY, a text, updated_at timestamptz DEFAULT now());"
            f"INSERT INTO {name} VALUES (1, '{value}');")


def until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.02)


def test_tables_whose_names_differ_in_case_alone_are_refused_unless_one_is_named(follow):
    follow.sql(table('"T"', "big") + table("t", "small") + table("other", "other") + 'CREATE SCHEMA "S"; CREATE SCHEMA s;'
               + table('"S".u', "big") + table("s.v", "schema") + table('"s.v"', "dotted"))
    engine = follow.open()
    assert engine.query("SELECT a FROM app.other").rows == [("other",)]
    for name in ('"T"', "t", '"s.v"'):
        with pytest.raises(RheiError, match="tell"):
            engine.query(f"SELECT a FROM app.{name}")
    assert '"public"."t"' in follow.message("T") and '"public.T" there' in follow.message("T")
    assert '"public"."T"' in follow.message("t")
    assert engine.query('SELECT a FROM app."S.u"').rows == [("big",)]
    follow.sql(table('"OTHER"', "late"))  # beside one that is followed
    until(lambda: _refused(engine, "other"))
    follow.sql('DROP TABLE "OTHER"')
    until(lambda: not _refused(engine, "other"))
    assert engine.query("SELECT a FROM app.other").rows == [("other",)]


def _refused(engine, name):
    try:
        engine.query(f"SELECT a FROM app.{name}")
        return False
    except RheiError as error:
        return re.search("tell", str(error)) is not None


@pytest.mark.parametrize("named, shown, value", [("public.T", "T", "big"), ("t", "t", "small"), ("public.s.v", "s.v", "dotted"), ("s.v", "s.v", "schema")])
def test_the_one_that_the_settings_name_is_followed(follow, named, shown, value):
    follow.sql(table('"T"', "big") + table("t", "small") + "CREATE SCHEMA s;" + table("s.v", "schema") + table('"s.v"', "dotted"))
    engine = follow.open(f'table_name = "{named}"')
    assert engine.query(f'SELECT a FROM app."{shown}"').rows == [(value,)]


def test_columns_whose_names_differ_in_case_alone_refuse_their_table(follow):
    columns = "CREATE TABLE {} (id int PRIMARY KEY, \"A\" text, a text, updated_at timestamptz DEFAULT now()); INSERT INTO {} VALUES (1, 'big', 'small');"
    follow.sql(columns.format("t", "t") + columns.format("u", "u"))
    chosen = '\ncolumns = [{ name = "a" }]' if follow.mode == "poll" else ""
    engine = follow.open('table_name = "t"', f'table_name = "u"{chosen}')
    with pytest.raises(RheiError, match='"A" and "a"|"a" and "A"'):
        engine.query("SELECT a FROM app.t")
    if follow.mode == "poll":
        assert engine.query("SELECT a FROM app.u").rows == [("small",)]
    follow.sql('ALTER TABLE t RENAME "A" TO b')
    until(lambda: not _refused(engine, "t"))
    assert engine.query("SELECT a, b FROM app.t").rows == [("small", "big")]


def test_a_table_with_a_name_that_is_sqlite_s_own_or_ours_is_refused(follow):
    follow.sql(table("sqlite_master", "theirs") + table("_rhei_meta", "ours") + table('"_RHEI_x"', "ours") + table("t", "other"))
    engine = follow.open()
    assert engine.query("SELECT a FROM app.t").rows == [("other",)]
    assert "begins with sqlite_" in follow.message("sqlite_master")
    for name in ("_rhei_meta", "_RHEI_x"):
        assert "begins with _rhei_" in follow.message(name)


def test_labels_that_are_renamed_and_attributes_that_are_added_are_seen(follow):
    follow.sql("CREATE TYPE m AS ENUM ('a', 'b'); CREATE TYPE pair AS (x int, y m); CREATE DOMAIN mood AS m;"
               "CREATE TABLE t (id int PRIMARY KEY, a m, l m[], d mood, p pair, updated_at timestamptz DEFAULT now());"
               "INSERT INTO t VALUES (1, 'a', '{a,b}', 'a', '(1,a)'), (2, 'b', '{}', 'b', '(2,b)')")
    engine = follow.open()

    def same():
        try:
            here = sorted([str(value) for value in row] for row in engine.query("SELECT id, a, l, d, p FROM app.t").rows)
        except RheiError:
            return False
        return here == [line.split("\t") for line in follow.sql("SELECT id, a, l, d, p FROM t ORDER BY id").splitlines()]

    assert same()
    for statement in ("ALTER TYPE m RENAME VALUE 'a' TO 'aa'", "ALTER TYPE pair ADD ATTRIBUTE z int",
                      "ALTER TYPE m ADD VALUE 'c'; INSERT INTO t VALUES (3, 'b', '{b}', 'b', '(3,b,4)')"):
        follow.sql(statement)
        until(same)
