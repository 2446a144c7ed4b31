"""A9: whose name is whose in the past. Columns and tables that are renamed, dropped, added and made anew, with changes in between, by a handle and by
the stock shell, with the database open, closed or killed between: as of each position and time every name shows what it stood for then. The model is naive:
it keeps every state whole.
"""

import json
import time
from random import Random

import pytest

import foreign
from test_history_alter import File

TABLES = ("a", "b", "c")
COLUMNS = ("v", "w", "x", "y")


class Line:
    """One table, whatever it is called. Its columns and those that went have a number each; names lie on top."""

    def __init__(self, name, columns):
        self.name, self.count, self.columns, self.rows = name, 0, {}, {}
        self.gone = None  # since which step
        self.dropped = 0
        for column in columns:
            self.add(column)

    def add(self, name):
        self.columns[self.count] = name
        self.count += 1

    def drop(self, number):
        del self.columns[number]
        self.dropped += 1

    def rename(self, number, name):
        self.columns[number] = name


class Model:
    def __init__(self):
        self.lines, self.step, self.next = [], 0, 0
        self.states = []  # (step, position, time, {line: rows by numbers})

    def now(self, name):
        return next((line for line in self.lines if line.gone is None and line.name == name), None)

    def note(self, position, micros):
        rows = {line: {key: dict(row) for key, row in line.rows.items()} for line in self.lines if line.gone is None}
        self.states.append((self.step, position, micros, rows))
        self.step += 1

    def had(self, name):
        """Tables that have the name, or had it when they went: in the order in which they had it."""
        return sorted((line for line in self.lines if line.name == name), key=lambda line: float("inf") if line.gone is None else line.gone)

    def expected(self, name, state):
        """Columns, and rows by them, of what the name stood for in the state."""
        step, _, _, rows = state
        lines = self.had(name)
        shown, then = lines[-1], next((line for line in lines if line.gone is None or line.gone > step), None)
        columns = list(shown.columns)
        if then is None or then not in rows:
            return ["id", *shown.columns.values()], []
        if then is not shown:  # another table of that name: the columns that it went with are told by their names
            by_name = {column: number for number, column in then.columns.items()}
            columns = [by_name.get(shown.columns[number]) for number in columns]
        return ["id", *shown.columns.values()], [(key, *(row.get(number) for number in columns)) for key, row in sorted(rows[then].items())]


