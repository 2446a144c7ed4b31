"""A7, A9: the log keeps what the newest checkpoint of a folder lacks, whoever prunes it: with the folder, without it, or where it can't be taken. And what
ends that: a limit of the log, detach, a folder that was moved, or that is dropped because it was removed."""

import shutil
import sqlite3
import time

import pytest

from rhei_engine import RheiError
from rh_program import rh  # noqa: F401 (a fixture)
from test_care import turn_bit
from test_processes import wait_until

SETTINGS = '[engine]\noltp_path = "rhei.db"\nolap_path = "{}"\nsync_mode = "temporal"\n'
QUESTION = "SELECT _rhei_operation, v FROM price_history ORDER BY _rhei_seq"
WHOLE = ["I,2", "U,9", "U,10"]


def with_a_past(rh):
    """A table with three versions of one row, of which the folder has the first and the log the others."""
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("mirror"))
    rh.run("exec", "--config", "rhei.toml", "--db", "rhei.db", "--capture", "CREATE TABLE price (id INTEGER PRIMARY KEY, v)")
    rh.run("exec", "--config", "rhei.toml", "INSERT INTO price VALUES (1, 2)")
    rh.run("sync", "--config", "rhei.toml")
    for v in (9, 10):
        rh.run("exec", "--config", "rhei.toml", "UPDATE price SET v = ?", "--param", str(v))


def versions(rh):
    return rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", QUESTION).stdout.splitlines()


def held(rh):
    connection = sqlite3.connect(rh.folder / "rhei.db")
    rows = connection.execute("SELECT name FROM _rhei_consumers").fetchall()
    connection.close()
    return [name.rsplit("/", 1)[1] for name, in rows if name.startswith("_rhei_folder:")]


def command(*arguments):
    return lambda rh, spawn: rh.run(*arguments)


def with_a_folder_that_cant_be_had(rh, spawn):
    lock = rh.folder / "mirror" / "lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()  # which nobody can open as a file, not root either
    assert "kept in memory alone" in rh.run("sync", "--config", "rhei.toml", code=1).stderr
    lock.rmdir()


def by_a_program(rh, spawn):
    engine = spawn()
    engine.open(rh.folder / "rhei.db")
    engine.initial_sync()
    engine.execute("CREATE TABLE IF NOT EXISTS other (a)")
    engine.sync()
    wait_until(lambda: engine.status()["position"] == engine.status()["log_position"], what="the last change")
    engine.close()


@pytest.mark.parametrize("prune", (
    command("sync", "--db", "rhei.db"), command("repair", "--db", "rhei.db"), by_a_program, with_a_folder_that_cant_be_had),
    ids=("sync", "repair", "program", "folder"))
def test_a9_who_has_not_the_folder_takes_no_version_from_it(rh, spawn, prune):
    with_a_past(rh)
    for _ in range(2):
        prune(rh, spawn)
    told = rh.run("status", "--db", "rhei.db").stdout
    assert f"kept for the folder {rh.folder / 'mirror'}: checkpoint at 1, 2 changes behind" in told, told
    assert versions(rh) == WHOLE
    rh.run("sync", "--config", "rhei.toml")
    rh.run("exec", "--db", "rhei.db", "UPDATE price SET v = 11")
    prune(rh, spawn)
    assert versions(rh) == [*WHOLE, "U,11"]


