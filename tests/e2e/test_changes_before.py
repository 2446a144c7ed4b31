"""Rows as they were in the change feed (before), of tables with a history: by rh and by the stock shell, as rh changes prints them."""

import json

import sqlite3

import pytest
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

KEPT = '[engine]\nsync_mode = "temporal"\n'


def settings(rh, text):
    (rh.folder / "rhei.toml").write_text(text)


def made(rh, sql):
    rh.run("exec", "--config", "rhei.toml", "--capture", sql)


def write(rh, sql):
    rh.run("exec", "--config", "rhei.toml", sql)


def read(rh, *more):
    return [json.loads(line) for line in rh.run("changes", "--config", "rhei.toml", "--consumer", "a", *more).stdout.splitlines()]


def told(rh):
    """Of each row: what happened, the key, the row, and the row as it was."""
    return [(e["kind"][0].upper(), *e["key"].values(), e.get("row"), e.get("before")) for e in read(rh) if "key" in e and e["kind"] != "table"]


def row(id, x=None, **more):
    return {"id": id, "x": x, **more}


def test_a8_updates_and_deletes_have_the_row_as_it_was(rh, sqlite3_shell):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    read(rh)
    write(rh, "INSERT INTO t VALUES (1, 'a'), (2, 1.5), (3, x'00ff'); UPDATE t SET x = 7 WHERE id = 1; DELETE FROM t WHERE id = 2")
    assert told(rh) == [
        ("I", 1, row(1, "a"), None), ("I", 2, row(2, 1.5), None), ("I", 3, row(3, {"base64": "AP8="}), None),
        ("U", 1, row(1, 7), row(1, "a")), ("D", 2, None, row(2, 1.5))]
    # another program: a row that changes three times in a transaction, a key that changes, a row that stays as it is
    sqlite3_shell.run("rhei.db", "BEGIN; UPDATE t SET x = 8 WHERE id = 1; UPDATE t SET x = 9, id = 4 WHERE id = 1; UPDATE t SET x = NULL WHERE id = 4;"
                                 "DELETE FROM t WHERE id = 4; COMMIT; UPDATE t SET x = x")
    assert told(rh) == [
        ("U", 1, row(1, 8), row(1, 7)), ("D", 1, None, row(1, 8)), ("U", 4, row(4, 9), None), ("U", 4, row(4), row(4, 9)), ("D", 4, None, row(4)),
        ("U", 3, row(3, {"base64": "AP8="}), row(3, {"base64": "AP8="}))]


@pytest.mark.parametrize("other", [False, True])
def test_a8_rows_that_replace_displaced_go_with_their_rows(rh, sqlite3_shell, other):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE, y UNIQUE)")
    read(rh)
    write(rh, "INSERT INTO t VALUES (1, 'a', 'b'), (2, 'c', 'd'), (3, 'e', 'f')")
    assert len(told(rh)) == 3
    sql = "INSERT OR REPLACE INTO t VALUES (3, 'a', 'd')"
    if other:
        sqlite3_shell.run("rhei.db", sql)
    else:
        write(rh, sql)
    events = read(rh)
    changes = [e for e in events if e["kind"] in ("insert", "update", "delete")]
    assert sorted((e["key"]["id"], e["before"]["x"], e["before"]["y"]) for e in changes[:3]) == [(1, "a", "b"), (2, "c", "d"), (3, "e", "f")]
    assert [e["kind"] for e in changes] == ["delete"] * 3 + ["insert"]
    assert len({e["position"] for e in changes}) == 4
    assert changes[3]["row"] == {"id": 3, "x": "a", "y": "d"} and "before" not in changes[3]


def test_a8_declared_keys_and_generated_columns(rh):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (name TEXT PRIMARY KEY NOT NULL, x, g AS (x || '!') STORED)")
    read(rh)
    write(rh, "INSERT INTO t VALUES ('a', 1), ('b', 2); UPDATE t SET name = 'c' WHERE x = 1; INSERT OR REPLACE INTO t VALUES ('b', 3)")
    def whole(name, x):
        return {"name": name, "x": x, "g": f"{x}!"}
    assert told(rh)[2:] == [("D", "a", None, whole("a", 1)), ("U", "c", whole("c", 1), None),
                            ("D", "b", None, whole("b", 2)), ("I", "b", whole("b", 3), None)]


