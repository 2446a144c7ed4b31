"""A6, A9, A10: a file of a history that turns out damaged while it is in use. Who needs it is told, by table and file; nobody else notices; and from then on
nothing is told of before, whatever dies in between.
"""

import json
import re
import time

import pytest

import foreign
from rh_program import rh  # noqa: F401 (a fixture)
from rhei_engine import LIMIT, EngineDied, RheiError, answer, text_word
from segment_files import read_segment

ROWS = 70000  # more than a segment has
FIRST = f"AS OF POSITION {ROWS}"
NOW = "FOR SYSTEM_TIME AS OF '2099-01-01'"
NEVER = (1 << 63) - 1


@pytest.fixture
def place(folder):
    return folder / "mirror"


@pytest.fixture
def start(folder, place, open_engine):
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')

    def opened(**config):
        config.setdefault("manual_sync", True)  # nothing is mended before a call asks for it
        return open_engine(config_file=folder / "temporal.toml", olap_path=place, **config)

    return opened


def fill(engine):
    fill_open(engine)
    engine.close()


def fill_open(engine):
    """Three versions of each row: t has positions 1 to ROWS, and then in turn with u."""
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)")
    engine.initial_sync()
    for table in ("t", "u"):
        engine.execute(f"INSERT INTO {table} SELECT value, '{table}0 ' || value FROM (WITH RECURSIVE n(value) AS (VALUES(1) UNION ALL SELECT value + 1 "
                       "FROM n WHERE value < ?) SELECT value FROM n)", ROWS)
        engine.sync()
    for generation in ("1", "2"):
        for table in ("t", "u"):
            engine.execute(f"UPDATE {table} SET v = '{table}' || ? || ' ' || id", generation)
            engine.sync()
    engine.checkpoint()


def part_of(file):
    """Which part of a history, or a table's rows, the file of a segment has."""
    data = file.read_bytes()
    if b"_rhei_valid_to" not in data:
        return "table"
    return "ended" if b"rowid" in data else "open"


def is_of_t(file):
    values = (value for column in read_segment(file).columns for value in column.to_pylist())
    return any(isinstance(value, str) and re.match(r"t\d \d", value) for value in values)


def files(place, part):
    return [file for file in sorted(place.glob("b-s-*")) if part_of(file) == part and is_of_t(file)]


def flip(file):
    """A bit of every 4 KiB but of its directory, so that each column has one."""
    data = bytearray(file.read_bytes())
    for at in range(1000, len(data) - 20000, 4096):
        data[at] ^= 1
    file.write_bytes(bytes(data))


def cut(file):
    """The file ends early once it is open."""
    file.write_bytes(file.read_bytes()[:4096])


def waits_for_background(engine):
    """The comparison that follows a take-over is over: from then on only calls run cycles."""
    until = time.monotonic() + LIMIT
    while json.loads(engine.info())["sync"]["verifications"] == 0:
        assert time.monotonic() < until


def with_a_past_on_disk(start):
    """Opened again, so that the history is in its files alone."""
    fill(start())
    engine = start()
    engine.initial_sync()
    waits_for_background(engine)
    return engine


def asked(engine, sql):
    return engine.query(sql, route="auto", freshness="eventual").rows


def refused(engine, sql, file):
    with pytest.raises(RheiError) as told:
        asked(engine, sql)
    assert told.value.name == "IO", told.value
    assert 'the history of table "t"' in told.value.message and f'"{file.name}"' in told.value.message, told.value
    assert "ask again" in told.value.message


def others_go_on(engine):
    """The column store answers, at once: the table's own rows, and everything of the other table."""
    for sql, row in (("SELECT count(*), min(v) FROM t", (ROWS, "t2 1")), ("SELECT count(*), min(v) FROM u", (ROWS, "u2 1")),
                     (f"SELECT count(*), min(v) FROM u AS OF POSITION {2 * ROWS}", (ROWS, "u0 1"))):
        answer = engine.query(sql, route="olap", freshness="eventual")
        assert answer.rows == [row] and answer.route == "olap", sql
    (count, low), = engine.query("SELECT count(*), min(v) FROM t GROUP BY substr(v, 1, 2)", route="olap", freshness="eventual").rows
    assert (count, low) == (ROWS, "t2 1")


