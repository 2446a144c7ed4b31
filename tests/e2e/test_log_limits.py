"""A7, A8, C5: the change log's limits beside a running column store, kill -9 at a cut, slow consumers, and what keeps the write-ahead log."""

import json
import threading
import time

import pytest

import foreign
from foreign import assert_mirror, shell
from rh_program import rh  # noqa: F401 (a fixture)
from rhei_engine import EngineDied, RheiError
from test_processes import ROWS, log_sequence, make_rows, pass_ten_minutes, wait_until


def burst(count, table="big"):
    return f"{ROWS.format(count=count)} INSERT INTO {table} (g, v) SELECT i, 'burst' FROM n"


def patiently(ask):
    """With a short busy_timeout_ms, which says when the limit refuses: that others had the writer for longer is no refusal, and is tried again."""
    until = time.monotonic() + 60
    while True:
        try:
            return ask()
        except RheiError as error:
            if error.name != "BUSY" or time.monotonic() > until:
                raise


def test_a7_detach_a_mirror_that_was_cut_off_is_built_again_by_itself(path, open_engine):
    make_rows(path, 1000)
    engine = open_engine(log_limit_rows=500)
    engine.initial_sync()
    for _ in range(20):  # each more than twice the limit
        engine.execute(burst(2000))
    engine.execute("UPDATE big SET v = 'after' WHERE id % 10 = 0")
    assert_mirror(engine, path)
    wait_until(lambda: log_sequence(path)[0] <= 500, what="the limit of the log")
    engine.execute("DELETE FROM big WHERE id % 7 = 0")
    assert_mirror(engine, path)


