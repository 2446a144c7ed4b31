"""A9, C5: changes of a schema of every form, by a handle, by rh exec and by the stock shell, with the database closed, killed or open before the
next look: versions from before stay as they were, a column that went is NULL there or not shown, one that came has its default in rows
that go on, a renamed one is the same. The history lies in a folder.
"""

import json
import sqlite3
import subprocess
import time
from random import Random

import pytest

import foreign
import rhei_engine
from rh_program import BUILD
from test_processes import wait_until

# What is done, what the table's columns are then, under which name its row 2 has what then, and what the versions of before show.
PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)"
INSERT = "INSERT INTO t (id, a, b) VALUES (1, 10, 'x'), (2, 20, 'y'), (3, 30, 'z')"
REBUILT = ("PRAGMA foreign_keys = OFF; BEGIN; CREATE TABLE new_t (id INTEGER PRIMARY KEY, b TEXT, a {type}, extra DEFAULT 7); "
           "INSERT INTO new_t (id, a, b) SELECT id, a, b FROM t; DROP TABLE t; ALTER TABLE new_t RENAME TO t; COMMIT")
REWRITTEN = ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE name = 't'; "
             "PRAGMA writable_schema = RESET")


class Case:
    def __init__(self, sql, columns, now, first=("id", "a", "b"), past=("id", "a", "b"), name="t", made=PLAIN, others=()):
        """now: the row 2 afterwards. past: names under which the history has id, a and b of the versions before (None: gone)."""
        self.sql, self.columns, self.now, self.first, self.past, self.name, self.made, self.others = (
            sql, columns, now, first, past, name, made, others)


