"""A2, A3, A10: the mirror in a folder (olap_path): what is taken over at the next opening, what isn't, and what is set aside."""

import json
import random
import shutil
import sqlite3
import struct

import pytest

import foreign
from foreign import assert_mirror
from rhei_engine import EngineDied, RheiError

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, note);
CREATE TABLE pairs (a TEXT, b INTEGER, v BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE plain (x, y);
CREATE TABLE empty (id INTEGER PRIMARY KEY, v);
"""
TABLES = ("orders", "pairs", "plain", "empty")


def disk(engine):
    return json.loads(engine.info())["disk"]


def make(engine, rows=3000):
    engine.script(SCHEMA)
    engine.execute(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO orders SELECT i, "
        "'customer ' || (i % 97) || CASE WHEN i % 3 THEN ', of a street with a long name' ELSE '' END, i / 7.0, "
        "CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN 'é' || i WHEN 3 THEN x'00ff' ELSE i / 3.0 END FROM n", rows)
    engine.execute("INSERT INTO pairs SELECT 'key ' || (id % 50), id, CAST(customer AS BLOB) FROM orders WHERE id <= 500")
    engine.execute("INSERT INTO plain SELECT id, customer FROM orders WHERE id % 4 = 0")
    engine.initial_sync()


def change(engine, seed):
    rng = random.Random(seed)
    for _ in range(20):
        low = rng.randrange(3000)
        engine.execute("UPDATE orders SET amount = amount + 1, note = ? WHERE id BETWEEN ? AND ?", rng.choice([None, 5, "t" * 30, 2.5]), low, low + 40)
        engine.execute("DELETE FROM orders WHERE id = ?", rng.randrange(3000))
        engine.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)", f"key {low % 50}", low % 600, b"\x01" * (low % 40))
        engine.execute("DELETE FROM plain WHERE x % 31 = ?", low % 31)
        engine.execute("INSERT INTO plain VALUES (?, ?)", low, "new" * (low % 9))


def assert_all(engine):
    engine.sync()
    for table in TABLES:
        assert engine.tables()[table][0] == 2, engine.tables()
        engine.verify(table)


@pytest.fixture
def place(folder):
    return folder / "mirror"


def restored(engine):
    """How many tables the opening took over."""
    return disk(engine)["restored_tables"]


def test_a2_the_next_opening_takes_the_mirror_over(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    change(engine, 1)
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    engine.initial_sync()
    assert_all(engine)
    assert json.loads(engine.info())["sync"]["tables_ready"] == len(TABLES)
    for life in range(3):
        change(engine, life + 2)
        engine.close()
        engine = open_engine(olap_path=place)
        assert restored(engine) == len(TABLES)
        assert_all(engine)
    assert engine.status()["builds"] == len(TABLES) if "builds" in engine.status() else True
    engine.close()