def test_a7_block_slows_writers_down_to_the_mirrors_pace(path, open_engine):
    """8 writers, a log of 200 rows: every write goes through, none fails, and the log is never much longer than its limit."""
    make_rows(path, 10)
    engine = open_engine(log_limit_rows=200, log_limit_policy="block", busy_timeout_ms=60000)
    engine.initial_sync()
    failed, longest = [], []

    def write(lane):
        for _ in range(50):
            try:
                lane.execute(burst(20))
            except RheiError as error:
                failed.append(str(error))
            longest.append(log_sequence(path)[0])

    writers = [threading.Thread(target=write, args=(engine.on(f"w{i}"),)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed, failed[:3]
    assert max(longest) <= 200 + 8 * 20 + 1, max(longest)  # and one group of them
    assert engine.olap("SELECT count(*) FROM big").value == 10 + 8 * 50 * 20
    assert_mirror(engine, path)
    status = engine.status()
    assert status["log_refused"] == 0 and status["log_cut"] == 0


@pytest.mark.parametrize("limit", [{"log_limit_rows": 1000}, {"log_limit_bytes": 65536}])
@pytest.mark.parametrize("policy", ["block", "detach"])
def test_a7_a_folder_is_written_before_the_log_is_full_for_want_of_it(path, open_engine, tmp_path, policy, limit):
    """The log goes back to the newest checkpoint, and the next one is a day away by the clock. It is made at half of the limit, and the writer
    leaves it the time that the disk takes for it."""
    make_rows(path, 10)
    engine = open_engine(olap_path=tmp_path / "mirror", checkpoint_interval_ms=86400000, log_limit_policy=policy, **limit)
    engine.initial_sync()
    for _ in range(200):
        engine.execute(burst(50))
        wait_until(lambda: log_sequence(path)[0] <= 600, what="the checkpoint before the log is full")
    status = engine.status()
    assert status["log_refused"] == 0 and status["log_cut"] == 0
    assert_mirror(engine, path)


def test_a7_block_without_a_sync_refuses_and_a_sync_makes_room(path, open_engine):
    make_rows(path, 10)
    engine = open_engine(log_limit_rows=100, log_limit_policy="block", manual_sync=True, busy_timeout_ms=50)
    patiently(engine.initial_sync)
    patiently(lambda: engine.execute(burst(150)))
    with pytest.raises(RheiError, match="log_limit_policy is block") as refused:
        patiently(lambda: engine.execute(burst(1)))
    assert refused.value.name == "FULL"
    assert engine.status()["log_blocks"] == 1
    shell(path, "INSERT INTO big (g, v) VALUES (1, 'foreign')")  # nobody else is stopped
    patiently(engine.sync)
    patiently(lambda: engine.execute(burst(1)))
    assert_mirror(engine, path)


def test_a7_tables_that_are_not_captured_are_never_blocked(path, open_engine):
    shell(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (id INTEGER PRIMARY KEY, v)")
    engine = open_engine(no_auto_register=True, log_limit_rows=10, log_limit_policy="block", manual_sync=True)
    engine.execute(f"{ROWS.format(count=500)} INSERT INTO u SELECT i, i FROM n")
    assert engine.status()["log_rows"] == 0
    engine.execute("INSERT INTO t VALUES (1, 1)")
    assert engine.status()["log_blocks"] == 0


@pytest.mark.parametrize("policy", ["detach", "block"])
@pytest.mark.parametrize("point", ["capture.limit", "capture.prune"])
def test_a7_killed_at_the_limit_nothing_is_lost(path, open_engine, policy, point):
    make_rows(path, 1000)
    engine = open_engine(log_limit_rows=300, log_limit_policy=policy, manual_sync=True, busy_timeout_ms=50)
    patiently(engine.initial_sync)
    engine.faults(die_point=point, die_at=1)
    committed = 0
    try:
        for _ in range(10):
            try:
                patiently(lambda: engine.execute(burst(500)))
                committed += 1
            except RheiError as error:
                assert error.name == "FULL"
    except EngineDied:
        pass
    engine.kill()  # where it was still waiting for the limit's second to pass
    count = foreign.rows(path, "SELECT count(*) FROM big")[0][0]
    assert count in (1000 + committed * 500, 1000 + (committed + 1) * 500)
    pass_ten_minutes(path)  # the dead one is waited for no longer
    again = open_engine(log_limit_rows=300, log_limit_policy=policy, busy_timeout_ms=60000)
    assert_mirror(again, path)
    again.execute("UPDATE big SET v = 'after' WHERE id % 10 = 0")
    assert_mirror(again, path)


@pytest.mark.parametrize("policy", ["detach", "grow", "block"])
def test_a7_opened_on_a_log_above_its_limit(path, open_engine, tmp_path, policy):
    make_rows(path, 1000)
    folder = str(tmp_path / "mirror")
    engine = open_engine(olap_path=folder)
    engine.initial_sync()
    engine.close()
    shell(path, f"{burst(5000)}; UPDATE big SET g = g + 1")  # with no engine at all
    assert log_sequence(path)[0] >= 11000
    engine = open_engine(olap_path=folder, log_limit_rows=100, log_limit_policy=policy, busy_timeout_ms=60000)
    engine.execute("INSERT INTO big (g, v) VALUES (5, 'first')")
    assert_mirror(engine, path)
    wait_until(lambda: log_sequence(path)[0] <= 100, what="a short log")
    assert engine.status()["log_over"] == 0


def test_c5_a_schema_changed_at_the_limit(path, open_engine):
    make_rows(path, 100)
    engine = open_engine(log_limit_rows=50, manual_sync=True)
    engine.initial_sync()
    engine.execute(burst(200))
    shell(path, "ALTER TABLE big ADD COLUMN extra DEFAULT 'x'; UPDATE big SET extra = 'y' WHERE id % 2")
    engine.execute("ALTER TABLE big DROP COLUMN g")
    engine.execute("INSERT INTO big (v) VALUES ('last')")
    wait_until(lambda: log_sequence(path)[0] <= 50, what="the limit of the log")
    assert_mirror(engine, path)


# ---- Consumers. ------------------------------------------------------------------------------------------------------


def read(rh, consumer, *more):
    return [json.loads(line) for line in rh.run("changes", "--consumer", consumer, *more).stdout.splitlines()]


def settings(rh, **engine):
    lines = [f"{key} = {json.dumps(value)}" for key, value in engine.items()]
    (rh.folder / "rhei.toml").write_text("\n".join(["[engine]", f'oltp_path = "{rh.folder / "rhei.db"}"', *lines]))
    return ["--config", "rhei.toml"]


def test_a8_a_slow_consumer_is_cut_off_and_told(rh, open_engine):
    rh.run("exec", "--capture", "CREATE TABLE big (id INTEGER PRIMARY KEY, g, v)")
    read(rh, "slow")
    path = rh.folder / "rhei.db"
    engine = open_engine(path, log_limit_rows=1000)
    engine.execute(burst(900))
    engine.sync()
    assert engine.status()["log_rows"] >= 900  # the log waits for it
    engine.execute(burst(5000))
    engine.sync()
    wait_until(lambda: log_sequence(path)[0] <= 1001, what="the limit of the log")
    told = read(rh, "slow")
    assert [event["table"] for event in told if event["kind"] == "lost"] == [None]
    engine.execute("INSERT INTO big VALUES (100000, 1, 'next')")
    assert [event["key"]["id"] for event in read(rh, "slow") if event["kind"] == "insert"] == [100000]
    assert_mirror(engine, path)  # which was never behind
    assert engine.status()["rows_pruned"] > 0


@pytest.mark.parametrize("limit", [{"log_limit_rows": 100}, {"log_limit_bytes": "64KiB"}], ids=["rows", "bytes"])
def test_a7_commands_alone_keep_the_log_within_twice_its_limits(rh, limit):
    """No maintenance lives long enough to be patient; a consumer that is behind is cut off and told, as by any engine."""
    rh.run("exec", "--capture", "CREATE TABLE big (id INTEGER PRIMARY KEY, g, v)")
    read(rh, "slow")
    config = settings(rh, **limit)
    size = "count(*) > 200" if "log_limit_rows" in limit else "sum(24 + length(c3)) > 131072"
    sql = burst(60) if "log_limit_rows" in limit else burst(60).replace("'burst'", "zeroblob(500)")
    for _ in range(12):
        rh.run("exec", *config, sql)
        assert foreign.rows(rh.folder / "rhei.db", f"SELECT {size} FROM _rhei_cdc_log") == [(0,)]
    assert [event["table"] for event in read(rh, "slow", *config) if event["kind"] == "lost"] == [None]
    rh.run("exec", *config, "INSERT INTO big VALUES (100000, 1, 'next')")
    assert [event["key"]["id"] for event in read(rh, "slow", *config) if event["kind"] == "insert"] == [100000]


def test_a7_a_command_under_block_needs_nothing_of_the_log_itself(rh):
    """What nobody needs goes, so the write has room; what a consumer needs stays, and the refusal names the ways out."""
    rh.run("exec", "--capture", "CREATE TABLE big (id INTEGER PRIMARY KEY, g, v)")
    config = settings(rh, log_limit_rows=100, log_limit_policy="block", busy_timeout_ms=60000)
    for _ in range(5):
        rh.run("exec", *config, burst(60))
    assert foreign.rows(rh.folder / "rhei.db", "SELECT count(*) FROM big") == [(300,)]
    read(rh, "slow", *config)
    rh.run("exec", *config, burst(200))
    config = settings(rh, log_limit_rows=100, log_limit_policy="block", busy_timeout_ms=50)
    said = rh.run("exec", *config, burst(60), code=1).stderr
    assert "rh status says who" in said and "rh sync" in said and "rh changes" in said and "FULL" in said
    assert 'the consumer "slow" is 200 changes behind' in rh.run("status", *config).stdout
    assert len([event for event in read(rh, "slow", *config) if event["kind"] == "insert"]) == 200
    config = settings(rh, log_limit_rows=100, log_limit_policy="block", busy_timeout_ms=60000)
    rh.run("exec", *config, burst(60))


def test_a8_an_acknowledgement_lets_the_log_go(rh, open_engine):
    """No write follows it: what the consumer held goes by itself."""
    rh.run("exec", "--capture", "CREATE TABLE big (id INTEGER PRIMARY KEY, g, v)")
    read(rh, "slow")
    path = rh.folder / "rhei.db"
    engine = open_engine(path)
    engine.initial_sync()
    engine.execute(burst(900))
    wait_until(lambda: engine.status()["lag_events"] == 0, what="the mirror")
    engine.sync()
    assert log_sequence(path)[0] >= 900
    assert len([event for event in read(rh, "slow") if event["kind"] == "insert"]) == 900
    wait_until(lambda: log_sequence(path)[0] <= 2, what="the log's going")


def test_a7_status_tells_limits_and_who_is_behind(rh):
    rh.run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    read(rh, "slow")
    config = settings(rh, log_limit_rows=50, log_limit_policy="grow")
    rh.run("exec", *config, f"{ROWS.format(count=100)} INSERT INTO t SELECT i FROM n")
    text = rh.run("status", *config).stdout
    assert 'over its limit (log_limit_policy grow): the change log has 100 rows, more than log_limit_rows (50); the consumer "slow" is 100' in text
    status = json.loads(rh.run("status", *config, "--json").stdout)
    assert status["log_over"] is True and status["log_limit_policy"] == "grow" and status["log_limit_rows"] == 50
    assert status["log_rows"] == 100 and status["log_bytes"] > 2400
    metrics = {metric["name"]: metric["value"] for metric in status["metrics"]}
    assert metrics["rhei_cdc_log_over_limit"] == 1 and metrics["rhei_cdc_log_limit_rows"] == 50


@pytest.mark.parametrize("lines, said", [
    ('log_limit_policy = "drop"', "detach, grow or block"),
    ('log_limit_bytes = "1KiB"', "64KiB"),
    ("log_limit_age = -1", "0 to 3155760000"),
    ("log_limit_rows = 0", "1 to 1000000000000"),
    ('log_limit_policy = "block"\nprune_after_sync = false', "don't go together"),
])
def test_d5_limits_that_cant_be_are_refused(rh, lines, said):
    (rh.folder / "rhei.toml").write_text("[engine]\n" + lines + "\n")
    done = rh.run("status", "--config", "rhei.toml", code=None)
    assert done.returncode != 0 and said in done.stderr and "rhei.toml:2" in done.stderr, done.stderr


# ---- With a change buffer beside the log, which has the same limits. -------------------------------------------------


def kept(engine):
    state = json.loads(engine.info())["buffer"]
    return state["position"] - state["horizon"] if state["horizon"] >= 0 else state["position"]


def test_a7_detach_cuts_the_buffer_by_bytes(path, folder, open_engine):
    make_rows(path, 100)
    engine = open_engine(rocksdb_cdc_path=folder / "buffer", manual_sync=True, log_limit_bytes=1 << 20)
    engine.initial_sync()
    for _ in range(40):  # 4 MB, at the bridge's pace
        engine.execute("INSERT INTO big (g, v) SELECT id, randomblob(1000) FROM big LIMIT 100")
        last = log_sequence(path)[1]
        wait_until(lambda: json.loads(engine.info())["buffer"]["position"] >= last, what="the bridge")
    wait_until(lambda: json.loads(engine.info())["buffer"]["bytes"] <= 1 << 20, what="the limit of the buffer")
    assert any("the change buffer has" in text and "log_limit_bytes" in text for _, _, text in engine.log), engine.log
    assert_mirror(engine, path)  # which was behind, and is built again


@pytest.mark.parametrize("policy", ["grow", "block"])
def test_a7_a_buffer_over_its_limit_is_kept_and_told(path, folder, open_engine, policy):
    make_rows(path, 100)
    engine = open_engine(rocksdb_cdc_path=folder / "buffer", manual_sync=True, log_limit_rows=500,
                         log_limit_policy=policy, busy_timeout_ms=50)
    patiently(engine.initial_sync)
    for _ in range(20):
        try:
            patiently(lambda: engine.execute(burst(100)))
        except RheiError as error:
            assert policy == "block" and error.name == "FULL"
    if policy == "grow":
        wait_until(lambda: engine.status()["log_over"] == 1, what="the limit of the buffer")
        assert foreign.rows(path, "SELECT count(*) FROM big")[0][0] == 100 + 2000
        wait_until(lambda: kept(engine) >= 2000, what="the buffer")
    else:

        def over():  # the log may have been full before the bridge emptied it, with the buffer not over its limit yet: there is room then
            try:
                patiently(lambda: engine.execute(burst(100)))
            except RheiError as error:
                assert error.name == "FULL"
            return "the change buffer has" in json.loads(engine.info())["oltp"]["log_message"]

        wait_until(over, what="the limit of the buffer")
        assert engine.status()["log_over"] == 1

        def refused():
            try:
                patiently(lambda: engine.execute(burst(1)))
                return False
            except RheiError as error:
                assert "log_limit_policy is block" in error.message
                return True

        wait_until(refused, what="the door")
        assert engine.status()["log_blocks"] == 1
    assert engine.status()["log_cut"] == 0
    assert_mirror(engine, path)  # from the buffer; what it has is needed no more
    if policy == "block":
        engine.start_sync()

        def goes_on():
            try:
                patiently(lambda: engine.execute(burst(1)))
                return True
            except RheiError as error:
                assert error.name == "FULL"
                return False

        wait_until(goes_on, what="room in the buffer")
        assert_mirror(engine, path)
