"""A1-A4, A7, A10: the change buffer (rocksdb_cdc_path): what is moved into it, what is read back, and what a crash leaves."""

import contextlib
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import time

import pytest

import bank
from rh_program import ROOT, rh  # noqa: F401
from rhei_engine import EngineDied, RheiError
from test_crash import History
from test_guide import commands
from test_bad_input import small_disk  # noqa: F401
from test_disk import TABLES, assert_all, await_all, change, make


@pytest.fixture
def place(folder):
    return folder / "buffer"


def buffer(engine):
    return json.loads(engine.info())["buffer"]


def log(path):
    """First and last number of the change log in the file."""
    with sqlite3.connect(path, timeout=60) as file:
        found = file.execute("SELECT min(seq), max(seq) FROM _rhei_cdc_log").fetchone()
    file.close()
    return found


def await_true(wanted, what):
    until = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


def await_moved(engine, path):
    """Everything that was committed is in the buffer, and the log in the file has its last row alone."""
    await_true(lambda: buffer(engine)["position"] == log(path)[1] and len(set(log(path))) == 1, lambda: (buffer(engine), log(path)))


def test_a7_the_log_goes_into_the_buffer_while_no_mirror_follows(path, place, open_engine):
    engine = open_engine(rocksdb_cdc_path=place, manual_sync=True)
    make(engine)
    await_moved(engine, path)
    for seed in range(5):
        change(engine, seed)
    await_moved(engine, path)
    assert buffer(engine)["bytes"] > 0 and buffer(engine)["message"] == ""
    assert_all(engine)  # what it missed comes from the buffer
    assert engine.log == []
    engine.close()
    engine.open(path, rocksdb_cdc_path=place)
    engine.initial_sync()
    assert_all(engine)
    change(engine, 99)
    assert_all(engine)


def bury(path):
    """As if the engines that were killed had been dead for an hour: nothing is kept for them any more."""
    with sqlite3.connect(path, timeout=60) as file:
        file.execute("UPDATE _rhei_engines SET seen_ms = seen_ms - 3600000")
    file.close()


def checkpoint(engine):
    return json.loads(engine.info())["disk"]


def test_a2_an_old_checkpoint_catches_up_from_the_buffer(path, place, folder, open_engine):
    """The log behind the checkpoint is in the buffer alone: the mirror is taken over, and no table is loaded."""
    config = {"rocksdb_cdc_path": place, "olap_path": folder / "mirror", "checkpoint_interval_ms": 86400000}
    engine = open_engine(**config)
    make(engine)
    engine.close()  # which makes a checkpoint
    for life in range(3):
        engine = open_engine(**config)
        engine.initial_sync()
        held = checkpoint(engine)["position"]
        change(engine, life)
        engine.execute("CREATE TABLE IF NOT EXISTS late (id INTEGER PRIMARY KEY, v)")
        engine.execute("INSERT INTO late (v) VALUES ('x')")
        await_moved(engine, path)
        assert log(path)[0] > held and buffer(engine)["horizon"] <= held
        assert checkpoint(engine)["position"] == held
        engine.kill()
        bury(path)
        engine = open_engine(**config)
        assert checkpoint(engine)["restored_tables"] >= len(TABLES)
        assert_all(engine)
        assert not any("built again" in text for _, _, text in engine.log), engine.log
        engine.close()


def test_a7_what_is_in_a_checkpoint_leaves_the_buffer(path, place, folder, open_engine):
    engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror", checkpoint_interval_ms=20)
    make(engine)
    for seed in range(3):
        change(engine, seed)
        assert_all(engine)
    until = time.monotonic() + 60
    while buffer(engine)["bytes"] > 10000 or buffer(engine)["horizon"] == 0:  # the last commit stays, so there has to be another
        engine.execute("UPDATE orders SET note = note WHERE id = 1")
        assert time.monotonic() < until, (buffer(engine), checkpoint(engine))
        time.sleep(0.1)
    assert buffer(engine)["horizon"] <= checkpoint(engine)["position"]
    assert_all(engine)


POINTS = ("feed.pump.begun", "feed.pump.appended", "feed.pump.ended", "feed.pump.committed", "feed.bridge.moved", "feed.bridge.told",
          "feed.bridge.pruned", "feed.bridge.dropped", "feed.beside.read", "buffer.opened", "buffer.commit.begun", "buffer.commit.synced",
          "buffer.prune.written", "buffer.prune.done", "capture.prune", "checkpoint.written")