def test_a8_debezium_has_the_row_as_it_was(rh):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE)")
    read(rh)
    write(rh, "INSERT INTO t VALUES (1, 'a'); UPDATE t SET x = 'b'; INSERT OR REPLACE INTO t VALUES (2, 'b'); DELETE FROM t")
    assert [(e["op"], e["before"], e["after"]) for e in read(rh, "--format", "debezium")] == [
        ("c", None, row(1, "a")), ("u", row(1, "a"), row(1, "b")), ("d", row(1, "b"), None), ("c", None, row(2, "b")), ("d", row(2, "b"), None)]


def test_a8_only_tables_with_a_history_have_them_and_only_since_then(rh):
    settings(rh, '[engine]\nsync_mode = "destructive"\n')
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE TABLE u (id INTEGER PRIMARY KEY, x)")
    write(rh, "INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1, 1)")
    read(rh)
    write(rh, "UPDATE t SET x = 2; UPDATE u SET x = 2; DELETE FROM u")
    assert [e[3] for e in told(rh)] == [None] * 3
    settings(rh, '[engine]\nsync_mode = "destructive"\n[[tables]]\nname = "t"\nsync_mode = "temporal"\n')
    write(rh, "INSERT INTO u VALUES (1, 1)")  # the triggers of t are made again, with a number of their own
    read(rh)
    write(rh, "UPDATE t SET x = 3; UPDATE u SET x = 2; DELETE FROM t; DELETE FROM u")
    assert [(e[0], e[3]) for e in told(rh)] == [("U", row(1, 2)), ("U", None), ("D", row(1, 3)), ("D", None)]


def test_a8_tables_that_are_logged_by_their_keys_have_none(rh):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE TRIGGER z AFTER INSERT ON t BEGIN UPDATE t SET x = 5 WHERE id = NEW.id; END;"
             "CREATE TABLE wide (id INTEGER PRIMARY KEY, " + ", ".join(f"c{i}" for i in range(64)) + ")")
    read(rh)
    write(rh, "INSERT INTO t VALUES (1, 1); UPDATE t SET x = 6; DELETE FROM t; INSERT INTO wide (id) VALUES (1); UPDATE wide SET c1 = 1; DELETE FROM wide")
    assert {e[3] for e in told(rh)} == {None}


def test_c5_other_programs_drop_and_rename_columns_of_such_a_table(rh, sqlite3_shell):
    settings(rh, KEPT)
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE, a, b, c)")
    read(rh)
    write(rh, "INSERT INTO t VALUES (1, 1, 'a', 'b', 'c')")
    assert len(told(rh)) == 1
    sqlite3_shell.run("rhei.db", "ALTER TABLE t DROP COLUMN a; UPDATE t SET b = 'B'; INSERT OR REPLACE INTO t VALUES (2, 1, 'bb', 'cc');"
                                 "ALTER TABLE t RENAME COLUMN c TO cc; DELETE FROM t; INSERT INTO t VALUES (3, 3, 3, 3)")
    assert [e["table"] for e in read(rh) if e["kind"] == "lost"] == ["t"]
    write(rh, "UPDATE t SET b = 4")
    assert told(rh) == [("U", 3, {"id": 3, "x": 3, "b": 4, "cc": 3}, {"id": 3, "x": 3, "b": 3, "cc": 3})]


def untimed(text):
    return [{key: value for key, value in event.items() if "time" not in key} for event in map(json.loads, text.splitlines()) if "key" in event and event["kind"] != "table"]


def test_a8_a_table_that_keeps_no_rows_as_they_were_says_so(rh):
    """Where the settings keep a history, and where they don't nobody asked."""
    settings(rh, KEPT)
    columns = ", ".join(f"c{i}" for i in range(64))
    made(rh, f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns}); CREATE TABLE t (id INTEGER PRIMARY KEY, x);"
             "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, p);"
             "CREATE TRIGGER mine AFTER UPDATE ON child BEGIN UPDATE child SET p = 0 WHERE id = new.id; END;"
             "CREATE TABLE sum (id INTEGER PRIMARY KEY, x, y AS (abs(x)))")
    write(rh, "INSERT INTO wide (id) VALUES (1)")
    why = {event["table"]: event.get("without_before") for event in read(rh) if event["kind"] == "table"}
    assert why.pop("wide") == "it has more than 64 columns" and why.pop("sum") == "it has a generated column that can fail"
    assert "triggers of others" in why.pop("child") and why == {"t": None, "parent": None}
    write(rh, "UPDATE wide SET c1 = 1")
    done = rh.run("changes", "--config", "rhei.toml", "--consumer", "a", "--format", "debezium")
    assert 'note: changes of wide have no row as it was in "before": it has more than 64 columns' in done.stderr
    assert json.loads(done.stdout)["before"] is None and "of t " not in done.stderr
    settings(rh, "")
    assert not any("without_before" in event for event in read(rh))


