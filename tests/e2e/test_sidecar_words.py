"""What the command line and the engine say of sidecars to somebody who is new to them, and of what isn't set up (D5)."""

import json
import re

import pytest

import foreign
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError
from test_sidecar_sqlite import settings, until

TEMPORAL = 'sync_mode = "temporal"'
SAYS_HOW = 'keeps no history: open it with sync_mode = "temporal"'


@pytest.fixture
def source(tmp_path, request):
    """In the folder of `rh`, where the test has it."""
    folder = request.getfixturevalue("rh").folder if "rh" in request.fixturenames else tmp_path
    made = foreign.connect(folder / "app.db")
    made.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer, updated_at INTEGER)")
    made.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, updated_at INTEGER)")
    made.execute("CREATE TABLE nokey (a, updated_at INTEGER)")
    made.execute("INSERT INTO orders VALUES (1, 'Ada', 1), (2, 'Bob', 2)")
    made.execute("CREATE VIEW totals AS SELECT count(*) FROM orders")
    made.execute("CREATE VIEW orders_view AS SELECT * FROM orders")
    return made


def of_own_file(text):
    return [word for word in ("Capture", "Engines", "Change log", "Lag", "write-ahead log", "rh sync --capture", "position 0") if word in text]


def test_status_and_sync_of_sidecars_alone_speak_of_no_file(rh, source):  # noqa: F811
    settings(rh.folder, engine=f'{TEMPORAL}\nolap_path = "folder"')
    told = rh.run("sync", "--config", "side.toml").stdout
    assert re.search(r"Sidecar app: in step with its database at position \d+ after .*, 2 of 3 tables loaded", told), told
    assert of_own_file(told) == [] and "0 of 0" not in told and "Not mirrored: app.nokey: it has no PRIMARY KEY" in told
    told = rh.run("status", "--config", "side.toml").stdout
    assert of_own_file(told) == [] and "enable_local_oltp = true" in told, told
    lines = [line.split() for line in told.splitlines()]
    assert ["Folder", "folder"] in lines and any(line[:2] == ["History", "kept,"] for line in lines), told
    assert any(line[:3] == ["app.orders", "│", "yes"] for line in lines) and any(line[:3] == ["app.nokey", "│", "no"] for line in lines), told
    said = json.loads(rh.run("sync", "--json", "--config", "side.toml").stdout)["sidecars"]
    assert [(side["name"], side["tables"], side["tables_ready"], side["away"]) for side in said] == [("app", 3, 2, False)]
    set_ = json.loads(rh.run("info", "--json", "--config", "side.toml").stdout)["settings"]
    assert set_["olap_path"] == "folder" and set_["enable_local_oltp"] is False


def test_sync_beside_tables_of_ones_own_tells_of_both(rh, source):  # noqa: F811
    settings(rh.folder, more="enable_local_oltp = true", engine='oltp_path = "own.db"')
    rh.run("exec", "CREATE TABLE own (id INTEGER PRIMARY KEY)", "--config", "side.toml", "--capture")
    told = rh.run("sync", "--config", "side.toml", "--capture").stdout
    assert "1 of 1 tables built" in told and "Sidecar app: in step with its database" in told, told
    told = rh.run("status", "--config", "side.toml").stdout
    assert "Capture" in told and "app: sqlite, mode poll" in told
    assert json.loads(rh.run("info", "--json", "--config", "side.toml").stdout)["settings"]["enable_local_oltp"] is True


@pytest.mark.parametrize("folder", [True, False])
def test_status_of_a_sidecar_beside_tables_of_ones_own_says_which_are_followed(rh, source, folder):  # noqa: F811
    settings(rh.folder, more="enable_local_oltp = true", engine=f'{TEMPORAL}\noltp_path = "own.db"' + ('\nolap_path = "folder"' if folder else ""))
    rh.run("exec", "CREATE TABLE own (id INTEGER PRIMARY KEY)", "--config", "side.toml", "--capture")
    rh.run("sync", "--config", "side.toml")
    told = rh.run("status", "--config", "side.toml").stdout
    lines = {line.split("│")[0].strip(): [cell.strip() for cell in line.split("│")[1:]] for line in told.splitlines() if "│" in line}
    kept = "kept" if folder else "to be kept"
    assert lines["table"][0] == "followed" and lines["own"] == ["yes", "", kept] and lines["app.orders"] == ["yes", "", kept], told
    assert lines["app.nokey"][0] == "no" and "PRIMARY KEY" in lines["app.nokey"][1] and "isn't loaded yet" not in told, told