class Play:
    def __init__(self, seed, who, between, folder, spawn):
        self.random, self.who, self.between = Random(seed), who, between
        self.file = File(folder / "shop.db", folder, spawn, 60000)
        self.model = Model()
        self.file.open()

    def change(self, line):
        """Of rows, always by the handle."""
        engine, model, random = self.file.engine, self.model, self.random
        model.next += 1
        key, number = random.randrange(1, 5), random.choice(list(line.columns))
        if key not in line.rows:
            line.rows[key] = {number: model.next}
            engine.execute(f"INSERT INTO {line.name} (id, {line.columns[number]}) VALUES ({key}, {model.next})")
        elif random.randrange(4):
            line.rows[key][number] = model.next
            engine.execute(f"UPDATE {line.name} SET {line.columns[number]} = {model.next} WHERE id = {key}")
        else:
            del line.rows[key]
            engine.execute(f"DELETE FROM {line.name} WHERE id = {key}")

    def copy(self):
        """The rows of one table as those of another one: what SQLite's way of changing a table does before it drops the old one."""
        lines = [line for line in self.model.lines if line.gone is None]
        if len(lines) < 2:
            return
        old, new = self.random.sample(lines, 2)
        shared = set(old.columns.values()) & set(new.columns.values())
        numbers = {name: number for number, name in old.columns.items()}, {name: number for number, name in new.columns.items()}
        if not shared:
            return
        names = sorted(shared)
        self.file.engine.execute(f"REPLACE INTO {new.name} (id, {', '.join(names)}) SELECT id, {', '.join(names)} FROM {old.name}")
        for key, row in old.rows.items():
            new.rows[key] = {numbers[1][name]: row[numbers[0][name]] for name in names if row.get(numbers[0][name]) is not None}

    def alter(self):
        model, random = self.model, self.random
        alive = [line for line in model.lines if line.gone is None]
        free = [name for name in TABLES if model.now(name) is None]
        kind = random.choice(("add", "drop column", "rename column", "create", "create", "drop", "rename", "rename", "exchange"))
        line = random.choice(alive) if alive else None
        unused = [name for name in COLUMNS if line is not None and name not in line.columns.values()]
        if line is None or (kind == "create" and free):
            name = random.choice(free)
            model.lines.append(Line(name, random.sample(COLUMNS, 2)))
            return [f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {', '.join(model.lines[-1].columns.values())})"]
        if kind == "add" and unused:
            line.add(random.choice(unused))
            return [f"ALTER TABLE {line.name} ADD COLUMN {line.columns[line.count - 1]}"]
        if kind == "drop column" and len(line.columns) > 1:
            number = random.choice(list(line.columns))
            name = line.columns[number]
            line.drop(number)
            for row in line.rows.values():
                row.pop(number, None)
            return [f"ALTER TABLE {line.name} DROP COLUMN {name}"]
        if kind == "rename column" and unused:
            number = random.choice(list(line.columns))
            was = line.columns[number]
            line.rename(number, random.choice(unused))
            return [f"ALTER TABLE {line.name} RENAME COLUMN {was} TO {line.columns[number]}"]
        if kind == "drop":
            line.gone = model.step
            return [f"DROP TABLE {line.name}"]
        if kind == "rename" and free:
            was, line.name = line.name, random.choice(free)
            return [f"ALTER TABLE {was} RENAME TO {line.name}"]
        if kind == "exchange" and len(alive) > 1:
            other = random.choice([one for one in alive if one is not line])
            line.name, other.name = other.name, line.name
            return [f"ALTER TABLE {other.name} RENAME TO n", f"ALTER TABLE {line.name} RENAME TO {other.name}",
                    f"ALTER TABLE n RENAME TO {line.name}"]
        return []

    def settle(self):
        """The position and a time as of which nothing changes any more."""
        engine = self.file.engine
        engine.initial_sync()
        position = engine.sync()["position"]
        at = time.time_ns() // 1000000 + 1
        while time.time_ns() // 1000000 <= at:
            pass
        engine.sync()  # all that was committed by then is known
        self.model.note(position, at * 1000)

    def move(self):
        what = self.random.randrange(5)
        alive = [line for line in self.model.lines if line.gone is None]
        if what < 2 and alive:
            self.change(self.random.choice(alive))
        elif what == 2 and alive:
            self.copy()
        else:
            steps = self.alter()
            if self.who == "handle":
                for sql in steps:
                    self.file.engine.execute(sql)
            elif steps:
                foreign.shell(self.file.path, f"BEGIN; {'; '.join(steps)}; COMMIT")
        self.settle()

    def reopen(self):
        if self.between == "open":
            return
        self.file.engine.checkpoint()
        self.file.end(self.between)
        self.file.open()

    def check(self):
        engine, model = self.file.engine, self.model
        newest = {position: state for state in model.states for position in [state[1]]}
        for name in {line.name for line in model.lines}:
            for step, position, micros, rows in model.states:
                for form, state in ((f"AS OF POSITION {position}", newest[position]),
                                    (f"FOR SYSTEM_TIME AS OF {micros}", (step, position, micros, rows))):
                    answer = engine.query(f"SELECT * FROM {name} {form} ORDER BY id")
                    columns, expected = model.expected(name, state)
                    assert answer.columns == columns, (name, form, answer.columns, columns)
                    assert answer.rows == expected, (name, form, answer.rows, expected)
            shown = engine.query(f"SELECT * FROM {name}_history").columns
            assert len(set(shown)) == len(shown) and set(model.had(name)[-1].columns.values()) <= set(shown), shown


@pytest.mark.parametrize("between", ["open", "close", "kill"])
@pytest.mark.parametrize("who", ["handle", "shell"])
@pytest.mark.parametrize("seed", range(6))
def test_a9_every_name_shows_what_it_stood_for_then(seed, who, between, folder, spawn):
    play = Play(seed, who, between, folder, spawn)
    for step in range(48):
        play.move()
        if step % 16 == 15:
            play.check()
            play.reopen()
            play.check()
    lines = play.model.lines
    assert len(lines) > len({line.name for line in lines}) or sum(line.dropped for line in lines) > 0


