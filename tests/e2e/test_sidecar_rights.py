"""S2, S5: what the role of a PostgreSQL source may do, and what is wrong at the server: one clear message, and the others go on."""

import pathlib
import re
import time

import pytest

from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError
from test_sidecar_postgres import LIMIT, until_fresh

GUIDE = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "guide" / "sidecars.md").read_text().split("### Looking at PostgreSQL")[0]
STATEMENTS = re.findall(r"^    ((?:CREATE ROLE|GRANT|CREATE PUBLICATION) .*;)$", GUIDE, re.M)
HERE = "SELECT (SELECT sum(amount) FROM app.orders), (SELECT count(*) FROM app.customers)"


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        yield made


@pytest.fixture
def shop(server):
    """A database in which nobody may do what the guide doesn't grant."""
    wait_until(lambda: server.sql("SELECT count(*) FROM pg_replication_slots WHERE active") == "0\n")
    server.sql("DROP DATABASE IF EXISTS shop WITH (FORCE); CREATE DATABASE shop; REVOKE ALL ON DATABASE shop FROM public;"
               "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active; DROP ROLE IF EXISTS rhei")
    server.sql("REVOKE ALL ON SCHEMA public FROM public; CREATE TABLE orders (id int PRIMARY KEY, amount int); INSERT INTO orders VALUES (1, 5);"
               "CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1), (2)", database="shop")
    return server


def wait_until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def grant(server, statements=STATEMENTS):
    server.sql("\n".join(statements), database="shop")


def write_settings(folder, server, more="", tables=(), user="rhei", database="shop"):
    (folder / "side.toml").write_text(
        f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "logical"\n'
        f'source_path = "host=127.0.0.1 port={server.port} dbname={database} user={user}"\n{more}\n'
        + "".join(f'[[sidecar.tables]]\ntable_name = "{table}"\n' for table in tables))
    return folder / "side.toml"


@pytest.fixture
def ask(rh, shop, tmp_path):  # noqa: F811
    """What a question ends in: None, or all that is said."""
    def run(sql=HERE, **options):
        done = rh.run("query", "--config", write_settings(tmp_path, shop, **options), "--timeout", "3000", sql, code=None)
        return None if done.returncode == 0 else done.stderr

    return run


@pytest.fixture
def engine(spawn):
    return spawn()


def test_s5_the_statements_of_the_guide_are_enough(engine, shop, tmp_path):
    assert [re.match("CREATE ROLE|GRANT [A-Z]+|CREATE PUBLICATION", line)[0] for line in STATEMENTS] == [
        "CREATE ROLE", "GRANT CONNECT", "GRANT USAGE", "GRANT SELECT", "CREATE PUBLICATION"]
    grant(shop)
    engine.open(None, config_file=write_settings(tmp_path, shop))
    assert engine.query(HERE).rows == [(5, 2)]
    shop.sql("UPDATE orders SET amount = 7; DELETE FROM customers WHERE id = 1", database="shop")
    assert engine.query(HERE).rows == [(7, 1)]


@pytest.mark.parametrize("without, words", [
    ("CREATE ROLE", r'role "rhei" does not exist'),
    (" LOGIN", r"ALTER ROLE \.\.\. LOGIN"),
    (" REPLICATION", r"ALTER ROLE \.\.\. REPLICATION"),
    ("GRANT CONNECT", r"GRANT CONNECT ON DATABASE"),
    ("GRANT USAGE", r"GRANT USAGE ON SCHEMA public TO rhei"),
    ("GRANT SELECT", r"GRANT SELECT ON public\.orders TO rhei"),
    ("CREATE PUBLICATION", r"CREATE PUBLICATION rhei FOR TABLE"),
])
def test_s5_each_of_them_that_is_missing_is_named(ask, shop, without, words):
    if without == "CREATE ROLE":
        assert len(re.findall(words, ask())) == 1
        return
    grant(shop, [line.replace(without, "") if without.startswith(" ") else line for line in STATEMENTS if not line.startswith(without)])
    said = ask()
    assert re.search(words, said), said
    assert all(line.count(": warning: ") == 1 for line in said.splitlines()[:-1]) and len(said.splitlines()) <= 3, said