@pytest.mark.parametrize("point", POINTS)
def test_a2_kill_at_every_step_of_the_bridge(point, path, place, folder, spawn):
    """Whatever step the process dies at: the next one's mirror equals the tables, and the log goes on into the buffer."""
    config = {"rocksdb_cdc_path": place, "olap_path": folder / "mirror", "prefer_olap": True, "threads": 1}
    engine = spawn()
    engine.open(path, **config)
    make(engine, 2000)
    engine.close()
    died = 0
    for life in range(1, 4):
        engine = spawn()
        try:
            engine.open(path, die_point=point, die_at=1 + life // 3, manual_sync=life % 2 == 0,
                        checkpoint_interval_ms=20 if life > 2 else 86400000, **config)
            if life % 2 == 1:
                engine.initial_sync()
            change(engine, life)
            await_moved(engine, path)
            assert_all(engine)
            change(engine, 100 + life)
            assert_all(engine)
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died += 1
        engine.kill()
        bury(path)
        engine = spawn()
        engine.open(path, **config)
        engine.initial_sync()
        assert_all(engine)
        assert buffer(engine)["message"] == "", buffer(engine)
        await_true(lambda: buffer(engine)["position"] == log(path)[1], lambda: buffer(engine))
        engine.close()
    assert died > 0


def test_a2_kill_at_random_times_with_writers_beside(path, place, folder, spawn, open_engine, rng, long):
    """The bank of test_crash, with a buffer, in turn with and without a folder for the mirror: sums hold in every answer (A1)."""
    bank.create(path)
    history = History(path)
    for life in range(24 if long else 6):
        config = {"rocksdb_cdc_path": place, "olap_path": folder / "mirror" if life % 3 else None,
                  "checkpoint_interval_ms": rng.choice([20, 500, 86400000])}
        point = rng.choice(("*", "feed.pump.appended", "feed.bridge.moved", "buffer.commit.synced"))
        history.live(spawn, rng.randrange(10000), die_point=point, die_at=rng.randrange(1, 2000 if point == "*" else 40), **config)
        history.check(lambda: open_engine(**config))


# ---- Whose buffer is it? ---------------------------------------------------------------------------------------------


def test_a10_an_older_copy_of_the_file_sets_the_buffer_aside(path, place, folder, open_engine):
    engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror")
    make(engine)
    engine.close()
    shutil.copy(path, folder / "older.db")
    for loop in range(2):
        engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror")
        engine.initial_sync()
        change(engine, loop)
        assert_all(engine)
        engine.close()
        shutil.copy(folder / "older.db", path)
        with sqlite3.connect(path, timeout=60) as file:  # and it went on differently
            file.execute("UPDATE orders SET note = 'another way' WHERE id % 7 = ?", (loop,))
        file.close()
        engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror")
        assert "set aside" in buffer(engine)["message"]
        assert (place / f"aside-{loop + 1}").is_dir()
        engine.initial_sync()
        assert_all(engine)
        engine.close()
        engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror")
        assert buffer(engine)["message"] == ""
        engine.initial_sync()
        assert_all(engine)
        engine.close()
        shutil.copy(path, folder / "older.db")


def test_a10_another_file_is_refused_and_nothing_is_lost(path, place, folder, open_engine, spawn):
    engine = open_engine(rocksdb_cdc_path=place, manual_sync=True)
    make(engine)
    engine.close()
    with pytest.raises(RheiError, match="changes of another database") as told:
        spawn().open(folder / "other.db", rocksdb_cdc_path=place)
    assert told.value.name == "EXISTS" and "rocksdb_cdc_path" in told.value.message
    shutil.move(path, folder / "moved.db")  # replaced by a new file of its name
    for beside in ("-wal", "-shm"):
        (folder / (path.name + beside)).unlink(missing_ok=True)
    with pytest.raises(RheiError, match="changes of another database"):
        spawn().open(path, rocksdb_cdc_path=place)
    engine = open_engine(folder / "moved.db", rocksdb_cdc_path=place)
    assert buffer(engine)["message"] == ""
    engine.initial_sync()
    assert_all(engine)


