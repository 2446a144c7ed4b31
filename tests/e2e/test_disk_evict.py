"""A2, A3, A10, A11: a column store that is bigger than its memory (olap_memory_limit) and lies in its folder (olap_path)."""

import contextlib
import json
import os
import random
import resource
import threading
import time

import pytest

from rhei_engine import EngineDied, RheiError

LIMIT = 64 << 20  # three fifths are the column store's
ROWS = 330000  # of about 250 bytes: 80 MB


def disk(engine):
    return json.loads(engine.info())["disk"]


def memory(engine):
    return json.loads(engine.info())["olap"]


def wait_for(engine, wanted):
    until = time.monotonic() + 120
    while not wanted():
        assert time.monotonic() < until, (engine.tables(), disk(engine), engine.log[-5:])
        time.sleep(0.02)


def fill(engine, rows=ROWS, first=1):
    for low in range(first, first + rows, 30000):
        engine.execute(
            "WITH RECURSIVE n(i) AS (VALUES(?) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO big SELECT i, i % 1000, i / 7.0, "
            "printf('row %d of a table that is bigger than the memory it may have ', i) || substr(hex(i * 2654435761), 1, 8) || "
            "substr('abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz', 1, 60 + i % 40), "
            "CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN 'mixed ' || i ELSE i / 3.0 END FROM n", low, min(low + 29999, first + rows - 1))


def build(engine):
    engine.ok("initial_sync", "timeout=110000", timeout=120)


def make(engine, rows=ROWS):
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT, m)")
    fill(engine, rows)
    build(engine)
    wait_for(engine, lambda: state(engine) == 2)  # a load that met the limit is tried again when there is room


def test_a11_a_backup_of_what_is_not_in_memory(open_engine, folder):
    """Segments that lie in files are read for it, within the limit."""
    engine = open_engine(olap_path=folder / "mirror", olap_memory_limit=LIMIT, checkpoint_interval_ms=50)
    make(engine)
    wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
    engine.backup(folder / "copy")
    copy = open_engine(folder / "copy" / "rhei.db", olap_path=folder / "copy" / "rhei.mirror", must_exist=True)
    assert disk(copy)["restored_tables"] == 1
    build(copy)
    assert copy.verify("big") == ROWS
    for question in QUESTIONS:
        assert copy.query(question).rows == engine.query(question).rows


QUESTIONS = (
    "SELECT count(*), sum(k), min(r), max(id) FROM big",
    "SELECT k % 10, count(*), max(t), min(length(t)) FROM big WHERE k >= 700 GROUP BY 1 ORDER BY 1",  # SQLite sorts the texts
    "SELECT count(*), sum(length(t)) FROM big WHERE id BETWEEN 100000 AND 240000",
    "SELECT id, t FROM big WHERE k = 77 ORDER BY id",
    "SELECT typeof(m), count(*) FROM big GROUP BY 1 ORDER BY 1",
)


def truth(engine):
    """SQLite's answers, which stay the same until something is written."""
    return [engine.query(sql, route="oltp").rows for sql in QUESTIONS]


def assert_answers(engine, route="olap", rows=None):
    for sql, expected in zip(QUESTIONS, rows or truth(engine)):
        assert engine.query(sql, route="auto" if "m)" in sql else route).rows == expected, sql


def state(engine):
    return engine.tables()["big"][0]


@pytest.fixture
def place(folder):
    return folder / "mirror"


def start(open_engine, place, **config):
    return open_engine(olap_path=place, **{"olap_memory_limit": LIMIT, "checkpoint_interval_ms": 200, **config})


def test_a11_a_table_bigger_than_the_memory(path, place, open_engine):
    engine = start(open_engine, place)
    make(engine)
    assert state(engine) == 2, engine.tables()
    assert disk(engine)["segments_in_files"] > 0
    rows = truth(engine)
    for _ in range(3):
        assert_answers(engine, rows=rows)
        assert memory(engine)["memory_bytes"] <= LIMIT
    engine.verify("big")
    engine.execute("UPDATE big SET k = k + 1 WHERE id % 50 = 0")
    engine.execute("DELETE FROM big WHERE id % 77 = 5")
    fill(engine, 60000, first=ROWS + 1)
    engine.sync()
    wait_for(engine, lambda: state(engine) == 2)
    rows = truth(engine)
    assert_answers(engine, rows=rows)
    engine.verify("big")
    assert disk(engine)["columns_dropped"] > 0
    engine.close()
    engine = start(open_engine, place)
    assert disk(engine)["restored_tables"] == 1
    engine.sync()
    assert_answers(engine, rows=rows)
    assert memory(engine)["memory_bytes"] <= LIMIT
    engine.verify("big")
    engine.close()


def test_a11_a_table_that_grows_beyond_the_memory(path, place, open_engine):
    """What was built in memory goes as it is needed, while rows come and queries run."""
    engine = start(open_engine, place)
    make(engine, 60000)
    for first in range(60001, ROWS, 30000):
        fill(engine, 30000, first)
        engine.sync()
        engine.query(QUESTIONS[0])
    wait_for(engine, lambda: state(engine) == 2)
    wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
    rows = truth(engine)
    assert_answers(engine, rows=rows)
    engine.verify("big")
    engine.kill()
    engine = start(open_engine, place)
    build(engine)
    assert_answers(engine, rows=rows)
    engine.verify("big")
    engine.close()


