"""A9 over many lives of one file, in memory and on disk: kill -9 anywhere, foreign writers, changes of the schema, rebuilds and reopenings
between statements; the history is the one that a naive model of the same statements has.

On disk every version is there, whatever died when. In memory a history begins with each opening, so there each life is a history of its own.
"""

import json

import pytest

import foreign
from rhei_engine import EngineDied
from test_processes import wait_until

KEYS = 8
SCHEMA = """
CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER, s TEXT);
CREATE TABLE w (a TEXT, b INTEGER, v, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE steps (n INTEGER PRIMARY KEY);
CREATE TABLE side (x);
"""


class Model:
    """Every version of every row, as (key, values, operation), in the order of their beginnings; and the rows that are there."""

    def __init__(self):
        self.versions, self.now = [], {}

    def put(self, key, values):
        before = self.now.get(key)
        if before is not None and before[0] == values:
            return
        if before is None:
            operation = "I"
        else:
            operation, before[2] = "U", False
        self.now[key] = version = [values, operation, True]
        self.versions.append((key, version))

    def take(self, key):
        before = self.now.pop(key, None)
        if before is not None:
            before[2] = False
            self.versions.append((key, [before[0], "D", False]))

    def begin_anew(self):
        """What an opening in memory knows: the rows that are there are versions that begin with it."""
        rows = {key: version[0] for key, version in self.now.items()}
        self.versions, self.now = [], {}
        for key, values in rows.items():
            self.put(key, values)

    def shown(self):
        return sorted(repr((key, *version)) for key, version in self.versions)


class World:
    def __init__(self):
        self.t, self.w, self.extra = Model(), Model(), 0


def step(rng, world, number):
    """One transaction: SQL, and what it makes of the model."""
    sql = []
    for _ in range(rng.choice((1, 1, 2, 4))):
        key, value = rng.randrange(KEYS), rng.randrange(5)
        kind = rng.randrange(9)
        if kind == 0:
            sql.append(f"DELETE FROM t WHERE id = {key}")
            world.t.take(key)
        elif kind == 1:
            sql.append(f"UPDATE t SET v = v + {value} WHERE id % 3 = {key % 3}")
            for k in [k for k in sorted(world.t.now) if k % 3 == key % 3]:
                world.t.put(k, (world.t.now[k][0][0] + value, world.t.now[k][0][1]))
        elif kind == 2:
            text = f"s{rng.randrange(KEYS)}"
            sql.append(f"INSERT OR REPLACE INTO t (id, v, s) VALUES ({key}, {value}, '{text}')")
            world.t.put(key, (value, text))
        elif kind == 3:
            sql.append(f"UPDATE OR IGNORE t SET id = id + {KEYS} WHERE id = {key} AND NOT EXISTS (SELECT 1 FROM t WHERE id = {key + KEYS})")
            if key in world.t.now and key + KEYS not in world.t.now:
                values = world.t.now[key][0]
                world.t.take(key)
                world.t.put(key + KEYS, values)
        elif kind == 4:
            sql.append(f"DELETE FROM w WHERE a = 'k{key % 3}'")
            for k in [k for k in sorted(world.w.now) if k[0] == f"k{key % 3}"]:
                world.w.take(k)
        elif kind == 5:
            sql.append(f"UPDATE w SET v = {value} WHERE b <= {key}")
            for k in [k for k in sorted(world.w.now) if k[1] <= key]:
                world.w.put(k, (value,))
        elif kind == 6:
            sql.append(f"INSERT OR REPLACE INTO w (a, b, v) VALUES ('k{key % 3}', {key}, {value})")
            world.w.put((f"k{key % 3}", key), (value,))
        elif kind == 7:
            sql.append(f"INSERT INTO w (a, b, v) VALUES ('k{key % 3}', {key}, {value}) ON CONFLICT DO UPDATE SET v = v + 1")
            before = world.w.now.get((f"k{key % 3}", key))
            world.w.put((f"k{key % 3}", key), (value if before is None else before[0][0] + 1,))
        else:
            sql.append("INSERT INTO side VALUES (1)")
    sql.append(f"INSERT INTO steps VALUES ({number})")
    return "; ".join(sql)


def read_history(engine, table, columns, keys):
    """As the model shows it."""
    rows = engine.olap(f"SELECT {', '.join(columns)}, _rhei_operation, _rhei_valid_to IS NULL FROM {table}_history").rows
    result = []
    for row in rows:
        key, values = row[:keys], row[keys:len(columns)]
        result.append(repr((key[0] if keys == 1 else tuple(key), tuple(values), row[-2], bool(row[-1]))))
    return sorted(result)


