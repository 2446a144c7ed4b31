"""rh status, sync, info and verify."""

import json
import time

import pytest

import foreign
from foreign import FORGE
from test_processes import wait_until
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)


@pytest.fixture
def filled(rh):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); CREATE TABLE u (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;"
           "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000) "
           "INSERT INTO t SELECT n, 'row ' || n FROM c; INSERT INTO u VALUES (1, 'x'), (1, 'y')")
    return rh


def test_status_names_tables_and_states(filled):
    text = filled.run("status").stdout
    for word in ("Position", "Lag", "Change log", "Tables", " t ", " u "):
        assert word in text
    status = json.loads(filled.run("status", "--json").stdout)
    assert {table["name"] for table in status["table_list"]} == {"t", "u"}
    assert status["running"] is False and status["tables"] == 2
    assert any(metric["name"] == "rhei_cdc_log_rows" for metric in status["metrics"])


def test_status_tells_of_the_engines_that_run_on_the_file(filled, spawn):
    status = json.loads(filled.run("status", "--json").stdout)
    assert status["capture_installed"] is False and status["engines"] == []
    assert "not installed" in filled.run("status").stdout
    engine = spawn()
    engine.open(filled.folder / "rhei.db")
    engine.initial_sync()
    engine.execute("INSERT INTO t VALUES (7777, 'x')")
    engine.sync()
    status = json.loads(filled.run("status", "--json").stdout)
    assert status["capture_installed"] and len(status["engines"]) == 1
    assert 0 <= status["engines"][0]["seen_ms_ago"] < 60000 and status["engines"][0]["lag_events"] <= 1
    assert [table["captured"] for table in status["table_list"]] == [True, True]
    text = filled.run("status").stdout
    assert "installed, 2 tables captured" in text and "1 on this file" in text
    assert f"  process {engine.process.pid}: position " in text and status["engines"][0]["process"] == engine.process.pid, text
    engine.close()
    assert json.loads(filled.run("status", "--json").stdout)["engines"] == []


def test_an_engine_that_is_in_step_and_rests_is_told_to_be(rh, spawn):
    """It says so once, however long nothing is written, and writes nothing more for it."""
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)", "--capture")
    engine = spawn()
    engine.open(rh.folder / "rhei.db")
    engine.initial_sync()
    told = lambda: foreign.rows(rh.folder / "rhei.db", "SELECT position, seen_ms FROM _rhei_engines")  # noqa: E731
    wait_until(lambda: [row[0] for row in told()] == [engine.status()["position"]], seconds=30, what="the engine's position")
    before = told()
    text = rh.run("status").stdout
    assert f"process {engine.process.pid}: position 3, 0 changes behind" in text and "0 changes behind, the engine" in text, text
    time.sleep(3)  # more than one pause between two signs of life
    assert told() == before
    engine.close()