def test_a10_a_buffer_that_is_gone_begins_anew(path, place, folder, open_engine):
    engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror", checkpoint_interval_ms=86400000)
    make(engine)
    engine.close()
    engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror", checkpoint_interval_ms=86400000)
    engine.initial_sync()
    change(engine, 1)
    await_moved(engine, path)
    engine.kill()
    bury(path)
    shutil.rmtree(place)  # with what only it had
    engine = open_engine(rocksdb_cdc_path=place, olap_path=folder / "mirror")
    engine.initial_sync()
    assert_all(engine)
    change(engine, 2)
    assert_all(engine)
    await_moved(engine, path)
    engine.close()
    engine = open_engine(olap_path=folder / "mirror")  # and without one again
    engine.initial_sync()
    assert_all(engine)


def test_a10_one_folder_one_handle(path, place, folder, open_engine, spawn):
    engine = open_engine(rocksdb_cdc_path=place)
    make(engine)
    for file in (path, folder / "other.db"):
        with pytest.raises(RheiError, match="another handle has the folder") as told:
            spawn().open(file, rocksdb_cdc_path=place)
        assert told.value.name == "BUSY"
    second = open_engine(rocksdb_cdc_path=place, manual_sync=True)  # a command beside it
    assert "another handle" in buffer(second)["message"]
    assert second.query("SELECT count(*) FROM orders").value == 3000
    second.close()
    engine.kill()
    engine = open_engine(rocksdb_cdc_path=place)
    engine.initial_sync()
    assert_all(engine)


def test_a10_a_folder_of_something_else_is_left_alone(path, place, spawn):
    place.mkdir()
    (place / "letter.txt").write_text("mine")
    with pytest.raises(RheiError, match="other things") as told:
        spawn().open(path, rocksdb_cdc_path=place)
    assert told.value.name == "INVALID"
    assert [f.name for f in place.iterdir()] == ["letter.txt"]
    with pytest.raises(RheiError, match="in memory") as told:
        spawn().open(":memory:", rocksdb_cdc_path=place)
    assert told.value.name == "UNSUPPORTED"


def test_d5_without_rocksdb_there_is_one_clear_error(path, place, spawn):
    engine = spawn(env=dict(os.environ, RHEI_ROCKSDB="/nowhere/librocksdb.so"))
    with pytest.raises(RheiError, match="RocksDB isn't here") as told:
        engine.open(path, rocksdb_cdc_path=place)
    assert told.value.name == "UNSUPPORTED" and not place.exists()
    engine.open(path)  # which needs none
    make(engine)
    assert_all(engine)


def test_a10_a_turned_bit_is_never_an_answer(path, place, folder, open_engine, rng):
    config = {"rocksdb_cdc_path": place, "olap_path": folder / "mirror", "checkpoint_interval_ms": 86400000}
    engine = open_engine(**config)
    make(engine)
    engine.close()
    engine = open_engine(**config)
    engine.initial_sync()
    for seed in range(5):
        change(engine, seed)
    await_moved(engine, path)
    engine.kill()
    kept = folder / "kept"
    kept.mkdir()
    for name in ("buffer", "mirror"):
        shutil.copytree(folder / name, kept / name)
    for file in folder.glob("shop.db*"):
        shutil.copy(file, kept / file.name)
    victims = [f.name for f in (kept / "buffer" / "db").iterdir() if f.name not in ("LOCK", "LOG") and f.stat().st_size]
    said = 0
    for victim in sorted(victims) * 2:
        for name in ("buffer", "mirror"):
            shutil.rmtree(folder / name)
            shutil.copytree(kept / name, folder / name)
        for file in folder.glob("shop.db*"):
            file.unlink()
        for file in kept.glob("shop.db*"):
            shutil.copy(file, folder / file.name)
        data = bytearray((place / "db" / victim).read_bytes())
        at = rng.randrange(len(data))
        data[at] ^= 1 << rng.randrange(8)
        (place / "db" / victim).write_bytes(bytes(data))
        engine = open_engine(**config)
        await_all(engine)
        said += "set aside" in buffer(engine)["message"] or any("begins anew" in text for _, _, text in engine.log)
        engine.kill()
    assert said > 0


