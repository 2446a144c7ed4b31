"""A2: kill -9 at every named point and at random times; what was acknowledged is there once, and the mirror equals the tables."""

import random
import threading
import time

import pytest

import bank
import foreign
from foreign import assert_mirror, shell
from rhei_engine import EngineDied, RheiError

WRITERS = 4


class Life:
    """One process from open to its end, with foreign writers beside it."""

    def __init__(self, engine, path, number, seed, transfers=12):
        self.engine, self.path, self.number, self.seed, self.transfers = engine, path, number, seed, transfers
        self.outside = bank.ForeignBank(path, first=number * 100_000_000 + 50_000_000, seed=seed)

    def live(self, **config):
        """Goes through everything that has named points. Returns when done, or raises EngineDied where it was killed."""
        engine, first = self.engine, self.number * 100_000_000
        self.outside.start()
        try:
            engine.open(self.path, prefer_olap=True, threads=1, **config)
            engine.initial_sync()
            banking = engine.start("bank", f"writers={WRITERS}", f"count={self.transfers}", f"first={first}", f"seed={self.seed}")
            reader = engine.on("reader")
            for _ in range(5):
                assert reader.olap("SELECT (SELECT sum(balance) FROM checking) + (SELECT sum(balance) FROM savings)").value == bank.TOTAL
            self.change_schema(engine.on("schema"))
            reader.call("rebuild", "savings".encode().hex())
            banking.wait()
            engine.bank(WRITERS, self.transfers, first + 10_000_000, self.seed + 1)
            engine.sync()
            self.wait_for_pruning()
            engine.initial_sync()  # the table that change_schema made may still be being built
            engine.verify()
            engine.close()
        finally:
            self.outside.stop()

    def change_schema(self, lane):
        table = f"extra_{self.number % 3}"
        lane.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY, v TEXT)")
        lane.execute(f"INSERT INTO {table} (v) VALUES ('x'), ('y')")
        lane.execute(f"ALTER TABLE {table} ADD COLUMN n{self.number} DEFAULT {self.number}")
        lane.execute(f"UPDATE {table} SET n{self.number} = id WHERE id % 2")
        if self.number % 4 == 3:
            lane.execute(f"DROP TABLE {table}")

    def wait_for_pruning(self):
        until = time.monotonic() + 60
        while self.engine.points().get("sync.cycle.pruned", 0) == 0 and time.monotonic() < until:
            self.engine.sync()
            time.sleep(0.01)


class History:
    """Of one file over many lives."""

    def __init__(self, path):
        self.path, self.acknowledged, self.refused, self.lives = path, [], [], 0

    def live(self, spawn, seed, **config):
        """One life; True if it was killed before its end."""
        self.lives += 1
        life = Life(spawn(), self.path, self.lives, seed)
        try:
            life.live(**config)
            killed = False
        except EngineDied as death:
            assert death.code == -9, death
            killed = True
        life.engine.kill()
        self.remember(life)
        return killed

    def remember(self, life):
        self.acknowledged += life.engine.acknowledged + life.outside.acknowledged
        self.refused += [number for number, name, _ in life.engine.refused]
        strange = [refusal for refusal in life.engine.refused if refusal[1] != "BUSY"]
        assert not strange, strange[:3]

    def check(self, open_engine):
        """First by SQLite alone, then through an engine that opens the file after the death."""
        bank.check(self.path, self.acknowledged, self.refused)
        shell(self.path, "UPDATE checking SET owner = owner || '.' WHERE id = 1")  # while no engine runs
        engine = open_engine()
        assert_mirror(engine, self.path)
        number = 1_000_000_000_000 + self.lives
        engine.script(bank.transfer_sql(number, 1, 2, 3, "after"))
        self.acknowledged.append(number)
        assert_mirror(engine, self.path)
        engine.kill()


def record(spawn, path):
    """The named points that a whole life reaches, with how often."""
    bank.create(path)
    life = Life(spawn(), path, 1, 7)
    points = {}
    closing = life.engine.close

    def close():
        points.update(life.engine.points())
        closing()

    life.engine.close = close
    life.live()
    return points, life


def test_a2_kill_at_every_named_point(spawn, path, open_engine, rng, long):
    points, life = record(spawn, path)
    assert any(point.startswith("sync.cycle") for point in points), points
    assert any(point.startswith("sync.build") for point in points), points
    assert any(point.startswith("oltp.") for point in points), points
    history = History(path)
    history.lives = 1
    history.remember(life)
    history.check(open_engine)
    reached = []
    for point, hits in sorted(points.items()):
        numbers = {1, rng.randrange(1, min(hits, 40) + 1)} | ({2, 3, hits} if long else set())
        for number in sorted(numbers):
            seed = rng.randrange(10000)
            killed = history.live(spawn, seed, die_point=point, die_at=number)
            if killed:
                reached.append(point)
            history.check(open_engine)
    missed = set(points) - set(reached)
    # a point that only the first opening of a file reaches has its own test below
    assert len(missed) <= len(points) // 3, f"never killed at {sorted(missed)}"
    print(f"{len(reached)} kills at {len(set(reached))} of {len(points)} points")


def test_a2_kill_at_every_point_of_the_first_opening(spawn, folder, open_engine):
    """The file is new to Rhei: its log, registry and triggers are being made."""
    file = folder / "points.db"
    bank.create(file)
    engine = spawn()
    engine.open(file)
    engine.initial_sync()
    points = [point for point in engine.points() if point.startswith("oltp.")]
    engine.close()
    assert points
    for point in points:
        file = folder / f"first-{point}.db"
        bank.create(file)
        engine = spawn()
        with pytest.raises(EngineDied) as death:
            engine.open(file, die_point=point, die_at=1)
            engine.initial_sync()
            # what the background does (pruning, checkpoints) comes a little after the changes that ask for it
            limit = time.monotonic() + 120
            first = 100_000
            while time.monotonic() < limit:
                engine.bank(1, 5, first, 1)
                first += 5
        assert death.value.code == -9
        engine.kill()
        bank.check(file, engine.acknowledged, [])
        # foreign writers get on, whatever was half made
        shell(file, bank.transfer_sql(77, 1, 2, 3, "shell"))
        assert_mirror(open_engine(file), file)
        bank.check(file, engine.acknowledged + [77], [])


