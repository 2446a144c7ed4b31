"""A2, A3, A10: the mirror in a folder (olap_path): what is taken over at the next opening, what isn't, and what is set aside."""

import contextlib
import itertools
import json
import pathlib
import random
import resource
import shutil
import sqlite3
import struct
import time

import duckdb
import pyarrow
import pytest

import foreign
from foreign import assert_mirror
from rhei_engine import EngineDied, RheiError
from segment_files import has_vortex, read_segment
from test_processes import wait_until

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, note);
CREATE TABLE pairs (a TEXT, b INTEGER, v BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE plain (x, y);
CREATE TABLE empty (id INTEGER PRIMARY KEY, v);
"""
TABLES = ("orders", "pairs", "plain", "empty")


def xxh64(data):
    """XXH64 with seed 0, as its specification tells it (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md)."""
    one, two, three, four, five = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
    mask = (1 << 64) - 1

    def turn(value, bits):
        return (value << bits | value >> (64 - bits)) & mask

    def lane(sum_, word):
        return turn((sum_ + word * two) & mask, 31) * one & mask

    at, total = 0, five
    if len(data) >= 32:
        sums = [(one + two) & mask, two, 0, -one & mask]
        while at + 32 <= len(data):
            sums = [lane(s, w) for s, w in zip(sums, struct.unpack_from("<4Q", data, at))]
            at += 32
        total = sum(turn(s, bits) for s, bits in zip(sums, (1, 7, 12, 18))) & mask
        for s in sums:
            total = ((total ^ lane(0, s)) * one + four) & mask
    total = (total + len(data)) & mask
    while at + 8 <= len(data):
        total = (turn(total ^ lane(0, struct.unpack_from("<Q", data, at)[0]), 27) * one + four) & mask
        at += 8
    if at + 4 <= len(data):
        total = (turn(total ^ struct.unpack_from("<I", data, at)[0] * one & mask, 23) * two + three) & mask
        at += 4
    for byte in data[at:]:
        total = turn(total ^ byte * five & mask, 11) * one & mask
    total = (total ^ total >> 33) * two & mask
    total = (total ^ total >> 29) * three & mask
    return total ^ total >> 32


def disk(engine):
    return json.loads(engine.info())["disk"]


def await_disk(engine, wanted):
    until = time.monotonic() + 60
    while not wanted(disk(engine)):
        assert time.monotonic() < until, disk(engine)
        time.sleep(0.02)


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


QUESTIONS = (
    "SELECT count(*), sum(amount), min(amount), max(id) FROM orders",
    "SELECT customer, count(*), sum(id) FROM orders GROUP BY customer ORDER BY customer",
    "SELECT count(*), max(y) FROM plain WHERE y > 'customer 5'",
    "SELECT a, count(*), sum(b), sum(length(v)) FROM pairs GROUP BY a ORDER BY a",
    "SELECT id, customer, amount FROM orders WHERE id % 1000 = 3 ORDER BY id",
)


def await_all(engine):
    """What was found damaged is built again by itself."""
    until = time.monotonic() + 60
    while True:
        try:
            return assert_all(engine)
        except (AssertionError, RheiError):
            assert time.monotonic() < until, (engine.tables(), engine.log)
            time.sleep(0.05)


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
    assert disk(engine)["message"] == ""
    engine.close()


def test_a2_crash_loses_nothing_and_needs_no_load(path, place, open_engine):
    engine = open_engine(olap_path=place, keep_changes=False)
    make(engine)
    engine.close()  # which makes a checkpoint
    engine = open_engine(olap_path=place)
    change(engine, 7)
    engine.sync()
    engine.kill()  # changes after the checkpoint are in the log alone
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    assert_all(engine)


POINTS = ("checkpoint.begun", "checkpoint.segments", "checkpoint.encoded", "checkpoint.written", "checkpoint.swept",
          "store.put.written", "store.put.synced", "store.put.named", "store.put.done", "store.manifest.written",
          "store.manifest.named", "store.manifest.done")


def die_amid_sweeping(path, place, spawn, count):
    """Files of a checkpoint that came to nothing; then an opening that dies having removed one of them; then one that removes the rest."""
    counts = []
    for die_point, die_at in (("checkpoint.encoded", 1), ("checkpoint.sweeping", 2), ("", 0)):
        engine = spawn()
        try:
            engine.open(path, olap_path=place, prefer_olap=True, threads=1, checkpoint_interval_ms=3600000, die_point=die_point, die_at=die_at)
            counts.append(count())
            engine.initial_sync()
            if die_at == 1:
                make(engine, 200000)
            engine.checkpoint()
            assert die_at == 0, "it was to die"
            assert_all(engine)
            engine.close()
        except EngineDied as death:
            assert death.code == -9 and die_at > 0, death
        engine.kill()
        counts.append(count())
    none, written, left, swept, last = counts
    assert none == 0 and written > 2 and left == written - 1 and swept == 0 and last > 2, counts


def test_a2_kill_amid_taking_away_what_nobody_names(path, place, spawn):
    die_amid_sweeping(path, place, spawn, lambda: len(files(place, "b-s-")))


@pytest.mark.parametrize("point", POINTS)
def test_a2_kill_at_every_step_of_a_checkpoint(point, path, place, spawn, build):
    """Whatever step the process dies at, once and again: the next one has a checkpoint or makes one, and its mirror equals the tables. In either format."""
    formats = ("arrow", "vortex" if has_vortex(build) else "arrow")
    died = 0
    for life in range(1, 7):
        engine = spawn()
        try:
            engine.open(path, olap_path=place, prefer_olap=True, threads=1, die_point=point, die_at=1 + life // 3, olap_format=formats[life % 2])
            if life == 1:
                make(engine, 70000)  # a full segment, so that it has a file
            engine.initial_sync()
            change(engine, life)
            assert_all(engine)
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died += 1
        engine.kill()
        engine = spawn()
        engine.open(path, olap_path=place, prefer_olap=True, threads=1, olap_format=formats[life % 2])
        engine.initial_sync()
        if life == 1:  # it may have died before all of the tables were made
            engine.script(SCHEMA.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
            engine.initial_sync()
        assert_all(engine)
        assert disk(engine)["failures"] == 0, disk(engine)
        engine.close()
    assert died > 0


def files(place, prefix):
    return sorted(f for f in place.iterdir() if f.name.startswith(prefix))


def test_a10_a_turned_bit_anywhere_is_never_an_answer(path, place, open_engine, folder):
    engine = open_engine(olap_path=place)
    make(engine, 70000)
    engine.close()
    engine = open_engine(olap_path=place)
    change(engine, 3)
    engine.close()
    kept = folder / "kept"
    shutil.copytree(place, kept)
    rng = random.Random(11)
    seen = set()
    victims = [f.name for f in kept.iterdir() if f.name != "lock"]
    assert any(v.startswith("b-s-") for v in victims) and any(v.startswith("b-d-") for v in victims)
    for victim in sorted(victims) * 3:
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        data = bytearray((place / victim).read_bytes())
        at = rng.choice([rng.randrange(len(data)), rng.randrange(min(len(data), 200)), len(data) - 1 - rng.randrange(min(len(data), 200))])
        data[at] ^= 1 << rng.randrange(8)
        if rng.random() < 0.2:
            del data[at:]
        (place / victim).write_bytes(bytes(data))
        engine = open_engine(olap_path=place)
        engine.initial_sync()
        for sql in QUESTIONS:
            assert engine.query(sql, route="auto").rows == engine.query(sql, route="oltp").rows, (victim, at, sql)
        await_all(engine)
        seen.update(word for word in ("set aside", "loaded again") for _, _, text in engine.log if word in text)
        engine.kill()
    assert "set aside" in seen


def test_a10_what_is_damaged_is_set_aside_and_told(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine, 70000)
    engine.close()
    victim = files(place, "b-s-")[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0x55
    victim.write_bytes(bytes(data))
    (place / "manifest").write_bytes((place / "manifest").read_bytes()[:-9])
    engine = open_engine(olap_path=place)
    assert restored(engine) == 0 and "set aside" in disk(engine)["message"]
    assert (place / "x-manifest").exists()
    assert any("set aside" in text for _, _, text in engine.log)
    engine.initial_sync()
    assert_all(engine)
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES) and disk(engine)["message"] == ""
    engine.close()


def backup(path, to):
    """A copy of a file that nobody has open."""
    assert not path.with_name(path.name + "-wal").exists() or path.with_name(path.name + "-wal").stat().st_size == 0
    shutil.copy(path, to)


def test_a10_a_restored_file_is_never_taken_for_the_one_that_was(path, place, open_engine, folder):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    backup(path, folder / "old.db")
    engine = open_engine(olap_path=place)
    change(engine, 1)
    engine.close()
    backup(path, folder / "new.db")

    shutil.copy(folder / "old.db", path)  # as it was
    engine = open_engine(olap_path=place)
    assert restored(engine) == 0 and "restored" in disk(engine)["message"]
    engine.initial_sync()
    assert_all(engine)
    change(engine, 2)  # and written on, with as many changes
    engine.close()

    shutil.copy(folder / "new.db", path)  # the other history, of the same numbers
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert_all(engine)
    engine.close()


@pytest.mark.parametrize("captured", [True, False])
def test_a10_the_folder_of_another_file_that_is_there_is_refused(path, place, open_engine, folder, spawn, captured):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    if captured:
        engine = open_engine(folder / "other.db")
        make(engine)
        engine.close()
    kept = place if captured else folder  # a file with capture knows who has it open
    before = {file: file.read_bytes() for file in kept.rglob("*") if file.is_file()}
    with pytest.raises(RheiError, match="holds the column store of the database") as told:
        spawn().open(folder / "other.db", olap_path=place)
    assert told.value.name == "EXISTS" and str(path) in told.value.message and "olap_path" in told.value.message
    assert {file: file.read_bytes() for file in kept.rglob("*") if file.is_file()} == before
    engine = open_engine(olap_path=place)  # nothing was taken from it
    assert restored(engine) == len(TABLES)
    engine.close()


@pytest.mark.parametrize("how", ["swapped", "gone"])
def test_a10_the_folder_of_another_file_is_replaced(path, place, open_engine, folder, how):
    """One that was put in the place of the file that it is of; or elsewhere, and that one is gone."""
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    path.rename(folder / "moved.db")
    engine = open_engine(path if how == "swapped" else folder / "other.db", olap_path=place)
    engine.script("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b')")
    assert restored(engine) == 0 and "another database file" in disk(engine)["message"]
    engine.initial_sync()
    assert engine.olap("SELECT count(*) FROM orders").value == 2
    engine.close()


def test_a10_changes_past_the_triggers_while_nobody_looked_are_found(path, place, open_engine):
    """A BLOB written in place fires no trigger and leaves no row in the log: the comparison after a take-over finds it."""
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    connection = sqlite3.connect(path, timeout=60)
    with connection.blobopen("orders", "note", 3) as blob:
        blob.write(b"\x77\x77")
    connection.commit()
    connection.close()
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    until = time.monotonic() + 60
    while True:  # a table that is being built again can't be compared
        try:
            engine.verify("orders")
            break
        except RheiError:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert any("differ" in text for _, _, text in engine.log)
    assert_all(engine)


def test_a10_triggers_that_were_away_for_a_while(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    connection = sqlite3.connect(path, timeout=60)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'orders'").fetchall()
    for name, _ in triggers:
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("UPDATE orders SET amount = -1 WHERE id = 1")
    for _, sql in triggers:
        connection.execute(sql)
    connection.commit()
    connection.close()
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert engine.olap("SELECT amount FROM orders WHERE id = 1").value == -1
    assert_all(engine)


def test_a10_a_changed_schema_is_followed(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    connection = foreign.connect(path)
    connection.execute("ALTER TABLE orders ADD COLUMN extra DEFAULT 7")
    connection.execute("DROP TABLE plain")
    connection.execute("ALTER TABLE pairs RENAME TO couples")
    connection.commit()
    connection.close()
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert engine.olap("SELECT sum(extra) FROM orders").value == 7 * 3000
    for table in ("orders", "couples", "empty"):
        engine.verify(table)
    engine.close()
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert set(engine.tables()) == {"orders", "couples", "empty"}
    for table in ("orders", "couples", "empty"):
        engine.verify(table)


def test_a10_one_folder_one_handle(path, place, open_engine, spawn, folder):
    engine = open_engine(olap_path=place)
    make(engine)
    for file in (path, folder / "other.db"):
        second = spawn()
        with pytest.raises(RheiError, match="in use by another handle") as told:
            second.open(file, olap_path=place)
        assert told.value.name == "BUSY"
    engine.kill()  # and the lock is free
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert_all(engine)


def test_a10_a_folder_that_is_not_ours_or_newer_is_left_alone(path, place, open_engine, spawn):
    place.mkdir()
    (place / "letter.txt").write_text("mine")
    with pytest.raises(RheiError, match="letter.txt"):
        spawn().open(path, olap_path=place)
    assert [f.name for f in place.iterdir()] == ["letter.txt"]
    shutil.rmtree(place)
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    manifest = place / "manifest"
    data = bytearray(manifest.read_bytes())
    struct.pack_into("<Q", data, 16 + 8, 1000)  # behind the store's own head: the second word is the format
    struct.pack_into("<Q", data, len(data) - 8, xxh64(bytes(data[16:-8])))
    manifest.write_bytes(bytes(data))
    before = {f.name: f.read_bytes() for f in place.iterdir()}
    with pytest.raises(RheiError, match="newer Rhei") as told:
        spawn().open(path, olap_path=place)
    assert told.value.name == "TOO_NEW"
    assert {f.name: f.read_bytes() for f in place.iterdir()} == before


def test_a10_a_path_that_can_never_be_a_folder_is_refused(path, folder, spawn):
    sqlite3.connect(path).execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    for config in ({"olap_path": path}, {"olap_path": path / "mirror"}, {"rocksdb_cdc_path": path}, {"rocksdb_cdc_path": path / "changes"}):
        with pytest.raises(RheiError, match="is a file, or in one, and no folder") as told:
            spawn().open(path, **config)
        assert told.value.name == "INVALID"
    with pytest.raises(RheiError, match="each needs a folder of its own"):
        spawn().open(path, olap_path=folder / "one", rocksdb_cdc_path=folder / "one")


def test_a2_a_folder_that_cannot_be_written_leaves_the_mirror_in_memory(path, open_engine):
    engine = open_engine(olap_path="/proc/rhei-cannot-be-here")
    make(engine)
    assert_all(engine)
    assert "olap_path" in disk(engine)["message"]
    engine.close()


def take_away(place, replacement=None):
    """Removes the folder of an engine that runs, and moves something else to its place. The engine makes the folder again as soon as it looks,
    so it may be there once more by then, and files may come into the one that goes."""
    gone = place.with_name("gone")
    for number in itertools.count():
        with contextlib.suppress(FileNotFoundError):
            place.rename(f"{gone} {number}")
        if replacement is None:
            break
        with contextlib.suppress(OSError):
            replacement.rename(place)
            break
    for folder in place.parent.glob("gone *"):
        while folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def test_a2_a_folder_that_goes_fails_checkpoints_alone_until_it_can_be_made_again(path, place, open_engine):
    engine = open_engine(olap_path=place, checkpoint_interval_ms=50)
    make(engine)
    await_disk(engine, lambda d: d["position"] > 0)
    in_the_way = place.with_name("in the way")
    in_the_way.write_text("")
    take_away(place, in_the_way)
    change(engine, 1)
    await_disk(engine, lambda d: d["failures"] > 0 and d["message"])
    wait_until(lambda: any("goes on in memory" in text for _, _, text in engine.log), what="what is logged of it")
    assert_all(engine)
    place.unlink()
    await_disk(engine, lambda d: d["position"] > 0 and "written anew" in d["message"])
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    assert_all(engine)


@pytest.mark.parametrize("how", ["removed", "emptied", "moved", "replaced"])
def test_a10_a_folder_that_is_taken_away_is_noticed_and_made_again(path, place, folder, open_engine, how):
    """Also while nothing is written, and with segments whose only copy of a column was in it."""
    engine = open_engine(olap_path=place, checkpoint_interval_ms=50)
    make(engine, rows=140_000)
    engine.initial_sync()
    await_disk(engine, lambda d: d["position"] > 0)
    engine.close()
    if how == "replaced":
        shutil.copytree(place, folder / "older")
    engine = open_engine(olap_path=place, checkpoint_interval_ms=50)
    assert restored(engine) == len(TABLES)
    if how == "emptied":
        for file in place.iterdir():
            file.unlink(missing_ok=True)
    elif how == "moved":
        place.rename(folder / "elsewhere")
    elif how == "replaced":
        take_away(place, folder / "older")
    else:
        take_away(place)
    await_disk(engine, lambda d: d["position"] > 0 and "written anew" in d["message"])
    assert any("was removed or replaced" in text for _, _, text in engine.log)
    engine.initial_sync()
    await_all(engine)
    change(engine, 3)
    await_all(engine)
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    await_all(engine)


def test_a2_a_full_disk_fails_checkpoints_alone(path, place, open_engine):
    """A limit of file sizes stands for a full disk: the segment's file is over it, SQLite's are not."""
    engine = open_engine(olap_path=place, checkpoint_interval_ms=50)
    engine.execute("CREATE TABLE wide (id INTEGER PRIMARY KEY, a, b, c, d, e, f)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 70000) INSERT INTO wide(id, a) SELECT i, 1 FROM n")
    engine.initial_sync()
    engine.close()
    size = max(f.stat().st_size for f in place.iterdir())
    shutil.rmtree(place)
    engine = open_engine(olap_path=place, checkpoint_interval_ms=50, popen={"restore_signals": False})
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (size // 4, resource.RLIM_INFINITY))
    engine.initial_sync()
    await_disk(engine, lambda d: d["failures"] > 0)
    assert engine.olap("SELECT count(*), sum(a) FROM wide").rows == [(70000, 70000)]
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await_disk(engine, lambda d: d["position"] >= 0 and not d["message"])  # and goes on when there is room
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == 1
    engine.close()


def test_a7_the_log_goes_back_to_the_newest_checkpoint(path, place, open_engine):
    engine = open_engine(olap_path=place, checkpoint_interval_ms=86400000)
    make(engine)
    engine.close()
    engine = open_engine(olap_path=place, checkpoint_interval_ms=86400000)
    engine.initial_sync()
    position = disk(engine)["position"]
    change(engine, 1)
    engine.sync()
    # what the registry says of this engine is how far it is durable, not how far it has applied
    connection = sqlite3.connect(path, timeout=60)
    assert all(told <= position for told, in connection.execute("SELECT position FROM _rhei_engines"))
    connection.close()
    assert engine.status()["position"] > position
    assert engine.status()["log_rows"] >= engine.status()["log_position"] - position
    engine.close()
    engine = open_engine(olap_path=place, checkpoint_interval_ms=20)
    engine.initial_sync()
    change(engine, 2)
    until = time.monotonic() + 60
    while engine.status()["log_rows"] > 1:
        engine.sync()
        assert time.monotonic() < until
        time.sleep(0.02)
    assert disk(engine)["position"] == engine.status()["log_position"]


def test_a2_deltas_and_manifests_in_turn(path, place, open_engine):
    """More checkpoints than a manifest has deltas; each next opening is right, and what nobody names goes."""
    engine = open_engine(olap_path=place, checkpoint_interval_ms=1)
    make(engine, 70000)
    for life in range(4):
        for step in range(12):
            change(engine, 100 * life + step)
            engine.sync()
            position = engine.status()["position"]
            await_disk(engine, lambda d: d["position"] >= position)
        assert disk(engine)["failures"] == 0
        engine.kill() if life % 2 else engine.close()
        engine = open_engine(olap_path=place, checkpoint_interval_ms=1)
        assert restored(engine) == len(TABLES)
        assert_all(engine)
    engine.close()
    assert len(files(place, "b-d-")) <= 17 and len(files(place, "b-s-")) <= 8


def test_c3_other_tools_read_the_segments(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine, 200000)
    engine.close()
    held = {}
    for file in files(place, "b-s-"):
        batch = read_segment(file)
        batch.validate(full=True)
        if batch.column_names[:2] == ["id", "customer"]:
            held.update(zip(batch.column("id").to_pylist(), zip(batch.column("customer").to_pylist(), batch.column("amount").to_pylist())))
    assert len(held) > 60000
    connection = sqlite3.connect(path, timeout=60)
    for key, customer, amount in connection.execute("SELECT id, customer, amount FROM orders"):
        assert held.pop(key, (customer, amount)) == (customer, amount)
    assert not held
    connection.close()


def guides_program():
    """Those lines of the guide by which other tools leave dead rows out."""
    lines = (pathlib.Path(__file__).parents[2] / "docs" / "guide" / "disk.md").read_text().splitlines()
    first = lines.index("    import pathlib, struct, pyarrow, pyarrow.ipc")
    after = next(i for i in range(first, len(lines)) if lines[i] and not lines[i].startswith("    "))
    made = {}
    exec("\n".join(line[4:] for line in lines[first:after]), made)
    return made["tables"]


def test_c3_other_tools_know_the_table_and_leave_dead_rows_out_as_the_guide_says(place, open_engine, rng):
    """Deleted and changed rows stay in the files with their values; some few, a run of many, and every third are all kinds of Roaring's containers."""
    read = guides_program()
    engine = open_engine(olap_path=place)
    for table in ("few", "run", "third", "plain"):
        engine.script(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO {table} SELECT value, 'v' || value FROM (WITH RECURSIVE n(value) AS "
                      "(VALUES(1) UNION ALL SELECT value + 1 FROM n WHERE value < 140000) SELECT value FROM n)")
    engine.initial_sync()
    engine.checkpoint()
    values = {row["id"]: row["v"] for file in files(place, "b-s-") for row in read_segment(file).to_pylist()}
    engine.execute("DELETE FROM few WHERE id IN (5, 70000, 139999)")
    engine.execute("DELETE FROM run WHERE id BETWEEN 1000 AND 9000")
    engine.checkpoint()
    engine.execute("UPDATE few SET v = 'new' WHERE id = 6")
    engine.execute("DELETE FROM third WHERE id % 4 = 0")
    engine.sync()
    engine.close()
    assert values[5] == "v5"
    told = {}
    for table, rows in read(place):
        for row in rows.to_pylist():
            assert told.setdefault(table, {}).setdefault(row["id"], row["v"]) == row["v"]
    assert set(told) == {"few", "run", "third", "plain"}
    engine = open_engine(olap_path=place)
    for table, rows in told.items():
        held = dict(engine.query(f"SELECT id, v FROM {table}", route="oltp").rows)
        assert all(held.get(key) == value for key, value in rows.items()) and len(held) - len(rows) < 20000, (table, len(held), len(rows))
    assert not {5, 6, 70000} & told["few"].keys() and not {1000, 9000} & told["run"].keys() and 4 not in told["third"]


def test_c3_duckdb_reads_the_segments(path, place, open_engine):
    """Through pyarrow, without a copy, but for columns in which classes mix: those are dense unions, which pyarrow alone reads."""
    engine = open_engine(olap_path=place)
    make(engine, 200000)
    engine.close()
    held, files_read, unions = {}, 0, 0
    for file in files(place, "b-s-"):
        batch = read_segment(file)
        mixed = [name for name in batch.column_names if pyarrow.types.is_union(batch.schema.field(name).type)]
        unions += len(mixed)
        if mixed:
            with pytest.raises(duckdb.Error):
                duckdb.from_arrow(batch).fetchall()
        if batch.column_names[:2] != ["id", "customer"]:
            continue
        files_read += 1
        segment = batch.drop_columns(mixed)  # noqa: F841, DuckDB finds it by its name
        connection = duckdb.connect()
        held.update((row[0], row[1:]) for row in connection.execute("SELECT id, customer, amount FROM segment").fetchall())
        total = connection.execute("SELECT count(*), sum(id), count(DISTINCT customer), max(length(customer)) FROM segment").fetchone()
        rows = batch.select(["id", "customer"]).to_pylist()
        assert total == (len(rows), sum(r["id"] for r in rows), len({r["customer"] for r in rows}), max(len(r["customer"]) for r in rows))
        connection.close()
    assert files_read >= 2 and unions >= 1
    connection = sqlite3.connect(path, timeout=60)
    for key, customer, amount in connection.execute("SELECT id, customer, amount FROM orders"):
        assert held.pop(key, (customer, amount)) == (customer, amount)
    assert not held
    connection.close()


def test_a10_a_command_beside_the_one_whose_folder_it_is(path, place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    second = open_engine(olap_path=place, manual_sync=True)
    assert "in use by another handle" in disk(second)["message"]
    assert second.query("SELECT count(*) FROM orders").value == 3000
    second.close()
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)


def test_d5_a_folder_whose_name_is_no_text_is_told_in_json_all_the_same(folder, open_engine):
    place = folder / "f\udcff"
    place.mkdir()
    engine = open_engine(olap_path=place / "mirror")
    make(engine)
    engine.checkpoint()
    assert disk(engine)["folder"] == f"{folder}/f\ufffd/mirror" and disk(engine)["position"] >= 0
    engine.close()
