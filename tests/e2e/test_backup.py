"""A2, A3, A6, A9, A10: rhei_backup and rh backup: both stores at one position beside writers, whatever dies, and opening the copy."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import time

import pytest

import bank
import foreign
from foreign import assert_mirror
from rh_program import rh  # noqa: F401 (fixture)
from rhei_engine import EngineDied, RheiError
from test_disk import xxh64
from test_processes import wait_until

COLUMNS = {"checking": "id, owner, balance", "savings": "name, balance", "journal": "id, source, target, amount, way", "wire": "slot, id, source, target, amount"}
WAYS = {  # mirror, buffer
    "memory": {},
    "disk": {"olap_path": "mirror", "checkpoint_interval_ms": 50},
    "disk, old checkpoint": {"olap_path": "mirror", "checkpoint_interval_ms": 86400000},
    "memory, buffer": {"rocksdb_cdc_path": "changes"},
    "disk, buffer": {"olap_path": "mirror", "rocksdb_cdc_path": "changes", "checkpoint_interval_ms": 50},
}


@pytest.fixture
def settings(folder):
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    return {"config_file": folder / "temporal.toml"}


def shop(path, folder, more=""):
    """The settings of a service, for rh beside it."""
    toml = folder / "shop.toml"
    toml.write_text(f'[engine]\noltp_path = "{path}"\nolap_path = "{folder / "mirror"}"\nsync_mode = "temporal"\n{more}')
    return toml


def way(folder, name):
    return {key: folder / value if isinstance(value, str) else value for key, value in WAYS[name].items()}


def manifest_of(copy):
    return json.loads((copy / "backup.json").read_text())


def listed(copy):
    """backup.json, whose sums are those of the files."""
    manifest = manifest_of(copy)
    there = {str(file.relative_to(copy)) for file in copy.rglob("*") if file.is_file()} - {"backup.json", "rhei.mirror/lock"}
    assert {file["name"] for file in manifest["files"]} == there
    for file in manifest["files"]:
        data = (copy / file["name"]).read_bytes()
        assert len(data) == file["bytes"]
        if len(data) < 1 << 20:
            assert f"{xxh64(data):016x}" == file["xxh64"], file["name"]
    return manifest


def open_copy(spawn, copy, **config):
    engine = spawn()
    if (copy / "rhei.mirror").exists():
        config.setdefault("olap_path", copy / "rhei.mirror")
    engine.open(copy / "rhei.db", prefer_olap=True, threads=1, must_exist=True, **config)
    return engine


def versions(engine, table, position):
    """Every version that began up to the position."""
    return sorted(map(repr, engine.olap(
        f"SELECT {COLUMNS[table]}, _rhei_valid_from, _rhei_operation, _rhei_seq FROM {table}_history WHERE _rhei_seq <= {position}").rows))


def as_of(engine, table, position):
    return sorted(map(repr, engine.olap(f"SELECT {COLUMNS[table]} FROM {table} AS OF POSITION {position}").rows))


def assert_copy_of(engine, copy, original, position):
    """The copy shows what the original showed at the position, now and for all time before."""
    engine.initial_sync()
    engine.verify()
    original.sync()
    for table in ("checking", "savings", "journal"):
        then = as_of(original, table, position)
        assert sorted(map(repr, foreign.rows(copy / "rhei.db", f"SELECT {COLUMNS[table]} FROM {table}"))) == then, table
        assert sorted(map(repr, engine.olap(f"SELECT {COLUMNS[table]} FROM {table}").rows)) == then, table
        assert versions(engine, table, position) == versions(original, table, position), table
        for earlier in (position // 2, position * 3 // 4, position):
            if original.olap(f"SELECT min(_rhei_seq) FROM {table}_history").value <= earlier:
                assert as_of(engine, table, earlier) == as_of(original, table, earlier), (table, earlier)


@pytest.mark.parametrize("name", WAYS)
def test_a9_the_copy_is_the_original_at_its_position_beside_writers(spawn, path, folder, settings, name):
    bank.create(path)
    original = spawn()
    original.open(path, prefer_olap=True, threads=1, **settings, **way(folder, name))
    original.initial_sync()
    original.bank(2, 5, 800_000_000, 4)
    outside = bank.ForeignBank(path, first=500_000_000, seed=1)
    outside.start()
    try:
        writing = original.on("writers").start("bank", "writers=3", "count=150", "first=1", "seed=5")
        copies = [folder / f"copy {number}" for number in range(3)]
        told = [original.on("backup").backup(copy) for copy in copies]
        writing.wait(120)
    finally:
        outside.stop()
    positions = [position for position, *_ in told]
    assert positions == sorted(positions) and positions[0] > 0
    for copy, (position, database, olap, begins) in zip(copies, told):
        manifest = listed(copy)
        assert manifest["position"] == position and manifest["mirror_position"] <= position
        assert database == (copy / "rhei.db").stat().st_size and olap > 0 and begins == manifest["mirror_position"]
        foreign.assert_whole(copy / "rhei.db")
        engine = open_copy(spawn, copy, **settings)
        assert not [line for line in engine.log if "checkpoint" in line[1]], engine.log  # the folder was taken over
        assert_copy_of(engine, copy, original, position)
        journal = engine.olap("SELECT count(*) FROM journal").value
        assert journal == len(foreign.rows(copy / "rhei.db", "SELECT 1 FROM journal"))
        engine.bank(2, 5, 900_000_000, 3)  # and it goes on
        assert_mirror(engine, copy / "rhei.db")
        engine.close()
    bank.check(path, original.acknowledged + outside.acknowledged, [])
    original.close()


def step_of_everything(engine):
    engine.script("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v, s TEXT); INSERT INTO t VALUES (1, 1, 'a'), (2, 2.5, 'b'), (3, NULL, 'c')")
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, s TEXT)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 70000) INSERT INTO big SELECT i, 'row ' || i FROM n")
    engine.initial_sync()
    engine.execute("UPDATE t SET v = v + 1")
    engine.execute("DELETE FROM t WHERE id = 2")
    engine.sync()


POINTS = ("backup.begun", "backup.pinned", "checkpoint.begun", "checkpoint.segments", "store.put.written", "store.put.named", "store.put.done",
          "checkpoint.encoded", "store.manifest.written", "store.manifest.named", "checkpoint.written", "checkpoint.swept", "backup.mirror",
          "backup.copied", "backup.durable", "backup.named", "backup.sealed")


@pytest.mark.parametrize("place", ("memory", "disk"))
@pytest.mark.parametrize("point", POINTS)
def test_a2_kill_at_every_step_of_a_backup(spawn, path, folder, settings, point, place):
    """What is left is no backup, or one that opens; the original is none the worse."""
    config = dict(settings, **({"olap_path": folder / "mirror", "checkpoint_interval_ms": 86400000} if place == "disk" else {}))
    engine = spawn()
    engine.open(path, threads=1, **config)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v, s TEXT)")
    engine.initial_sync()
    if place == "disk":
        engine.close()  # which makes a checkpoint: the history is kept from there on
        engine.open(path, threads=1, **config)
    step_of_everything(engine)
    if place == "disk":
        engine.checkpoint()  # of the table that was just loaded, which would else come by itself, and might be what dies
    before = engine.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows
    copy = folder / "copy"
    engine.faults(die_point=point, die_at=engine.points().get(point, 0) + 1)
    with pytest.raises(EngineDied) as death:
        engine.backup(copy)
    assert death.value.code == -9
    if (copy / "backup.json").exists():
        assert point == "backup.sealed"
        listed(copy)
        second = open_copy(spawn, copy, **settings)
        second.initial_sync()
        assert second.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows == before
        second.close()
    else:
        assert (copy / "backup.json.part").exists()
    engine = spawn()
    engine.open(path, threads=1, **config)
    engine.initial_sync()
    engine.verify()
    if place == "disk":
        assert engine.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows == before
    with pytest.raises(RheiError) as told:
        engine.backup(copy)
    assert told.value.name == "EXISTS" and ("already" in told.value.message or "never came to its end" in told.value.message)
    position, *_ = engine.backup(folder / "second")
    listed(folder / "second")
    second = open_copy(spawn, folder / "second", **settings)
    second.initial_sync()
    second.verify()
    assert sorted(second.query("SELECT id, v, s FROM t").rows) == sorted(engine.query("SELECT id, v, s FROM t").rows)
    if place == "disk":
        assert second.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows == before


def test_a10_copy_and_original_are_two_files(spawn, path, folder, settings):
    """Neither's column store, nor its buffer, is ever taken for the other's, though both go on from one position."""
    engine = spawn()
    config = dict(settings, olap_path=folder / "mirror", rocksdb_cdc_path=folder / "changes")
    engine.open(path, threads=1, **config)
    step_of_everything(engine)
    copy = folder / "copy"
    position, *_ = engine.backup(copy)
    second = open_copy(spawn, copy, **settings)
    for at, what in ((engine, "original"), (second, "copy")):
        at.execute("INSERT INTO t VALUES (10, 10, 'same'), (11, 11, ?)", what)
        at.sync()
    assert engine.status()["position"] == second.status()["position"]
    engine.close()
    second.close()
    manifest = manifest_of(copy)
    ids = {file: foreign.rows(file, "SELECT value FROM _rhei_meta WHERE key = 'database_id'")[0][0] for file in (path, copy / "rhei.db")}
    assert ids == {path: manifest["database_id"], copy / "rhei.db": manifest["copy_id"]} and len(set(ids.values())) == 2
    for file, mirror in ((path, copy / "rhei.mirror"), (copy / "rhei.db", folder / "mirror")):
        with pytest.raises(RheiError) as told:
            spawn().open(file, olap_path=mirror, **settings)
        assert told.value.name == "EXISTS" and "another database" in told.value.message
    with pytest.raises(RheiError) as told:
        spawn().open(copy / "rhei.db", rocksdb_cdc_path=folder / "changes")
    assert told.value.name == "EXISTS"
    # each with its own is right
    for file, mirror, what in ((path, folder / "mirror", "original"), (copy / "rhei.db", copy / "rhei.mirror", "copy")):
        at = spawn()
        at.open(file, olap_path=mirror, threads=1, **settings)
        at.initial_sync()
        at.verify()
        assert at.olap("SELECT s FROM t WHERE id = 11").value == what
        assert at.olap("SELECT count(*) FROM t_history WHERE id = 2").value == 3
        at.close()


def test_a3_without_a_mirror_kept_the_copy_is_the_file(spawn, path, folder):
    """A column store in memory without histories is built from the tables, in the copy as anywhere."""
    engine = spawn()
    engine.open(path, threads=1)
    step_of_everything(engine)
    session = engine.on("session")
    session.session_open()
    session.session_execute("BEGIN IMMEDIATE")
    session.session_execute("INSERT INTO t VALUES (99, 99, 'not committed')")
    copy = folder / "it's a \"copy\" of 100%"
    position, database, olap, begins = engine.backup(copy)
    session.session_execute("COMMIT")
    session.session_close()
    assert olap == 0 and begins == -1 and not (copy / "rhei.mirror").exists()
    assert listed(copy)["mirror_position"] is None
    second = open_copy(spawn, copy)
    assert_mirror(second, copy / "rhei.db")
    assert second.query("SELECT count(*) FROM t").value == 2
    assert engine.query("SELECT count(*) FROM t").value == 3


@pytest.mark.parametrize("mode", ("wal", "delete"))
@pytest.mark.parametrize("size", (512, 4096, 65536))
def test_a3_files_of_every_kind(rh, size, mode):
    """Page sizes, journal modes, rowids without a name, free pages: a file that Rhei never prepared is copied as it is."""
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None)
    connection.execute(f"PRAGMA page_size={size}")
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute("PRAGMA user_version=7")
    connection.execute("CREATE TABLE t (a, b)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, b"x" * (i % 700)) for i in range(2000)])
    connection.execute("DELETE FROM t WHERE rowid % 3 = 0")
    rows = connection.execute("SELECT rowid, * FROM t").fetchall()
    (rh.folder / "rhei.db").chmod(0o640)
    done = json.loads(rh.run("backup", "copy", "--json").stdout)
    assert (rh.folder / "copy" / "rhei.db").stat().st_mode & 0o777 == 0o640  # no more may read it than may read the original
    assert done["position"] == 0 and done["olap_bytes"] == 0
    copy = sqlite3.connect(rh.folder / "copy" / "rhei.db")
    for pragma in ("page_size", "journal_mode", "user_version", "freelist_count", "schema_version", "page_count"):
        assert copy.execute(f"PRAGMA {pragma}").fetchall() == connection.execute(f"PRAGMA {pragma}").fetchall(), pragma
    assert copy.execute("SELECT rowid, * FROM t").fetchall() == rows
    assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    copy.close()
    connection.close()
    listed(rh.folder / "copy")


def test_a9_rh_backup_beside_a_service_takes_its_folder(spawn, path, folder, settings, rh):
    """Another process has the folder, and checkpoints go on while its files are copied."""
    toml = shop(path, folder)
    bank.create(path)
    service = spawn()
    service.open(path, prefer_olap=True, threads=1, checkpoint_interval_ms=20, olap_path=folder / "mirror", **settings)
    service.initial_sync()
    wait_until((folder / "mirror" / "manifest").exists, what="the first checkpoint")
    writing = service.on("writers").start("bank", "writers=3", "count=300", "first=1", "seed=5")
    for number in range(3):
        copy = folder / f"copy{number}"
        done = json.loads(rh.run("backup", copy, "--config", toml, "--json", timeout=180).stdout)
        assert done["olap_bytes"] > 0
        engine = open_copy(spawn, copy, **settings)
        assert not [line for line in engine.log if "checkpoint" in line[1]], engine.log
        assert_copy_of(engine, copy, service, done["position"])
        engine.close()
    writing.wait(120)
    said = rh.run("backup", folder / "last", "--config", toml).stdout
    assert said.startswith(f"Copied to {folder / 'last'}: database ") and ", column store " in said and ", position " in said
    service.close()
    # and with nobody there: the file and the folder are as they were
    before = {file: file.read_bytes() for file in [path, *(folder / "mirror").iterdir()]}
    rh.run("backup", folder / "alone", "--config", toml)
    assert {file: file.read_bytes() for file in [path, *(folder / "mirror").iterdir()]} == before
    engine = open_copy(spawn, folder / "alone", **settings)
    engine.initial_sync()
    assert engine.olap("SELECT count(*) FROM journal_history").value == 900


def test_a2_changes_that_only_a_buffer_has_are_never_left_out(spawn, path, folder, settings, rh):
    """Beside a service with a change buffer the log may not go back to the folder's checkpoint: then it is refused, and the service does it itself."""
    toml = shop(path, folder, f'rocksdb_cdc_path = "{folder / "changes"}"\n')
    service = spawn()
    service.open(path, prefer_olap=True, threads=1, checkpoint_interval_ms=86400000, olap_path=folder / "mirror", rocksdb_cdc_path=folder / "changes", **settings)
    step_of_everything(service)
    service.close()
    service = spawn()
    service.open(path, prefer_olap=True, threads=1, checkpoint_interval_ms=86400000, olap_path=folder / "mirror", rocksdb_cdc_path=folder / "changes", **settings)
    for i in range(50):
        service.execute("UPDATE t SET v = ?", i)
    service.sync()
    last = service.status()["position"]
    wait_until(lambda: foreign.rows(path, "SELECT min(seq) FROM _rhei_cdc_log")[0][0] >= last, what="the log's move into the buffer")
    done = rh.run("backup", folder / "refused", "--config", toml, code=1)
    assert "STALE" in done.stderr and "change buffer" in done.stderr and not (folder / "refused").exists()
    position, *_ = service.backup(folder / "copy")
    before = service.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows
    service.kill()
    # nobody has it now, so a handle of rh's own reads the buffer
    rh.run("backup", folder / "later", "--config", toml)
    for copy in ("copy", "later"):
        engine = open_copy(spawn, folder / copy, **settings)
        engine.initial_sync()
        engine.verify()
        assert engine.olap("SELECT * FROM t_history ORDER BY _rhei_seq, id").rows == before, copy
        engine.close()