def test_a9_a_column_that_went_is_shown_apart_from_the_one_that_took_its_name(folder, spawn):
    file = File(folder / "shop.db", folder, spawn, 60000)
    engine = file.open()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)")
    engine.initial_sync()
    first = engine.execute("INSERT INTO t VALUES (1, 'V', 'W')").position
    engine.execute("UPDATE t SET w = 'W1'")
    for sql in ("ALTER TABLE t DROP COLUMN v", "ALTER TABLE t RENAME COLUMN w TO v", "ALTER TABLE t RENAME COLUMN v TO x",
                "ALTER TABLE t ADD COLUMN v"):
        engine.execute(sql)
        engine.initial_sync()
    for _ in range(2):
        assert engine.query(f"SELECT * FROM t AS OF POSITION {first}").rows == [(1, "W", None)]
        answer = engine.query("SELECT id, x, v, v_dropped, _rhei_seq FROM t_history ORDER BY _rhei_seq")
        assert answer.rows == [(1, "W", None, "V", 1), (1, "W1", None, None, 2)]
        file.end("close")
        engine = file.open()


@pytest.mark.parametrize("who", ["handle", "shell"])
def test_a9_a_table_that_was_copied_step_by_step_is_behind_its_name_from_its_renaming_on(who, folder, spawn):
    file = File(folder / "shop.db", folder, spawn, 60000)
    engine = file.open()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    first = engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").position
    engine.execute("CREATE TABLE t_new (id INTEGER PRIMARY KEY, v, w)")
    engine.initial_sync()
    copied = engine.execute("INSERT INTO t_new SELECT id, v, 0 FROM t").position
    engine.execute("UPDATE t SET v = 'z' WHERE id = 1")
    last = engine.execute("INSERT INTO t_new VALUES (9, 'nine', 9)").position
    engine.sync()
    for sql in ("DROP TABLE t", "ALTER TABLE t_new RENAME TO t"):
        file.alter(who, sql)
        engine.sync()
    engine.initial_sync()
    after = engine.execute("DELETE FROM t WHERE id = 9").position
    for _ in range(2):
        for position, rows in ((first, [(1, "a", None), (2, "b", None)]), (copied, [(1, "a", None), (2, "b", None)]),
                               (last, [(1, "a", 0), (2, "b", 0), (9, "nine", 9)]), (after, [(1, "a", 0), (2, "b", 0)])):
            for route in ("auto", "oltp"):
                assert engine.query(f"SELECT * FROM t AS OF POSITION {position} ORDER BY id", route=route).rows == rows, position
        times = [at for at, in engine.query("SELECT DISTINCT _rhei_valid_from FROM t_history ORDER BY 1").rows]
        for begin in times:  # one row of a key at a time
            assert engine.query(f"SELECT max(n) FROM (SELECT count(*) AS n FROM t FOR SYSTEM_TIME AS OF {begin} GROUP BY id)").value in (1, None)
        assert json.loads(engine.info())["history"]["tables"]
        file.end("close")
        engine = file.open()


@pytest.mark.parametrize("who", ["own", "foreign"])
@pytest.mark.parametrize("sql, asked, then", [
    ("RENAME COLUMN y TO z; ADD COLUMN n DEFAULT 'q'", "id, v, z, n", [(1, "a", "b", None)]),
    ("ADD COLUMN n DEFAULT 'q'; RENAME COLUMN v TO r; RENAME COLUMN n TO m", "id, r, y, m", [(1, "a", "b", None)]),
    ("RENAME COLUMN id TO i; ADD COLUMN n", "i, v, y, n", [(1, "a", "b", None)]),
    ("RENAME COLUMN v TO r; DROP COLUMN y", "id, r", [(1, None)]),  # v or y
    ("DROP COLUMN v; ADD COLUMN n", "id, y, n", [(1, "b", None)]),
])
def test_a9_several_changes_of_columns_between_two_loads(sql, asked, then, who, folder, spawn):
    """What a column was those beside it tell, which stay in their order."""
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    engine = spawn()
    engine.open(folder / "shop.db", config_file=folder / "temporal.toml", olap_path=folder / "mirror")
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, y)")
    engine.initial_sync()
    position = engine.execute("INSERT INTO t VALUES (1, 'a', 'b')").position
    engine.execute("UPDATE t SET v = 'c', y = 'd'")
    engine.sync()
    script = "".join(f"ALTER TABLE t {change};" for change in sql.split("; "))
    if who == "own":
        engine.script(script)
    else:
        foreign.shell(folder / "shop.db", f"BEGIN; {script} COMMIT;")
        engine.sync()
    engine.initial_sync()
    assert engine.query(f"SELECT {asked} FROM t AS OF POSITION {position}").rows == then
