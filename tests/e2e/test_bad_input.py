"""Files, folders, disks and settings that are wrong: one clear message, a stable code, nothing lost; then it works."""

import os
import pathlib
import random
import subprocess
import time

import pytest

import foreign
from foreign import assert_mirror, assert_whole, shell
from rhei_engine import RheiError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOBODY = 65534


def refused(engine, path, code, *words, **config):
    """The open fails with this code and a message that names the file and says each word."""
    with pytest.raises(RheiError) as caught:
        engine.open(path, **config)
    error = caught.value
    assert (error.name, error.code) == (code, error.status), error
    assert error.sqlstate != "00000" and len(error.sqlstate) == 5
    assert len(error.message) > 20
    for word in words:
        assert word in error.message, (word, error.message)
    return error


def works(engine, path):
    engine.open(path, prefer_olap=True)
    engine.execute("CREATE TABLE IF NOT EXISTS proof (id INTEGER PRIMARY KEY)")
    engine.execute("INSERT INTO proof DEFAULT VALUES")
    assert_mirror(engine, path)


@pytest.mark.parametrize("bytes_", [b"this is a letter, not a database\n" * 100, b"\x89PNG\r\n\x1a\n" + bytes(5000), b"SQLite format 3"], ids=["text", "png", "cut header"])
def test_d5_a_file_that_is_no_database(bytes_, spawn, path):
    path.write_bytes(bytes_)
    engine = spawn()
    refused(engine, path, "NOT_A_DATABASE", path.name)
    assert path.read_bytes() == bytes_
    assert not list(path.parent.glob(path.name + "-*")), "files were left beside it"
    path.unlink()
    works(engine, path)


def test_d5_an_empty_file_becomes_a_database(spawn, path):
    path.write_bytes(b"")
    works(spawn(), path)


def test_d5_a_damaged_database(spawn, path):
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t SELECT value, hex(zeroblob(200)) FROM (WITH RECURSIVE n(value) AS (VALUES (1) UNION ALL SELECT value + 1 FROM n WHERE value < 2000) SELECT value FROM n)")
    whole = path.read_bytes()
    numbers = random.Random(5)
    spoiled = bytearray(whole)
    for _ in range(200):
        at = numbers.randrange(100, len(spoiled))
        spoiled[at:at + 16] = numbers.randbytes(16)[: len(spoiled) - at]
    path.write_bytes(spoiled)
    engine = spawn()
    try:
        engine.open(path, prefer_olap=True)
        engine.query("SELECT count(*), max(v) FROM t")
        engine.query("SELECT sum(length(v)) FROM t WHERE id > 0", route="oltp")
    except RheiError as error:
        assert error.name in ("NOT_A_DATABASE", "SQL", "OLAP_UNAVAILABLE"), error
    else:
        pytest.fail("the damage was not noticed")
    engine.kill()
    for beside in path.parent.glob(path.name + "-*"):
        beside.unlink()
    path.write_bytes(whole)
    works(spawn(), path)


def test_d5_a_folder_as_path(spawn, folder):
    engine = spawn()
    refused(engine, folder, "CANT_OPEN", folder.name)
    works(engine, folder / "inside.db")


def test_d5_a_missing_folder(spawn, folder):
    engine = spawn()
    refused(engine, folder / "no such folder" / "shop.db", "CANT_OPEN", "no such folder")
    (folder / "no such folder").mkdir()
    works(engine, folder / "no such folder" / "shop.db")


def test_d5_must_exist(spawn, path):
    engine = spawn()
    refused(engine, path, "CANT_OPEN", path.name, must_exist=True)
    assert not path.exists()
    works(engine, path)


def test_d5_a_path_through_a_file(spawn, folder):
    (folder / "file").write_text("x")
    refused(spawn(), folder / "file" / "shop.db", "CANT_OPEN", "file")


def test_d5_a_path_that_is_too_long(spawn, folder):
    refused(spawn(), folder / ("x" * 300), "CANT_OPEN")