def test_d5_folders_that_wont_do(spawn, path, folder, rh):
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", rocksdb_cdc_path=folder / "changes")
    step_of_everything(engine)
    (folder / "full").mkdir()
    (folder / "full" / "note").write_text("mine")
    (folder / "file").write_text("mine")
    (folder / "link").symlink_to(folder / "mirror")
    for name, code, words in (("full", "EXISTS", "must be empty"), ("file", "EXISTS", "is a file"), ("mirror", "INVALID", "of the database itself"),
                              ("mirror/inside", "INVALID", "of the database itself"), ("link/inside", "INVALID", "of the database itself"),
                              ("changes/inside", "INVALID", "of the database itself"), ("absent/copy", "NOT_FOUND", "make"), ("", "EXISTS", "must be empty")):
        before = sorted(map(str, folder.rglob("*")))
        with pytest.raises(RheiError) as told:
            engine.backup(folder / name)
        assert told.value.name == code and words in told.value.message, (name, told.value)
        assert [file for file in sorted(map(str, folder.rglob("*"))) if "/changes/" not in file] == [file for file in before if "/changes/" not in file]
    assert (folder / "full" / "note").read_text() == "mine"
    assert rh.run("backup", code=2).stderr.startswith("rh: rh backup needs a folder")
    assert rh.run("backup", "a", "b", code=2).stderr.startswith("rh: 'b' is one argument too many")
    assert "CANT_OPEN" in rh.run("backup", "copy", "--db", "absent.db", code=1).stderr and not (rh.folder / "copy").exists()
    (folder / "empty").mkdir()
    engine.backup(folder / "empty")  # one that is there
    listed(folder / "empty")