def check(engine, world):
    engine.sync()
    assert read_history(engine, "t", ("id", "v", "s"), 1) == world.t.shown()
    assert read_history(engine, "w", ("a", "b", "v"), 2) == world.w.shown()
    for table, key in (("t", "a.id = b.id"), ("w", "a.a = b.a AND a.b = b.b")):
        # half-open intervals that neither overlap nor leave the rows that are there without a version
        assert engine.olap(f"SELECT count(*) FROM {table}_history a JOIN {table}_history b ON {key} AND a._rhei_seq < b._rhei_seq AND "
                           "(a._rhei_valid_to IS NULL OR a._rhei_valid_to > b._rhei_valid_from)").value == 0
        now = engine.olap(f"SELECT * FROM {table}").rows
        assert sorted(map(repr, engine.olap(f"SELECT * FROM {table} FOR SYSTEM_TIME AS OF '2100-01-01'").rows)) == sorted(map(repr, now))
        engine.verify(table)


@pytest.fixture
def settings(folder):
    file = folder / "temporal.toml"
    file.write_text("[engine]\nsync_mode = \"temporal\"\n")
    return file


class Lives:
    """The same random statements for the file and for the model."""

    def __init__(self, path, rng, settings, place, buffer=None):
        self.path, self.rng, self.settings, self.place, self.buffer = path, rng, settings, place, buffer
        self.world, self.next, self.pending = World(), 1, []

    def open(self, spawn, **config):
        engine = spawn()
        if self.buffer is not None:
            config.update(rocksdb_cdc_path=self.buffer)
        if self.place is not None:
            config.update(olap_path=self.place, checkpoint_interval_ms=self.rng.choice((1, 5, 50, 10000)))
        engine.open(self.path, config_file=self.settings, prefer_olap=True, threads=1, **config)
        return engine

    def committed(self):
        return foreign.rows(self.path, "SELECT coalesce(max(n), 0) FROM steps")[0][0]

    def settle(self):
        """After a death: of the statement that was under way, the file knows whether it was."""
        done = self.committed()
        if self.pending and done < self.next - 1:
            number, state = self.pending
            assert done == number - 1
            self.world.t, self.world.w, self.next = *state, number
        self.pending = []

    def one(self, write):
        import copy
        state = copy.deepcopy((self.world.t, self.world.w))
        sql = step(self.rng, self.world, self.next)
        self.pending = (self.next, state)
        self.next += 1
        write(sql)
        self.pending = []

    def live(self, engine, python_writer, count):
        outside = python_writer()
        for _ in range(count):
            what = self.rng.randrange(12)
            self.one((lambda sql: outside.executescript(f"BEGIN IMMEDIATE; {sql}; COMMIT;")) if what == 0 else engine.script)
            if what == 1:
                engine.sync()
            elif what == 2:
                engine.rebuild(self.rng.choice("tw"))
                engine.initial_sync()

    def alter(self, engine):
        """Between two statements: with everything before it and nothing behind until the column store has it."""
        self.world.extra += 1
        number = self.world.extra
        engine.script(self.rng.choice((f"ALTER TABLE t ADD COLUMN x{number} DEFAULT {number}", f"ALTER TABLE w ADD COLUMN y{number} TEXT",
                                       f"CREATE INDEX i{number} ON t (v)", f"CREATE TABLE other{number} (id INTEGER PRIMARY KEY)")))
        engine.initial_sync()


def places(folder, where):
    return folder / "mirror" if "disk" in where else None, folder / "changes" if "buffer" in where else None


@pytest.mark.parametrize("where", ("memory", "disk", "memory, buffer", "disk, buffer"))
def test_a9_histories_are_those_of_a_model(spawn, path, folder, settings, python_writer, rng, long, where):
    place, buffer = places(folder, where)
    lives = Lives(path, rng, settings, place, buffer)
    engine = lives.open(spawn)
    engine.script(SCHEMA)
    engine.initial_sync()
    for _ in range(40 if long else 6):
        lives.live(engine, python_writer, 25)
        lives.alter(engine)
        lives.live(engine, python_writer, 5)
        check(engine, lives.world)
        engine.close()
        if place is None:
            lives.world.t.begin_anew()
            lives.world.w.begin_anew()
        engine = lives.open(spawn)
        engine.initial_sync()
        check(engine, lives.world)


@pytest.mark.parametrize("where", ("disk", "disk, buffer"))
def test_a9_history_survives_kill_anywhere(spawn, path, folder, settings, python_writer, rng, long, where):
    lives = Lives(path, rng, settings, *places(folder, where))
    engine = lives.open(spawn)
    engine.script(SCHEMA)
    engine.initial_sync()
    engine.close()
    deaths = 0
    for _ in range(120 if long else 12):
        engine = spawn()
        try:
            engine = lives.open(spawn, die_point="*", die_at=rng.randrange(1, 120))
            engine.initial_sync()
            lives.live(engine, python_writer, 40)
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            deaths += 1
        engine.kill()
        lives.settle()
        engine = lives.open(spawn)
        engine.initial_sync()
        check(engine, lives.world)
        engine.kill() if rng.randrange(2) else engine.close()
    assert deaths > 0


