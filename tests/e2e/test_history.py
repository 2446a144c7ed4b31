"""The guide's program about the past prints what the guide says, and rh asks as of a time."""

import pathlib
import re
import subprocess

import pytest
from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "guide" / "history.md").read_text()


def test_a9_the_program_of_the_guide(build, tmp_path):
    text, printed = re.search(r"```c\n(.*?)```\n+prints ([^\n]*)", GUIDE, re.S).groups()
    (tmp_path / "program.c").write_text(text)
    sanitizers = ["-fsanitize=" + name for name in ("address,undefined", "thread") if f"-{'asan' if 'add' in name else 'tsan'}" in build.name]
    subprocess.run(
        ["cc", "-std=c17", "-Wall", "-Wextra", "-Wshadow", "-Werror", *sanitizers, f"-I{ROOT / 'include'}", tmp_path / "program.c",
         f"-L{build / 'src'}", "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-pthread", "-o", tmp_path / "program"], check=True, timeout=60)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == re.findall(r"`([^`]+)`", printed)


@pytest.mark.parametrize("write", ["UPDATE t SET v = 9", "DELETE FROM t", "INSERT INTO t VALUES (7, 7) RETURNING id", "DROP TABLE t",
                                   "WITH x AS (SELECT 1) UPDATE t SET v = 9", "CREATE TABLE u AS SELECT * FROM t"])
def test_d5_the_past_takes_no_writes(rh, write):
    (rh.folder / "rhei.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    rh.run("exec", "--config", "rhei.toml", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
    done = rh.run("query", "--config", "rhei.toml", "--as-of", "2020-01-01", write, code=1)
    assert "can only be read" in done.stderr
    assert rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", "SELECT *, (SELECT count(*) FROM sqlite_schema WHERE name = 'u') FROM t").stdout.split() == ["1,1,0"]


def test_a_history_that_has_not_begun_is_told_where_it_is_missed(rh):
    settings = "[engine]\noltp_path = \"rhei.db\"\nsync_mode = \"temporal\"\n"
    (rh.folder / "memory.toml").write_text(settings)
    (rh.folder / "rhei.toml").write_text(settings + "olap_path = \"folder\"\n")
    note = "rh: note: what this command changed has no history. "
    done = rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "--config", "rhei.toml")
    assert note + "There is none yet, for the file has no change capture: rh sync --capture begins it" in done.stderr
    done = rh.run("exec", "INSERT INTO t VALUES (1, 1)", "--config", "memory.toml", "--capture")
    assert note + "The history is in memory alone, so it begins anew with each command: olap_path in the settings keeps it" in done.stderr
    assert "History      in memory alone" in rh.run("status", "--config", "memory.toml").stdout
    (rh.folder / "a.csv").write_text("id,v\n2,2\n")
    done = rh.run("import", "a.csv", "t", "--config", "rhei.toml")
    assert note + "There is none yet: rh sync begins it, with the rows as they are then" in done.stderr
    assert "History      none yet: rh sync begins it" in rh.run("status", "--config", "rhei.toml").stdout
    rh.run("sync", "--config", "rhei.toml")
    assert rh.run("exec", "UPDATE t SET v = 3", "--config", "rhei.toml").stderr == ""
    assert re.search(r"History      t since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \(a new table's begins with the next rh sync\)",
                     rh.run("status", "--config", "rhei.toml").stdout)
    assert answers(rh, "SELECT count(*) FROM t_history") == [("4",)]
    done = rh.run("query", "SELECT table_name FROM history.tables", "--no-header", "--config", "rhei.toml")
    assert done.stdout == "t\n"
    (rh.folder / "plain.toml").write_text("[engine]\noltp_path = \"rhei.db\"\n")
    done = rh.run("exec", "UPDATE t SET v = 4", "--config", "plain.toml")
    assert done.stderr == "" and "History" not in rh.run("status", "--config", "plain.toml").stdout
    (rh.folder / "buffered.toml").write_text(settings + "olap_path = \"folder\"\nrocksdb_cdc_path = \"changes\"\n")
    rh.run("sync", "--config", "buffered.toml")
    assert "History      t since" in rh.run("status", "--config", "buffered.toml").stdout


