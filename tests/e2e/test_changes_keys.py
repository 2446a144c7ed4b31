"""A8: rows of the change feed are known by the key that the schema declares, whatever the mirror's own key is: a copy that is kept by it
alone equals the table at every commit."""

import pytest

from rhei_engine import RheiError, exact
from test_buffer import await_moved, await_true, buffer

TABLES = {
    "text": ("CREATE TABLE t (name TEXT NOT NULL PRIMARY KEY, v, u)", ["name"]),
    "text and a unique column": ("CREATE TABLE t (v, name TEXT NOT NULL PRIMARY KEY, u UNIQUE)", ["name"]),
    "without case": ("CREATE TABLE t (name TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, v, u UNIQUE)", ["name"]),
    "any class": ("CREATE TABLE t (name NOT NULL PRIMARY KEY, v, u)", ["name"]),
    "composite": ("CREATE TABLE t (v, u NOT NULL, name TEXT NOT NULL, PRIMARY KEY (name, u))", ["u", "name"]),
    "without rowid": ("CREATE TABLE t (u NOT NULL, name TEXT NOT NULL, v UNIQUE, PRIMARY KEY (name, u)) WITHOUT ROWID", ["name", "u"]),
    "whole numbers": ("CREATE TABLE t (name INTEGER PRIMARY KEY, v, u UNIQUE)", ["name"]),
    "descending": ("CREATE TABLE t (name INTEGER NOT NULL PRIMARY KEY DESC, v, u)", ["name"]),
    "a trigger": ("CREATE TABLE t (name TEXT NOT NULL PRIMARY KEY, v, u UNIQUE); "
                  "CREATE TRIGGER other AFTER UPDATE OF name ON t WHEN new.v > 2 BEGIN "
                  "INSERT OR IGNORE INTO t VALUES (old.name, 0, NULL); UPDATE t SET v = v + 1 WHERE name = new.name; END", ["name"]),
    "a cascade": ("CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (0), (1), (2), (3), (4), (5); "
                  "CREATE TABLE t (name NOT NULL PRIMARY KEY, v REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, u)", ["name"]),
}
CHANGES = [
    "INSERT OR REPLACE INTO t (name, v, u) VALUES ({key}, {number}, {other})",
    "INSERT OR IGNORE INTO t (name, v, u) VALUES ({key}, {number}, {other})",
    "INSERT INTO t (name, v, u) VALUES ({key}, {number}, {other}) ON CONFLICT DO NOTHING",
    "UPDATE t SET v = {number} WHERE name = {key}",
    "UPDATE OR REPLACE t SET name = {other} WHERE name = {key}",
    "UPDATE OR IGNORE t SET name = {other}, u = {key} WHERE name = {key}",
    "UPDATE OR REPLACE t SET u = {other} WHERE name = {key}",
    "UPDATE t SET rowid = rowid + 100 WHERE name = {key}",
    "DELETE FROM t WHERE name = {key}",
    "DELETE FROM p WHERE id = {number}",
    "INSERT OR IGNORE INTO p VALUES ({number})",
]


def values(name, rng):
    number = rng.randrange(6)
    if name in ("whole numbers", "descending"):
        return str(number)
    if name == "any class":
        return rng.choice([str(number), f"{number}.0", f"{number}.5", f"'{number}'", f"x'0{number}'"])
    return f"'{rng.choice('aAbBc')}{number % 3}'"


def transaction(name, rng):
    return "; ".join(rng.choice(CHANGES).format(key=values(name, rng), other=values(name, rng), number=rng.randrange(6))
                     for _ in range(rng.randrange(1, 6)))


class Copy:
    def __init__(self):
        self.rows, self.position = {}, 0

    def take(self, change, key):
        assert change.kind in ("insert", "update", "delete") and change.key_columns == key, change
        assert "rowid" not in change.columns and change.position >= self.position
        self.position = change.position
        place = tuple(exact(value) for value in change.key)
        self.rows.pop(place, None)
        if change.kind != "delete":
            self.rows[place] = tuple(exact(change.values[column]) for column in sorted(change.columns))


@pytest.mark.parametrize("buffered", [False, True], ids=["log", "buffer"])
@pytest.mark.parametrize("name", TABLES)
def test_a8_a_copy_by_the_declared_key_is_the_table(name, buffered, path, folder, open_engine, rng):
    sql, key = TABLES[name]
    engine = open_engine(**({"rocksdb_cdc_path": folder / "buffer", "manual_sync": True} if buffered else {}))
    engine.script(sql)
    if buffered:  # what is logged before it begins isn't moved, but kept for the consumer
        await_true(lambda: buffer(engine)["bytes"] > 0, lambda: buffer(engine))
    engine.changes_open("copy")
    while changes := engine.changes_next(100):
        pass
    copy = Copy()
    engine.script("INSERT INTO t (name, v, u) VALUES (0, NULL, 0)")
    for _ in range(8 if buffered else 40):
        for _ in range(rng.randrange(1, 16 if buffered else 4)):
            try:
                engine.script(transaction(name, rng))
            except RheiError as error:
                assert error.name in ("CONSTRAINT", "SQL"), error
        lost = False
        if buffered:
            await_moved(engine, path)
        while changes := engine.changes_next(100):
            for change in changes:
                if change.kind == "commit":
                    engine.changes_acknowledge(change.position)
                elif change.kind == "lost" and buffered:  # the buffer can't tell every order: then the table is read
                    lost = True
                elif change.table == "t":
                    copy.take(change, key)
        columns = sorted(engine.query("SELECT * FROM t LIMIT 0").columns)
        rows = engine.query(f"SELECT {', '.join(columns)} FROM t").rows
        if lost:
            copy.rows = {tuple(exact(row[columns.index(column)]) for column in key): tuple(map(exact, row)) for row in rows}
        assert sorted(copy.rows.values()) == sorted(tuple(map(exact, row)) for row in rows)


def test_a8_a_table_without_a_key_is_known_by_its_rowid(open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (v)")
    engine.changes_open("a")
    assert [change.key_columns for change in engine.changes_next(1)] == [["rowid"]]
    engine.script("INSERT INTO t VALUES ('x'); DELETE FROM t")
    rows = [change for change in engine.changes_next(100) if change.kind in ("insert", "delete")]
    assert [(change.key, change.columns) for change in rows] == [((1,), ["v", "rowid"])] * 2


def test_a8_a_row_that_was_displaced_is_told_where_versions_are_kept_too(open_engine):
    """Its rowid may be the new row's, so the declared key is what says that it went."""
    engine = open_engine(sync_mode="temporal")
    engine.execute("CREATE TABLE t (name TEXT NOT NULL PRIMARY KEY, u UNIQUE)")
    engine.initial_sync()
    engine.changes_open("a")
    engine.changes_next(100)
    engine.script("INSERT INTO t VALUES ('a', 1), ('b', 2); INSERT OR REPLACE INTO t VALUES ('c', 2); UPDATE OR REPLACE t SET u = 1 WHERE name = 'c'")
    gone = [change.key for change in engine.changes_next(100) if change.kind == "delete"]
    assert gone == [("b",), ("a",)]