@pytest.mark.parametrize("busy", ("statement", "program"))
def test_a9_a_checkpoint_that_is_there_is_held_whatever_was_in_the_way(rh, spawn, busy):
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("mirror"))
    engine = spawn()
    engine.open(rh.folder / "rhei.db", config_file=rh.folder / "rhei.toml", olap_path=rh.folder / "mirror", checkpoint_interval_ms=50)
    engine.execute("CREATE TABLE price (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    if busy == "statement":  # the background's first checkpoint falls into it
        engine.execute("INSERT INTO price WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) SELECT i, i FROM n")
    else:
        other = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        time.sleep(0.5)  # longer than a move of the row is waited for
        assert (rh.folder / "mirror" / "manifest").exists() <= (held(rh) == ["mirror"])
        other.execute("COMMIT")
        other.close()
    engine.execute("INSERT INTO price VALUES (1, 2)")
    engine.checkpoint()
    assert held(rh) == ["mirror"]
    engine.execute("UPDATE price SET v = 9 WHERE id = 1")
    engine.kill()
    by_a_program(rh, spawn)
    found = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", QUESTION.replace(" ORDER", " WHERE id = 1 ORDER"))
    assert found.stdout.splitlines() == ["I,2", "U,9"]
    assert "are lost" not in found.stderr and "built again" not in found.stderr, found.stderr


def test_a9_a_first_checkpoint_that_nothing_would_hold_is_not_told_as_made(rh, spawn):
    engine = spawn()
    engine.open(rh.folder / "rhei.db", olap_path=rh.folder / "mirror", checkpoint_interval_ms=600000, busy_timeout_ms=200)
    engine.execute("CREATE TABLE price (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    other = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RheiError, match="the change log isn't kept for it yet") as refused:
        engine.checkpoint()
    assert refused.value.name == "BUSY" and not (rh.folder / "mirror" / "manifest").exists()
    other.execute("COMMIT")
    other.close()
    engine.checkpoint()
    assert (rh.folder / "mirror" / "manifest").exists() and held(rh) == ["mirror"]


def test_a10_verify_right_after_the_opening_reads_the_folder_first(rh, spawn):
    with_a_past(rh)
    for _ in range(3):
        engine = spawn()
        engine.open(rh.folder / "rhei.db", config_file=rh.folder / "rhei.toml", olap_path=rh.folder / "mirror", read_only=1)
        assert engine.verify() == 1
        engine.close()


def test_a7_a_limit_forgets_a_folder_that_it_passed_and_tells_it(rh, spawn):
    with_a_past(rh)
    engine = spawn()
    engine.open(rh.folder / "rhei.db", log_limit_rows=5)
    engine.initial_sync()
    assert held(rh) == ["mirror"]
    for v in range(30):
        engine.execute("UPDATE price SET v = ?", v)
    wait_until(lambda: held(rh) == [] and engine.status()["log_rows"] <= 5, what="the cut")
    engine.close()
    done = rh.run("sync", "--config", "rhei.toml")  # what is left of the history goes on, and the folder holds the log again
    assert "isn't used" in done.stderr
    assert held(rh) == ["mirror"]
    assert versions(rh)[-1] == "U,29"


def test_a7_a_folder_that_was_moved_holds_the_log_once(rh):
    with_a_past(rh)
    (rh.folder / "mirror").rename(rh.folder / "elsewhere")
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("elsewhere"))
    rh.run("sync", "--config", "rhei.toml")
    assert held(rh) == ["elsewhere"]
    assert versions(rh) == WHOLE
    rh.run("backup", "copy", "--config", "rhei.toml")
    copy = sqlite3.connect(rh.folder / "copy" / "rhei.db")
    assert copy.execute("SELECT count(*) FROM _rhei_consumers").fetchone() == (0,)
    copy.close()


def test_a7_a_folder_that_was_removed_is_named_and_dropped_by_who_says_so(rh):
    with_a_past(rh)
    name = f"_rhei_folder:{rh.folder / 'mirror'}"
    drop = ("changes", "--db", "rhei.db", "--drop", "--consumer")
    assert "[EXISTS" in rh.run(*drop, name, code=1).stderr and held(rh) == ["mirror"]  # whoever has it relies on the log
    assert "not there" not in rh.run("status", "--db", "rhei.db").stdout
    shutil.rmtree(rh.folder / "mirror")
    for _ in range(2):  # nobody takes it for an end by himself: it may come back
        rh.run("sync", "--db", "rhei.db")
    assert held(rh) == ["mirror"]
    assert f"it is not there; if that is for good: rh changes --drop --consumer {name}" in rh.run("status", "--db", "rhei.db").stdout
    assert "[INVALID" in rh.run(*drop, "_rhei_bridge", code=1).stderr
    assert "[NOT_FOUND" in rh.run(*drop, f"{name}/other", code=1).stderr
    rh.run(*drop, name)
    assert held(rh) == []
    rh.run("sync", "--db", "rhei.db")
    connection = sqlite3.connect(rh.folder / "rhei.db")
    assert connection.execute("SELECT count(*) FROM _rhei_cdc_log").fetchone() == (1,)  # the newest stays
    connection.close()


# ---- A question leaves what is left of a history as it is. -----------------------------------------------------------------------------------------


def everything(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.name.endswith(("-wal", "-shm"))}


def damage_manifest(rh):
    turn_bit(rh.folder / "mirror" / "manifest")


def damage_delta(rh):
    turn_bit(min((rh.folder / "mirror").glob("b-d-*")))


def take_folder(rh):
    shutil.rmtree(rh.folder / "mirror")


def take_folder_named_with_a_slash(rh):
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("mirror/"))
    take_folder(rh)