@pytest.mark.parametrize("room", (1 << 16, 1 << 20))
def test_d5_a_full_disk_leaves_one_message_and_no_backup(open_engine, folder, settings, room):
    engine = open_engine(popen={"restore_signals": False}, **settings)
    step_of_everything(engine)
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    with pytest.raises(RheiError) as told:
        engine.backup(folder / "copy")
    assert told.value.name == "FULL" and told.value.message.startswith("backup: ")
    assert not (folder / "copy").exists()
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    engine.backup(folder / "copy")
    listed(folder / "copy")
    engine.verify()


def test_d5_a_folder_that_cant_be_written(rh):
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.fail("'setpriv' is missing")
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    place = rh.folder / "place"
    place.mkdir(mode=0o555)
    if os.geteuid() == 0:  # whom no permission stops: /proc can't be written by anybody
        place = "/proc/self"
    done = rh.run("backup", f"{place}/copy", code=1)
    assert "make the folder" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("point", ("backup.pinned", "backup.mirror", "backup.copied"))
def test_q5_a_cancelled_backup_leaves_nothing(spawn, path, folder, settings, point):
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", **settings)
    step_of_everything(engine)
    engine.faults(hold=point)
    lane = engine.on("backup")
    pending = lane.start("backup", str(folder / "copy").encode().hex())
    engine.wait_point(point)
    assert (folder / "copy" / "backup.json.part").exists()
    engine.cancel()
    engine.release()
    with pytest.raises(RheiError) as told:
        pending.wait(60)
    assert told.value.name == "CANCELLED"
    assert not (folder / "copy").exists()
    engine.cancel_clear()
    engine.verify()