@pytest.fixture
def unprivileged(build, folder):
    """How to start a process that permissions bind."""
    if os.geteuid() != 0:
        return {}
    reachable = subprocess.run(["test", "-x", build / "tests" / "crash" / "rhei_driver"], user=NOBODY, group=NOBODY, extra_groups=[])
    if reachable.returncode != 0:
        pytest.skip("permissions don't bind root, and another user can't reach the build folder")
    if os.environ.get("RHEI_BACKEND") == "datafusion":
        library = subprocess.run([ROOT / "scripts" / "plugin.sh", "--path"], capture_output=True, text=True, check=True).stdout.strip()
        if subprocess.run(["test", "-r", library], user=NOBODY, group=NOBODY, extra_groups=[]).returncode != 0:
            pytest.skip("permissions don't bind root, and another user can't read DataFusion's library")
    os.chown(folder, NOBODY, NOBODY)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def own(file, unprivileged):
    if unprivileged:
        os.chown(file, NOBODY, NOBODY)


def test_d5_a_read_only_folder(spawn, folder, unprivileged):
    inside = folder / "locked"
    inside.mkdir()
    own(inside, unprivileged)
    inside.chmod(0o555)
    engine = spawn(**unprivileged)
    refused(engine, inside / "shop.db", "CANT_OPEN", "shop.db")
    inside.chmod(0o755)
    works_as_other(engine, inside / "shop.db")


def works_as_other(engine, path):
    """Without the column store, whose library another user may be unable to load."""
    engine.open(path)
    engine.execute("CREATE TABLE IF NOT EXISTS proof (id INTEGER PRIMARY KEY)")
    engine.execute("INSERT INTO proof DEFAULT VALUES")
    assert engine.query("SELECT count(*) FROM proof").value == 1
    engine.initial_sync()
    engine.verify()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_d5_a_read_only_file(what, spawn, folder, unprivileged):
    inside = folder / "shelf"
    inside.mkdir()
    path = inside / "shop.db"
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'kept')")
    own(inside, unprivileged)
    own(path, unprivileged)
    (path if what == "file" else inside).chmod(0o444 if what == "file" else 0o555)
    engine = spawn(**unprivileged)
    refused(engine, path, "READ_ONLY", "shop.db")
    # it can be read all the same by those who ask for no more
    engine.open(path, read_only=True)
    assert engine.query("SELECT v FROM t").rows == [("kept",)]
    with pytest.raises(RheiError) as caught:
        engine.execute("INSERT INTO t VALUES (2, 'no')")
    assert caught.value.name == "READ_ONLY"
    engine.close()
    path.chmod(0o644)
    inside.chmod(0o755)
    works_as_other(engine, path)
    assert foreign.rows(path, "SELECT * FROM t") == [(1, "kept")]


def test_d5_read_only_leaves_the_file_alone(spawn, path):
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    engine = spawn()
    engine.open(path, read_only=True)
    assert engine.query("SELECT count(*) FROM t").value == 1
    for sql in ("INSERT INTO t VALUES (2)", "CREATE TABLE u (v)", "DELETE FROM t", "VACUUM"):
        with pytest.raises(RheiError) as caught:
            engine.execute(sql)
        assert caught.value.name == "READ_ONLY", sql
    engine.close()
    assert path.read_bytes() == before
    assert refused(engine, path.with_name("missing.db"), "CANT_OPEN", read_only=True)
    assert not path.with_name("missing.db").exists()


def test_d5_a_locked_file(spawn, path, python_writer):
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    holder = python_writer()
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("INSERT INTO t VALUES (2)")
    engine = spawn()
    times = []
    while len(times) < 3 and min(times, default=10) >= 10:
        began = time.monotonic()
        refused(engine, path, "BUSY", path.name, busy_timeout_ms=300)
        times.append(time.monotonic() - began)
        assert times[-1] > 0.25
    assert min(times) < 10
    holder.execute("COMMIT")
    works(engine, path)
    assert foreign.rows(path, "SELECT count(*) FROM t") == [(2,)]


def test_d5_a_file_held_exclusively(spawn, path, python_writer):
    """locking_mode=EXCLUSIVE keeps even readers out."""
    holder = python_writer()
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    holder.execute("INSERT INTO t VALUES (1)")
    engine = spawn()
    refused(engine, path, "BUSY", path.name, busy_timeout_ms=300)
    holder.close()
    works(engine, path)
    assert foreign.rows(path, "SELECT count(*) FROM t") == [(1,)]


