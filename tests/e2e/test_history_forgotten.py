"""B10, A9: what is forgotten of a history leaves it true: a generation of columns that goes as a whole takes no gap along and lets nobody take what is left for
all that there was, and versions are counted by their row, whatever the columns were meanwhile.
"""

import time

import pytest

import foreign
from rhei_engine import RheiError
from test_history_ranges import gaps
from test_processes import wait_until


@pytest.fixture
def start(folder, open_engine):
    def opened(more):
        (folder / "temporal.toml").write_text(f'[engine]\nsync_mode = "temporal"\n{more}\n')
        engine = open_engine(config_file=folder / "temporal.toml", olap_path=folder / "mirror")
        engine.initial_sync()
        return engine
    return opened


def generations(engine, table):
    return engine.query("SELECT count(*) FROM history.tables WHERE table_name = ?1", table).value


def now_us():
    return int(time.time() * 1e6)


@pytest.mark.parametrize("more", ["history_max_versions = 9", "history_max_age = 1"])
def test_b10_a_gap_outlives_the_columns_that_it_was_of(more, start, path):
    engine = start(more)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    first = engine.execute("INSERT INTO t VALUES (1, 'a')").position
    engine.sync()
    began = engine.query("SELECT began FROM history.tables WHERE table_name = 't'").value
    foreign.shell(path, "BEGIN; INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (3, 'c'); ALTER TABLE t ADD COLUMN w; COMMIT;")  # nobody sees a part
    wait_until(lambda: gaps(engine), what="a gap")
    engine.initial_sync()
    gap, = gaps(engine)
    wait_until(lambda: generations(engine, "t") == 1, what="the old columns' generation to go, which nothing ended in")
    assert gaps(engine) == [gap]
    assert engine.query("SELECT began FROM history.tables WHERE table_name = 't'").value == began
    with pytest.raises(RheiError) as refused:
        engine.query(f"SELECT id FROM t FOR SYSTEM_TIME AS OF {gap['to_us'] - 1}")
    assert refused.value.name == "NOT_FOUND" and "doesn't know what the table was between" in refused.value.message
    assert engine.query(f"SELECT id, v FROM t AS OF POSITION {first}").rows == [(1, "a")]


def test_b10_nothing_is_told_of_the_time_of_a_table_that_was_forgotten(start):
    """The table that has its name now had another one then."""
    engine = start("history_max_age = 1")
    engine.script("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY)")
    engine.initial_sync()
    engine.execute("INSERT INTO a VALUES (1)")
    position = engine.execute("INSERT INTO b VALUES (2)").position
    engine.sync()
    then = now_us()
    engine.execute("DROP TABLE a")
    engine.initial_sync()
    engine.execute("ALTER TABLE b RENAME TO a")
    engine.initial_sync()
    assert engine.query(f"SELECT id FROM a AS OF POSITION {position - 1}").rows in ([], [(1,)])  # it is a second old already, or not yet
    wait_until(lambda: generations(engine, "a") == 1, what="what the name stood for to be forgotten")
    kept, seq = engine.query("SELECT kept_from, kept_from_seq FROM history.tables WHERE table_name = 'a'").rows[0]
    assert kept is not None and kept > then and seq >= position
    assert engine.query(f"SELECT id FROM a FOR SYSTEM_TIME AS OF {then}").rows == []
    wait_until(lambda: any('the history of table "a" begins at' in text for _, _, text in engine.log), what="word of it")
    assert engine.query(f"SELECT id FROM a FOR SYSTEM_TIME AS OF {kept}").rows == [(2,)]


@pytest.mark.parametrize("sql", ["ALTER TABLE t DROP COLUMN w", "ALTER TABLE t ADD COLUMN x", "ALTER TABLE t RENAME COLUMN id TO i; ALTER TABLE t DROP COLUMN w"])
def test_b10_versions_are_counted_by_their_row_whatever_its_columns_were(sql, start):
    engine = start("history_max_versions = 2")
    engine.execute("CREATE TABLE t (w, id TEXT PRIMARY KEY, v) WITHOUT ROWID")
    engine.initial_sync()
    engine.execute("INSERT INTO t VALUES (0, 'x', 0), (0, 'y', 0)")
    engine.execute("UPDATE t SET v = 'a' WHERE id = 'x'")
    engine.execute("UPDATE t SET v = 'b' WHERE id = 'x'")
    still = engine.execute("UPDATE t SET v = 'c' WHERE id = 'y'").position
    for change in sql.split("; "):
        engine.execute(change)
        engine.initial_sync()
    for n in range(3):
        engine.execute(f"UPDATE t SET v = {n} WHERE v = 'b' OR typeof(v) = 'integer'")
    engine.sync()
    versions = "SELECT v FROM t FOR SYSTEM_TIME ALL ORDER BY _rhei_seq"
    wait_until(lambda: len(engine.query(versions).rows) == 5, what="all but two of each row that ended to be forgotten")
    assert engine.query(versions).rows == [(0,), ("c",), (0,), (1,), (2,)]
    assert engine.query("SELECT max(kept_from_seq) FROM history.tables WHERE table_name = 't'").value > still