def test_a2_a_full_disk_leaves_changes_in_the_log(path, place, open_engine):
    """A limit of file sizes stands for a full disk: RocksDB's log is over it, SQLite's are not."""
    engine = open_engine(rocksdb_cdc_path=place, popen={"restore_signals": False})
    make(engine)
    await_moved(engine, path)
    free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v)")
    engine.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (5 << 20, resource.RLIM_INFINITY))
    for number in range(60):
        if buffer(engine)["failures"]:
            break
        with contextlib.suppress(RheiError):  # SQLite may meet the limit, too
            engine.execute("INSERT INTO big (v) VALUES (randomblob(200000))")
            engine.execute("DELETE FROM big")
            engine.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        await_true(lambda: buffer(engine)["failures"] or buffer(engine)["position"] == log(path)[1], lambda: buffer(engine))
    assert buffer(engine)["failures"] > 0
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, free)
    await_moved(engine, path)  # and goes on when there is room
    assert buffer(engine)["message"] == ""
    change(engine, 3)
    assert_all(engine)


def test_a8_an_engine_without_the_buffer_beside_one_with_it(path, place, open_engine):
    engine = open_engine(rocksdb_cdc_path=place)
    make(engine)
    other = open_engine()
    other.initial_sync()
    for seed in range(4):
        change(engine if seed % 2 else other, seed)
        assert_all(engine)
        assert_all(other)
    other.close()
    engine.close()
    other = open_engine()
    other.initial_sync()
    change(other, 5)
    assert_all(other)
    other.close()  # what it committed is still there for the bridge
    engine = open_engine(rocksdb_cdc_path=place, manual_sync=True)
    await_moved(engine, path)
    assert buffer(engine)["message"] == ""
    engine.initial_sync()
    assert_all(engine)


def test_a9_a_history_is_whole_where_it_came_through_the_buffer(path, place, folder, open_engine):
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    engine = open_engine(rocksdb_cdc_path=place, config_file=folder / "temporal.toml", manual_sync=True)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    engine.initial_sync()
    engine.sync()
    for number in range(5):
        engine.execute("UPDATE t SET v = ? WHERE id = 1", number)
        await_moved(engine, path)
    engine.execute("DELETE FROM t WHERE id = 2")
    engine.execute("INSERT INTO t VALUES (2, 'again')")
    await_moved(engine, path)
    engine.sync()
    versions = engine.query("SELECT id, v, _rhei_operation FROM t_history ORDER BY id, _rhei_seq").rows
    assert [v for i, v, _ in versions if i == 1] == ["a", 0, 1, 2, 3, 4]
    assert [v for i, v, op in versions if i == 2 and op != "D"] == ["b", "again"]
    assert engine.query("SELECT count(*) FROM t_history WHERE _rhei_valid_to IS NULL").value == 2