def test_q5_a_backup_ends_at_its_time(spawn, path, folder, settings):
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", **settings)
    step_of_everything(engine)
    engine.faults(hold="backup.pinned")
    lane = engine.on("backup")
    pending = lane.start("backup", str(folder / "copy").encode().hex(), "timeout=500")
    try:
        engine.wait_point("backup.pinned", timeout_ms=10000)
        with pytest.raises(TimeoutError):
            pending.wait(1)
    except AssertionError:
        pass  # the time was over before it got there
    engine.release()
    with pytest.raises(RheiError) as told:
        pending.wait(60)
    assert told.value.name == "TIMEOUT" and not (folder / "copy").exists()


def test_a10_a_damaged_file_is_never_handed_on(spawn, path, folder, settings, rh):
    """Of a folder that nobody has open its files are checked as they are copied."""
    toml = shop(path, folder)
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", **settings)
    step_of_everything(engine)
    engine.close()
    for file in [*(folder / "mirror").glob("b-s-*"), *(folder / "mirror").glob("b-d-*"), folder / "mirror" / "manifest"]:
        good = file.read_bytes()
        for at in (len(good) // 3,) if "b-s-" in file.name else (len(good) // 2, len(good) - 30):
            file.write_bytes(good[:at] + bytes([good[at] ^ 4]) + good[at + 1:])
            done = rh.run("backup", folder / "copy", "--config", toml, code=1)
            assert "rh: backup: the column store's " in done.stderr and "damaged" in done.stderr and "[IO " in done.stderr and not (folder / "copy").exists(), done.stderr
        file.write_bytes(good)
    rh.run("backup", folder / "copy", "--config", toml)
    listed(folder / "copy")


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_q5_a_signal_ends_rh_backup(rh, number):
    """However far it is when the signal comes: no backup is left, or all of it."""
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)")
    rh.run("exec", "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200000) INSERT INTO t SELECT i, hex(zeroblob(300)) FROM n")
    cancelled = 0
    for turn in range(20):
        copy = rh.folder / f"copy{turn}"
        process = rh.start("backup", copy)
        until = time.monotonic() + 60
        while not copy.exists() and process.poll() is None:
            assert time.monotonic() < until
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        if process.returncode == 1:
            assert "CANCELLED" in errors and not copy.exists()
            cancelled += 1
            break
        assert process.returncode == 0 and (copy / "backup.json").exists()
        shutil.rmtree(copy)
    assert cancelled > 0