def test_s5_a_table_that_may_not_be_read_stops_itself_alone(engine, shop, tmp_path):
    grant(shop)
    shop.sql("""REVOKE SELECT ON customers FROM rhei; CREATE TABLE "Weird ""Name" (id int PRIMARY KEY);
                CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE SCHEMA inner_; CREATE TABLE inner_.p1 PARTITION OF parts DEFAULT;
                GRANT SELECT ON parts TO rhei; CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
                CREATE TABLE partly (id int PRIMARY KEY, b int); GRANT SELECT (id) ON partly TO rhei; GRANT SELECT ON hidden TO rhei;
                ALTER PUBLICATION rhei ADD TABLE "Weird ""Name", parts, hidden, partly""", database="shop")
    engine.open(None, config_file=write_settings(tmp_path, shop))
    assert engine.query("SELECT amount FROM app.orders").rows == [(5,)]
    tables = {name: message for name, (state, _, message) in engine.tables().items() if message}
    assert "GRANT SELECT ON public.customers TO rhei" in tables["app.customers"]
    assert 'GRANT SELECT ON public."Weird ""Name" TO rhei' in tables['app.Weird "Name']
    assert "GRANT SELECT ON inner_.p1 (and USAGE ON SCHEMA inner_) TO rhei" in tables["app.parts"]
    assert "BYPASSRLS" in tables["app.hidden"] and "GRANT SELECT" in tables["app.partly"]
    shop.sql("UPDATE orders SET amount = 8; GRANT SELECT ON customers, hidden TO rhei; GRANT USAGE ON SCHEMA inner_ TO rhei;"
             "GRANT SELECT ON inner_.p1, partly TO rhei; ALTER ROLE rhei BYPASSRLS; INSERT INTO parts VALUES (1)", database="shop")
    until_fresh(lambda: engine.query("SELECT (SELECT sum(amount) FROM app.orders), (SELECT count(*) FROM app.customers), (SELECT count(*) FROM app.parts),"
                                     " (SELECT count(*) FROM app.hidden), (SELECT count(*) FROM app.partly)").rows == [(8, 2, 1, 0, 0)])


# ---- What is wrong at the server, or in the settings. ----------------------------------------------------------------------


def test_s5_a_type_of_a_schema_that_may_not_be_used_is_read_as_select_reads_it(engine, shop, tmp_path):
    """As extensions are kept where nobody may go; and refcursor is printed by another type's function."""
    grant(shop)
    shop.sql("""CREATE SCHEMA hidden; CREATE TYPE hidden.word;
        CREATE FUNCTION hidden.read(cstring) RETURNS hidden.word AS 'textin' LANGUAGE internal IMMUTABLE STRICT;
        CREATE FUNCTION hidden.print(hidden.word) RETURNS cstring AS 'textout' LANGUAGE internal IMMUTABLE STRICT;
        CREATE TYPE hidden.word (INPUT = hidden.read, OUTPUT = hidden.print, LIKE = text); CREATE TYPE pair AS (a int, b int);
        CREATE TABLE words (id int PRIMARY KEY, w hidden.word, c refcursor, p pair, n int[]); GRANT SELECT ON words TO rhei;
        INSERT INTO words VALUES (1, 'one', 'two', (NULL, NULL), '{1,NULL}'), (2, NULL, NULL, NULL, NULL), (3, '', '', (1, 2), '{}');
        ALTER PUBLICATION rhei ADD TABLE words""", database="shop")
    engine.open(None, config_file=write_settings(tmp_path, shop))
    rows = [(1, "one", "two", "(,)", "{1,NULL}"), (2, None, None, None, None), (3, "", "", "(1,2)", "{}")]
    assert engine.query("SELECT * FROM app.words ORDER BY id").rows == rows
    shop.sql("INSERT INTO words SELECT id + 3, w, c, p, n FROM words", database="shop")
    assert engine.query("SELECT * FROM app.words ORDER BY id").rows == rows + [(row[0] + 3, *row[1:]) for row in rows]


@pytest.mark.parametrize("options, words", [
    (dict(database="nowhere"), 'database "nowhere" does not exist'),
    (dict(user="nobody"), 'role "nobody" does not exist'),
    (dict(more='slot = "Big"'), 'the replication slot can\'t be called "Big": lower-case letters, digits and _'),
    (dict(more='slot = "a b"'), "lower-case letters, digits and _"),
    (dict(more=f'slot = "{"x" * 64}"'), "at most 63"),
    (dict(more='slot = ""'), "slot can't be empty"),
    (dict(more='slott = "x"'), 'side.toml:6: unknown key "slott" in [sidecar]; did you mean "slot"?'),
    (dict(more='password = "x"'), 'unknown key "password" in [sidecar]'),
    (dict(more='publication = "of others"'), "the publication of others isn't there"),
])
def test_s5_settings_that_cant_be_right_are_named(ask, shop, options, words):
    grant(shop)
    said = ask(**options)
    assert words in said and len(said.splitlines()) <= 2, said


def refused(engine, file):
    engine.open(None, config_file=file)
    with pytest.raises(RheiError) as caught:
        engine.query(HERE, timeout=3000)
    return caught.value.message


@pytest.mark.parametrize("make", ["SELECT pg_create_logical_replication_slot('taken', 'test_decoding')",
                                  "SELECT pg_create_physical_replication_slot('taken')", "other"])