def test_a_source_that_is_away_is_told_by_commands_as_people_read_it(rh, source):  # noqa: F811
    settings(rh.folder)
    source.close()
    (rh.folder / "app.db").rename(rh.folder / "away.db")
    for command, code in ((["status"], 0), (["sync", "--timeout", "300"], 1)):
        told = rh.run(*command, "--config", "side.toml", code=code).stdout
        assert re.search(r"away for (less than 1 ms|[\d.]+ (ms|s))\b", told) and "No such file" in told, told
        assert not re.search(r"\d us\b| -1\b", told), told
    told = rh.run("query", "SELECT * FROM app.orders", "--freshness", "eventual", "--config", "side.toml", code=1).stderr
    assert re.search(r'source "app" is away since 20\d\d-\S+Z: .*No such file.*\[STALE ', told) and "no such table" not in told, told


def test_a_source_that_is_away_is_why_its_tables_are(spawn, tmp_path, source):
    source.close()
    (tmp_path / "app.db").rename(tmp_path / "away.db")
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path), busy_timeout_ms=100)
    until(lambda: json.loads(engine.info())["sidecars"][0]["away"])
    with pytest.raises(RheiError, match=r'source "app" is away since 20\d\d-\S+Z: .*No such file') as told:
        engine.query("SELECT * FROM app.orders", freshness="eventual")
    assert told.value.name == "STALE"  # nobody knows which tables it has
    with pytest.raises(RheiError, match="no such table: orders") as told:
        engine.query("SELECT * FROM orders", freshness="eventual")
    assert told.value.name == "SQL"  # which may be anybody's


@pytest.mark.parametrize("route", ["auto", "oltp", "olap"])
def test_s5_who_waits_for_a_source_that_is_away_waits_once_and_is_told_since_when_and_why(spawn, tmp_path, source, route):
    source.close()
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, engine='log_level = "info"'), busy_timeout_ms=300)
    sums = "SELECT count(*), max(updated_at) FROM app.orders GROUP BY customer"
    assert engine.query(sums, route=route).route == ("oltp" if route == "oltp" else "olap")
    (tmp_path / "app.db").rename(tmp_path / "away.db")
    until(lambda: json.loads(engine.info())["sidecars"][0]["away"])
    for options, name in ((dict(), "OLAP_UNAVAILABLE" if route == "olap" else "STALE"), (dict(timeout=100), "TIMEOUT")):
        with pytest.raises(RheiError, match=r'source "app" is away since 20\d\d-\S+Z: .*No such file') as told:
            engine.query(sums, route=route, **options)
        assert told.value.name == name
    if route == "auto":
        assert not any("SQLite answers instead" in line[2] for line in engine.log), engine.log  # it would have waited for the same


@pytest.mark.parametrize("folder", [True, False])
def test_a9_what_was_before_a_sidecars_history_names_its_schema_and_where_it_is(rh, source, folder):  # noqa: F811
    settings(rh.folder, engine=TEMPORAL + ('\nolap_path = "folder"' if folder else ""))
    told = rh.run("query", "SELECT * FROM app.orders", "--as-of", "2020-01-01", "--config", "side.toml").stderr
    assert 'the history of table "app.orders" begins at ' in told and ("kept in memory" in told) == (not folder), told


def test_d5_a_question_about_the_past_names_the_setting_that_is_missing(rh, source):  # noqa: F811
    rh.run("exec", "CREATE TABLE own (id INTEGER PRIMARY KEY)")
    settings(rh.folder)
    for options, table in (((), "own"), (("--config", "side.toml"), "app.orders")):
        for clause in ("FOR SYSTEM_TIME AS OF '2026-01-01'", "FOR  SYSTEM_TIME ALL", "for system_time FROM 1 TO 2", "AS OF POSITION 7", "x FOR SYSTEM_TIME ALL"):
            for before in ("", "EXPLAIN ROUTE "):
                told = rh.run("query", f"{before}SELECT * FROM {table} {clause}", *options, code=1).stderr
                assert SAYS_HOW in told and "UNSUPPORTED" in told and "^" in told, told
        told = rh.run("query", f"SELECT * FROM {table}_history", *options, code=1).stderr
        assert f"no such table: {table}_history: " in told and 'open it with sync_mode = "temporal"' in told, told
    assert SAYS_HOW in rh.run("exec", "DELETE FROM own FOR SYSTEM_TIME AS OF 7", code=1).stderr
    # and what only looks so is SQLite's to refuse
    assert "syntax error" in rh.run("query", "SELECT * FROM own FOR OTHER", code=1).stderr
    assert "no such table: none_history [" in rh.run("query", "SELECT * FROM none_history", code=1).stderr