def test_c5_a_copy_opens_with_changes_pending(spawn, path, folder, settings):
    """Tables that were altered, made and dropped since the newest checkpoint, with changes nobody applied yet."""
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", checkpoint_interval_ms=86400000, **settings)
    step_of_everything(engine)
    engine.close()
    engine = spawn()
    engine.open(path, threads=1, olap_path=folder / "mirror", manual_sync=True, **settings)
    foreign.shell(path, "ALTER TABLE t ADD COLUMN more DEFAULT 5; UPDATE t SET more = id; CREATE TABLE u (id INTEGER PRIMARY KEY); INSERT INTO u VALUES (1); DROP TABLE big;")
    engine.backup(folder / "copy")
    copy = open_copy(spawn, folder / "copy", **settings)
    assert_mirror(copy, folder / "copy" / "rhei.db")
    assert copy.olap("SELECT id, v, s, more FROM t ORDER BY id").rows == foreign.rows(path, "SELECT id, v, s, more FROM t ORDER BY id")
    assert copy.olap("SELECT count(*) FROM t_history WHERE id = 2").value == 3


def test_a2_a_backup_in_memory(spawn, folder):
    engine = spawn()
    engine.open(":memory:", threads=1)
    step_of_everything(engine)
    engine.backup(folder / "copy")
    copy = open_copy(spawn, folder / "copy")
    assert_mirror(copy, folder / "copy" / "rhei.db")
    assert copy.query("SELECT count(*) FROM big").value == 70000