def test_d5_the_buffer_is_in_status_metrics_and_info(rh, folder):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "--capture")
    (rh.folder / "rhei.toml").write_text('[engine]\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "INSERT INTO t VALUES (1), (2), (3)", "--config", "rhei.toml", "--capture")
    (rh.folder / "stuff").mkdir()
    for name, why in (("none", "there is no such folder yet"), ("stuff", "the folder is empty")):
        (rh.folder / "other.toml").write_text(f'[engine]\nrocksdb_cdc_path = "{name}"\n')
        told = rh.run("status", "--config", "other.toml").stdout
        assert re.search(f"Buffer       {name}\n +{why}\n", told), told
    told = rh.run("status", "--config", "rhei.toml").stdout
    assert "Buffer" in told and "changes" in told
    status = json.loads(rh.run("status", "--json", "--config", "rhei.toml").stdout)
    assert status["buffer_folder"] == "changes" and status["buffer_message"] == ""
    assert status["buffer_position"] == status["log_position"] >= 3
    metrics = {metric["name"] for metric in status["metrics"]}
    assert {"rhei_buffer_bytes", "rhei_buffer_lag", "rhei_buffer_position"} <= metrics
    assert json.loads(rh.run("info", "--json", "--config", "rhei.toml").stdout)["settings"]["rocksdb_cdc_path"] == "changes"
    assert (rh.folder / "changes" / "identity").exists()


# ---- Consumers of the change feed. ------------------------------------------------------------------------------------

BUFFERED = ("--config", "rhei.toml")


def feed(rh, *more):
    return [json.loads(line) for line in rh.run("changes", *BUFFERED, *more).stdout.splitlines()]


def untimed(events):
    return [{key: value for key, value in event.items() if "time" not in key} for event in events if event["kind"] in ("insert", "update", "delete")]


def test_a8_consumers_follow_the_buffer_while_the_log_is_pruned(rh, rng):
    """Two consumers, one of them away throughout: both are told what the log of a twin without a buffer tells, row by row."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    twin = ("--db", "twin.db")
    schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, x); CREATE TABLE u (a TEXT PRIMARY KEY, b REAL) WITHOUT ROWID"
    rh.run("exec", "--capture", *BUFFERED, schema)
    rh.run("exec", "--capture", *twin, schema)
    for names in (("near",), ("far",)):
        assert untimed(feed(rh, "--consumer", *names)) == []
    rh.run("changes", *twin, "--consumer", "far")
    near = []
    for number in range(4):
        parts = [f"INSERT INTO t VALUES ({number}, 'row {number}')", f"INSERT OR REPLACE INTO u VALUES ('key {number % 3}', {number}.5)",
                 f"UPDATE t SET x = x'00{number:02x}' WHERE id = {rng.randrange(8)}", f"DELETE FROM t WHERE id = {rng.randrange(20)}",
                 f"UPDATE t SET id = id + 100 WHERE id = {number - 1}"]
        rng.shuffle(parts)
        sql = "BEGIN; " + "; ".join(parts) + "; COMMIT"
        rh.run("exec", *BUFFERED, sql)
        rh.run("exec", *twin, sql)
        first, last = log(rh.folder / "rhei.db")
        assert first == last  # all but the newest row is in the buffer alone
        near += feed(rh, "--consumer", "near") if number % 2 else []
    near += feed(rh, "--consumer", "near")
    far = feed(rh, "--consumer", "far")
    told = [json.loads(line) for line in rh.run("changes", *twin, "--consumer", "far").stdout.splitlines()]
    assert untimed(far) == untimed(told) and untimed(near) == untimed(told)
    assert not any(event["kind"] == "lost" for event in near + far)
    assert [event["kind"] for event in far if event["kind"] in ("table", "commit")][:2] == ["table", "table"] and far[-1]["kind"] == "commit"
    assert untimed(feed(rh, "--consumer", "far")) == []
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (1000, 'last')")
    assert [event["row"]["x"] for event in untimed(feed(rh, "--consumer", "far"))] == ["last"]


def test_a8_what_was_there_before_the_buffer_began_stays_for_a_consumer(path, place, open_engine):
    """It reads the buffer from now on, and what it has not read yet is in the log alone. So it is where another engine without the buffer prunes."""
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.changes_open("c", start=1)
    engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    engine.close()
    engine = open_engine(rocksdb_cdc_path=place)
    engine.initial_sync()
    engine.changes_open("c")
    other = open_engine()
    other.initial_sync()
    for key in range(3, 13):  # each a step of the bridge, which would have the log go
        engine.execute("INSERT INTO t VALUES (?, 'c')", key)
        engine.sync()
        other.sync()
        await_true(lambda: buffer(engine)["position"] == log(path)[1], lambda: (buffer(engine), log(path)))
    events = []
    while changes := engine.changes_next(100):
        events += changes
    assert not any(change.kind == "lost" for change in events), events
    assert [change.key for change in events if change.kind == "insert"] == [(key,) for key in range(1, 13)]
    engine.changes_acknowledge(events[-1].position)
    await_moved(engine, path)  # which nothing holds any more


def test_a8_a_schema_change_goes_through_the_buffer(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    feed(rh, "--consumer", "c")
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (1, 'old')")
    rh.run("exec", *BUFFERED, "ALTER TABLE t ADD COLUMN y DEFAULT 5")
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (2, 'new', 6)")
    rh.run("exec", *BUFFERED, "DROP TABLE t")
    events = feed(rh, "--consumer", "c")
    # the log alone would have lost the first: its columns are gone from the file
    assert [event["row"] for event in untimed(events)] == [{"id": 1, "x": "old"}, {"id": 2, "x": "new", "y": 6}]
    assert [event["kind"] for event in events].count("table") == 2 and not any(event["kind"] == "lost" for event in events)


def test_a8_a_table_that_comes_with_many_rows_is_told_whole(rh):
    """Its definition is in the first part of a commit that is read in several."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    feed(rh, "--consumer", "c")
    rh.run("exec", *BUFFERED, "BEGIN; CREATE TABLE late (id INTEGER PRIMARY KEY, x); INSERT INTO late WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL "
           "SELECT i + 1 FROM c WHERE i < 30000) SELECT i, printf('%060d', i) FROM c; COMMIT")
    events = feed(rh, "--consumer", "c")
    assert [event["key"]["id"] for event in untimed(events)] == list(range(1, 30001))
    assert [event["table"] for event in events if event["kind"] == "table"] == ["t", "late"] and not any(event["kind"] == "lost" for event in events)


def test_a8_a_lost_buffer_is_told_to_consumers(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    feed(rh, "--consumer", "c")
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    shutil.rmtree(rh.folder / "changes")
    assert [event["table"] for event in feed(rh, "--consumer", "c") if event["kind"] == "lost"] == [None]
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (4, 4)")
    assert [event["key"]["id"] for event in untimed(feed(rh, "--consumer", "c"))] == [4]
    done = rh.run("changes", *BUFFERED, "--consumer", "_rhei_mine", code=1)
    assert "Rhei's own" in done.stderr


def test_a8_a_damaged_buffer_is_told_to_consumers_once(rh):
    """RocksDB finds a turned bit as a block is read, not at the opening. Whoever reads it is told, and it begins anew."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    feed(rh, "--consumer", "c")
    rh.run("exec", *BUFFERED, "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20000) SELECT i, hex(randomblob(20)) FROM c")
    rh.run("exec", *BUFFERED, "SELECT 1")  # an opening puts what the write-ahead log has into a file of blocks
    table = max((rh.folder / "changes" / "db").glob("*.sst"), key=lambda file: file.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(bytes(data))
    events = feed(rh, "--consumer", "c")
    assert [(event["table"], "buffer" in event["reason"]) for event in events if event["kind"] == "lost"] == [(None, True)]
    assert events[-1]["kind"] == "commit"
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (20001, 'new')")
    after = feed(rh, "--consumer", "c")
    assert [event["key"]["id"] for event in untimed(after)] == [20001] and not any(event["kind"] == "lost" for event in after)


def consumers(path):
    with sqlite3.connect(path, timeout=60) as file:
        found = file.execute("SELECT name, position, keep_ms FROM _rhei_consumers WHERE substr(name, 1, 6) <> '_rhei_'").fetchall()
    file.close()
    return found


def test_a3_what_a_buffer_has_that_isnt_open_here_is_never_told_as_lost(rh, open_engine):
    """Beside the process that has the buffer, and without its setting: refused, and the consumer and what it pins stay as they were."""
    path = rh.folder / "rhei.db"
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    assert untimed(feed(rh, "--consumer", "fast")) == []
    engine = open_engine(path, rocksdb_cdc_path=rh.folder / "changes")
    for key in (1, 2):
        engine.execute("INSERT INTO t VALUES (?, 'new')", key)
    await_moved(engine, path)
    kept = consumers(path)
    position = kept[0][1]
    done = rh.run("changes", *BUFFERED, "--consumer", "fast", code=1)
    assert done.stdout == "" and f'the changes behind position {position} are in "changes"' in done.stderr, done.stderr
    assert "another process or handle has open" in done.stderr and "[BUSY " in done.stderr
    for more in ((), ("--format", "debezium"), ("--follow",)):
        done = rh.run("changes", "--db", path, "--consumer", "fast", *more, code=1)
        assert done.stdout == "" and "(--config)" in done.stderr and "[STALE " in done.stderr, done.stderr
    assert consumers(path) == kept
    assert re.search(r"  fast: .* ago, kept in the change buffer\n", rh.run("status", "--db", path).stdout)
    # one that begins beside it pins the log, and so has no need of the buffer
    assert untimed(feed(rh, "--consumer", "beside")) == []
    engine.execute("INSERT INTO t VALUES (3, 'new')")
    await_true(lambda: buffer(engine)["position"] == log(path)[1], lambda: buffer(engine))
    assert [event["key"]["id"] for event in untimed(feed(rh, "--consumer", "beside"))] == [3]
    engine.close()
    assert [event["key"]["id"] for event in untimed(feed(rh, "--consumer", "fast"))] == [1, 2, 3]


def test_a3_a_buffer_that_cant_be_read_is_no_loss(rh, open_engine):
    path = rh.folder / "rhei.db"
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    assert untimed(feed(rh, "--consumer", "c")) == []
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (1, 1), (2, 2)")
    kept = consumers(path)
    (rh.folder / "changes" / "lock").rename(rh.folder / "lock")
    (rh.folder / "changes" / "lock").symlink_to("nowhere")  # which nobody follows
    done = rh.run("changes", *BUFFERED, "--consumer", "c", code=1)
    assert done.stdout == "" and "which can't be read: " in done.stderr and "[IO " in done.stderr, done.stderr
    assert consumers(path) == kept
    (rh.folder / "changes" / "lock").unlink()
    assert [event["key"]["id"] for event in untimed(feed(rh, "--consumer", "c"))] == [1, 2]


def test_a3_a_reader_beside_the_buffer_that_pins_nothing_is_refused(path, place, open_engine):
    engine = open_engine(rocksdb_cdc_path=place)
    make(engine)
    await_moved(engine, path)
    other = open_engine(manual_sync=True)
    other.changes_open(start=0)
    while other.changes_next(100):
        pass
    for key in range(3):
        engine.execute("CREATE TABLE IF NOT EXISTS late (id INTEGER PRIMARY KEY)")
        engine.execute("INSERT INTO late VALUES (?)", key)
    await_moved(engine, path)
    with pytest.raises(RheiError, match="are in the change buffer of this database") as told:
        while other.changes_next(100):
            pass
    assert told.value.name == "STALE"


def test_b14_who_gives_the_buffer_up_for_good_is_told_what_is_lost(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nrocksdb_cdc_path = "changes"\n')
    rh.run("exec", "--capture", *BUFFERED, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    feed(rh, "--consumer", "c")
    rh.run("exec", *BUFFERED, "INSERT INTO t VALUES (1, 1), (2, 2)")
    done = rh.run("changes", "--db", "rhei.db", "--consumer", "c", code=1)
    assert "rh changes --drop --consumer _rhei_buffer" in done.stderr, done.stderr
    words = next(line for line in (ROOT / "docs/guide/buffer.md").read_text().split("`") if "--drop" in line).split()
    rh.run(*words[1:-1], "rhei.db")
    assert words[:2] == ["rh", "changes"] and words[-1] == "shop.db"
    told = [json.loads(line) for line in rh.run("changes", "--db", "rhei.db", "--consumer", "c").stdout.splitlines()]
    assert [event["table"] for event in told if event["kind"] == "lost"] == [None]


def test_the_buffer_as_the_guide_shows_it(build, tmp_path):
    lines = commands("docs/guide/buffer.md", "printf '[engine]")
    assert len(lines) == 4
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Buffer       shop.changes, [^\n]*, up to change 2, 0 changes behind$", done.stdout, re.M), done.stdout


@pytest.mark.parametrize("size", [3, 6])
def test_d6_a_full_disk_under_the_buffer_ends_nothing(size, spawn, small_disk, path):  # noqa: F811
    """RocksDB's own diary would meet the full disk, too, and ends the process with the second line that it can't write."""
    disk, wrapper = small_disk
    engine = spawn(wrapper=[word.replace("size=3m", f"size={size}m") for word in wrapper])
    engine.open(path, rocksdb_cdc_path=disk / "buffer", prefer_olap=True)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    engine.initial_sync()
    engine.changes_open("behind")  # for whom everything is kept
    for number in range(20):
        engine.execute("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 4000) "
                       "INSERT INTO t SELECT x + ?, hex(randomblob(60)) FROM c", number * 10000)
    def is_full():
        return "No space" in buffer(engine)["message"]

    await_true(is_full, lambda: buffer(engine))
    assert engine.query("SELECT count(*) FROM t").value == engine.olap("SELECT count(*) FROM t").value == 80000
    failures = buffer(engine)["failures"]
    await_true(lambda: buffer(engine)["failures"] >= failures + 3, lambda: buffer(engine))  # RocksDB can't be opened anew meanwhile
    assert is_full(), buffer(engine)
    subprocess.run(["nsenter", f"--target={engine.pid}", "--mount", "mount", "-o", "remount,size=200m", str(disk)], check=True)
    engine.execute("INSERT INTO t VALUES (-1, 'with room again')")
    await_moved(engine, path)
    assert buffer(engine)["message"] == ""
    assert engine.olap("SELECT count(*) FROM t").value == engine.verify() == 80001
