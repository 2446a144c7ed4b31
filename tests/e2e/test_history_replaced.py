"""A9: the history goes on, and is all in the folder, after the file under it was replaced by an older copy, or its change capture was taken apart."""

import json
import sqlite3

import pytest

from test_processes import wait_until

VERSIONS = "SELECT v, _rhei_operation, _rhei_seq FROM t_history ORDER BY _rhei_valid_from, _rhei_seq, v"


def checkpoints(engine):
    return json.loads(engine.info())["disk"]["checkpoints"]


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