def nothing_of_before(engine, version="t2"):
    """The past begins now, and from there on all is told."""
    assert engine.query(f"SELECT count(*) FROM t {FIRST}").rows == [(0,)]
    assert engine.query(f"SELECT count(*), min(v), max(length(v)) FROM t {NOW}").rows == [(ROWS, f"{version} 1", 8)]
    assert engine.query(f"SELECT count(*) FROM t h JOIN t {NOW} AS n USING (id, v)").rows == [(ROWS,)]
    assert engine.query("SELECT count(*), count(DISTINCT id) FROM t_history WHERE _rhei_valid_to IS NULL").rows == [(ROWS, ROWS)]
    assert engine.query(f"SELECT count(*), min(v) FROM u AS OF POSITION {2 * ROWS}").rows == [(ROWS, "u0 1")]
    (kept,), = engine.query("SELECT kept_from_seq FROM history.tables WHERE table_name = 't'").rows
    assert kept >= 6 * ROWS
    engine.execute("UPDATE t SET v = 'later ' || id WHERE id <= 9")
    engine.sync()
    assert engine.query(f"SELECT count(*), min(v) FROM t AS OF POSITION {kept}").rows == [(ROWS, f"{version} 1")]
    assert engine.query(f"SELECT count(*) FROM t {NOW} WHERE v LIKE 'later%'").rows == [(9,)]
    engine.execute(f"UPDATE t SET v = '{version} ' || id WHERE id <= 9")
    engine.sync()


@pytest.mark.parametrize("harm", (flip, cut))
@pytest.mark.parametrize("part, sql", (("ended", f"SELECT count(*), min(v) FROM t {FIRST}"), ("open", f"SELECT count(*), min(v) FROM t {NOW}")))
def test_a9_who_needs_a_damaged_file_of_a_history_is_told_and_nobody_else_notices(part, sql, harm, place, start):
    engine = with_a_past_on_disk(start)
    victim = files(place, part)[0]
    harm(victim)
    refused(engine, sql, victim)
    others_go_on(engine)
    refused(engine, sql, victim)  # as long as nobody mended it
    engine.sync()
    others_go_on(engine)
    nothing_of_before(engine)
    told = [text for _, _, text in engine.log if 'the history of table "t" are lost' in text]
    assert len(told) == 1, engine.log
    assert 'of the history of table "t" were lost' in json.loads(engine.info())["disk"]["message"]
    engine.checkpoint()
    engine.close()
    engine = start()
    engine.initial_sync()
    assert not [text for _, _, text in engine.log if "lost" in text], engine.log  # the folder has what is left, as a whole
    nothing_of_before(engine)
    engine.verify()


