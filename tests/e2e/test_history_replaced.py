"""A9: the history goes on, and is all in the folder, after the file under it was replaced by an older copy, or its change capture was taken apart."""

import json
import re
import sqlite3

import pytest

from rhei_engine import RheiError
from test_history_crash import checkpoints
from test_processes import wait_until

VERSIONS = "SELECT v, _rhei_operation, _rhei_seq FROM t_history ORDER BY _rhei_valid_from, _rhei_seq, v"


def in_the_folder(engine, write):
    """What is written is in a checkpoint of its own."""
    made = checkpoints(engine)
    write()
    engine.sync()
    wait_until(lambda: checkpoints(engine) > made, what="a checkpoint")


@pytest.fixture
def places(folder):
    (folder / "rhei.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    return {"config_file": folder / "rhei.toml", "olap_path": folder / "mirror", "checkpoint_interval_ms": 50}


@pytest.mark.parametrize("lost", [1, 5])
def test_a9_versions_go_on_in_the_folder_where_positions_went_back(lost, path, folder, places, open_engine):
    """With fewer changes behind the older copy than went with the newer one: each checkpoint lies before the one that was."""
    engine = open_engine(**places)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    in_the_folder(engine, lambda: engine.execute("INSERT INTO t VALUES (1, 0)"))
    live, copy = sqlite3.connect(path, timeout=60), sqlite3.connect(folder / "copy.db", timeout=60)
    live.backup(copy)
    in_the_folder(engine, lambda: [engine.execute("UPDATE t SET v = v + 1") for _ in range(lost)])
    copy.backup(live)
    live.close()
    copy.close()
    engine.sync()
    engine.initial_sync()
    for v in (100, 101, 102):
        in_the_folder(engine, lambda v=v: engine.execute(f"UPDATE t SET v = {v}"))
    versions = engine.query(VERSIONS).rows
    assert [row[0] for row in versions if row[1] != "D"] == [*range(lost + 1), 0, 100, 101, 102]
    engine.close()
    engine = open_engine(**places)
    engine.initial_sync()
    assert json.loads(engine.info())["disk"]["message"] == "" and json.loads(engine.info())["disk"]["restored_tables"] == 1
    assert engine.query(VERSIONS).rows == versions
    engine.close()


LOG, META, TABLES, ENGINES, CONSUMERS = ("_rhei_cdc_log", "_rhei_meta", "_rhei_tables", "_rhei_engines", "_rhei_consumers")
APART = {
    "log": f"DROP TABLE {LOG}",
    "meta": f"DROP TABLE {META}",
    "tables": f"DROP TABLE {TABLES}",
    "meta and log": f"DROP TABLE {META}; DROP TABLE {LOG}",
    "what names the file": f"DELETE FROM {META} WHERE key = 'database_id'",
}
ALL = "DROP VIEW _rhei_cdc_events; " + "; ".join(f"DROP TABLE {name}" for name in (LOG, META, TABLES, ENGINES, CONSUMERS))


def begun(open_engine, places):
    """A file with a history in its folder, closed; what the history is."""
    engine = open_engine(**places)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (id INTEGER PRIMARY KEY)")
    engine.initial_sync()
    for v in range(3):
        engine.execute("INSERT OR REPLACE INTO t VALUES (1, ?)", v)
    engine.sync()
    versions = engine.query(VERSIONS).rows
    assert [row[:2] for row in versions] == [(0, "I"), (1, "U"), (2, "U")]
    engine.close()
    return versions


def goes_on(open_engine, places, versions):
    """The change that was made meanwhile is a version by the load, the next one by itself, and both are in the folder."""
    for v, disk in ((4, "change capture"), (5, "")):
        engine = open_engine(**places)
        engine.initial_sync()
        assert disk in json.loads(engine.info())["disk"]["message"]
        found = engine.query(VERSIONS).rows
        assert found[:len(versions)] == versions and [row[:2] for row in found[3:]] == [(v, "U") for v in range(3, v)]
        engine.execute(f"UPDATE t SET v = {v}")
        versions = engine.query(VERSIONS).rows
        assert versions[:-1] == found and versions[-1][:2] == (v, "U")
        engine.close()


def outside_drops(path, script):
    file = sqlite3.connect(path, isolation_level=None, timeout=60)
    file.executescript("UPDATE t SET v = 3; " + script)
    file.close()


@pytest.mark.parametrize("what", APART)
def test_a9_history_goes_on_where_another_program_dropped_tables_of_capture(what, path, places, open_engine):
    versions = begun(open_engine, places)
    outside_drops(path, APART[what])
    goes_on(open_engine, places, versions)


@pytest.mark.parametrize("what", ("log", "tables"))
def test_a9_history_goes_on_beside_a_buffer_of_before(what, path, folder, places, open_engine):
    places["rocksdb_cdc_path"] = folder / "changes"
    versions = begun(open_engine, places)
    outside_drops(path, APART[what])
    goes_on(open_engine, places, versions)


def test_a9_a_file_that_knows_nothing_of_its_folder_is_told_what_to_do(path, places, open_engine):
    versions = begun(open_engine, places)
    outside_drops(path, ALL)
    with pytest.raises(RheiError) as refused:
        open_engine(**places)
    assert refused.value.name == "EXISTS"
    file = sqlite3.connect(path, isolation_level=None, timeout=60)
    file.execute(re.search(r"UPDATE _rhei_meta .*", refused.value.message)[0])
    file.close()
    engine = open_engine(**places)
    engine.initial_sync()
    assert engine.query("SELECT v, _rhei_operation FROM t_history ORDER BY _rhei_valid_from, _rhei_seq").rows == [
        *(row[:2] for row in versions), (3, "U")]
    engine.close()


@pytest.mark.parametrize("what", ("meta", "meta and log"))
def test_a10_another_files_folder_is_refused_where_capture_was_taken_apart_too(what, path, folder, places, open_engine):
    begun(open_engine, places)
    other = open_engine(folder / "other.db")
    other.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (7, 7); UPDATE t SET v = 8; UPDATE t SET v = 9; UPDATE t SET v = 10")
    other.close()
    outside_drops(folder / "other.db", APART[what])
    with pytest.raises(RheiError) as refused:
        open_engine(folder / "other.db", **places)
    assert refused.value.name == "EXISTS"