CASES = {
    "add a column": Case("ALTER TABLE t ADD COLUMN n", ["id", "a", "b", "n"], (2, 21, "y", None)),
    "add one with a default": Case("ALTER TABLE t ADD COLUMN n INTEGER NOT NULL DEFAULT 5", ["id", "a", "b", "n"], (2, 21, "y", 5)),
    "add one with a default of text": Case("ALTER TABLE t ADD COLUMN n TEXT DEFAULT 'it''s'", ["id", "a", "b", "n"], (2, 21, "y", "it's")),
    "add one with a check": Case("ALTER TABLE t ADD COLUMN n INTEGER DEFAULT 1 CHECK (n > 0)", ["id", "a", "b", "n"], (2, 21, "y", 1)),
    "add a generated one": Case("ALTER TABLE t ADD COLUMN n AS (a * 2)", ["id", "a", "b", "n"], (2, 21, "y", 42)),
    "add one that refers": Case("ALTER TABLE t ADD COLUMN n REFERENCES p", ["id", "a", "b", "n"], (2, 21, "y", None), others=("CREATE TABLE p (id INTEGER PRIMARY KEY)",)),
    "drop the last": Case("ALTER TABLE t DROP COLUMN b", ["id", "a"], (2, 21), past=("id", "a", None)),
    "drop one in the middle": Case("ALTER TABLE t DROP COLUMN a", ["id", "b"], (2, "y"), past=("id", None, "b")),
    "rename a column": Case("ALTER TABLE t RENAME COLUMN a TO c", ["id", "c", "b"], (2, 21, "y"), past=("id", "c", "b")),
    "exchange two names": Case("ALTER TABLE t RENAME COLUMN a TO c; ALTER TABLE t RENAME COLUMN b TO a; ALTER TABLE t RENAME COLUMN c TO b",
                               ["id", "b", "a"], (2, 21, "y")),  # at once: what was is told by the names that it had
    "rename the key": Case("ALTER TABLE t RENAME COLUMN id TO number", ["number", "a", "b"], (2, 21, "y"), past=("number", "a", "b")),
    "rename the table": Case("ALTER TABLE t RENAME TO u", ["id", "a", "b"], (2, 21, "y"), name="u"),
    "rename it twice": Case("ALTER TABLE t RENAME TO v; ALTER TABLE v RENAME TO u", ["id", "a", "b"], (2, 21, "y"), name="u"),
    "rename it, and add": Case("ALTER TABLE t RENAME TO u; ALTER TABLE u ADD COLUMN n DEFAULT 5", ["id", "a", "b", "n"], (2, 21, "y", 5), name="u"),
    "drop, and rename it": Case("ALTER TABLE t DROP COLUMN b; ALTER TABLE t RENAME TO u", ["id", "a"], (2, 21), past=("id", "a", None), name="u"),
    "the 12 steps": Case(REBUILT.format(type="INTEGER"), ["id", "b", "a", "extra"], (2, "y", 21, 7)),
    "the 12 steps, another type": Case(REBUILT.format(type="TEXT"), ["id", "b", "a", "extra"], (2, "y", "21", 7)),
    "a type rewritten": Case(REWRITTEN.format(old="a INTEGER", new="a TEXT"), ["id", "a", "b"], (2, 21, "y")),
    "a check rewritten": Case(REWRITTEN.format(old="b TEXT", new="b TEXT CHECK (1)"), ["id", "a", "b"], (2, 21, "y")),
    "strict, add": Case("ALTER TABLE t ADD COLUMN n REAL DEFAULT 2", ["id", "a", "b", "n"], (2, 21, "y", 2.0), made=PLAIN + " STRICT"),
    "strict, drop": Case("ALTER TABLE t DROP COLUMN b", ["id", "a"], (2, 21), past=("id", "a", None), made=PLAIN + " STRICT"),
    "without rowid, add": Case("ALTER TABLE t ADD COLUMN n DEFAULT 5", ["id", "a", "b", "n"], (2, 21, "y", 5), made=PLAIN + " WITHOUT ROWID"),
    "without rowid, rename": Case("ALTER TABLE t RENAME COLUMN b TO c", ["id", "a", "c"], (2, 21, "y"), past=("id", "a", "c"), made=PLAIN + " WITHOUT ROWID"),
    "without rowid, the key": Case("ALTER TABLE t RENAME COLUMN b TO c", ["id", "a", "c"], (2, 21, "y"), past=("id", "a", "c"),
                                   made="CREATE TABLE t (id INTEGER, a INTEGER, b TEXT, PRIMARY KEY (b, id)) WITHOUT ROWID"),
    "an index beside": Case("CREATE UNIQUE INDEX i ON t (b); ALTER TABLE t ADD COLUMN n", ["id", "a", "b", "n"], (2, 21, "y", None)),
    "a trigger beside": Case("CREATE TRIGGER g AFTER DELETE ON t BEGIN INSERT INTO side VALUES (old.id); END; ALTER TABLE t ADD COLUMN n",
                             ["id", "a", "b", "n"], (2, 21, "y", None), others=("CREATE TABLE side (x)",)),
    "a view beside": Case("ALTER TABLE t RENAME COLUMN a TO c", ["id", "c", "b"], (2, 21, "y"), past=("id", "c", "b"), others=("CREATE VIEW w AS SELECT a FROM t",)),
}
# What the handle's own calls don't take: BEGIN in a script, or a change of sqlite_schema.
FOREIGN_ONLY = ("the 12 steps", "the 12 steps, another type", "a type rewritten", "a check rewritten")


