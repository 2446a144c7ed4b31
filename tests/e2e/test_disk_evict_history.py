"""A3, A5, A9, A11: tables with a history, and whole tables that come in one statement, bigger than the memory they may have (olap_memory_limit)."""

import contextlib
import json
import resource
import time

import pytest

import foreign
from rhei_engine import EngineDied, RheiError

LIMIT = 64 << 20  # three fifths are the column store's, which may pass them by a quarter
MOST = LIMIT * 3 // 4
ROWS = 250000  # of about 190 bytes, twice with their versions
TEXT = "printf('row %d of a table that is bigger than the memory it may have, and keeps what it was ', {0}) || hex({0} * 2654435761)"
SERIES = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"


@pytest.fixture
def place(folder):
    return folder / "mirror"


@pytest.fixture
def start(open_engine, folder, path, place):
    """An engine that keeps histories, within the limit; `mode` in place of it."""

    def begin(mode="temporal", **config):
        (folder / "mode.toml").write_text(f'[engine]\nsync_mode = "{mode}"\n')
        config = {"olap_path": place, "olap_memory_limit": LIMIT, "checkpoint_interval_ms": 200, **config}
        return open_engine(config_file=folder / "mode.toml", **config)

    return begin


def disk(engine):
    return json.loads(engine.info())["disk"]


def memory(engine):
    return json.loads(engine.info())["olap"]


def resident(engine):
    """Of the process, in bytes, at most so far."""
    with open(f"/proc/{engine.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))


def state(engine, table="big"):
    return engine.tables()[table][0]


def wait_for(engine, wanted, seconds=100):
    until = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < until, (engine.tables(), disk(engine), engine.log[-8:])
        assert memory(engine)["memory_bytes"] <= MOST
        time.sleep(0.02)


def ready(engine, table="big"):
    wait_for(engine, lambda: state(engine, table) == 2)


def build(engine):
    engine.ok("initial_sync", "timeout=110000", timeout=120)
    ready(engine)


def create(engine, rows=ROWS):
    engine.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT)")
    if rows > 0:
        insert(engine, rows)


def insert(engine, rows=ROWS, first=1):
    """One statement, so one transaction."""
    engine.execute(f"{SERIES.format(rows=rows)} INSERT INTO big SELECT i + {first - 1}, i % 1000, i / 7.0, {TEXT.format('i')} FROM n")


QUESTION = "SELECT count(*), sum(k), sum(length(t)), max(id) FROM {0}"


def assert_current(engine, table="big"):
    expected = engine.query(QUESTION.format(table), route="oltp").rows
    assert engine.query(QUESTION.format(table), route="olap").rows == expected
    return expected


def versions(engine, where="1"):
    return engine.query(f"SELECT count(*), sum(k), sum(length(t)) FROM big_history WHERE {where}").rows[0]


def test_a11_a_load_with_a_history_bigger_than_the_memory(start):
    engine = start(manual_sync=True)
    create(engine)
    began = time.monotonic()
    build(engine)
    print(f"loaded in {time.monotonic() - began:.2f} s, {resident(engine) >> 20} MiB resident")
    assert_current(engine)
    assert versions(engine)[0] == ROWS


@pytest.mark.parametrize("rows", (ROWS, 1000000))
def test_a11_one_statement_that_inserts_more_than_fits(start, rows):
    """A cycle is one transaction: what it brings goes to files before it is published."""
    engine = start()
    create(engine, 0)
    build(engine)
    insert(engine, rows)
    engine.sync()
    assert not told_away(engine), (memory(engine), told_away(engine))
    assert_current(engine)
    assert versions(engine)[0] == rows
    print(f"{resident(engine) >> 20} MiB resident")
    engine.kill()
    engine = start()
    build(engine)
    assert_current(engine)
    assert versions(engine)[0] == rows


