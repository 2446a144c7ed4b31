"""What rh says where something isn't as it was meant: of which file it speaks, why, and what to do; and no more than is so."""

import subprocess

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)


@pytest.fixture
def kept(rh):
    """A table of one row, with its history in a folder."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "folder"\nsync_mode = "temporal"\n')
    rh.run("exec", "--config", "rhei.toml", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
    rh.run("sync", "--config", "rhei.toml")
    return rh


def settings(rh, text):
    (rh.folder / "other.toml").write_text("[engine]\n" + text)
    return ("--config", "other.toml")


def test_c7_status_counts_the_tables_of_the_file(kept):
    text = kept.run("status", "--config", "rhei.toml").stdout
    assert "\nTables       1\n" in text and "history." not in text and "kept" in text
    kept.run("detach", "--config", "rhei.toml")
    text = kept.run("status", "--config", "rhei.toml").stdout
    assert "History      none yet" in text and text.rstrip().endswith("to be kept")


def test_one_row_is_one_row(kept):
    for command in ("verify", "repair"):
        assert "1 table and 1 row are equal" in kept.run(command, "--config", "rhei.toml").stdout


def test_a9_the_history_of_a_table_is_compared_with_nothing(kept):
    done = kept.run("verify", "t_history", "--config", "rhei.toml", code=1)
    assert "\"t_history\" is the history of table \"t\"" in done.stderr and "NOT_FOUND" in done.stderr
    assert "there is no table \"x_history\"" in kept.run("verify", "x_history", "--config", "rhei.toml", code=1).stderr


@pytest.mark.parametrize("setting", ("olap_path", "rocksdb_cdc_path"))
def test_a_database_that_could_not_be_opened_is_not_left_behind(rh, setting):
    (rh.folder / "other").mkdir()
    (rh.folder / "other" / "letter").write_text("mine")
    options = settings(rh, f'oltp_path = "new.db"\n{setting} = "other"\n')
    for command in (("exec", "CREATE TABLE t (id)"), ("import", "other.toml", "t", "--create")):
        rh.run(*command, *options, "--capture", code=1)
        assert sorted(f.name for f in rh.folder.iterdir()) == ["other", "other.toml"]
    (rh.folder / "new.db").write_bytes(b"")  # somebody's, if an empty one
    rh.run("exec", "CREATE TABLE t (id)", *options, "--capture", code=1)
    assert (rh.folder / "new.db").exists()


def test_a_consumer_that_cannot_be_is_not_called_new(kept):
    done = kept.run("changes", "--config", "rhei.toml", "--consumer", "_rhei_x", code=1)
    assert "is new" not in done.stderr and "are Rhei's own" in done.stderr
    assert "consumer \"y\" is new" in kept.run("changes", "--config", "rhei.toml", "--consumer", "y").stderr


def test_a_backup_without_a_place_says_what_is_missing(kept):
    done = kept.run("backup", "a/b/c", "--config", "rhei.toml", code=1)
    assert "\"a/b/\", isn't there: make that first" in done.stderr and "NOT_FOUND" in done.stderr


@pytest.mark.parametrize("place", (".", "sub/..", "rhei.link"))
def test_d5_the_folder_of_the_database_is_none_for_the_column_store(rh, place):
    (rh.folder / "sub").mkdir()
    (rh.folder / "rhei.link").symlink_to(rh.folder)
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "--capture")
    done = rh.run("sync", *settings(rh, f'oltp_path = "rhei.db"\nolap_path = "{place}"\n'), code=1)
    assert "is the folder that the database file itself is in" in done.stderr and "-shm" not in done.stderr


def test_c7_a_file_of_a_newer_version_is_told_to_who_looks(kept, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "UPDATE _rhei_meta SET value = 99 WHERE key = 'version'")
    for command in (("status",), ("verify",), ("query", "SELECT 1")):
        for options in (("--config", "rhei.toml"), ("--db", "rhei.db")):
            unread = command == ("verify",) and "--config" in options  # the folder, which isn't compared then
            done = kept.run(*command, *options, code=int(unread))
            assert done.stderr.count("prepared by a newer Rhei (format 99") == 1, (command, done.stderr)
    assert "TOO_NEW" in kept.run("exec", "SELECT 1", "--config", "rhei.toml", code=1).stderr


def test_an_output_that_cannot_be_written_is_told_once_with_the_reason(kept):
    for command in ("query", "SELECT v FROM t"), ("status",), ("verify",), ("sync",), ("exec", "SELECT 1"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([kept.path, *command, "--config", "rhei.toml"], cwd=kept.folder, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
        assert done.returncode == 1
        assert done.stderr == "rh: the output could not be written: No space left on device\n"


def test_c7_a_buffer_that_cannot_be_read_is_not_said_to_be_in_step(rh):
    options = settings(rh, 'oltp_path = "rhei.db"\nrocksdb_cdc_path = "buffer"\n')
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)", *options, "--capture")
    assert "up to change" in rh.run("status", *options).stdout
    text = rh.run("status", *options, env={"RHEI_ROCKSDB": "/nowhere/librocksdb.so"}).stdout
    assert "RocksDB isn't here" in text and "up to change" not in text
    identity = rh.folder / "buffer" / "identity"
    mine = identity.read_text().split("check ")[0]  # a whole one that another program wrote
    for theirs, words in ((mine.replace("buffer 1\n", "buffer 99\n", 1), "newer version of Rhei (form 99): use that version"),
                          (mine.replace("file ", "file X", 1), "the changes of another database")):
        identity.write_text(theirs)
        text = rh.run("status", *options).stdout
        assert words in text and "up to change" not in text