def empty_folder(rh):
    (rh.folder / "mirror" / "manifest").unlink()


def mistype_folder(rh):
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("miror"))


@pytest.mark.parametrize("route", ("auto", "olap"))
@pytest.mark.parametrize("spoil, words", (
    (damage_manifest, ("IO", "which is damaged", "rh repair mends the folder")),
    (damage_delta, ("IO", "which is damaged", "rh repair mends the folder")),
    (take_folder, ("NOT_FOUND", "gone or empty", "put it back")),
    (take_folder_named_with_a_slash, ("NOT_FOUND", "gone or empty", "put it back")),
    (empty_folder, ("NOT_FOUND", "gone or empty", "put it back")),
    (mistype_folder, ("NOT_FOUND", '/mirror"', '"miror"', "name the right one"))))
def test_a9_a_question_never_takes_what_is_left_of_a_history(rh, spoil, words, route):
    with_a_past(rh)
    rh.run("sync", "--config", "rhei.toml")
    assert list((rh.folder / "mirror").glob("b-d-*"))
    spoil(rh)
    before = everything(rh.folder)
    for question in ([QUESTION], ["SELECT v FROM price", "--as-of", "2020-01-01"]):
        done = rh.run("query", "--config", "rhei.toml", "--route", route, *question, code=1)
        assert done.stdout == "" and all(word in done.stderr for word in words), done.stderr
    assert rh.run("query", "--config", "rhei.toml", "--route", route, "--format", "csv", "--no-header", "SELECT v FROM price").stdout == "10\n"
    assert everything(rh.folder) == before


def test_a9_of_versions_that_a_lost_delta_had_nothing_is_told(rh):
    """The manifest knows of none of the changes, and the log has none of those that the deltas had."""
    with_a_past(rh)
    begun = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", "SELECT max(_rhei_valid_from) FROM price_history").stdout.strip()
    rh.run("sync", "--config", "rhei.toml")
    damage_delta(rh)
    assert "versions of the history are lost" in rh.run("repair", "--config", "rhei.toml", code=1).stderr
    for question in (("SELECT v FROM price AS OF POSITION 2",), ("SELECT v FROM price", "--as-of", begun)):
        done = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", *question)
        assert done.stdout == ""
    assert "begins at" in done.stderr
    since = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header",
                   "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', max(kept_from, began) / 1000000, 'unixepoch') FROM history.tables").stdout.strip()
    assert f"price since {since}" in rh.run("status", "--config", "rhei.toml").stdout
    rh.run("exec", "--config", "rhei.toml", "UPDATE price SET v = 11")
    assert versions(rh)[-1] == "U,11"
    assert rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", "SELECT v FROM price AS OF POSITION 4").stdout == "11\n"


# ---- Folders that can't be had, or written. --------------------------------------------------------------------------------------------------------


def block_lock(rh):
    lock = rh.folder / "mirror" / "lock"
    lock.unlink()
    lock.mkdir()


def test_a9_a_backup_has_the_folder_that_could_not_be_had(rh):
    with_a_past(rh)
    block_lock(rh)
    rh.run("backup", "copy", "--config", "rhei.toml")
    (rh.folder / "rhei.toml").write_text(SETTINGS.replace("rhei.db", "copy/rhei.db").format("copy/rhei.mirror"))
    assert versions(rh) == WHOLE


def test_a9_a_backup_without_the_column_store_that_is_kept_is_refused(rh):
    with_a_past(rh)
    block_lock(rh)
    connection = sqlite3.connect(rh.folder / "rhei.db")
    connection.execute("DELETE FROM _rhei_cdc_log WHERE seq < (SELECT max(seq) FROM _rhei_cdc_log)")
    connection.commit()
    connection.close()
    done = rh.run("backup", "copy", "--config", "rhei.toml", code=1)
    assert "STALE" in done.stderr and "the log doesn't go back to its newest checkpoint" in done.stderr
    assert not (rh.folder / "copy" / "backup.json").exists()


@pytest.mark.parametrize("spoil", (damage_manifest, take_folder))
def test_a9_rh_repair_says_that_a_history_is_lost(rh, spoil):
    with_a_past(rh)
    spoil(rh)
    done = rh.run("repair", "--config", "rhei.toml", "--json", code=1)
    assert '"history_lost":true' in done.stdout and "versions of the history are lost" in done.stderr
    assert '"history_lost":false' in rh.run("repair", "--config", "rhei.toml", "--json").stdout
    assert versions(rh) == ["I,10"]


