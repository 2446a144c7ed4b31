"""A6, A10: rh verify and rh repair, with a column store in a folder: what is wrong is found, and mended."""

import sqlite3

import pytest

from foreign import FORGE
from rhei_engine import EngineDied, RheiError
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)
from test_rh_status import filled  # noqa: F401 (fixture)


@pytest.fixture
def in_folder(filled):
    """The same with a column store in a folder, which has segments' files and rows beside them."""
    (filled.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\n')
    filled.run("exec", "WITH RECURSIVE n(i) AS (VALUES(1001) UNION ALL SELECT i + 1 FROM n WHERE i < 140000) "
               "INSERT INTO t SELECT i, 'row ' || i FROM n", "--capture")
    filled.run("sync", "--config", "rhei.toml")
    return filled


def folder_bytes(program):
    return {f.name: f.read_bytes() for f in (program.folder / "folder").iterdir()}


def turn_bit(file):
    found = bytearray(file.read_bytes())
    found[len(found) // 3] ^= 1
    file.write_bytes(found)


def test_a6_verify_reads_the_folder_and_changes_nothing_in_it(in_folder, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "UPDATE t SET s = 'new' WHERE id % 9 = 0; DELETE FROM u; INSERT INTO t VALUES(-5, NULL)", code=None)
    before = folder_bytes(in_folder)
    done = in_folder.run("verify", "--config", "rhei.toml")
    assert "140,001 rows" in done.stdout and "2 tables" in done.stdout
    done = in_folder.run("query", "--config", "rhei.toml", "--route", "olap", "--format", "csv", "SELECT count(*), count(DISTINCT s) FROM t")
    assert done.stdout.splitlines()[1].startswith("140001,")
    assert folder_bytes(in_folder) == before


@pytest.mark.parametrize("broken", ["segment", "manifest", "gone"])
def test_a6_verify_finds_damage_in_the_folder_and_repair_mends_it(in_folder, broken):
    segments = sorted((in_folder.folder / "folder").glob("b-s-*"))
    if broken == "gone":
        segments[0].unlink()
    else:
        turn_bit(segments[-1] if broken == "segment" else in_folder.folder / "folder" / "manifest")
    before = folder_bytes(in_folder)
    done = in_folder.run("verify", "--config", "rhei.toml", code=1)
    assert "DIFFERENT  t" in done.stdout, done.stdout + done.stderr
    assert ("DIFFERENT  u" in done.stdout) == (broken == "manifest")
    done = in_folder.run("query", "--config", "rhei.toml", "--route", "olap", "--format", "csv", "SELECT count(*), min(s) FROM t")
    assert done.stdout.splitlines()[1].startswith("140000,")  # SQLite has what the folder lost
    assert folder_bytes(in_folder) == before
    done = in_folder.run("repair", "--config", "rhei.toml")
    assert "Built 1 table again" in done.stdout or "The folder, as it was found" in done.stdout
    assert "are equal" in in_folder.run("verify", "--config", "rhei.toml").stdout


def test_a6_verify_finds_a_wrong_row_in_the_folder(in_folder, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "BEGIN IMMEDIATE; UPDATE t SET s = 'changed' WHERE id = 777;"
                      f"{FORGE}; COMMIT", code=None)
    done = in_folder.run("verify", "--config", "rhei.toml", code=1)
    assert "DIFFERENT  t" in done.stdout and "cells differ" in done.stdout and "equal      u" in done.stdout
    in_folder.run("repair", "--config", "rhei.toml")
    assert "are equal" in in_folder.run("verify", "--config", "rhei.toml").stdout


def test_a6_commands_beside_the_engine_whose_folder_it_is(in_folder, open_engine):
    engine = open_engine(in_folder.folder / "rhei.db", olap_path=in_folder.folder / "folder")
    engine.execute("UPDATE t SET s = 'beside' WHERE id < 100")
    assert "are equal" in in_folder.run("verify", "--config", "rhei.toml").stdout
    done = in_folder.run("repair", "--config", "rhei.toml", code=1)
    assert "is in use by another handle" in done.stderr and "BUSY" in done.stderr
    done = in_folder.run("sync", "--config", "rhei.toml", code=1)  # the folder wasn't written by it
    assert "is in use by another handle" in done.stderr
    engine.close()
    assert "Nothing had to be repaired" in in_folder.run("repair", "--config", "rhei.toml").stdout


def test_a9_a_look_asks_the_history_in_the_folder(filled):
    (filled.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\nsync_mode = "temporal"\n')
    filled.run("sync", "--capture", "--config", "rhei.toml")
    filled.run("exec", "--config", "rhei.toml", "UPDATE t SET s = 'second' WHERE id = 1")
    filled.run("sync", "--config", "rhei.toml")
    filled.run("exec", "--config", "rhei.toml", "DELETE FROM t WHERE id = 1")
    before = folder_bytes(filled)
    done = filled.run("query", "--config", "rhei.toml", "--format", "csv",
                      "SELECT _rhei_operation, s FROM t_history WHERE id = 1 ORDER BY _rhei_seq")
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == ["I", "U", "D"]
    assert folder_bytes(filled) == before
    assert "are equal" in filled.run("verify", "--config", "rhei.toml").stdout


def test_a6_verify_beside_checkpoints_never_tells_of_a_difference_that_is_none(in_folder, open_engine):
    engine = open_engine(in_folder.folder / "rhei.db", olap_path=in_folder.folder / "folder", checkpoint_interval_ms=50)
    for i in range(8):
        engine.execute("UPDATE t SET s = s || ? WHERE id % 50 = ?", "." * i, i)
        engine.execute("DELETE FROM t WHERE id % 97 = ?", i)
        done = in_folder.run("verify", "--config", "rhei.toml", code=None)
        assert "DIFFERENT" not in done.stdout, done.stdout + done.stderr
        assert done.returncode == 0 or "BUSY" in done.stderr
    engine.close()


def test_a11_tables_bigger_than_the_memory_limit_are_verified_in_a_folder(rh):
    """64 MiB, of which three fifths are the column store's: the table has more."""
    setting = '[engine]\nolap_memory_limit = "64MiB"\n'
    (rh.folder / "memory.toml").write_text(setting)
    (rh.folder / "rhei.toml").write_text(setting + 'olap_path = "folder"\n')
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) "
           "INSERT INTO t SELECT i, hex(randomblob(60)) FROM n", "--capture")
    done = rh.run("verify", "--config", "memory.toml", code=1)
    assert "olap_memory_limit" in done.stdout and "olap_path" in done.stdout  # what to do about it
    rh.run("sync", "--config", "rhei.toml")
    assert "are equal" in rh.run("verify", "--config", "rhei.toml").stdout
    done = rh.run("query", "--config", "rhei.toml", "--route", "olap", "--format", "csv", "--no-header", "SELECT count(*), length(max(s)) FROM t")
    assert done.stdout.split() == ["400000,120"]


@pytest.mark.parametrize("kept", ["memory", "folder"])
@pytest.mark.parametrize("point", ["repair.found", "repair.told"])
def test_a2_kill_at_every_step_of_a_repair(point, kept, path, folder, spawn):
    """Rows that differ are known, or told to the change log: the next engine has them right, or a repair of it has."""
    config = {"threads": 1, "prefer_olap": True, **({"olap_path": folder / "mirror"} if kept == "folder" else {})}
    engine = spawn()
    engine.open(path, die_point=point, die_at=1, **config)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i, 'v' || i FROM n")
    engine.initial_sync()
    other = sqlite3.connect(path, isolation_level=None, timeout=60)
    other.executescript("BEGIN IMMEDIATE; UPDATE t SET v = 'new' WHERE id IN (7, 4000);"
                        f"{FORGE}; COMMIT")
    other.close()
    engine.sync()
    with pytest.raises(RheiError, match="cells differ"):
        engine.verify()
    with pytest.raises(EngineDied):
        engine.repair()
    engine = spawn()
    engine.open(path, **config)
    engine.initial_sync()
    mended, rebuilt = engine.repair()
    assert mended <= 1 and rebuilt <= 1
    assert engine.verify() == 5000
    assert engine.query("SELECT count(*) FROM t WHERE v = 'new'", route="olap").rows == [(2,)]


# ---- Beside a change buffer. -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def buffered(in_folder):
    """The same, with a buffer that is empty by now: the change that the checkpoint ends with is in the log still."""
    (in_folder.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\nrocksdb_cdc_path = "changes"\n')
    in_folder.run("sync", "--config", "rhei.toml")
    return in_folder


def test_a6_verify_compares_the_folder_beside_a_buffer(buffered):
    before = folder_bytes(buffered)
    assert "2 tables and 141,000 rows are equal" in (told := buffered.run("verify", "--config", "rhei.toml").stdout) or "are equal" in told
    assert "NOT READ" not in told and folder_bytes(buffered) == before
    turn_bit(sorted((buffered.folder / "folder").glob("b-s-*"))[-1])
    assert "DIFFERENT  t" in buffered.run("verify", "--config", "rhei.toml", code=1).stdout


def test_a6_verify_says_what_it_did_not_compare_for_the_buffer_has_it(buffered):
    """The command doesn't write the folder, and its changes leave the log for the buffer: files are compared with their sums alone."""
    for v in range(2):
        buffered.run("exec", "--config", "rhei.toml", f"UPDATE t SET s = 'new {v}' WHERE id < 100")
    done = buffered.run("verify", "--config", "rhei.toml", code=1)
    assert "equal      t" in done.stdout and "DIFFERENT" not in done.stdout and "are in the change buffer alone" in done.stdout.splitlines()[-1]
    assert done.stdout.splitlines()[-1].startswith("NOT READ   the folder folder: ") and done.stderr == ""
    victim = sorted((buffered.folder / "folder").glob("b-s-*"))[-1]
    turn_bit(victim)
    done = buffered.run("verify", "--config", "rhei.toml", code=1)
    assert f'DIFFERENT  t: table "t": the file "{victim.name}" of the folder "folder" is damaged; rh repair mends the folder' in done.stdout
    buffered.run("repair", "--config", "rhei.toml")
    done = buffered.run("verify", "--config", "rhei.toml")
    assert "are equal" in done.stdout and "NOT READ" not in done.stdout


@pytest.mark.parametrize("settings", ["", 'olap_path = "folder"\nrocksdb_cdc_path = "changes"\n'])
def test_a6_verify_beside_a_writer_warns_of_nothing_that_is_as_it_should_be(buffered, open_engine, settings):
    """Who only looks builds a table again when the database changed, and that is no loss of a change."""
    (buffered.folder / "look.toml").write_text("[engine]\n" + settings)
    engine = open_engine(buffered.folder / "rhei.db", olap_path=buffered.folder / "folder", rocksdb_cdc_path=buffered.folder / "changes")
    process = buffered.start("verify", "--config", "look.toml")
    for i in range(100000):
        if process.poll() is not None:
            break
        engine.execute("UPDATE t SET s = s || '.' WHERE id = ?", i % 1000)
    out, err = process.communicate(timeout=60)
    assert "gone from the log" not in err and "DIFFERENT" not in out, out + err
    engine.close()