def test_d5_prepared_statements_and_sessions_name_it_too(spawn, tmp_path):
    engine = spawn()
    engine.open(tmp_path / "own.db")
    engine.execute("CREATE TABLE own (id INTEGER PRIMARY KEY)")
    for ask in (engine.query, engine.execute):
        with pytest.raises(RheiError) as told:
            ask("SELECT * FROM own FOR SYSTEM_TIME ALL")
        assert told.value.name == "UNSUPPORTED" and SAYS_HOW in told.value.message and told.value.offset == 22


def test_d5_writes_without_tables_of_ones_own_name_the_setting(rh, source):  # noqa: F811
    settings(rh.folder)
    for statement in ("CREATE TABLE x (a)", "INSERT INTO app.orders VALUES (3, 'x', 3)", "BEGIN; CREATE TABLE x (a); COMMIT"):
        for command in ("exec",) if "BEGIN" in statement else ("exec", "query"):
            told = rh.run(command, statement, "--config", "side.toml", code=1).stderr
            assert "enable_local_oltp = true in [sidecar]" in told and "READ_ONLY" in told, told
    rh.run("exec", "CREATE TABLE own (a)")  # a handle for reading alone says that it is one
    assert "opened for reading only" in rh.run("query", "INSERT INTO own VALUES (1)", "--read-only", code=1).stderr


@pytest.mark.parametrize("name, words", [
    ("app.ordres", "did you mean app.orders?"), ("app.Costumers", "did you mean app.customers?"), ("ordres", "did you mean app.orders?"),
    ("app.zzzzzzz", "tables here: app.customers, app.orders"), ("zzzzzzz", "tables here: app.customers, app.orders"),
    ("ap.orders", 'there is no sidecar "ap": did you mean "app"?'), ("shop.orders", 'there is no sidecar "shop"; sidecars here: "app"'),
    ("app.totals", "views aren't mirrored: ask the tables that they read"), ("app.orders_view", "views aren't mirrored: ask the tables that they read"),
    ("app.nokey", "it isn't mirrored: it has no PRIMARY KEY"), ("app.orders_history", 'open it with sync_mode = "temporal"'),
])
def test_d5_a_table_that_isnt_there_is_told_with_those_that_are(spawn, tmp_path, source, name, words):
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path))
    for freshness in ("latest", "eventual"):
        engine.query("SELECT count(*) FROM app.orders")
        with pytest.raises(RheiError) as told:
            engine.query(f"SELECT * FROM {name}", freshness=freshness)
        assert told.value.name == "SQL" and f"no such table: {name}: " in told.value.message and words in told.value.message


def test_d5_of_many_tables_some_are_named_and_the_rest_is_counted(spawn, tmp_path, source):
    for n in range(12):
        source.execute(f"CREATE TABLE t{n:02} (id INTEGER PRIMARY KEY, updated_at)")
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path))
    engine.query("SELECT count(*) FROM app.orders")
    with pytest.raises(RheiError, match=r"tables here: app\.customers, .* and 6 more"):
        engine.query("SELECT * FROM app.zzzzzzz")


@pytest.mark.parametrize("mode", ["poll", "snapshot"])
def test_s3_a_table_without_the_column_that_tells_of_deletions_is_followed_and_told(spawn, tmp_path, source, mode):
    source.execute("ALTER TABLE customers ADD COLUMN gone")
    engine = spawn()
    engine.open(None, config_file=settings(tmp_path, more=f'mode = "{mode}"', detection='mode = "soft_delete"\ncolumn = "gone"'))
    assert engine.query("SELECT count(*) FROM app.orders").value == 2
    said = lambda: [line[2] for line in engine.log if 'no column "gone"' in line[2]]  # noqa: E731
    until(said)
    assert len(said()) == 1 and "table orders: " in said()[0] and "[sidecar.delete_detection]" in said()[0], said()
    assert ("rows that are deleted there stay here" if mode == "poll" else "none of its rows is taken for deleted") in said()[0]


def test_what_makes_looks_slow_is_told_where_looks_are_made_and_not_by_every_command(rh, spawn, source):  # noqa: F811
    file = settings(rh.folder)
    for command in (["query", "SELECT count(*) FROM app.orders"], ["sync"], ["status"], ["info"]):
        assert "index" not in rh.run(*command, "--config", "side.toml").stderr
    engine = spawn()
    engine.open(None, config_file=file)
    engine.query("SELECT count(*) FROM app.orders")
    said = lambda: [line[2] for line in engine.log if "no index begins with" in line[2]]  # noqa: E731
    until(lambda: len(said()) == 2)
    for _ in range(3):
        source.execute("INSERT INTO orders (updated_at) VALUES (9)")
        engine.query("SELECT count(*) FROM app.orders")
    assert len(said()) == 2 and all(line.startswith('sidecar "app": table ') for line in said())
