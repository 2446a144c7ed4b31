"""What rh says, and exits with, when the folder of the column store that the settings name wasn't looked at, written or mended."""

import json
import resource
import shutil
import signal
import struct

import pytest

import foreign
from foreign import FORGE, shell
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)
from test_disk import xxh64
from test_processes import wait_until

MAKE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1), (2, 2)"


def settings(rh, folder="folder", **more):
    text = f'[engine]\noltp_path = "rhei.db"\nolap_path = "{folder}"\n'
    (rh.folder / "rhei.toml").write_text(text + "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items()))


@pytest.fixture
def kept(rh):
    settings(rh)
    rh.run("exec", "--config", "rhei.toml", "--capture", MAKE)
    rh.run("sync", "--config", "rhei.toml")
    return rh


def spoil(rh, how):
    folder = rh.folder / "folder"
    if how == "a mistyped name":
        settings(rh, "fodler")
    elif how == "a file":
        shutil.rmtree(folder)
        folder.write_text("")
    elif how == "of others":
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "notes.txt").write_text("")
    elif how == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif how == "of another database":
        shutil.rmtree(folder)
        rh.run("exec", "--db", "other.db", "--config", "rhei.toml", "--capture", MAKE)
        rh.run("sync", "--db", "other.db", "--config", "rhei.toml")
    else:
        assert how == "gone"
        shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["a mistyped name", "a file", "of others", "empty", "of another database", "gone"])
def test_a6_verify_says_that_it_did_not_read_the_folder(kept, how):
    assert "NOT READ" not in kept.run("verify", "--config", "rhei.toml", code=0).stdout
    spoil(kept, how)
    done = kept.run("verify", "--config", "rhei.toml", code=1)
    lines = done.stdout.splitlines()
    if how != "of another database":  # which may also be told table by table
        assert lines[-1].startswith("NOT READ   the folder ") and "what is in it was not compared" in lines[-1], lines
    last = json.loads(kept.run("verify", "--json", "--config", "rhei.toml", code=1).stdout.splitlines()[-1])
    assert last["outcome"] == "unread" and last["message"], last
    assert not (kept.folder / "fodler").exists()


def lock_out(rh):
    """Nobody, root neither, opens a folder as the lock's file."""
    (rh.folder / "folder" / "lock").unlink()
    (rh.folder / "folder" / "lock").mkdir()


def test_a6_a_folder_that_is_not_to_be_had_is_neither_repaired_nor_in_step(kept):
    lock_out(kept)
    done = kept.run("repair", "--config", "rhei.toml", code=1)
    assert "Nothing had to be repaired" not in done.stdout and "can't be mended" in done.stderr and "lock" in done.stderr
    answer = json.loads(kept.run("repair", "--json", "--config", "rhei.toml", code=1).stdout)
    assert answer["repaired"] == 0 and "can't be mended" in answer["error"]
    done = kept.run("sync", "--config", "rhei.toml", code=1)
    assert "In step at position 2" in done.stdout and "isn't written by this handle" in done.stderr
    (kept.folder / "folder" / "lock").rmdir()
    kept.run("sync", "--config", "rhei.toml", code=0)
    assert "Nothing had to be repaired" in kept.run("repair", "--config", "rhei.toml", code=0).stdout