def test_d5_a_write_while_another_process_holds_the_lock(path, open_engine, python_writer):
    engine = open_engine(busy_timeout_ms=300)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    holder = python_writer()
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("INSERT INTO t VALUES (1, 'theirs')")
    for run in (lambda: engine.execute("INSERT INTO t VALUES (2, 'ours')"),
                lambda: engine.script("INSERT INTO t VALUES (2, 'ours'); INSERT INTO t VALUES (3, 'ours')"),
                lambda: engine.batch("INSERT INTO t VALUES (?, 'ours')", [(2,), (3,)])):
        with pytest.raises(RheiError) as caught:
            run()
        assert caught.value.name == "BUSY"
        assert "another" in caught.value.message
    # readers never wait
    assert engine.query("SELECT count(*) FROM t").value == 0
    assert engine.olap("SELECT count(*) FROM t").value == 0
    holder.execute("COMMIT")
    engine.execute("INSERT INTO t VALUES (2, 'ours')")
    assert_mirror(engine, path)
    assert foreign.rows(path, "SELECT count(*) FROM t") == [(2,)]


# ---- A full disk: a small file system in a mount namespace of the process's own. --------------------------------------


@pytest.fixture
def small_disk(folder):
    disk = folder / "disk"
    disk.mkdir()
    mounting = f"mount -t tmpfs -o size=3m tmpfs {disk} && exec \"$0\" \"$@\""
    wrapper = ["unshare", "-m", "sh", "-c", mounting]
    trial = subprocess.run([*wrapper, "true"], capture_output=True)
    if trial.returncode != 0:
        wrapper = ["unshare", "-Urm", "sh", "-c", mounting]
        trial = subprocess.run([*wrapper, "true"], capture_output=True)
    if trial.returncode != 0:
        pytest.skip(f"no private mount can be made here: {trial.stderr.decode().strip()}")
    return disk, wrapper


def test_d5_a_full_disk(spawn, small_disk):
    disk, wrapper = small_disk
    path = disk / "shop.db"
    engine = spawn(wrapper=wrapper)
    engine.open(path, prefer_olap=True)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
    engine.initial_sync()
    kept, error = 0, None
    for number in range(1000):
        try:
            engine.execute("INSERT INTO t VALUES (?, zeroblob(20000))", number)
            kept += 1
        except RheiError as full:
            error = full
            break
    assert error is not None and error.name == "FULL", error
    assert kept > 10
    assert "full" in error.message.lower() or "space" in error.message.lower()
    # what was acknowledged is there, and answers go on
    assert engine.query("SELECT count(*), max(id) FROM t", route="oltp").rows == [(kept, kept - 1)]
    assert engine.olap("SELECT count(*), max(id) FROM t").rows == [(kept, kept - 1)]
    with pytest.raises(RheiError) as caught:
        engine.script(f"INSERT INTO t VALUES (5000, 'small'); INSERT INTO t VALUES (5001, zeroblob(3000000))")
    assert caught.value.name == "FULL"
    assert engine.query("SELECT count(*) FROM t WHERE id >= 5000").value == 0
    # room again: everything works on, in the same process
    inside = pathlib.Path(f"/proc/{engine.pid}/root{disk}")
    subprocess.run(["nsenter", f"--target={engine.pid}", "--mount", "mount", "-o", "remount,size=60m", str(disk)], check=True)
    assert inside.exists()
    engine.execute("INSERT INTO t VALUES (9000, zeroblob(100000))")
    engine.initial_sync()
    assert engine.verify() == kept + 1
    assert engine.query("PRAGMA integrity_check").rows == [("ok",)]
    assert engine.olap("SELECT count(*) FROM t").value == kept + 1
    engine.close()
    engine.open(path, prefer_olap=True)
    engine.initial_sync()
    assert engine.verify() == kept + 1


def test_d5_no_room_to_open(spawn, small_disk):
    disk, wrapper = small_disk
    engine = spawn(wrapper=wrapper)
    engine.open(disk / "first.db")  # so that the file system is mounted for sure
    engine.close()
    inside = pathlib.Path(f"/proc/{engine.pid}/root{disk}")
    filler = inside / "filler"
    file = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space left"):
        while True:
            os.write(file, b"x" * 4096)
    os.close(file)
    error = refused(engine, disk / "shop.db", "FULL")
    assert "shop.db" in error.message
    filler.unlink()
    engine.open(disk / "shop.db", prefer_olap=True)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    engine.initial_sync()
    assert engine.olap("SELECT count(*) FROM t").value == 0