def told_away(engine):
    """A table was set aside, or a history ended."""
    return [text for _, _, text in engine.log if "no longer mirrored" in text or "could not be built" in text or "ended:" in text]


def test_a9_every_row_changes_and_goes_in_one_statement_each(start):
    """UPDATE and DELETE of all rows: as many versions more, and each transaction is whole in the history."""
    engine = start()
    create(engine)
    build(engine)
    before = assert_current(engine)[0]
    for step, sql in enumerate(("UPDATE big SET k = k + 1", "UPDATE big SET t = t || '!'", "DELETE FROM big")):
        engine.execute(sql)
        engine.sync()
        assert not told_away(engine), (memory(engine), told_away(engine))
        assert_current(engine)
        assert versions(engine)[0] == ROWS * (step + 2)
    assert versions(engine, "_rhei_valid_to IS NULL")[0] == 0
    assert versions(engine, "_rhei_operation = 'I'") == (before[0], before[1], before[2])
    assert versions(engine, "_rhei_operation = 'D'") == (before[0], before[1] + ROWS, before[2] + ROWS)
    print(f"{resident(engine) >> 20} MiB resident")
    engine.close()
    engine = start()
    assert versions(engine)[0] == 4 * ROWS


def test_a11_rows_that_change_in_no_order(start):
    """Their versions lie all over the files: no more of them is in memory at a time than fits."""
    engine = start()
    create(engine)
    build(engine)
    engine.execute("UPDATE big SET k = k + 1 WHERE id IN (SELECT (i * 7919) % 250000 + 1 FROM (WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL "
                   "SELECT i + 1 FROM n WHERE i < 3000) SELECT i FROM n))")
    session = [(number * 104729 % ROWS + 1, ) for number in range(3000)]
    engine.batch("UPDATE big SET r = r + 1 WHERE id = ?", session)
    engine.sync()
    assert not told_away(engine), (memory(engine), told_away(engine))
    assert_current(engine)
    assert versions(engine)[0] == ROWS + 6000
    assert memory(engine)["memory_bytes"] <= MOST


@pytest.mark.parametrize("mode", ("destructive", "temporal"))
@pytest.mark.parametrize("how", ("CREATE TABLE AS", "INSERT"))
def test_a5_a_neighbour_that_comes_in_one_statement(start, mode, how):
    """Beside a table that fills the memory already."""
    engine = start(mode)
    create(engine)
    build(engine)
    if how == "INSERT":
        engine.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT)")
        build(engine)
        engine.execute("INSERT INTO other SELECT * FROM big UNION ALL SELECT id + 1000000, k, r, t FROM big")
    else:
        engine.execute("CREATE TABLE other AS SELECT * FROM big UNION ALL SELECT id + 1000000, k, r, t FROM big")
    engine.sync()
    ready(engine, "other")
    for table in ("big", "other"):
        ready(engine, table)
        assert_current(engine, table)
    print(f"{resident(engine) >> 20} MiB resident, {told_away(engine)}")


def test_a5_without_a_folder_the_limit_is_hard_and_says_what_to_do(start):
    engine = start(olap_path=None, manual_sync=False)
    engine.execute("CREATE TABLE small (id INTEGER PRIMARY KEY, v INTEGER)")
    create(engine)
    engine.ok("initial_sync", "timeout=110000", timeout=120)
    wait_for(engine, lambda: state(engine) == 3 and state(engine, "small") == 2)
    message = engine.tables()["big"][2]
    assert "raise olap_memory_limit, give it a folder (olap_path)" in message and "tried again when" in message, message
    assert engine.query(QUESTION.format("big")).route != "olap"
    engine.execute("INSERT INTO small VALUES (1, 2)")
    engine.sync()
    assert engine.query("SELECT v FROM small", route="olap").rows == [(2, )]
    assert len(told_away(engine)) <= 3, engine.log
    engine.execute("DELETE FROM big WHERE id > 1000")  # now it fits
    wait_for(engine, lambda: state(engine) == 2)
    assert_current(engine)