def test_as_of_is_refused_in_clear_words(rh):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY)", "--capture")
    done = rh.run("query", "SELECT * FROM t", "--as-of", "2020-01-01", code=1)
    assert "keeps no history" in done.stderr and "temporal" in done.stderr
    (rh.folder / "rhei.toml").write_text("[engine]\nsync_mode = \"temporal\"\n")
    done = rh.run("query", "SELECT * FROM t", "--as-of", "yesterday", "--config", "rhei.toml", code=1)
    assert "\"yesterday\" is no point in time" in done.stderr and "without a zone it is UTC" in done.stderr
    for time, words in (("-5", "numbers aren't counted back from now"), ("30d", "a distance from now has no form"), ("-1.5", "is before 1970")):
        assert words in rh.run("query", "SELECT * FROM t", "--as-of", time, "--config", "rhei.toml", code=1).stderr


def test_d5_a_history_in_memory_says_that_it_just_began(rh):
    rh.run("exec", "--db", "rhei.db", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
    (rh.folder / "memory.toml").write_text("[engine]\noltp_path = \"rhei.db\"\nsync_mode = \"temporal\"\n")
    said = re.compile(r"the history of table \"t\" begins at \S+, and is empty before: it is kept in memory, from when the database was opened")
    for command, sql in (("query", "SELECT * FROM t_history"), ("query", "SELECT * FROM t_history; SELECT * FROM t_history"),
                         ("query", "SELECT * FROM t FOR SYSTEM_TIME ALL"), ("query", "SELECT * FROM t FOR SYSTEM_TIME AS OF '2020-01-01'"),
                         ("query", "SELECT * FROM t FOR SYSTEM_TIME FROM '2020-01-01' TO '2100-01-01'"),
                         ("query", "SELECT * FROM t FOR SYSTEM_TIME BETWEEN '2020-01-01' AND '2100-01-01'")):
        done = rh.run(command, "--config", "memory.toml", sql)
        assert len(said.findall(done.stderr)) == 1, (sql, done.stderr)
    assert rh.run("query", "--config", "memory.toml", "SELECT * FROM t FOR SYSTEM_TIME AS OF '2100-01-01'").stderr == ""


SETTINGS = "[engine]\noltp_path = \"rhei.db\"\nolap_path = \"mirror\"\nsync_mode = \"temporal\"\n"


def with_a_past(rh):
    """A table with three versions of one row in the folder, of which the last is in the log alone."""
    (rh.folder / "rhei.toml").write_text(SETTINGS)
    rh.run("exec", "--config", "rhei.toml", "--db", "rhei.db", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    rh.run("exec", "--config", "rhei.toml", "INSERT INTO t VALUES (1, 'first')")
    rh.run("sync", "--config", "rhei.toml")
    rh.run("exec", "--config", "rhei.toml", "UPDATE t SET v = 'second'")
    rh.run("exec", "--db", "rhei.db", "UPDATE t SET v = 'third'")


def answers(rh, sql, *options, **more):
    done = rh.run("query", "--config", "rhei.toml", "--format", "csv", "--no-header", *options, sql, **more)
    return [tuple(line.split(",")) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("route", ("auto", "olap", "oltp"))
def test_a9_rh_query_answers_from_the_history_in_the_folder(rh, route):
    with_a_past(rh)
    versions = answers(rh, "SELECT v, _rhei_valid_from FROM t_history ORDER BY _rhei_seq", "--route", route)
    assert [v for v, _ in versions] == ["first", "second", "third"]
    for v, since in versions:
        assert answers(rh, f"SELECT v FROM t FOR SYSTEM_TIME AS OF {since}", "--route", route) == [(v,)]
        assert answers(rh, "SELECT v FROM t", "--as-of", since, "--route", route) == [(v,)]
        assert answers(rh, "SELECT count(*) FROM t FOR SYSTEM_TIME ALL", "--route", route) == [("3",)]
    assert answers(rh, "SELECT v FROM t", "--as-of", "1999-12-31", "--route", route) == []
    rh.run("sync", "--config", "rhei.toml")  # a look left the folder as it was, and a table's changes go with it
    rh.run("exec", "--config", "rhei.toml", "DROP TABLE t")
    assert answers(rh, "SELECT v FROM t FOR SYSTEM_TIME ALL ORDER BY _rhei_seq", "--route", route) == [
        ("first",), ("second",), ("third",)]


@pytest.mark.parametrize("change, table, column", (
    ("ALTER TABLE price ADD COLUMN n", "price", "p"), ("ALTER TABLE price RENAME COLUMN p TO q", "price", "q"),
    ("ALTER TABLE price RENAME TO p2", "p2", "p"), ("DROP TABLE price", "price", "p"), ("VACUUM", "price", "p")))
def test_a9_rh_exec_keeps_what_no_sync_has_seen(rh, change, table, column):
    (rh.folder / "rhei.toml").write_text(SETTINGS)
    rh.run("exec", "--config", "rhei.toml", "--db", "rhei.db", "--capture", "CREATE TABLE price (id INTEGER PRIMARY KEY, p)")
    rh.run("sync", "--config", "rhei.toml")
    for sql in ("INSERT INTO price VALUES (1, 2)", "UPDATE price SET p = 5", "UPDATE price SET p = 6", change):
        rh.run("exec", "--config", "rhei.toml", sql)
    rh.run("sync", "--config", "rhei.toml")
    versions = answers(rh, f"SELECT DISTINCT {column} FROM {table} FOR SYSTEM_TIME ALL WHERE {column} IS NOT NULL ORDER BY 1")
    assert versions == [("2",), ("5",), ("6",)]


QUESTIONS = (["SELECT * FROM t_history"], ["SELECT * FROM t FOR SYSTEM_TIME ALL"], ["SELECT * FROM t", "--as-of", "2020-01-01"])


@pytest.mark.parametrize("route", ("auto", "olap", "oltp"))
def test_a9_the_past_is_asked_by_a_look_and_beside_the_engine_whose_folder_it_is(rh, spawn, route):
    with_a_past(rh)
    ask = ("SELECT v FROM t_history ORDER BY _rhei_seq", "--route", route)
    assert answers(rh, *ask, "--read-only") == [("first",), ("second",), ("third",)]
    engine = spawn()
    engine.open(rh.folder / "rhei.db", config_file=rh.folder / "rhei.toml", olap_path=rh.folder / "mirror")
    engine.execute("UPDATE t SET v = 'fourth'")
    assert answers(rh, *ask) == [("first",), ("second",), ("third",), ("fourth",)]
    assert answers(rh, "SELECT v FROM t", "--route", route) == [("fourth",)]
    engine.close()
    assert len(answers(rh, *ask)) == 4


@pytest.mark.parametrize("route", ("auto", "olap", "oltp"))
def test_a9_a_past_that_cannot_be_had_is_refused(rh, spawn, route):
    with_a_past(rh)
    engine = spawn()
    engine.open(rh.folder / "rhei.db", config_file=rh.folder / "rhei.toml", olap_path=rh.folder / "mirror")
    manifest = rh.folder / "mirror" / "manifest"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for question in QUESTIONS:
        done = rh.run("query", "--config", "rhei.toml", "--read-only", "--route", route, *question, code=1)
        assert "the history is in the folder \"mirror\"" in done.stderr and "READ_ONLY" in done.stderr and done.stdout == ""
        done = rh.run("query", "--config", "rhei.toml", "--route", route, *question, code=1)
        assert "the history is in the folder \"mirror\"" in done.stderr and "in use by another handle" in done.stderr
        assert "BUSY" in done.stderr and done.stdout == ""
    assert answers(rh, "SELECT v FROM t", "--route", route) == [("third",)]
    manifest.write_bytes(whole)
    assert len(answers(rh, "SELECT v FROM t_history", "--route", route)) == 3
    engine.close()


def test_the_position_of_a_look_is_that_of_the_log(rh):
    with_a_past(rh)
    for sql in ("SELECT count(*) FROM t", "FROM t SELECT v", "SELECT * FROM t_history"):
        done = rh.run("query", "--config", "rhei.toml", "--route", "olap", "--stats", sql)
        assert re.search(r"position 3\b", done.stderr), done.stderr
    done = rh.run("query", "--db", "rhei.db", "--route", "olap", "--stats", "SELECT count(*) FROM t")
    assert re.search(r"position 3\b", done.stderr), done.stderr


def test_d5_who_opens_without_the_folder_is_told_of_it(rh):
    with_a_past(rh)
    folder = f'the history of this database is in the folder "{rh.folder / "mirror"}": open it with olap_path = "{rh.folder / "mirror"}" and sync_mode = "temporal"'
    for command, *question in (("query", "SELECT * FROM t_history"), ("exec", "SELECT * FROM t_history"), ("query", "SELECT * FROM t FOR SYSTEM_TIME ALL"),
                               ("query", "SELECT * FROM t", "--as-of", "2100-01-01"), ("query", "SELECT * FROM t AS OF POSITION 1")):
        done = rh.run(command, "--db", "rhei.db", *question, code=1)
        assert folder in done.stderr.replace("\n", " ") and "keeps no history" not in done.stderr, done.stderr


def test_what_was_before_the_history_is_said_once_with_its_time(rh):
    with_a_past(rh)
    done = rh.run("query", "--config", "rhei.toml", "--as-of", "1999-12-31", "SELECT * FROM t; SELECT * FROM t")
    begun = re.findall(r"the history of table \"t\" begins at (\S+), and is empty before", done.stderr)
    assert len(begun) == 1
    assert answers(rh, "SELECT count(*) FROM t", "--as-of", begun[0]) == [("1",)]


def test_d5_rh_says_that_a_history_can_only_be_read(rh, sqlite3_shell):
    with_a_past(rh)
    (rh.folder / "x.csv").write_text("id,v\n9,nine\n")
    said = "\"t_history\" is the history of table \"t\", which can only be read"
    for arguments in (["import", "x.csv", "t_history"], ["import", "x.csv", "t_history", "--create"], ["exec", "INSERT INTO t_history (id) VALUES (9)"], ["query", "DELETE FROM t_history"],
                      ["exec", "DROP TABLE t_history; SELECT 1"], ["exec", "UPDATE t_history SET v = 1"]):
        done = rh.run(*arguments, "--config", "rhei.toml", "--db", "rhei.db", code=1)
        assert said in done.stderr and "READ_ONLY" in done.stderr, done.stderr
    assert "no such table" in sqlite3_shell.run("rhei.db", "DROP TABLE t_history", code=1).stderr  # to other programs there is none
    assert answers(rh, "SELECT count(*) FROM t_history") == [("3",)]


def test_b10_a_sync_forgets_versions_that_came_and_ended_within_it(rh):
    """Several changes of a row that is new to the column store are one insert for it, and several versions for the history."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "mirror"\nsync_mode = "temporal"\nhistory_max_versions = 1\n')
    rh.run("exec", "--config", "rhei.toml", "--capture", "CREATE TABLE p (id INTEGER PRIMARY KEY, v)")
    rh.run("sync", "--config", "rhei.toml")
    rh.run("exec", "--config", "rhei.toml", "INSERT INTO p VALUES (1, 1)")
    for v in (2, 3, 4):
        rh.run("exec", "--config", "rhei.toml", f"UPDATE p SET v = {v}")
    rh.run("sync", "--config", "rhei.toml")
    assert answers(rh, "SELECT v FROM p_history ORDER BY _rhei_seq") == [("3",), ("4",)]


def test_c26_positions_behind_system_time_and_times_the_wrong_way_round(rh):
    with_a_past(rh)
    position = answers(rh, "SELECT min(_rhei_seq) FROM t_history")[0][0]
    assert answers(rh, f"SELECT v FROM t FOR SYSTEM_TIME AS OF POSITION {position}") == answers(rh, f"SELECT v FROM t AS OF POSITION {position}") != []
    for words in ("BETWEEN '2026-01-02' AND '2026-01-01'", "FROM '2026-01-02' TO '2026-01-01'"):
        done = rh.run("query", "--config", "rhei.toml", "--db", "rhei.db", f"SELECT v FROM t FOR SYSTEM_TIME {words}", code=1)
        assert "is later than the second" in done.stderr and "INVALID" in done.stderr, done.stderr


def test_a9_commands_forget_old_versions_at_their_end(rh):
    with_a_past(rh)
    settings = (rh.folder / "rhei.toml").read_text()
    (rh.folder / "rhei.toml").write_text(settings + "history_max_versions = 1\n")
    rh.run("exec", "--config", "rhei.toml", "INSERT INTO t VALUES (2, 'other'); UPDATE t SET v = 'fourth' WHERE id = 1")
    rh.run("sync", "--config", "rhei.toml")
    assert answers(rh, "SELECT v FROM t_history WHERE id = 1 ORDER BY _rhei_seq") == [("third",), ("fourth",)]
    (rh.folder / "rhei.toml").write_text(settings + "history_max_age = 1\n")
    for _ in range(600):  # until the second is over
        rh.run("sync", "--config", "rhei.toml")
        (rh.folder / "rhei.toml").write_text(settings)
        if answers(rh, "SELECT v FROM t_history ORDER BY id") == [("fourth",), ("other",)]:
            break
        (rh.folder / "rhei.toml").write_text(settings + "history_max_age = 1\n")
    else:
        raise AssertionError("what ended long ago is kept")
    assert answers(rh, "SELECT v FROM t FOR SYSTEM_TIME AS OF '9999-01-01' ORDER BY id") == [("fourth",), ("other",)]


def test_a9_the_questions_of_the_guide(rh):
    """What its page writes down is answered as a naive reading of the versions has it."""
    part = GUIDE.split("## Questions that come up")[1].split("\n## ")[0]
    asked = re.findall(r"```sql\n(.*?)```", part, re.S)
    assert len(asked) == 5
    (rh.folder / "prices.toml").write_text('[engine]\noltp_path = "prices.db"\nolap_path = "prices.mirror"\nsync_mode = "temporal"\n')
    settings = ("--config", "prices.toml")
    rh.run("exec", "--capture", "CREATE TABLE rate (item TEXT PRIMARY KEY, euro INTEGER)", *settings)
    rh.run("sync", *settings)
    rh.run("exec", "INSERT INTO rate VALUES ('tea', 3), ('rum', 9); UPDATE rate SET euro = 4 WHERE item = 'tea'; DELETE FROM rate WHERE item = 'rum'", *settings)
    expected = [[], [["I", "3", ""], ["U", "4", "3"]], [["tea", "4"]], [["rum", "9"]], [["rum", "9"], ["tea", "3"], ["tea", "4"]]]
    for sql, rows in zip(asked, expected):
        found = [line.split(",") for line in rh.run("query", sql, "--format", "csv", "--no-header", *settings).stdout.splitlines()]
        if "AS at, _rhei_operation" in sql:
            found = [row[1:] for row in found]
        elif "AS at" in sql or "AS seconds" in sql:
            found = [row[:-1] for row in found]
        assert found == rows, sql