def test_s5_a_slot_of_others_is_left_alone(ask, engine, shop, tmp_path, make):
    grant(shop)
    before = "SELECT slot_name, plugin, database, confirmed_flush_lsn, restart_lsn FROM pg_replication_slots"
    if make == "other":
        shop.sql("SELECT pg_create_logical_replication_slot('taken', 'pgoutput')")
    else:
        shop.sql(make, database="shop")
    there = shop.sql(before)
    words = "isn't one of pgoutput in this database: name another one"
    assert words in refused(engine, write_settings(tmp_path, shop, more='slot = "taken"'))
    assert sum(words in text for *_, text in engine.log) == 1
    assert shop.sql(before) == there
    assert ask() is None  # by a slot of its own


def test_s5_a_slot_in_use_is_told_and_taken_once_it_is_free(ask, shop, spawn, tmp_path):
    grant(shop)
    first, second = spawn(), spawn()
    file = write_settings(tmp_path, shop, more='slot = "rhei_shop"')
    first.open(None, config_file=file)
    assert first.query(HERE).rows == [(5, 2)]
    words = "give each follower a slot of its own"
    assert words in refused(second, file)
    assert sum(words in text for *_, text in second.log) == 1
    assert first.query(HERE).rows == [(5, 2)]
    assert ask(more='slot = "rhei_shop"') is None  # a command that only looks takes a slot that goes with it
    first.close()
    until_fresh(lambda: second.query(HERE).rows == [(5, 2)])


def test_s5_tables_that_cant_be_followed_say_why(engine, shop, tmp_path):
    grant(shop)
    shop.sql("CREATE VIEW v AS SELECT * FROM orders; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a; CREATE TABLE nokey (a int); CREATE UNLOGGED TABLE u (a int PRIMARY KEY);"
             "CREATE TABLE unpublished (id int PRIMARY KEY); GRANT SELECT ON ALL TABLES IN SCHEMA public TO rhei", database="shop")
    names = ("orders", "v", "mv", "nokey", "u", "unpublished", "missing", "no schema.missing", "customers")
    engine.open(None, config_file=write_settings(tmp_path, shop, tables=names))
    assert engine.query(HERE).rows == [(5, 2)]
    tables = {name: message for name, (state, _, message) in engine.tables().items()}
    for name, words in (("v", "it is a view"), ("mv", "materialized view"), ("nokey", "primary key"), ("u", "UNLOGGED"), ("unpublished", "ALTER PUBLICATION"),
                        ("missing", "no table of that name"), ("no schema.missing", "no table of that name")):
        assert words in tables[f"app.{name}"], name
    warnings = [text for *_, text in engine.log if "isn't followed" in text]
    assert len(warnings) == len(names) - 2  # once each


@pytest.mark.parametrize("publication, words", [
    ("FOR TABLE customers", "the publication rhei doesn't have it"),
    ("FOR TABLE orders, customers WITH (publish = 'insert')", "leaves out some kinds of changes"),
    ("FOR TABLE orders WHERE (id > 0), customers", "only some of its rows"),
    ("FOR TABLE orders (id), customers", "only some of its columns"),
    ("", "the publication rhei doesn't have it"),
])
def test_s5_a_publication_of_somebody_else_is_left_as_it_is(ask, shop, publication, words):
    grant(shop, STATEMENTS[:-1] + [f"CREATE PUBLICATION rhei {publication};"])
    before = "SELECT * FROM pg_publication, pg_publication_rel"
    there = shop.sql(before, database="shop")
    assert words in ask("SELECT amount FROM app.orders")
    assert shop.sql(before, database="shop") == there
    if "customers" in publication and "publish" not in publication:
        assert ask("SELECT count(*) FROM app.customers") is None


@pytest.mark.parametrize("settings, words", [
    ({"wal_level": "replica"}, "set wal_level = logical"),
    ({"max_wal_senders": "0"}, "raise max_wal_senders"),
    ({"max_wal_senders": "1"}, "raise max_wal_senders"),
    ({"max_replication_slots": "0"}, "max_replication_slots"),
    ({"max_replication_slots": "1"}, "raise max_replication_slots"),
])
def test_s5_a_server_that_isnt_set_up_for_it_says_so_and_local_tables_go_on(shop, engine, tmp_path, settings, words):
    grant(shop)
    kept = dict(shop.settings)
    try:
        shop.settings.update(settings)
        shop.stop()
        shop.start()
        engine.open(None, config_file=write_settings(tmp_path, shop, more=f'enable_local_oltp = true\n[engine]\noltp_path = "{tmp_path}/local.db"'))
        engine.script("CREATE TABLE mine (id INTEGER PRIMARY KEY); INSERT INTO mine VALUES (3)")
        with pytest.raises(RheiError) as caught:
            engine.query(HERE, timeout=2000)
        assert words in caught.value.message
        assert engine.query("SELECT id FROM mine").rows == [(3,)]
        told = [text for *_, text in engine.log if words in text]
        assert 1 <= len(told) <= 4 and len(set(told)) == len(told), told
    finally:
        shop.settings = kept
        shop.stop()
        shop.start()
    until_fresh(lambda: engine.query(HERE).rows == [(5, 2)])