def test_c7_status_and_info_tell_which_tables_keep_a_history(filled):
    assert "history" not in filled.run("status").stdout
    assert [table["keeps_history"] for table in json.loads(filled.run("status", "--json").stdout)["table_list"]] == [False, False]
    (filled.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\n[[tables]]\nname = "t"\nsync_mode = "temporal"\n')
    lines = filled.run("status", "--config", "rhei.toml").stdout.splitlines()
    assert any("history" in line for line in lines)
    assert [line.split()[0] for line in lines if line.rstrip().endswith("kept")] == ["t"]
    status = json.loads(filled.run("status", "--json", "--config", "rhei.toml").stdout)
    assert {table["name"]: table["keeps_history"] for table in status["table_list"]} == {"t": True, "u": False}
    assert json.loads(filled.run("info", "--config", "rhei.toml").stdout)["history"]["tables"] == ["t"]


KEEPS = '[engine]\noltp_path = "rhei.db"\nsync_mode = "temporal"\nolap_path = "folder"\n'


def test_lines_of_the_status_dont_contradict_each_other(filled):
    assert "Lag          none: no engine reads the log" in filled.run("status").stdout
    (filled.folder / "rhei.toml").write_text(KEEPS)
    filled.run("sync", "--capture", "--config", "rhei.toml")
    filled.run("exec", "INSERT INTO t VALUES (5000, 'x')", "--config", "rhei.toml")
    told = filled.run("status", "--config", "rhei.toml").stdout
    assert "1 change behind, the folder: no engine reads the log now" in told and "Cycles" not in told, told
    assert "Tables       2" in told
    status = json.loads(filled.run("status", "--json", "--config", "rhei.toml").stdout)
    assert status["tables"] == len(status["table_list"]) == 2 and {table["name"] for table in status["table_list"]} == {"t", "u"}


def test_what_is_wrong_with_the_folder_is_told_to_its_end(filled):
    """What is to be done about it stands there."""
    (filled.folder / "rhei.toml").write_text(KEEPS)
    filled.run("sync", "--capture", "--config", "rhei.toml")
    filled.run("detach")
    (filled.folder / "memory.toml").write_text(KEEPS.replace("olap_path", "#"))
    filled.run("sync", "--capture", "--config", "memory.toml")
    told = filled.run("status", "--config", "rhei.toml").stdout
    assert "UPDATE _rhei_meta SET value = '" in told and "WHERE key = 'database_id'" in told, told
    assert "not to be had" in told and not any(line.rstrip().endswith(" kept") for line in told.splitlines()), told


def test_sync_builds_reports_and_prunes(filled):
    filled.run("exec", "UPDATE t SET s = 'changed' WHERE id <= 10", "--capture")  # without it there is no log, and no position in it
    report = json.loads(filled.run("sync", "--json").stdout)
    assert report["tables"] == report["tables_ready"] == 2
    assert report["position"] > 0
    assert "In step at position" in filled.run("sync").stdout
    status = json.loads(filled.run("status", "--json").stdout)
    assert status["log_rows"] <= 1  # the newest stays, so that numbers never start again


def test_c7_sync_says_why_a_table_is_not_mirrored(rh, sqlite3_shell):
    rh.run("exec", "CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE VIRTUAL TABLE words USING fts5(text)", "--capture")
    text = rh.run("sync").stdout
    assert "Not mirrored: words: it is a virtual table" in text and "good" not in text
    assert "it is a virtual table" in rh.run("status", code=0).stdout


def test_info_is_json_both_ways(filled):
    one = json.loads(filled.run("info").stdout)
    text = filled.run("info", "--json").stdout
    other = json.loads(text)
    assert text.endswith("}\n") and text.count("\n") == 1
    assert one.keys() == other.keys() and one["oltp"]["path"].endswith("rhei.db")


def test_a6_verify_says_equal_and_counts(filled):
    done = filled.run("verify")
    assert "equal      t, 1,000 rows" in done.stdout and "2 tables and 1,002 rows are equal" in done.stdout
    lines = [json.loads(line) for line in filled.run("verify", "t", "--json").stdout.splitlines()]
    assert lines == [{"table": "t", "outcome": "equal", "rows": 1000, "message": ""}]
    done = filled.run("verify", "absent", code=1)
    assert "absent" in done.stderr


def test_a6_repair_mends_the_folder_of_the_column_store(filled, sqlite3_shell):
    (filled.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\n')
    filled.run("sync", "--capture", "--config", "rhei.toml")
    sqlite3_shell.run("rhei.db", "BEGIN IMMEDIATE; UPDATE t SET s = 'changed' WHERE id = 777;"
                      f"{FORGE}; COMMIT", code=None)
    done = filled.run("repair", "--config", "rhei.toml", code=0)
    assert "Mended 1 row in 1 part of 1 table: 2 tables and 1,002 rows are equal" in done.stdout and "differed" in done.stderr
    done = json.loads(filled.run("repair", "t", "--config", "rhei.toml", "--rate", "100000", "--json", code=0).stdout)
    assert done == {"tables": 1, "rows": 1000, "repaired": 0, "rebuilt": 0, "mended_pieces": 0, "mended_rows": 0, "history_lost": False, "error": None}
    assert "absent" in filled.run("repair", "absent", code=1).stderr


def test_a6_verify_names_a_damaged_file_and_what_to_do(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\n')
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 70000) SELECT i, 'value ' || i FROM n", "--capture")
    rh.run("sync", "--capture", "--config", "rhei.toml")
    victim = min(entry for entry in (rh.folder / "folder").iterdir() if entry.name.startswith("b-s-"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 8
    victim.write_bytes(bytes(data))
    told = rh.run("verify", "--config", "rhei.toml", code=1).stdout
    assert f'the file "{victim.name}" of the folder "folder" is damaged; rh repair mends the folder' in told and "report" not in told
    rh.run("repair", "--config", "rhei.toml", code=0)
    assert "are equal" in rh.run("verify", "--config", "rhei.toml", code=0).stdout


def test_c2_verify_after_foreign_writers(filled, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "UPDATE t SET s = s || '!' WHERE id % 7 = 0; DELETE FROM t WHERE id % 11 = 0; "
                      "REPLACE INTO t VALUES (7, 'replaced'); INSERT INTO u VALUES (2, NULL)", code=None)
    assert "are equal" in filled.run("verify").stdout


def test_read_only_does_not_write_the_file(filled):
    path = filled.folder / "rhei.db"
    filled.run("exec", "PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    assert filled.run("query", "SELECT count(*) AS n FROM t", "--read-only").stdout == "n\n1000\n"
    filled.run("status", "--read-only")
    done = filled.run("query", "INSERT INTO t VALUES (5000, 'x')", "--read-only", code=1)
    assert "READ_ONLY" in done.stderr
    assert path.read_bytes() == before


def test_a10_a_folder_with_the_history_of_another_database_is_refused(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\nolap_path = "folder"\nsync_mode = "temporal"\n')
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a')", "--capture")
    rh.run("sync", "--capture", "--config", "rhei.toml")
    before = {entry.name: entry.read_bytes() for entry in (rh.folder / "folder").iterdir() if entry.name != "lock"}
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "--capture", "--db", "other.db")
    done = rh.run("sync", "--capture", "--config", "rhei.toml", "--db", "other.db", code=1)
    assert "holds the history of another database file" in done.stderr and "EXISTS" in done.stderr
    assert before == {entry.name: entry.read_bytes() for entry in (rh.folder / "folder").iterdir() if entry.name != "lock"}
    rh.run("sync", "--capture", "--config", "rhei.toml")
    assert "a" in rh.run("exec", "SELECT v FROM t_history", "--config", "rhei.toml").stdout