class File:
    def __init__(self, path, folder, spawn, interval_ms):
        self.path, self.spawn, self.interval_ms = path, spawn, interval_ms
        self.settings = folder / "temporal.toml"
        self.settings.write_text(f'[engine]\noltp_path = "{path}"\nsync_mode = "temporal"\nolap_path = "{folder / "mirror"}"\n')
        self.engine = None

    def open(self):
        self.engine = self.spawn()
        self.engine.open(self.path, config_file=self.settings, prefer_olap=True, threads=1,
                         checkpoint_interval_ms=self.interval_ms)
        self.engine.initial_sync()
        return self.engine

    def await_checkpoint(self):
        """Of everything that there is."""
        last = foreign.rows(self.path, "SELECT max(seq) FROM _rhei_cdc_log")[0][0] or 0

        def there():
            disk = json.loads(self.engine.info())["disk"]
            return disk["checkpoints"] > 0 and disk["position"] >= last

        wait_until(there, what="a checkpoint")

    def end(self, how):
        if how == "kill":
            self.engine.kill()
        else:
            self.engine.close()
        self.engine = None

    def alter(self, who, sql):
        if who == "handle":
            self.engine.script(sql)
        elif who == "rh":
            done = subprocess.run([BUILD / "tools" / "rh" / "rh", "exec", "--config", self.settings, sql], capture_output=True, text=True,
                                  timeout=60, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr
        else:
            foreign.shell(self.path, sql)


def version(case, row, columns):
    """What of id, a and b the version still shows."""
    return tuple(row[columns.index(name)] if name is not None else None for name in case.past)


def check(file, case, who):
    engine = file.engine
    engine.sync()
    key = case.past[0]
    answer = engine.query(f"SELECT * FROM {case.name} WHERE {key} = 2")
    assert (answer.columns, answer.rows) == (case.columns, [case.now])
    for route in ("auto", "oltp"):
        answer = engine.query(f"SELECT * FROM {case.name}_history ORDER BY _rhei_seq, _rhei_valid_from", route=route)
        shown = [name for name in answer.columns if not name.startswith("_rhei_")]
        assert set(case.columns) <= set(shown), shown
        seen = [(version(case, row, answer.columns), row[answer.columns.index("_rhei_operation")]) for row in answer.rows]
        gone = [place for place, name in enumerate(case.past) if name is None]
        before = [((1, 10, "x"), "I"), ((2, 20, "y"), "I"), ((3, 30, "z"), "I"), ((3, 30, "z"), "D")]
        for row, operation in before:
            row = tuple(None if place in gone else value for place, value in enumerate(row))
            assert any(found == row and how == operation for found, how in seen), (route, row, operation, answer.rows)
        rows = engine.query(f"SELECT * FROM {case.name} ORDER BY 1", route=route).rows
        assert engine.query(f"SELECT * FROM {case.name} FOR SYSTEM_TIME AS OF '2100-01-01' ORDER BY 1", route=route).rows == rows
        assert engine.query(f"SELECT count(*) FROM {case.name}_history x JOIN {case.name}_history y ON x.{key} = y.{key} AND x._rhei_seq < y._rhei_seq "
                            "AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)", route=route).value == 0
    engine.verify(case.name)


@pytest.mark.parametrize("between", ["open", "close", "kill"])
@pytest.mark.parametrize("who", ["handle", "rh", "shell"])
def test_a9_versions_of_before_outlive_every_change_of_the_schema(who, between, folder, spawn):
    for number, (name, case) in enumerate(CASES.items()):
        if who != "shell" and name in FOREIGN_ONLY:
            continue
        where = folder / f"case{number}"
        where.mkdir()
        # behind a kill the log is read before a change of the schema by rh exec of one statement alone: else the folder has to have it all
        kept = between == "kill" and (who == "shell" or ";" in case.sql)
        file = File(where / "shop.db", where, spawn, 20 if kept else 60000)
        engine = file.open()
        for sql in (*case.others, case.made):
            engine.execute(sql)
        engine.initial_sync()
        file.await_checkpoint()
        engine.execute(INSERT)
        engine.sync()
        engine.execute("UPDATE t SET a = 21 WHERE id = 2")
        engine.execute("DELETE FROM t WHERE id = 3")
        engine.sync()
        if file.interval_ms == 20:
            file.await_checkpoint()
        try:
            if who == "handle":
                file.alter(who, case.sql)
                if between != "open":
                    file.end(between)
                    file.open()
            else:
                if between != "open":
                    file.end(between)
                file.alter(who, case.sql)
                if between != "open":
                    file.open()
            file.engine.initial_sync()
            check(file, case, who)
            file.end("kill" if between == "kill" else "close")  # and again from the folder
            file.open()
            check(file, case, who)
        except Exception as failure:
            raise AssertionError(f"{name}, by {who}, {between}: {failure}") from failure
        file.end("close")


@pytest.mark.parametrize("steps", [
    ["ALTER TABLE t ADD COLUMN n", "ALTER TABLE t RENAME TO u"],
    ["ALTER TABLE t RENAME COLUMN a TO c", "ALTER TABLE t RENAME TO u"],
    ["ALTER TABLE t DROP COLUMN b", "ALTER TABLE t RENAME TO u"],
    ["ALTER TABLE t DROP COLUMN b", "ALTER TABLE t ADD COLUMN b DEFAULT 'new'", "ALTER TABLE t RENAME TO u"],
    ["ALTER TABLE t RENAME COLUMN a TO c", "ALTER TABLE t RENAME COLUMN b TO a", "ALTER TABLE t RENAME TO u"],
    ["ALTER TABLE t RENAME TO v", "ALTER TABLE v ADD COLUMN n", "ALTER TABLE v RENAME TO u"],
    ["VACUUM", "ALTER TABLE t RENAME TO u"],
], ids=lambda steps: "; ".join(step.replace("ALTER TABLE ", "") for step in steps))
@pytest.mark.parametrize("synced", [False, True])
@pytest.mark.parametrize("who", ["rh", "shell"])
def test_a9_a_renamed_table_is_the_same_whatever_its_columns_are_and_whoever_looked_meanwhile(who, synced, steps, folder, spawn):
    file = File(folder / "shop.db", folder, spawn, 60000)
    engine = file.open()
    engine.execute(PLAIN)
    engine.initial_sync()
    first = engine.execute(INSERT).position
    engine.execute("UPDATE t SET a = 21 WHERE id = 2")
    engine.sync()
    file.end("close")
    for step in steps:
        file.alter(who, step)
        if synced:
            file.open()
            file.end("close")
    # a table that takes the old name, with the very rows, is another one
    file.alter(who, PLAIN)
    file.alter(who, "INSERT INTO t (id, a) VALUES (1, 10), (2, 20), (3, 30)")
    for _ in range(2):
        engine = file.open()
        assert engine.query(f"SELECT count(*) FROM u AS OF POSITION {first}").value == 3
        assert engine.query("SELECT count(*) FROM u_history WHERE id = 2 AND _rhei_valid_to IS NOT NULL").value >= 1
        assert engine.query("SELECT id, a, b FROM t_history ORDER BY id").rows == [(1, 10, None), (2, 20, None), (3, 30, None)]
        assert engine.query(f"SELECT count(*) FROM t AS OF POSITION {first}").value == 0
        file.end("close")


@pytest.mark.parametrize("who", ["rh", "shell"])
def test_a9_tables_that_exchange_their_names_take_their_histories_along(who, folder, spawn):
    file = File(folder / "shop.db", folder, spawn, 60000)
    engine = file.open()
    engine.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, v)")
    engine.execute("CREATE TABLE b (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    engine.execute("INSERT INTO a VALUES (1, 'a')")
    engine.execute("INSERT INTO b VALUES (1, 'b')")
    engine.execute("UPDATE a SET v = 'a2'")
    engine.execute("UPDATE b SET v = 'b2'")
    engine.sync()
    file.end("close")
    exchange = "ALTER TABLE a RENAME TO c; ALTER TABLE b RENAME TO a; ALTER TABLE c RENAME TO b"
    file.alter(who, exchange if who == "rh" else f"BEGIN; {exchange}; COMMIT")
    for _ in range(2):
        engine = file.open()
        for name, was in (("a", "b"), ("b", "a")):
            assert engine.query(f"SELECT v FROM {name}_history ORDER BY _rhei_seq, _rhei_valid_from").rows == [(was,), (was + "2",)]
        file.end("close")


class Model:
    """What column v of the table had behind each position: naive, and of one writer."""

    def __init__(self, engine, random, key):
        self.random, self.name, self.rows, self.next, self.added, self.names = random, "t", [], 0, [], 0
        self.states = {}
        engine.execute(f"CREATE TABLE t ({key}v, w)")

    def write(self, engine):
        kind = self.random.choice(("insert", "insert", "update", "delete")) if self.rows else "insert"
        at = self.random.choice(self.rows) if self.rows else None
        self.next += 1
        if kind == "insert":
            self.rows.append(self.next)
            sql = f"INSERT INTO {self.name} (v) VALUES ({self.next})"
        elif kind == "update":
            self.rows[self.rows.index(at)] = self.next
            sql = f"UPDATE {self.name} SET v = {self.next} WHERE v = {at}"
        else:
            self.rows.remove(at)
            sql = f"DELETE FROM {self.name} WHERE v = {at}"
        self.states[engine.execute(sql).position] = sorted(self.rows)

    def alter(self):
        self.names += 1
        kind = self.random.choice(("VACUUM", "add", "drop", "rename", "table"))
        if kind == "VACUUM":
            return kind
        was, name = self.name, f"n{self.names}"
        if kind == "add" or (kind in ("drop", "rename") and not self.added):
            self.added.append(name)
            return f"ALTER TABLE {was} ADD COLUMN {name} DEFAULT {self.names}"
        if kind == "drop":
            return f"ALTER TABLE {was} DROP COLUMN {self.added.pop()}"
        if kind == "rename":
            column, self.added[-1] = self.added[-1], name
            return f"ALTER TABLE {was} RENAME COLUMN {column} TO {name}"
        self.name = name
        return f"ALTER TABLE {was} RENAME TO {name}"

    def check(self, engine):
        known = 0
        for position, rows in self.states.items():
            try:
                seen = engine.query(f"SELECT v FROM {self.name} AS OF POSITION {position} ORDER BY v").rows
            except rhei_engine.RheiError as refused:
                assert refused.name == "NOT_FOUND" and "doesn't know what the table was" in str(refused), refused
                assert position != max(self.states)
                continue
            assert [row[0] for row in seen] == rows, (position, rows)
            known += 1
        assert [row[0] for row in engine.query(f"SELECT v FROM {self.name} ORDER BY v").rows] == sorted(self.rows)
        return known


@pytest.mark.parametrize("key", ["", "id INTEGER PRIMARY KEY, "], ids=["no key", "key"])
@pytest.mark.parametrize("who", ["handle", "shell"])
@pytest.mark.parametrize("seed", range(6))
def test_a9_what_was_written_right_behind_a_change_of_the_schema_is_told_as_it_was_or_refused(seed, who, key, folder, spawn):
    file = File(folder / "shop.db", folder, spawn, 20)
    engine = file.open()
    random = Random(seed)
    model = Model(engine, random, key)
    engine.initial_sync()
    for _ in range(25):
        for _ in range(random.randrange(5)):
            model.write(engine)
        sql = model.alter()
        if who == "shell" and "RENAME COLUMN" in sql:  # SQLite refuses to drop what was renamed, unless an engine looked in between
            foreign.shell(file.path, sql)
            engine.sync()
        elif who == "shell":
            foreign.shell(file.path, sql)
        else:
            engine.execute(sql)
        if random.randrange(4) == 0:
            engine.initial_sync()
    model.write(engine)
    engine.initial_sync()
    known = model.check(engine)
    assert known > 1
    file.end("close")
    engine = file.open()
    assert model.check(engine) == known  # the folder has it


@pytest.mark.parametrize("who", ["own", "foreign"])
@pytest.mark.parametrize("sql", ["ALTER TABLE t ADD COLUMN z", "ALTER TABLE t DROP COLUMN y", "ALTER TABLE t RENAME TO t2"])
@pytest.mark.parametrize("disk", [False, True])
def test_a9_what_was_forgotten_stays_so_behind_a_schema_change(disk, sql, who, spawn, folder):
    """Rows that go on would be shown of a time at which another row, whose version was forgotten, was there, too."""
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\nhistory_max_versions = 1\n')
    places = {"olap_path": folder / "mirror"} if disk else {}
    options = dict(config_file=folder / "temporal.toml", **places)
    path = folder / "shop.db"
    engine = spawn()
    engine.open(path, **options)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v, y)")
    engine.initial_sync()
    engine.execute("INSERT INTO t VALUES (1, 1, 1), (2, 1, 1), (3, 1, 1)")  # positions 1 to 3
    engine.execute("UPDATE t SET v = 2 WHERE id = 1")
    engine.execute("UPDATE t SET v = 3 WHERE id = 1")
    engine.sync()
    forgotten = time.monotonic() + 60
    while engine.query("SELECT kept_from_seq FROM history.tables WHERE table_name = 't'").value is None:
        assert time.monotonic() < forgotten, "nothing was forgotten"
        time.sleep(0.02)
    assert engine.query("SELECT id, v FROM t AS OF POSITION 3").rows == []
    if who == "own":
        engine.execute(sql)
    else:
        with sqlite3.connect(path, timeout=60) as file:
            file.execute(sql)
        file.close()
    name = "t2" if "TO t2" in sql else "t"
    engine.initial_sync()
    for _ in range(2):
        assert engine.query(f"SELECT id, v FROM {name} AS OF POSITION 3").rows == []
        assert sorted(engine.query(f"SELECT id, v FROM {name} FOR SYSTEM_TIME AS OF '9999-01-01'").rows) == [(1, 3), (2, 1), (3, 1)]
        engine.close()
        engine.open(path, **options)
        engine.initial_sync()
        if not disk:
            break