def test_a8_lines_of_one_position(rh):
    """Of one line's position alone nobody knows that the next line was told: the position to keep is the commit's."""
    settings(rh, "")
    made(rh, "CREATE TABLE w (id INTEGER PRIMARY KEY, a UNIQUE, b UNIQUE)")
    write(rh, "INSERT INTO w VALUES (1, 1, 1), (3, 3, 3)")
    read(rh)
    write(rh, "INSERT INTO w VALUES (5, 5, 5)")
    read(rh)
    write(rh, "UPDATE OR REPLACE w SET id = 10, a = 3 WHERE id = 1")
    *lines, commit = [event for event in read(rh) if event["kind"] != "table"]
    positions = [line["position"] for line in lines]
    assert len(positions) > len(set(positions)) and positions == sorted(positions)
    assert (commit["kind"], commit["position"]) == ("commit", positions[-1])


def test_a8_the_buffer_has_rows_as_they_were(rh, rng, sqlite3_shell):
    """What the log has forgotten is told from the buffer as the log of a twin without one tells it, row by row, position by position."""
    (rh.folder / "a.toml").write_text(KEPT + 'oltp_path = "a.db"\nrocksdb_cdc_path = "changes"\n')
    (rh.folder / "b.toml").write_text(KEPT + 'oltp_path = "b.db"\n')
    schema = ("CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE, y REAL); CREATE TABLE u (a TEXT PRIMARY KEY, b UNIQUE, c) WITHOUT ROWID;"
              "CREATE TABLE v (name TEXT PRIMARY KEY NOT NULL, b, g AS (b || '!'))")
    buffered, twin = ("--config", "a.toml"), ("--config", "b.toml")
    for which in (buffered, twin):
        rh.run("exec", *which, "--capture", schema)
        rh.run("changes", *which, "--consumer", "c")
    form = (rh.folder / "changes" / "identity").read_text().split("\n")[0]
    assert form == "rhei change buffer 1"  # an older program may read it, as long as nothing new is in it
    for number in range(6):
        def some():
            return rng.choice(["1", "'1'", "2.5", "x'00ff'", "NULL", "-0.0", "'a'", "'b'", "3", "CAST(x'ff' AS TEXT)"])
        parts = []
        for _ in range(4):
            i, a, b = rng.randrange(5), some(), some()
            parts += [f"INSERT OR REPLACE INTO t VALUES ({i}, {a}, {number})", f"UPDATE OR REPLACE t SET x = {b}, y = -0.0 WHERE id = {i}",
                      f"UPDATE OR REPLACE t SET id = {rng.randrange(5)} WHERE id = {i}", f"DELETE FROM t WHERE x = {a}",
                      f"INSERT OR REPLACE INTO u VALUES ('{i}', {a}, {b})", f"UPDATE u SET c = {a}", f"INSERT OR IGNORE INTO u VALUES ('{i}', {b}, 1)",
                      f"INSERT OR REPLACE INTO v (name, b) VALUES ('{i}', {a})", f"UPDATE OR REPLACE v SET name = '{rng.randrange(5)}' WHERE name = '{i}'"]
        rng.shuffle(parts)
        sql = "BEGIN; " + "; ".join(parts) + "; COMMIT"
        if number % 3 == 1:
            for file in ("a.db", "b.db"):
                sqlite3_shell.run(file, sql)
            sql = "SELECT 1"
        rh.run("exec", *buffered, sql)
        rh.run("exec", *twin, sql)
        with sqlite3.connect(rh.folder / "a.db") as file:
            assert file.execute("SELECT count(*) FROM _rhei_cdc_log").fetchone() == (1,)  # all but the newest row is in the buffer alone
    told = [untimed(rh.run("changes", *which, "--consumer", "c").stdout) for which in (buffered, twin)]
    assert told[0] == told[1]
    assert len([e for e in told[0] if "before" in e]) > 50
    assert (rh.folder / "changes" / "identity").read_text().startswith("rhei change buffer 2\n")
    (rh.folder / "changes" / "identity").write_text("rhei change buffer 3\n")
    assert "TOO_NEW" in rh.run("changes", *buffered, "--consumer", "c", code=1).stderr
