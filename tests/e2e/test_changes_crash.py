"""A8, A7: kill -9 at every named step of the change feed (open, read, acknowledge, drop, the pruning behind it), with and without limits of the
log and a change buffer: a copy that takes each position once is the table, nothing that was acknowledged is told again, and what is told
again is what was told.
"""

import json
import time

import pytest

import foreign
from rhei_engine import EngineDied, RheiError, exact
from test_log_limits import ROWS
from test_processes import log_sequence, pass_ten_minutes, wait_until

ACCOUNTS = 12
SCHEMA = f"""
CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER);
CREATE TABLE filler (id INTEGER PRIMARY KEY, v);
CREATE TABLE name (name TEXT NOT NULL PRIMARY KEY, v, u UNIQUE);
INSERT INTO t SELECT value, 0 FROM json_each('{json.dumps(list(range(ACCOUNTS)))}');
"""
FEED = ("consumer.open.written", "consumer.open.done", "consumer.acknowledge.written", "consumer.acknowledge.done",
        "consumer.drop.written", "consumer.drop.done", "changes.pinned", "changes.filled")
BESIDE = {"log": ("capture.prune", "sync.cycle.pruned", "oltp.write.committed"),
          "limits": ("capture.prune", "capture.limit", "oltp.write.committed"),
          "buffer": ("capture.prune", "feed.pump.appended", "feed.bridge.moved", "feed.bridge.pruned", "buffer.commit.synced",
                     "buffer.prune.written")}
KEYS = {"t": ("id",), "name": ("name",), "filler": ("id",)}


class Consumer:
    """What a program keeps that was killed at any time: its copy and the last position are one transaction of its own."""

    def __init__(self):
        self.tables, self.position, self.told, self.acknowledged, self.repeated = {table: {} for table in KEYS}, 0, {}, 0, 0
        self.waiting, self.lost = [], 0

    def cut(self):
        self.waiting = []

    def take(self, change, engine):
        """True: a commit, to be acknowledged."""
        if change.kind in ("insert", "update", "delete"):
            self.take_row(change)
        elif change.kind == "lost":
            self.waiting.append(change)
        elif change.kind == "commit":
            self.commit(change, engine)
            return True
        else:
            assert change.kind == "table", change
        return False

    def take_row(self, change):
        assert change.position > self.acknowledged, "what was acknowledged is told again"
        if change.table == "t":  # which is logged whole: what is told again is what was told
            word = (change.kind, *map(exact, change.values.values()))
            assert self.told.setdefault(change.position, word) == word
        if change.position > self.position:
            self.waiting.append(change)
        else:
            self.repeated += 1

    def commit(self, commit, engine):
        if commit.position < self.position:  # told before in a commit with what came behind it, and not acknowledged
            assert commit.position > self.acknowledged and not self.waiting
            return
        for change in self.waiting:
            if change.kind == "lost":
                self.lost += 1
                self.read_anew(change.table, engine)
                continue
            rows, key = self.tables[change.table], tuple(change.values[name] for name in KEYS[change.table])
            rows.pop(key, None)
            if change.kind != "delete":
                rows[key] = tuple(change.values.values())
        self.waiting, self.position = [], commit.position
        if not self.lost:
            assert sum(row[1] for row in self.tables["t"].values()) == 0, "half a transaction"

    def read_anew(self, table, engine):
        for name in KEYS if table is None else (table,):
            key = KEYS[name]
            answer = engine.query(f"SELECT * FROM {name}", route="oltp")
            self.tables[name] = {tuple(row[answer.columns.index(column)] for column in key): row for row in answer.rows}