# ---- Another version's file, wrong settings. --------------------------------------------------------------------------


def test_d5_a_registry_from_a_newer_version(spawn, path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    engine.initial_sync()
    engine.close()
    make_newer(path, 1000)
    error = refused(engine, path, "TOO_NEW", path.name)
    assert "newer" in error.message
    # read and written by everybody else as before
    shell(path, "INSERT INTO t VALUES (1)")
    make_newer(path, -1000)
    works(engine, path)
    assert foreign.rows(path, "SELECT count(*) FROM t") == [(1,)]


def make_newer(path, by):
    shell(path, f"UPDATE _rhei_meta SET value = value + ({by}) WHERE key = 'version'")


@pytest.mark.parametrize("text,words", [
    ("[engine]\noltp_pat = \"x.db\"\n", ["rhei.toml:2", "oltp_pat", "oltp_path"]),
    ("[engine]\nsync_batch_size = 0\n", ["rhei.toml:2", "sync_batch_size"]),
    ("[engine]\nread_pool_size = \"four\"\n", ["rhei.toml:2", "read_pool_size"]),
    ("[engin]\noltp_path = \"x.db\"\n", ["engin", "engine"]),
    ("[engine\noltp_path = \"x.db\"\n", ["rhei.toml:1"]),
    ("[engine]\nfreshness = \"tomorrow\"\n", ["rhei.toml:2", "freshness", "latest"]),
    ("[engine]\nolap_backend = \"oracle\"\n", ["rhei.toml:2", "olap_backend", "duckdb"]),
])
def test_d5_a_wrong_setting(text, words, spawn, folder, path):
    config = folder / "rhei.toml"
    config.write_text(text)
    engine = spawn()
    refused(engine, path, "CONFIG", "rhei.toml", *words, config_file=config)
    assert not path.exists()
    config.write_text("[engine]\nread_pool_size = 2\n")
    engine.open(path, config_file=config)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")


def test_d5_a_missing_config_file(spawn, folder, path):
    refused(spawn(), path, "CANT_OPEN", "absent.toml", config_file=folder / "absent.toml")


@pytest.mark.parametrize("sql,offset,words", [
    ("SELEC 1", 0, ["SELEC"]),
    ("SELECT * FROM missing", None, ["missing"]),
    ("SELECT id, nope FROM t", 11, ["nope"]),
    ("INSERT INTO t VALUES (1, 2, 3, 4)", None, ["t"]),
    ("SELECT (1 + ) FROM t", None, [")"]),
    ("UPDATE t SET nope = 1", None, ["nope"]),
    ("SELECT 'unterminated FROM t", None, ["unterminated"]),
])
def test_d5_wrong_sql_says_where(sql, offset, words, path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    for ask in (engine.query, engine.execute):
        with pytest.raises(RheiError) as caught:
            ask(sql)
        assert caught.value.name == "SQL"
        if offset is not None:
            assert caught.value.offset == offset
        for word in words:
            assert word in caught.value.message
    engine.execute("INSERT INTO t VALUES (1, 1)")
    assert_mirror(engine, path)


def test_d5_unknown_tables(path, open_engine):
    engine = open_engine()
    for run in (engine.register, engine.unregister, engine.verify, engine.rebuild):
        with pytest.raises(RheiError) as caught:
            run("missing")
        assert caught.value.name == "NOT_FOUND"
        assert "missing" in caught.value.message


def test_d5_the_file_is_deleted_under_the_engine(path, open_engine):
    """Nothing can be saved, but the process lives, and says something sensible or goes on with the file that it has."""
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    engine.execute("INSERT INTO t VALUES (1)")
    engine.initial_sync()
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    for ask in (lambda: engine.execute("INSERT INTO t VALUES (2)"), lambda: engine.query("SELECT count(*) FROM t")):
        try:
            ask()
        except RheiError as error:
            assert error.name in ("IO", "READ_ONLY", "CANT_OPEN", "NOT_A_DATABASE", "REPLACED"), error
    engine.close()
    works(engine, path)
    assert_whole(path)