def spoil(file, rng):
    """None: a checkpoint has taken the file away since it was listed."""
    how = rng.randrange(3)
    with contextlib.suppress(FileNotFoundError):
        return spoil_so(file, rng, how)


def spoil_so(file, rng, how):
    if how == 0:
        with open(file, "r+b") as data:
            data.seek(rng.randrange(file.stat().st_size))
            at = data.tell()
            byte = data.read(1)[0]
            data.seek(at)
            data.write(bytes([byte ^ 1 << rng.randrange(8)]))
    elif how == 1:
        os.truncate(file, rng.randrange(file.stat().st_size))
    else:
        file.unlink()
    return ("a bit of", "a cut", "gone")[how], file.name


@pytest.mark.parametrize("seed", range(3))
def test_a10_files_that_change_under_their_reader(seed, path, place, open_engine):
    """Flipped, cut or taken away while segments lie in them: never another answer, never the end of the process."""
    rng = random.Random(seed)
    engine = start(open_engine, place)
    make(engine, 200000)
    wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
    told = 0
    for _ in range(4):
        files = sorted(f for f in place.iterdir() if f.name.startswith("b-s-"))
        done = [spoil(f, rng) for f in rng.sample(files, min(3, len(files)))]
        for sql in QUESTIONS:
            assert engine.query(sql, route="auto").rows == engine.query(sql, route="oltp").rows, (done, sql)
        engine.execute("UPDATE big SET k = k + 1 WHERE id % 1000 = 3")
        engine.sync()
        wait_for(engine, lambda: state(engine) == 2)
        told += any("set aside" in text for _, _, text in engine.log)
    engine.kill()
    engine = start(open_engine, place)
    build(engine)
    wait_for(engine, lambda: state(engine) == 2)
    until = time.monotonic() + 120
    while True:  # what was spoilt and not read yet is found now
        try:
            engine.verify("big")
            break
        except RheiError:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert_answers(engine, route="auto")
    assert told > 0 or any("set aside" in text for _, _, text in engine.log)
    engine.close()


def test_a10_a_full_disk_while_a_build_needs_it(path, place, open_engine):
    """Segments that can't be put in files stay in memory: then the limit is the limit, it is said, and SQLite answers."""
    engine = start(open_engine, place, popen={"restore_signals": False})
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT, m)")
    build(engine)
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    # the database's own file can't grow either: its rows come from somebody else
    connection = __import__("foreign").connect(path)
    connection.execute("BEGIN")
    connection.execute(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 250000) INSERT INTO big SELECT i, i % 1000, i / 7.0, "
        "printf('row %d of a table that is bigger than the memory it may have ', i) || substr(hex(randomblob(60)), 1, 100), NULL FROM n")
    connection.commit()
    connection.close()
    wait_for(engine, lambda: state(engine) != 2 or disk(engine)["failures"] > 0)
    assert engine.query(QUESTIONS[0]).rows == engine.query(QUESTIONS[0], route="oltp").rows
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    engine.rebuild("big")
    build(engine)
    wait_for(engine, lambda: state(engine) == 2)
    assert_answers(engine, route="auto")
    engine.close()


POINTS = ("evict.spill", "evict.spilled", "evict.prepared", "evict.swapped", "evict.done", "evict.read", "checkpoint.written")


@pytest.mark.parametrize("point", POINTS)
def test_a2_kill_at_every_step_of_an_eviction(point, path, place, spawn):
    """Whatever step the process dies at: the next one has what was committed, in memory or in files."""
    died = 0
    engine = spawn()
    engine.open(path, threads=2)
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT, m)")
    engine.close()
    for life in range(1, 4):
        engine = spawn()
        try:
            engine.open(path, olap_path=place, prefer_olap=True, threads=2, olap_memory_limit=LIMIT, checkpoint_interval_ms=100,
                        die_point=point, die_at=life)
            there = engine.query("SELECT ifnull(max(id), 0) FROM big", route="oltp").value
            if there < 150000:  # a life may end before it has all of its rows
                build(engine)  # so that rows come into memory, and have to leave it
                fill(engine, 150000 - there, there + 1)
                engine.sync()
                wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
                for more in range(40):  # a load that met the limit writes files itself: then later rows have to go
                    if disk(engine)["evictions"] > 0:
                        break
                    fill(engine, 15000, 2000000 + 15000 * more)
                    engine.sync()
                    wait_for(engine, lambda: state(engine) == 2)
            elif life == 2:
                engine.execute("UPDATE big SET k = k + 1 WHERE id % 9 = 0")
            elif life == 3:
                fill(engine, 90000, 900000)
            build(engine)
            for _ in range(3):
                engine.execute("UPDATE big SET r = r + 1 WHERE id % 1001 = 7")
                engine.sync()
                engine.query(QUESTIONS[1])
            engine.rebuild("big")
            build(engine)
            wait_for(engine, lambda: state(engine) == 2)
            wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died += 1
        engine.kill()
        engine = spawn()
        engine.open(path, olap_path=place, prefer_olap=True, threads=2, olap_memory_limit=LIMIT, checkpoint_interval_ms=100)
        build(engine)
        wait_for(engine, lambda: state(engine) == 2)
        assert_answers(engine)
        engine.verify("big")
        assert disk(engine)["failures"] == 0, disk(engine)
        engine.close()
    assert died > 0
