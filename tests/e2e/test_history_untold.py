"""A9, A7: changes that the log doesn't tell. What they did is refused between the two ends that are known, what was answered stays as it was answered, and a
log that was dropped goes on beyond every number that it gave, also those of rows that nobody read."""

import json
import time

import pytest

import foreign
from foreign import shell
from rhei_engine import RheiError
from test_history_crash import checkpoints
from test_history_ranges import gaps
from test_processes import wait_until

CHANGE = "DELETE FROM t WHERE id = 2; UPDATE t SET v = 'z';"
BEFORE, AFTER = [(1, "a"), (2, "b")], [(1, "z")]
WHERE = ("live", "closed", "killed")


@pytest.fixture
def open_temporal(folder, open_engine):
    def start():
        (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
        return open_engine(config_file=folder / "temporal.toml", olap_path=folder / "mirror", checkpoint_interval_ms=50)
    return start


def begin(engine):
    """The position of the two rows, which the folder has."""
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    made = checkpoints(engine)
    position = engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").position
    engine.sync()
    wait_until(lambda: checkpoints(engine) > made, what="a checkpoint")
    return position


def leave(engine, where):
    if where == "closed":
        engine.close()
    elif where == "killed":
        engine.kill()


def now_us():
    return int(time.time() * 1e6)


def untold(path, how, change):
    triggers = foreign.rows(path, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '!_rhei!_cdc!_%' ESCAPE '!'")
    assert triggers
    off = "".join(f'DROP TRIGGER "{name}";' for name, _ in triggers)
    on = "".join(f"{sql};" for _, sql in triggers)
    shell(path, {"made again": f"BEGIN IMMEDIATE; {off} {change} {on} COMMIT;", "left off": f"BEGIN IMMEDIATE; {off} {change} COMMIT;",
                 "switched off": f".dbconfig enable_trigger off\n{change}"}[how])


def refused(engine, clause):
    with pytest.raises(RheiError) as error:
        engine.query(f"SELECT * FROM t {clause}")
    assert error.value.name == "NOT_FOUND" and "doesn't know what the table was between" in error.value.message


def as_of(engine, clause):
    return engine.query(f"SELECT id, v FROM t {clause} ORDER BY id").rows


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("how", ["made again", "left off", "switched off"])
def test_a9_a_change_past_the_triggers_is_refused_between_its_ends(how, where, path, open_temporal):
    engine = open_temporal()
    position = begin(engine)
    assert as_of(engine, f"AS OF POSITION {position}") == BEFORE
    leave(engine, where)
    began = now_us()
    untold(path, how, CHANGE)
    if where != "live":
        engine = open_temporal()
    wait_until(lambda: gaps(engine), what="a gap")
    engine.initial_sync()
    gap, = gaps(engine)
    assert gap["from_us"] < gap["to_us"] and gap["to_us"] >= began, (gap, began)
    refused(engine, f"FOR SYSTEM_TIME AS OF {gap['to_us'] - 1}")
    assert as_of(engine, f"FOR SYSTEM_TIME AS OF {gap['from_us']}") == BEFORE
    assert as_of(engine, f"FOR SYSTEM_TIME AS OF {gap['to_us']}") == as_of(engine, "") == AFTER
    assert as_of(engine, f"AS OF POSITION {position}") == BEFORE
    written = engine.execute("INSERT INTO t VALUES (3, 'c')").position
    for again in range(2):
        assert as_of(engine, f"AS OF POSITION {written}") == AFTER + [(3, "c")]
        assert as_of(engine, f"AS OF POSITION {position}") == BEFORE
        assert gaps(engine) == [gap]
        engine.close()
        if not again:
            engine = open_temporal()
            engine.initial_sync()


def test_a9_there_is_no_gap_where_nothing_was_changed(path, open_temporal):
    engine = open_temporal()
    position = begin(engine)
    builds = engine.query("SELECT max(_rhei_seq) FROM t_history").value
    untold(path, "made again", "")
    engine.sync()
    engine.initial_sync()
    assert engine.execute("UPDATE t SET v = 'c' WHERE id = 1").position > position
    assert gaps(engine) == [] and builds == position
    assert as_of(engine, f"AS OF POSITION {position}") == BEFORE
    assert as_of(engine, f"FOR SYSTEM_TIME AS OF {now_us()}") == [(1, "c"), (2, "b")]


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("how", ["made again", "left off", "switched off"])
def test_a9_as_of_the_position_of_an_answer_is_what_was_answered(how, where, path, open_temporal):
    """Also where nothing was written since others changed the table past its triggers: a position parts what was before from what is loaded."""
    engine = open_temporal()
    before = begin(engine)
    leave(engine, where)
    untold(path, how, CHANGE)
    if where != "live":
        engine = open_temporal()
    wait_until(lambda: gaps(engine), what="a gap")
    engine.initial_sync()
    for again in range(2):
        answered = engine.query("SELECT id, v FROM t ORDER BY id", route="olap")
        assert answered.rows == AFTER and answered.position > before
        assert as_of(engine, f"AS OF POSITION {answered.position}") == AFTER
        assert as_of(engine, f"AS OF POSITION {before}") == BEFORE
        engine.close()
        if not again:
            engine = open_temporal()
            engine.initial_sync()
            assert len(gaps(engine)) == 1


@pytest.mark.parametrize("how", ["made again", "left off", "switched off"])
@pytest.mark.parametrize("write", [True, False])
def test_a9_a_position_that_memory_alone_knew_is_not_told_as_others_left_it(write, how, path, folder, open_engine):
    """It was answered, the engine died before its folder had it, and the table was changed past its triggers before the next one looked."""
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    places = dict(config_file=folder / "temporal.toml", olap_path=folder / "mirror", checkpoint_interval_ms=600000)
    engine = open_engine(**places)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    engine.initial_sync()
    kept = engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").position
    engine.sync()
    engine.checkpoint()
    answered = engine.execute("INSERT INTO t VALUES (3, 'c')").position
    then = BEFORE + [(3, "c")]
    assert as_of(engine, f"AS OF POSITION {answered}") == then
    engine.kill()
    untold(path, how, CHANGE)
    engine = open_engine(**places)
    engine.initial_sync()
    wait_until(lambda: gaps(engine), what="a gap")
    engine.initial_sync()
    if write:
        engine.execute("INSERT INTO t VALUES (4, 'd')")
    now = as_of(engine, "")
    try:
        assert as_of(engine, f"AS OF POSITION {answered}") == then
    except RheiError as refused_there:
        assert refused_there.name == "NOT_FOUND" and "doesn't know what the table was between" in refused_there.message
    assert as_of(engine, f"AS OF POSITION {kept}") == BEFORE
    assert as_of(engine, f"AS OF POSITION {engine.query('SELECT count(*) FROM t', route='olap').position}") == now
    assert now == [(1, "z"), (3, "z")] + [(4, "d")] * write


@pytest.mark.parametrize("where", WHERE)
def test_a7_numbers_of_a_dropped_log_go_on_beyond_rows_that_nobody_read(where, path, open_temporal):
    engine = open_temporal()
    position = begin(engine)
    seen = {position}
    for _ in range(2):  # the second time the numbers are those of a clock already
        leave(engine, where)
        top, = foreign.rows(path, "SELECT max(seq) FROM _rhei_cdc_log")[0]
        shell(path, "BEGIN;" + "INSERT INTO t (v) VALUES ('f');" * 10 + "DROP TABLE _rhei_cdc_log; COMMIT;")
        seen.add(top + 10)
        if where != "live":
            engine = open_temporal()
        wait_until(lambda: foreign.rows(path, "SELECT count(*) FROM sqlite_schema WHERE name = '_rhei_cdc_log'") == [(1,)], what="a log")
        engine.initial_sync()
        seen.add(engine.execute("INSERT INTO t (v) VALUES ('after')").position)
        assert sorted(seen)[-1] == engine.sync()["position"] and len(seen) == len(set(seen))
        assert engine.query("SELECT count(*) FROM t", route="olap").value == engine.query("SELECT count(*) FROM t", route="oltp").value
        assert as_of(engine, f"AS OF POSITION {position}") == BEFORE
        newest = max(seen)
        assert foreign.rows(path, "SELECT max(seq) FROM _rhei_cdc_log") == [(newest,)] and newest > top + 10
        assert newest < 2**53  # exact in JSON, too
    engine.close()


def test_a7_a_new_files_numbers_begin_with_1(path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE t (a)")
    assert engine.execute("INSERT INTO t VALUES (1)").position == 1
    engine.close()
    assert json.dumps(foreign.rows(path, "SELECT max(seq) FROM _rhei_cdc_log")) == "[[1]]"