def test_a2_kill_at_random_times_in_a_loop(spawn, path, open_engine, rng, long):
    bank.create(path)
    history = History(path)
    kills = 0
    for _ in range(150 if long else 30):
        history.lives += 1
        engine = spawn()
        # more transfers than any machine makes in a quarter of a second: the kill comes while they run
        life = Life(engine, path, history.lives, rng.randrange(10000), transfers=5000)
        timer = threading.Timer(rng.random() * 0.25, engine.kill)
        timer.start()
        try:
            life.live()
        except EngineDied as death:
            assert death.code == -9, death
            kills += 1
        except (ValueError, OSError):  # its pipes were closed in the middle of a call
            kills += 1
        timer.cancel()
        timer.join()
        engine.kill()
        history.remember(life)
        history.check(open_engine)
    print(f"{kills} kills")
    assert kills > 10


def test_a2_kill_one_of_two_engines(spawn, path, open_engine, rng):
    """The other one, which shares file and log, goes on and stays right."""
    bank.create(path)
    history = History(path)
    living = open_engine()
    living.initial_sync()
    points = ["sync.cycle.applied", "sync.cycle.published", "sync.cycle.pruned", "sync.build.loaded"]
    for turn, point in enumerate(points):
        history.lives += 1
        life = Life(spawn(), path, history.lives, rng.randrange(10000))
        banking = living.start("bank", "writers=2", "count=15", f"first={10**11 + turn * 10**8}", f"seed={turn}")
        with pytest.raises(EngineDied) as death:
            life.live(die_point=point, die_at=1 + turn % 2)
        assert death.value.code == -9
        life.engine.kill()
        history.remember(life)
        banking.wait()
        assert_mirror(living, path)
    assert not living.refused, living.refused[:3]
    bank.check(path, history.acknowledged + living.acknowledged, [])


def test_a2_kill_during_a_big_transaction(spawn, path, open_engine):
    """Nothing of a transaction that was never acknowledged, all of the one before."""
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    rows = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"  # it never gets to its end
    for turn in range(3):
        engine = spawn()
        engine.open(path)
        engine.initial_sync()
        engine.execute("INSERT INTO t (v) VALUES ('acknowledged')")
        running = engine.start("execute", f"{rows} INSERT INTO t (v) SELECT 'lost' FROM n".encode().hex())
        with pytest.raises(TimeoutError):
            running.wait(0.02 + 0.05 * turn)
        engine.kill()
        engine = open_engine()
        assert engine.query("SELECT count(*), count(*) FILTER (WHERE v = 'acknowledged') FROM t").rows == [(turn + 1, turn + 1)]
        assert_mirror(engine, path)
        engine.kill()


def test_a2_history_of_one_key_is_applied_once(spawn, path, open_engine):
    """Increments of one row: doubling or losing one would show in the number."""
    shell(path, "CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO counter VALUES (1, 0)")
    expected = 0
    points = ["sync.cycle.batch", "sync.cycle.applied", "sync.cycle.published", "sync.cycle.pruned"]
    for turn in range(8):
        engine = spawn()
        try:
            engine.open(path, prefer_olap=True, die_point=points[turn % len(points)], die_at=8 + 5 * turn)
            engine.initial_sync()
            for step in range(200):
                if step % 20 == 0:
                    foreign.shell(path, "UPDATE counter SET n = n + 1")
                else:
                    engine.execute("UPDATE counter SET n = n + 1")
                expected += 1
                if step % 3 == 0:
                    assert engine.olap("SELECT n FROM counter").value == expected
                engine.sync()
        except EngineDied as death:
            assert death.code == -9
        found = foreign.rows(path, "SELECT n FROM counter")[0][0]
        assert found in (expected, expected + 1)  # the last may be committed and not yet acknowledged
        expected = found
        engine = open_engine()
        assert engine_value(engine) == expected
        assert_mirror(engine, path)
        engine.kill()


def engine_value(engine):
    engine.initial_sync()
    return engine.olap("SELECT n FROM counter").value


def test_a2_no_engine_after_the_kill_leaves_a_normal_file(spawn, path):
    """Programs that know nothing of Rhei read and write on, and find no broken trigger."""
    bank.create(path)
    engine = spawn()
    engine.open(path)
    engine.initial_sync()
    engine.bank(2, 10, 1, random.randrange(1000))
    engine.kill()
    shell(path, "INSERT INTO checking VALUES (100, 'new', 0); REPLACE INTO savings VALUES ('account 1', (SELECT balance FROM savings WHERE name = 'account 1'));"
          "UPDATE checking SET id = 101 WHERE id = 100; DELETE FROM checking WHERE id = 101")
    bank.check(path, engine.acknowledged, [])


def test_a2_error_of_a_statement_keeps_nothing_of_it(path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)")
    engine.initial_sync()
    for run in (lambda: engine.execute("INSERT INTO t VALUES (1, 'a'), (2, NULL)"),
                lambda: engine.script("INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, NULL)"),
                lambda: engine.batch("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, None)])):
        with pytest.raises(RheiError) as caught:
            run()
        assert caught.value.name == "CONSTRAINT"
        assert engine.query("SELECT count(*) FROM t").value == 0
    assert_mirror(engine, path)