def little_room():
    """Files of 128 KiB at most: a disk that is full for the folder, and has room for what else is written here."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (128 << 10, resource.RLIM_INFINITY))


def test_a6_a_folder_that_cannot_be_written_in_the_end_is_an_error(rh):
    settings(rh)
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
           "INSERT INTO t SELECT i, hex(randomblob(16)) FROM n")
    rh.run("exec", "--capture", "--config", "rhei.toml", "CREATE TABLE s (id INTEGER PRIMARY KEY)")
    for command in ("sync", "repair"):
        done = rh.run(command, "--config", "rhei.toml", code=1, restore_signals=False, preexec_fn=little_room)
        assert "couldn't be written" in done.stderr and "Nothing had to be repaired" not in done.stdout, done.stdout + done.stderr
    rh.run("sync", "--config", "rhei.toml", code=0)
    assert "are equal" in rh.run("verify", "--config", "rhei.toml", code=0).stdout


def test_a6_sync_beside_an_engine_that_has_the_folder_exits_with_1(kept, open_engine):
    engine = open_engine(kept.folder / "rhei.db", olap_path=kept.folder / "folder")
    done = kept.run("sync", "--config", "rhei.toml", code=1)
    assert "in use by another handle" in done.stderr and "[BUSY" in done.stderr
    engine.close()
    kept.run("sync", "--config", "rhei.toml", code=0)


def test_c7_sync_counts_what_it_applied_and_tells_what_it_took_over(kept, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "UPDATE t SET v = 9; INSERT INTO t VALUES (3, 3); DELETE FROM t WHERE id = 1", code=None)
    text = kept.run("sync", "--config", "rhei.toml").stdout
    assert "1 of 1 tables in the column store, 1 taken over from the folder" in text and "built" not in text, text
    assert "Applied 4 changes (1 inserted, 1 updated, 1 deleted)" in text, text
    kept.run("exec", "CREATE TABLE w (id INTEGER PRIMARY KEY)", "--config", "rhei.toml")
    answer = json.loads(kept.run("sync", "--json", "--config", "rhei.toml").stdout)
    assert (answer["events"], answer["tables_ready"], answer["tables_taken_over"]) == (0, 2, 1)


def test_a7_a_follower_leaves_the_folder_and_the_log_to_others(kept):
    settings(kept, sync_mode="temporal")
    kept.run("sync", "--config", "rhei.toml")
    follower = kept.start("changes", "--config", "rhei.toml", "--consumer", "c", "--follow")
    try:
        wait_until(lambda: foreign.rows(kept.folder / "rhei.db", "SELECT count(*) FROM _rhei_consumers WHERE name = 'c'") == [(1,)],
                   what="the consumer")
        kept.run("exec", "UPDATE t SET v = 7", "--config", "rhei.toml")
        kept.run("sync", "--config", "rhei.toml", code=0)
        status = json.loads(kept.run("status", "--json", "--config", "rhei.toml").stdout)
        assert status["engines"] == [] and status["disk_position"] == status["log_position"], status
        assert [consumer["name"] for consumer in status["consumers"]] == ["c"]
    finally:
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=60)


def test_a8_an_engine_that_was_killed_holds_nothing_from_then_on(rh, open_engine):
    rh.run("exec", "--capture", MAKE)
    path = rh.folder / "rhei.db"
    engine = open_engine(path)
    engine.initial_sync()
    wait_until(lambda: foreign.rows(path, "SELECT count(*) FROM _rhei_engines") == [(1,)], what="the engine's row")
    assert len(json.loads(rh.run("status", "--json").stdout)["engines"]) == 1
    engine.kill()
    assert foreign.rows(path, "SELECT count(*) FROM _rhei_engines") == [(1,)]
    assert json.loads(rh.run("status", "--json").stdout)["engines"] == []
    rh.run("exec", "UPDATE t SET v = 4")
    assert json.loads(rh.run("sync", "--json").stdout)["position"] == 4
    wait_until(lambda: rh.run("sync") and json.loads(rh.run("status", "--json").stdout)["log_rows"] <= 1, what="the log's going")
    foreign_reader = foreign.connect(path)
    foreign_reader.execute("SELECT * FROM t").fetchone()  # another program has the file open
    rh.run("detach")
    foreign_reader.close()


def test_a7_status_shows_consumers_and_how_far_behind_they_are(rh):
    rh.run("exec", "--capture", MAKE)
    assert "Consumers" not in rh.run("status").stdout
    rh.run("changes", "--consumer", "slow")
    rh.run("exec", "UPDATE t SET v = 3")
    text = rh.run("status").stdout
    assert "1 of the change feed" in text and "slow: position 2, 2 changes behind" in text, text
    shown = json.loads(rh.run("status", "--json").stdout)["consumers"]
    assert [(c["name"], c["position"], c["lag_events"], c["kept"]) for c in shown] == [("slow", 2, 2, True)]
    shell(rh.folder / "rhei.db", "UPDATE _rhei_consumers SET seen_ms = seen_ms - keep_ms - 1000")
    assert "isn't kept for it any more" in rh.run("status").stdout


def test_a7_a_command_over_a_limit_that_grows_warns(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nlog_limit_rows = 10\nlog_limit_policy = "grow"\n')
    assert "log_limit" not in rh.run("exec", "--config", "rhei.toml", "--capture", MAKE).stderr
    done = rh.run("exec", "--config", "rhei.toml", "WITH RECURSIVE n(i) AS (VALUES(9) UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
                  "INSERT INTO t SELECT i, i FROM n")
    assert "more than log_limit_rows (10)" in done.stderr and "it grows" in done.stderr, done.stderr


def test_a6_a_difference_in_another_table_is_not_said_to_be_mended(kept, sqlite3_shell):
    kept.run("exec", "CREATE TABLE w (id INTEGER PRIMARY KEY, v); INSERT INTO w VALUES (1, 1)", "--config", "rhei.toml")
    kept.run("sync", "--config", "rhei.toml")
    for command in (["repair", "t"], ["repair"]):
        sqlite3_shell.run("rhei.db", f"BEGIN IMMEDIATE; UPDATE w SET v = v + 1; {FORGE}; COMMIT", code=None)
        done = kept.run(*command, "--config", "rhei.toml", code=0)
        assert "it is built again" not in done.stderr, done.stderr
    assert "are equal" in kept.run("verify", "--config", "rhei.toml", code=0).stdout


# ---- Refused before anything is done. ----------------------------------------------------------------------------------------------------------------


def bytes_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("what", ["history", "newer", "of others", "nowhere", "changes of another", "changes among others", "changes nowhere"])
@pytest.mark.parametrize("there", [True, False])
def test_d5_a_folder_that_is_refused_leaves_a_file_without_capture_as_it_is(rh, sqlite3_shell, what, there):
    """Change capture comes once everything is known to be right; a file that isn't there isn't made."""
    of_other = rh.folder / "other.toml"
    mode = 'sync_mode = "temporal"\n' if what == "history" else ""
    buffer = 'rocksdb_cdc_path = "changes"\n' if what == "changes of another" else ""
    of_other.write_text(f'[engine]\noltp_path = "other.db"\nolap_path = "folder"\n{mode}{buffer}')
    rh.run("exec", "--config", "other.toml", "--capture", MAKE)
    rh.run("sync", "--config", "other.toml")
    if what == "newer":
        manifest = rh.folder / "folder" / "manifest"
        data = bytearray(manifest.read_bytes())
        struct.pack_into("<Q", data, 16 + 8, 1000)
        struct.pack_into("<Q", data, len(data) - 8, xxh64(bytes(data[16:-8])))
        manifest.write_bytes(bytes(data))
    (rh.folder / "notes").mkdir()
    (rh.folder / "notes" / "letter.txt").write_text("mine")
    if there:
        sqlite3_shell.run("z.db", MAKE)
    wanted = {"history": ("folder", None, "EXISTS"), "newer": ("folder", None, "TOO_NEW"), "of others": ("notes", None, "INVALID"),
              "nowhere": ("absent/mirror", None, "INVALID"), "changes of another": ("mine", "changes", "EXISTS"),
              "changes among others": ("mine", "notes", "INVALID"), "changes nowhere": ("mine", "absent/changes", "INVALID")}
    folder, changes, error = wanted[what]
    text = f'[engine]\noltp_path = "z.db"\nolap_path = "{folder}"\n' + (f'rocksdb_cdc_path = "{changes}"\n' if changes else "")
    (rh.folder / "z.toml").write_text(text)
    before = bytes_of(rh.folder)
    for command in (("exec", MAKE.replace("t (", "v (").replace("INTO t", "INTO v")), ("sync",)) if there else (("exec", MAKE),):
        done = rh.run(command[0], "--config", "z.toml", "--capture", *command[1:], code=1)
        assert f"[{error}" in done.stderr and ("olap_path: " in done.stderr or "rocksdb_cdc_path: " in done.stderr), done.stderr
    assert bytes_of(rh.folder) == before
    assert not (rh.folder / "absent").exists()


def test_d5_a_folder_below_one_that_is_not_there_is_refused_like_a_backup(kept):
    for setting in ("olap_path", "rocksdb_cdc_path"):
        (kept.folder / "rhei.toml").write_text(f'[engine]\noltp_path = "rhei.db"\n{setting} = "absent/deep/m"\n')
        done = kept.run("sync", "--config", "rhei.toml", code=1)
        assert setting in done.stderr and '"absent/deep/", isn\'t there: make that first' in done.stderr and "INVALID" in done.stderr
        assert not (kept.folder / "absent").exists()


def test_a9_a_file_whose_capture_was_taken_out_is_told_how_it_has_its_history_again(rh, sqlite3_shell):
    settings(rh, sync_mode="temporal")
    rh.run("exec", "--config", "rhei.toml", "--capture", MAKE)
    rh.run("sync", "--config", "rhei.toml")
    rh.run("exec", "--config", "rhei.toml", "UPDATE t SET v = 3 WHERE id = 1")
    rh.run("sync", "--config", "rhei.toml")
    rh.run("detach", "--config", "rhei.toml")
    told = rh.run("sync", "--config", "rhei.toml", "--capture", code=1).stderr
    assert "EXISTS" in told and "have that made anew without olap_path, and say so while nobody has it open: UPDATE _rhei_meta" in told
    rh.run("sync", "--db", "rhei.db", "--capture")
    assert "EXISTS" in rh.run("sync", "--config", "rhei.toml", code=1).stderr
    sqlite3_shell.run("rhei.db", told[told.index("UPDATE _rhei_meta"):told.index("'database_id'")] + "'database_id'")
    rh.run("sync", "--config", "rhei.toml")
    asked = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", "SELECT v FROM t_history WHERE id = 1 ORDER BY _rhei_valid_from, _rhei_seq")
    assert asked.stdout.split()[:2] == ["1", "3"]