def test_d5_a_question_tells_a_folder_that_is_behind_once(rh):
    """A restored file: the look says that the folder isn't used, and so would the opening for writing behind it."""
    with_a_past(rh)
    before = (rh.folder / "rhei.db").read_bytes()
    rh.run("exec", "--config", "rhei.toml", "UPDATE price SET v = 11")
    rh.run("sync", "--config", "rhei.toml")
    for file in rh.folder.glob("rhei.db*"):
        file.unlink()
    (rh.folder / "rhei.db").write_bytes(before)
    rh.run("exec", "--db", "rhei.db", "UPDATE price SET v = 12")
    done = rh.run("query", "--config", "rhei.toml", QUESTION)
    assert done.stderr.count("isn't used") == 1, done.stderr


# ---- What is said of a history that isn't where it should be. ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil, says, begins", (
    (take_folder, "is gone or empty by now: put it back", "a new history begins"),
    (mistype_folder, "name the right one", "a new history begins")))
def test_a6_status_and_sync_say_of_a_history_what_a_question_says(rh, spoil, says, begins):
    with_a_past(rh)
    assert "a new history" not in rh.run("sync", "--config", "rhei.toml").stderr
    spoil(rh)
    asked = rh.run("query", "--config", "rhei.toml", QUESTION, code=1).stderr
    told = rh.run("status", "--config", "rhei.toml").stdout
    assert says in asked and says in told and "not to be had" in told and "rh sync begins it" not in told, told
    assert begins in rh.run("sync", "--config", "rhei.toml").stderr
    assert "begins" not in rh.run("sync", "--config", "rhei.toml").stderr


@pytest.mark.parametrize("spoil", (None, take_folder, mistype_folder))
def test_a4_a_backup_never_leaves_a_history_out_silently(rh, spoil):
    with_a_past(rh)
    rh.run("sync", "--config", "rhei.toml")
    settings = ["--db", "rhei.db"]
    if spoil:
        spoil(rh)
        settings = ["--config", "rhei.toml"]
    done = rh.run("backup", "copy", *settings, code=1)
    assert "NOT_FOUND" in done.stderr and "history of this database" in done.stderr and "mirror" in done.stderr, done.stderr
    assert not (rh.folder / "copy").exists()
    if not spoil:
        assert "--config" in done.stderr
        rh.run("backup", "copy", "--config", "rhei.toml")
        (rh.folder / "rhei.toml").write_text(SETTINGS.replace("rhei.db", "copy/rhei.db").format("copy/rhei.mirror"))
        assert versions(rh) == WHOLE
    elif spoil == take_folder:  # for good
        rh.run("changes", "--db", "rhei.db", "--drop", "--consumer", f"_rhei_folder:{rh.folder / 'mirror'}")
        assert rh.run("backup", "copy", "--db", "rhei.db").stderr == ""


def test_a4_a_backup_says_which_column_store_it_leaves_out(rh):
    (rh.folder / "rhei.toml").write_text(SETTINGS.format("mirror").replace("temporal", "destructive"))
    rh.run("exec", "--config", "rhei.toml", "--db", "rhei.db", "--capture", "CREATE TABLE price (id INTEGER PRIMARY KEY, v)")
    rh.run("sync", "--config", "rhei.toml")
    done = rh.run("backup", "copy", "--db", "rhei.db")
    assert "note: the copy is without the column store in" in done.stderr and "/mirror" in done.stderr and "--config" in done.stderr
    assert rh.run("backup", "whole", "--config", "rhei.toml").stderr == ""


def test_a7_detach_says_what_becomes_of_a_history_and_the_next_question_what_to_do(rh):
    with_a_past(rh)
    rh.run("sync", "--config", "rhei.toml")
    done = rh.run("detach", "--db", "rhei.db")
    assert "warning: the history in the folder" in done.stderr and str(rh.folder / "mirror") in done.stderr
    asked = rh.run("query", "--config", "rhei.toml", QUESTION, code=1)
    synced = rh.run("sync", "--config", "rhei.toml", code=1)
    assert "rh sync --capture" in asked.stderr and "rh sync --capture" in synced.stderr
    shutil.rmtree(rh.folder / "mirror")
    rh.run("sync", "--config", "rhei.toml", "--capture")
    assert versions(rh) == ["I,10"]
    rh.run("detach", "--config", "rhei.toml", "--db", "rhei.db")
    assert rh.run("detach", "--db", "rhei.db").stderr == ""