POINTS = ("evict.spill", "evict.spilled", "sync.build.batch", "sync.build.loaded", "sync.cycle.batch", "sync.cycle.applied", "checkpoint.written")


@pytest.mark.parametrize("point", POINTS)
def test_a3_kill_in_the_midst_of_a_load_and_of_a_cycle(point, start, spawn, folder, path, place):
    died = 0
    create_engine = start(olap_path=None, olap_memory_limit=None, manual_sync=True)
    create(create_engine, 200000)
    create_engine.close()
    for life in (1, 3):
        engine = spawn()
        try:
            engine.open(path, olap_path=place, prefer_olap=True, threads=2, olap_memory_limit=LIMIT, checkpoint_interval_ms=100,
                        config_file=folder / "mode.toml", die_point=point, die_at=7 * life if "checkpoint" not in point and "ed" not in point else life)
            build(engine)
            engine.execute("UPDATE big SET k = k + 1")
            engine.sync()
            engine.execute("UPDATE big SET r = r + 1")
            engine.sync()
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died += 1
        engine.kill()
        engine = start()
        build(engine)
        assert_current(engine)
        current = engine.query("SELECT count(*), sum(k) FROM big", route="oltp").rows
        assert engine.query("SELECT count(*), sum(k) FROM big_history WHERE _rhei_valid_to IS NULL").rows == current
        engine.verify("big")
        assert not told_away(engine), (memory(engine), told_away(engine))
        engine.close()
    assert died > 0


@pytest.mark.parametrize("mode", ("destructive", "temporal"))
def test_a5_a_table_that_was_set_aside_comes_back_by_itself(mode, start, path):
    """While nothing can be put in files the limit is the limit; afterwards nobody need ask for the table."""
    engine = start(mode, popen={"restore_signals": False})
    create(engine, 1000)
    build(engine)
    wait_for(engine, lambda: disk(engine)["checkpoints"] > 0)
    before = engine.query("SELECT max(_rhei_valid_from) FROM big_history").value if mode == "temporal" else 0
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    with contextlib.closing(foreign.connect(path)) as connection:  # our own database file can't grow now
        connection.execute(f"{SERIES.format(rows=ROWS)} INSERT INTO big SELECT i + 1000, i % 1000, i / 7.0, {TEXT.format('i')} FROM n")
        connection.commit()
    wait_for(engine, lambda: state(engine) == 3)
    message = engine.tables()["big"][2]
    assert "would pass its limit" in message and "tried again when" in message, message
    assert engine.query(QUESTION.format("big")).route != "olap"
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_for(engine, lambda: state(engine) == 2, seconds=25)
    assert_current(engine)
    if mode == "destructive":
        return
    current = engine.query("SELECT count(*), sum(k) FROM big", route="oltp").rows
    assert engine.query("SELECT count(*), sum(k) FROM big_history WHERE _rhei_valid_to IS NULL").rows == current
    since = engine.query("SELECT max(_rhei_valid_from) FROM big_history").value
    for time_us in range(before, since, max(1, (since - before) // 50)):  # none of the transaction, or all, or it isn't known
        try:
            rows = engine.query(f"SELECT count(*) FROM big FOR SYSTEM_TIME AS OF {time_us}").value
            assert rows in (0, 1000, ROWS + 1000), (time_us, rows)
        except RheiError as error:
            assert error.name in ("INVALID", "SQL", "NOT_FOUND"), error
    assert engine.query(f"SELECT count(*) FROM big FOR SYSTEM_TIME AS OF {since}").value == ROWS + 1000
    if not any("ended:" in text for text in told_away(engine)):  # what was before isn't lost, unless the history itself met the limit
        assert engine.query(f"SELECT count(*) FROM big FOR SYSTEM_TIME AS OF {before}").value == 1000
    engine.verify("big")