class World:
    """One file, its consumer, and processes that write, read, acknowledge and drop until they are killed."""

    def __init__(self, path, folder, where, rng):
        self.path, self.where, self.rng, self.consumer, self.life = path, where, rng, Consumer(), 0
        self.config = {"log": {}, "limits": {"log_limit_rows": 40, "log_limit_policy": "detach"},
                       "buffer": {"rocksdb_cdc_path": folder / "buffer"}}[where]

    def open(self, spawn, **config):
        engine = spawn()
        engine.open(self.path, threads=1, prefer_olap=True, **self.config, **config)
        return engine

    def transfer(self):
        a, b, amount = self.rng.randrange(ACCOUNTS), self.rng.randrange(ACCOUNTS), self.rng.randrange(100)
        word = self.rng.randrange(5)
        return (f"UPDATE t SET x = x - {amount} WHERE id = {a}; UPDATE t SET x = x + {amount} WHERE id = {b}; "
                f"INSERT OR REPLACE INTO name VALUES ('n{word}', {amount}, {self.rng.randrange(5)})")

    def read(self, engine, step=7):
        while changes := engine.changes_next(step):
            for change in changes:
                if self.consumer.take(change, engine):
                    engine.changes_acknowledge(change.position)
                    self.consumer.acknowledged = change.position

    def live(self, engine):
        """Goes through every named step several times."""
        for turn in range(3):
            extra = f"extra {self.life} {turn}"
            engine.changes_open("copy")
            other = engine.on("other")
            other.changes_open(extra)
            for _ in range(3):
                engine.script(self.transfer())
                foreign.shell(self.path, f"BEGIN IMMEDIATE; {self.transfer()}; COMMIT;")
            self.read(engine)
            other.changes_close()
            engine.changes_close()
            engine.changes_drop(extra)
            engine.sync()
            if self.where == "limits":
                engine.execute(f"{ROWS.format(count=100)} INSERT INTO filler (v) SELECT i FROM n")

    def drop_extras(self, engine):
        """Those that a death left; each is there whole or not at all."""
        for name, in engine.query("SELECT name FROM _rhei_consumers WHERE name LIKE 'extra%'").rows:
            engine.changes_drop(name)
            with pytest.raises(RheiError) as told:
                engine.changes_drop(name)
            assert told.value.name == "NOT_FOUND"

    def die(self, spawn, point, at):
        """True: it died there."""
        self.life += 1
        engine = spawn()
        died = False
        try:
            engine.open(self.path, threads=1, prefer_olap=True, die_point=point, die_at=at, **self.config)
            self.live(engine)
            wait = time.monotonic() + 2  # what the background does comes a little later, or not at all
            while point not in FEED and time.monotonic() < wait and engine.points().get(point, 0) < at:
                engine.script(self.transfer())
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died = True
        engine.kill()
        self.consumer.cut()
        return died

    def check(self, spawn):
        """A process that comes after: the copy is the table, and the log goes."""
        engine = self.open(spawn)
        engine.changes_open("copy")
        engine.script(self.transfer())
        self.read(engine, 100)
        for table, rows in self.consumer.tables.items():
            assert sorted(rows.values()) == sorted(foreign.rows(self.path, f"SELECT * FROM {table}")), table
        assert self.consumer.lost == 0 or self.where == "limits"
        self.drop_extras(engine)
        engine.changes_close()
        return engine


@pytest.mark.parametrize("where", BESIDE)
def test_a8_kill_at_every_step_of_the_feed(where, path, folder, spawn, rng, long):
    world = World(path, folder, where, rng)
    engine = world.open(spawn)
    engine.changes_open("copy", start=1)
    engine.script(SCHEMA)
    engine.close()
    deaths = {}
    for point in FEED + BESIDE[where]:
        for at in (1, 2, 4, 7) if long else (1, rng.randrange(2, 6)):
            if world.die(spawn, point, at):
                deaths[point] = deaths.get(point, 0) + 1
            world.check(spawn).kill()
    assert all(deaths.get(point) for point in FEED), deaths
    print(f"{sum(deaths.values())} deaths, {world.consumer.repeated} changes told again, {world.consumer.lost} losses")
    assert world.consumer.repeated > 0
    pass_ten_minutes(path)  # the dead ones are waited for no longer
    engine = world.check(spawn)
    engine.initial_sync()

    def pruned():
        engine.script(world.transfer())
        engine.changes_open("copy")
        world.read(engine, 100)
        engine.changes_close()
        engine.sync()
        return log_sequence(path)[0] <= 10

    wait_until(pruned, what="the log's going")