def test_a9_a_history_before_the_first_change_goes_on_beside_a_buffer(spawn, path, folder, settings):
    """The checkpoint of a file without changes is known again, whether the buffer has come to have some or not."""
    places_of = dict(config_file=settings, olap_path=folder / "mirror", rocksdb_cdc_path=folder / "changes", checkpoint_interval_ms=86400000)
    for life in range(3):
        engine = spawn()
        engine.open(path, prefer_olap=True, threads=1, **places_of)
        if life == 0:
            engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
            engine.initial_sync()
            engine.close()
            continue
        engine.initial_sync()
        engine.execute("INSERT INTO t VALUES (?, 0)", life)
        engine.execute("UPDATE t SET v = v + 1")
        engine.sync()
        engine.kill()
    engine = spawn()
    engine.open(path, prefer_olap=True, threads=1, **places_of)
    engine.initial_sync()
    assert engine.olap("SELECT id, v, _rhei_operation FROM t_history ORDER BY _rhei_seq, id").rows == [
        (1, 0, "I"), (1, 1, "U"), (2, 0, "I"), (1, 2, "U"), (2, 1, "U")]
    engine.close()


def checkpoints(engine):
    return json.loads(engine.info())["disk"]["checkpoints"]


def test_a9_a_new_tables_history_survives_a_kill_before_the_next_interval(spawn, path, folder):
    """Its table is in the folder soon after it was loaded; what follows comes from the change log."""
    config = {"config_file": folder / "rhei.toml", "checkpoint_interval_ms": 60000}
    (folder / "rhei.toml").write_text(f'[engine]\nsync_mode = "temporal"\nolap_path = "{folder / "mirror"}"\n')
    asked = "SELECT v, _rhei_operation, _rhei_seq FROM {} ORDER BY _rhei_seq"
    engine = spawn()
    engine.open(path, **config)
    for table in ("first", "second"):
        made = checkpoints(engine)
        engine.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, v)")
        engine.initial_sync()
        wait_until(lambda: checkpoints(engine) > made, what="the table in the folder")
        for i in range(5):
            engine.execute(f"INSERT OR REPLACE INTO {table} VALUES (1, {i})")
        before = engine.query(asked.format(f"{table}_history")).rows
        engine.kill()
        engine = spawn()
        engine.open(path, **config)
        engine.initial_sync()
        assert engine.query(asked.format(f"{table}_history")).rows == before


HISTORY = "SELECT id, v, _rhei_operation FROM t_history ORDER BY _rhei_seq, id"


def lives_of_one_row(spawn, path, kept, first, others):
    """A row is written by a life that ends well, then counted up by lives that die before their next checkpoint; each with places of its own."""
    engine = spawn()
    engine.open(path, prefer_olap=True, threads=1, **kept, **first)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    engine.execute("INSERT INTO t VALUES (1, 0)")
    engine.close()
    versions = [(1, 0, "I")]
    for places_of in others:
        engine = spawn()
        engine.open(path, prefer_olap=True, threads=1, **kept, **places_of)
        engine.initial_sync()
        assert engine.olap(HISTORY).rows == versions
        for _ in range(3):
            engine.execute("UPDATE t SET v = v + 1")
            versions.append((1, versions[-1][1] + 1, "U"))
        engine.sync()
        assert engine.olap(HISTORY).rows == versions
        engine.kill()
    engine = spawn()
    return engine, versions


def test_a9_a_buffer_that_is_added_takes_no_version(spawn, path, folder, settings):
    """What the log had before the buffer began stays there as long as the folder's checkpoint needs it."""
    kept = dict(config_file=settings, olap_path=folder / "mirror", checkpoint_interval_ms=86400000)
    buffer = dict(rocksdb_cdc_path=folder / "changes")
    engine, versions = lives_of_one_row(spawn, path, kept, {}, ({}, buffer, buffer))
    engine.open(path, prefer_olap=True, threads=1, **kept, **buffer)
    engine.initial_sync()
    assert engine.olap(HISTORY).rows == versions
    engine.close()


def test_a9_a_buffer_that_is_left_out_takes_no_version(spawn, path, folder, settings):
    """The checkpoint that a close made beside a buffer is known again without it, and with it again."""
    kept = dict(config_file=settings, olap_path=folder / "mirror", checkpoint_interval_ms=86400000)
    buffer = dict(rocksdb_cdc_path=folder / "changes")
    engine, versions = lives_of_one_row(spawn, path, kept, buffer, ({}, {}))
    for places_of in ({}, buffer, {}):
        engine.open(path, prefer_olap=True, threads=1, **kept, **places_of)
        engine.initial_sync()
        assert engine.olap(HISTORY).rows == versions
        engine.close()
        engine = spawn()