def test_a9_changes_of_rows_whose_versions_are_in_a_damaged_file(place, start):
    """Nothing is made of what can't be read: the rows begin anew with the change."""
    engine = with_a_past_on_disk(start)
    flip(files(place, "open")[0])
    engine.execute("UPDATE t SET v = 't3 ' || id")
    engine.sync()
    nothing_of_before(engine, "t3")
    (odd,), = engine.query("SELECT count(*) FROM t_history WHERE v IS NULL OR v NOT LIKE '% ' || id OR id NOT BETWEEN 1 AND ?", ROWS).rows
    assert odd == 0
    engine.execute("DELETE FROM t WHERE id % 2 = 0")
    engine.sync()
    assert engine.query(f"SELECT count(*) FROM t {NOW}").rows == [(ROWS // 2,)]


@pytest.mark.parametrize("part, sql", (("ended", f"SELECT count(*), min(v) FROM t {FIRST}"), ("open", f"SELECT count(*), min(v) FROM t {NOW}")))
@pytest.mark.parametrize("point", ("found", "sync.cycle.applied", "sync.cycle.published", "checkpoint.encoded", "checkpoint.written"))
def test_a9_a_death_between_damage_and_the_checkpoint_that_knows_of_it(point, part, sql, place, start):
    engine = with_a_past_on_disk(start)
    victim = files(place, part)[0]
    flip(victim)
    refused(engine, sql, victim)
    if point != "found":
        engine.faults(die_point=point, die_at=engine.points().get(point, 0) + 1)
        with pytest.raises(EngineDied):
            engine.sync()
            engine.checkpoint()
    engine.kill()
    for _ in range(2):
        engine = start()
        engine.initial_sync()
        nothing_of_before(engine)
        engine.checkpoint()
        engine.kill()


def test_a9_with_the_background_at_work_it_is_mended_by_itself(place, start):
    fill(start())
    engine = start(manual_sync=False)
    engine.initial_sync()
    waits_for_background(engine)
    victim = files(place, "ended")[0]
    flip(victim)
    refused(engine, f"SELECT count(*), min(v) FROM t {FIRST}", victim)
    others_go_on(engine)
    until = time.monotonic() + LIMIT
    while not any("are lost" in text for _, _, text in engine.log):
        assert time.monotonic() < until, engine.log
        engine.query("SELECT 1")
    nothing_of_before(engine)


def kept(rh, extra="", tables="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", last="UPDATE t SET v = 't2 ' || id"):
    """A history of ROWS rows, each updated once, that nobody has open. How to run rh on it."""
    (rh.folder / "rhei.toml").write_text(f'[engine]\noltp_path = "rhei.db"\nsync_mode = "temporal"\nolap_path = "mirror"\n{extra}')

    def run(command, *arguments, code=0):
        return rh.run(command, *arguments, "--config", "rhei.toml", code=code)

    run("exec", "--capture", tables)
    run("sync")
    run("exec", f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO t SELECT i, 't0 ' || i FROM n")
    run("sync")
    run("exec", last)
    run("sync")
    return run


def state(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "lock"}


@pytest.mark.parametrize("part", ("ended", "open"))
def test_a6_verify_finds_damage_in_a_history_that_nobody_read_and_repair_mends_it(part, rh):
    run = kept(rh, tables="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)",
               last="UPDATE t SET v = 't2 ' || id; INSERT INTO u VALUES (1, 'u')")
    assert "2 tables" in run("verify").stdout
    victim = files(rh.folder / "mirror", part)[-1]  # older ones may be none of the newest checkpoint's
    flip(victim)
    told = run("verify", code=1)
    assert "DIFFERENT" in told.stdout and 'the history of table "t"' in told.stdout and victim.name in told.stdout, told.stdout
    assert "equal      u" in told.stdout and victim.exists()  # a look changes nothing
    assert "versions of the history are lost" in run("repair", code=1).stderr
    assert not victim.exists()
    assert "2 tables" in run("verify").stdout
    assert run("query", f"SELECT count(*) FROM t {FIRST}").stdout.splitlines()[1] == "0"
    assert run("query", f"SELECT count(*), min(v) FROM t {NOW}").stdout.splitlines()[1] == f"{ROWS},t2 1"


@pytest.mark.parametrize("which", [0, 1])
def test_a9_a_question_leaves_a_history_without_one_of_its_deltas_as_it_is(which, rh):
    """Deltas follow each other: where a later one is there, the checkpoint isn't only older."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nsync_mode = "temporal"\nolap_path = "mirror"\n')
    settings = ("--config", "rhei.toml")
    rh.run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", *settings)
    rh.run("sync", *settings)
    for v in range(4):
        rh.run("exec", f"INSERT INTO t VALUES ({v}, '{v}')", *settings)
        rh.run("sync", *settings)
    deltas = sorted((rh.folder / "mirror").glob("b-d-*"))
    assert len(deltas) >= 3
    then = deltas[which].read_bytes()
    deltas[which].unlink()
    before = state(rh.folder / "mirror")
    for question in ("SELECT count(*) FROM t AS OF POSITION 3", "SELECT count(*) FROM t_history"):
        told = rh.run("query", question, *settings, code=1).stderr
        assert "it is gone, and a later one is there" in told and deltas[which].name in told and "rh repair" in told, told
        assert state(rh.folder / "mirror") == before
    assert deltas[which].name in rh.run("verify", *settings, code=1).stdout
    deltas[which].write_bytes(then)
    assert rh.run("query", "SELECT count(*) FROM t AS OF POSITION 3", "--no-header", *settings).stdout == "3\n"


@pytest.mark.parametrize("part", ("ended", "open"))
@pytest.mark.parametrize("since", ["nothing", "a table's own change", "another table", "a buffer"])
def test_a9_a_question_leaves_a_damaged_history_as_it_is(since, part, rh):
    """Also where no look at the folder is possible, and the command would take it up. What it needs nothing of may be damaged."""
    kept(rh, 'rocksdb_cdc_path = "buffer"\n' if since == "a buffer" else "")
    change = {"a table's own change": "ALTER TABLE t ADD COLUMN z", "another table": "CREATE TABLE u (z)"}.get(since)
    if change:
        foreign.shell(rh.folder / "rhei.db", f"{change};")
    flip(files(rh.folder / "mirror", part)[-1])
    before = state(rh.folder / "mirror")
    for question, rows in ((f"SELECT count(*) FROM t {FIRST}", ROWS), (f"SELECT count(*) FROM t {NOW}", ROWS),
                           ("SELECT count(*) FROM t_history", 2 * ROWS), ("SELECT count(v) FROM t FOR SYSTEM_TIME ALL", 2 * ROWS)):
        done = rh.start("query", question, "--no-header", "--config", "rhei.toml")
        out, told = done.communicate(timeout=60)
        if done.returncode == 0:  # it needed nothing of that file
            assert since in ("nothing", "a buffer") and out == f"{rows}\n", (out, told)
        else:
            assert done.returncode == 1 and "damaged" in told and "rh repair" in told, told
        assert state(rh.folder / "mirror") == before


def spoil(files, harm):
    assert files
    for file in files:
        harm(file)


def remove(file):
    file.unlink()


def nothing_short(engine, moment):
    """At any time either all rows are told or none."""
    rows = engine.query("SELECT count(*) FROM t FOR SYSTEM_TIME AS OF ?", moment).value
    assert rows in (0, ROWS), rows


def moment_of(engine):
    return engine.query("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+0.002 seconds')", route="oltp").value


@pytest.mark.parametrize("harm", (remove, cut))
def test_a9_a_death_between_an_opening_that_lost_valid_versions_and_the_load(harm, place, start):
    """Their rows begin with a load that never came: times between the two openings aren't told of either, not even in part."""
    fill(start())
    harm(files(place, "open")[0])
    engine = start()
    engine.sync()
    assert engine.query("SELECT kept_from FROM history.tables WHERE table_name = 't'").value == NEVER
    moments = [moment_of(engine)]
    engine.checkpoint()
    engine.kill()
    engine = start()  # it has all that the checkpoint says
    engine.sync()
    moments.append(moment_of(engine))
    engine.checkpoint()
    engine.kill()
    engine = start()
    engine.initial_sync()
    for moment in moments:
        nothing_short(engine, moment)
    nothing_of_before(engine)
    for moment in moments:
        nothing_short(engine, moment)


@pytest.mark.parametrize("which", ("ended", "open"))
def test_a6_a_damaged_file_of_what_is_in_memory_is_written_anew(which, place, start):
    """What repair finds is set aside, and nothing is lost."""
    engine = start()
    fill_open(engine)
    victims = files(place, which)
    spoil(victims, flip)
    with pytest.raises(RheiError) as told:
        engine.verify()
    assert told.value.name == "STALE" and any(file.name in told.value.message for file in victims), told.value
    engine.repair()
    engine.verify()
    engine.checkpoint()
    engine.close()
    engine = start()
    engine.initial_sync()
    assert not [text for _, _, text in engine.log if "lost" in text or "found again" in text], engine.log
    assert engine.query(f"SELECT count(*), min(v) FROM t {FIRST}").rows == [(ROWS, "t0 1")]
    assert engine.query(f"SELECT count(*), min(v) FROM t {NOW}").rows == [(ROWS, "t2 1")]
    engine.verify()


def forgotten(engine, position):
    """Nothing is told of that position any more: the history was published with a later begin."""
    until = time.monotonic() + LIMIT
    while (engine.on("looking").query("SELECT kept_from_seq FROM history.tables WHERE table_name = 't'").value or 0) <= position:
        assert time.monotonic() < until


def mended(engine):
    with pytest.raises(RheiError):
        engine.verify("t")
    engine.repair("t")


THEN = f"SELECT id, v FROM t AS OF POSITION {3 * ROWS + 7}"
ASKS = {"auto": f"SELECT count(*) FROM ({THEN})", "oltp": f"SELECT count(*) FROM ({THEN})", "execute": f"INSERT INTO copy {THEN}",
        "insert": f"INSERT INTO copy {THEN}", "returning": f"INSERT INTO copy {THEN} RETURNING 1", "table": f"CREATE TABLE copied AS {THEN}"}


@pytest.mark.parametrize("mends", ("cycle", "retention"))
@pytest.mark.parametrize("how", ASKS)
def test_a9_a_text_that_is_older_than_what_its_rows_are_of(mends, how, place, start, folder):
    """All rows of that time, or none, or the error: never those that are left by then, also where they are written down."""
    more = "history_max_age = 1\n" if mends == "retention" else ""
    fill(start())
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n' + more)
    engine = start(manual_sync=mends == "cycle")
    engine.execute("CREATE TABLE copy (id INTEGER, v TEXT)")
    engine.initial_sync()
    waits_for_background(engine)
    if mends == "cycle":
        flip(files(place, "ended")[0])
    engine.faults(hold="query.past")
    asking = engine.on("asking")
    if how == "execute":
        pending = asking.start("execute", text_word(ASKS[how]))
    else:
        pending = asking.start_query(ASKS[how], freshness="eventual", route="oltp" if how == "oltp" else "auto")
    engine.wait_point("query.past")
    if mends == "cycle":
        mended(engine)
    else:
        forgotten(engine, 3 * ROWS + 7)
    engine.faults(hold="")
    engine.release()
    try:
        said = pending.wait()
    except RheiError as told:
        assert told.name == "IO", told
        said = None
    if how in ("auto", "oltp"):
        assert said is None or answer(said).value == 0  # what is told by then
        return
    written = "copied" if how == "table" else "copy"
    assert said is None or engine.query(f"SELECT count(*) FROM {written}", route="oltp").value == 0
    if said is None:
        assert foreign.rows(folder / "t.db", "SELECT count(*) FROM copy") == [(0,)]
        assert "copied" not in foreign.tables(folder / "t.db")


def retains(start, folder):
    """Three rows with two versions each, of which the first are forgotten soon. Nothing is pruned: that waits for the writer, and what is forgotten with it."""
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\nhistory_max_age = 2\nprune_after_sync = false\n')
    engine = start(manual_sync=False)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE copy (id INTEGER, v TEXT)")
    engine.initial_sync()
    engine.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    engine.execute("UPDATE t SET v = v || v")
    return engine


def test_a9_what_was_written_of_the_past_is_written_once(start, folder):
    """Retention publishes between the commit and the end of the call, which so finds that its text isn't true any more, and must not run it again."""
    engine = retains(start, folder)
    engine.faults(hold="oltp.write.committed")
    pending = engine.on("asking").start_query("INSERT INTO copy SELECT id, v FROM t AS OF POSITION 3 RETURNING v")
    engine.wait_point("oltp.write.committed")
    forgotten(engine, 3)
    engine.faults(hold="")
    engine.release()
    assert answer(pending.wait()).rows == [("a",), ("b",), ("c",)]
    assert engine.query("SELECT v FROM copy", route="oltp").rows == [("a",), ("b",), ("c",)]


def test_a9_a_transaction_reads_one_past(start, folder):
    """What it read first is what it reads to its end, whatever is forgotten meanwhile; the next one knows."""
    engine = retains(start, folder)
    question = "SELECT v FROM t AS OF POSITION 3 ORDER BY id"
    session = engine.on("session")
    session.session_open()
    session.session_execute("BEGIN")
    assert session.session_query(question).rows == [("a",), ("b",), ("c",)]
    forgotten(engine, 3)
    assert session.session_query(question).rows == [("a",), ("b",), ("c",)]
    session.session_execute("INSERT INTO copy SELECT id, v FROM t AS OF POSITION 3")
    session.session_execute("COMMIT")
    assert engine.query("SELECT v FROM copy", route="oltp").rows == [("a",), ("b",), ("c",)]
    assert session.session_query(question).rows == []


@pytest.mark.parametrize("writes", (False, True))
def test_a9_a_transactions_first_text_that_is_older_than_what_it_pins(writes, start, folder):
    engine = retains(start, folder)
    then = "SELECT id, v FROM t AS OF POSITION 3"
    session = engine.on("session")
    session.session_open()
    session.session_execute("BEGIN")
    engine.faults(hold="query.past")
    pending = session.start("session_execute", text_word(f"INSERT INTO copy {then}")) if writes else session.start_query(then, verb="session_query")
    engine.wait_point("query.past")
    forgotten(engine, 3)
    engine.faults(hold="")
    engine.release()
    said = pending.wait()
    rows = session.session_query("SELECT id, v FROM copy").rows if writes else answer(said).rows
    assert rows == []
    session.session_execute("COMMIT")
