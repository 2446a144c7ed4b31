"""C7: schemas as other programs write them. The one table says why it isn't mirrored, everything else goes on."""

import time

import pytest

import foreign
from foreign import assert_mirror, shell

START = "CREATE TABLE ok (id INTEGER PRIMARY KEY, v INTEGER UNIQUE); INSERT INTO ok VALUES (1, 1);"


def program(path):
    """A program that brings functions and collations of its own."""
    connection = foreign.connect(path)
    connection.create_function("myf", 1, lambda value: (value or 0) % 3, deterministic=True)
    connection.create_collation("rev", lambda a, b: (a < b) - (a > b))
    return connection


def message(engine, name):
    return engine.tables().get(name, (None, None, ""))[2]


def wait_for_message(engine, name, words, seconds=120):
    limit = time.monotonic() + seconds
    while words not in message(engine, name):
        assert time.monotonic() < limit, message(engine, name)
        engine.query("SELECT count(*) FROM ok")


def assert_ok_goes_on(engine, path):
    with foreign.connect(path) as connection:
        connection.execute("REPLACE INTO ok SELECT max(id) + 1, 1 FROM ok")
        last = connection.execute("SELECT max(id) FROM ok").fetchone()[0]
    assert engine.olap("SELECT sum(id), count(*) FROM ok").rows == [(last, 1)]
    assert engine.status()["last_error"] == ""


UNREADABLE = {
    "function": ("CREATE TABLE x (id INTEGER PRIMARY KEY, a UNIQUE, g AS (myf(a)))", "myf()"),
    "collation": ("CREATE TABLE x (a TEXT COLLATE rev PRIMARY KEY, id) WITHOUT ROWID", "collation"),
    "unique index": ("CREATE TABLE x (id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX u ON x (myf(a))", "myf()"),
    "failing function": ("CREATE TABLE x (id INTEGER PRIMARY KEY, a); CREATE UNIQUE INDEX u ON x (json_extract(a, '$.k')) WHERE json_valid(a)", "json_extract()"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("running", [False, True])
def test_c7_a_table_of_another_program(running, kind, path, open_engine):
    ddl, reason = UNREADABLE[kind]
    shell(path, START)
    other = program(path)
    if not running:
        other.executescript(ddl)
    engine = open_engine()
    engine.initial_sync()
    if running:
        other.executescript(ddl)
    wait_for_message(engine, "x", reason)
    other.execute("INSERT INTO x (id, a) VALUES (1, 1)")
    other.execute("REPLACE INTO x (id, a) VALUES (2, 1)")
    assert_ok_goes_on(engine, path)
    engine.execute("CREATE TABLE fresh AS SELECT * FROM ok")
    engine.initial_sync()
    assert_ok_goes_on(engine, path)
    engine.close()
    other.execute("REPLACE INTO x (id, a) VALUES (3, 2)")
    other.close()


def test_c7_rows_that_cant_be_read_fail_their_table_alone(path, open_engine):
    shell(path, START + "CREATE TABLE x (id INTEGER PRIMARY KEY, a UNIQUE); INSERT INTO x VALUES (1, 'no json');")
    engine = open_engine()
    engine.initial_sync()
    assert_mirror(engine, path)
    shell(path, "ALTER TABLE x ADD COLUMN g AS (json_extract(a, '$.k'))")
    wait_for_message(engine, "x", "malformed JSON")
    shell(path, "REPLACE INTO x (id, a) VALUES (2, '{}')")
    assert_ok_goes_on(engine, path)
    shell(path, "DELETE FROM x WHERE id = 1")
    engine.rebuild("x")
    engine.initial_sync()
    shell(path, "REPLACE INTO x (id, a) VALUES (3, '{}'), (4, '{\"k\": 7}')")
    assert_mirror(engine, path)
