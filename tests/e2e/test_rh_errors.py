"""rh with bad input: one clear message, the right exit code, nothing half done."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def filled(rh):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL); INSERT INTO t VALUES (1, 'a')")
    return rh


def caret_points_at(stderr, word):
    lines = stderr.splitlines()
    mark = next(number for number, line in enumerate(lines) if line.strip() == "^")
    assert lines[mark - 1][lines[mark].index("^"):].startswith(word), stderr


def test_d5_unknown_names_and_syntax_errors_have_a_caret(filled):
    done = filled.run("query", "SELECT id,\n  nothing FROM t", code=1)
    assert "nothing" in done.stderr and "line 2, column 3" in done.stderr and done.stdout == ""
    caret_points_at(done.stderr, "nothing")
    done = filled.run("query", "SELECT 1; SELECT * FRUM t; SELECT 3", code=1)
    assert "statement 2 of 3" in done.stderr and done.stdout == "1\n1\n"
    caret_points_at(done.stderr, "FRUM")
    done = filled.run("query", "SELECT * FROM absent", code=1)
    assert "absent" in done.stderr and re.search(r"\[[A-Z_]+ [0-9A-Z]{5}\]", done.stderr)


def test_d5_errors_in_files_name_the_file(filled, tmp_path):
    (tmp_path / "a.sql").write_text("SELECT 1;\n\nSELECT nope;\n")
    done = filled.run("query", "-f", "a.sql", code=1)
    assert "a.sql: statement 2 of 2, line 3, column 8" in done.stderr
    caret_points_at(done.stderr, "nope")
    done = filled.run("query", "-f", "absent.sql", code=1)
    assert "absent.sql" in done.stderr and "No such file" in done.stderr


def test_texts_for_people_fit_into_a_hundred_columns(rh):
    commands = re.findall(r"^  rh (\w+)", rh.run("help").stdout, re.M)
    assert len(set(commands)) > 10
    texts = [rh.run("help", *command).stdout for command in ([], *([name] for name in set(commands)))]
    for options in ([], ["--capture"]):
        rh.run("exec", "CREATE TABLE IF NOT EXISTS t (a)", *options)
        texts += [rh.run(command).stdout for command in ("status", "sync", "verify", "repair")]
    for line in "".join(texts).splitlines():
        assert len(line) <= 100, line


def test_wrong_use_exits_with_2(rh):
    for arguments in [["qurey"], ["query", "x", "--route", "fast"], ["query", "--nope"], ["exec", "a", "b"],
                      ["query", "SELECT ?; SELECT ?", "--param", "1"], ["import", "-"], []]:
        done = rh.run(*arguments, code=2)
        assert done.stderr and not done.stdout
    assert rh.run("query", "   -- nothing\n", code=2).stderr
    assert list(rh.folder.iterdir()) == []


def test_detach_tells_what_it_did_and_what_stays(filled):
    assert filled.run("detach").stdout == "There was nothing of Rhei's in the file.\n"
    (filled.folder / "rhei.toml").write_text("[engine]\noltp_path = \"rhei.db\"\nolap_path = \"folder\"\n")
    filled.run("sync", "--capture", "--config", "rhei.toml")
    text = filled.run("detach", "--config", "rhei.toml").stdout
    assert "Nothing of Rhei's is in the file any more" in text and "(olap_path) stays" in text and (filled.folder / "folder").is_dir()
    filled.run("sync", "--capture")
    assert "stays" not in filled.run("detach").stdout


def test_changes_of_a_file_without_capture_say_how_to_begin(filled):
    done = filled.run("changes", code=1)
    assert "there are none to follow: rh changes --capture installs change capture" in done.stderr
    assert '"kind":"table"' in filled.run("changes", "--capture").stdout


def test_a_missing_database_is_not_created_by_reading(rh):
    for command in (["query", "SELECT 1"], ["status"], ["info"], ["sync"], ["verify"]):
        done = rh.run(*command, "--db", "absent.db", code=1)
        assert "absent.db" in done.stderr and "no such file" in done.stderr and "CANT_OPEN" in done.stderr
    assert list(rh.folder.iterdir()) == []


def test_a_file_that_is_no_database_is_left_alone(rh):
    bad = rh.folder / "notes.txt"
    bad.write_text("These are notes, not a database.\n" * 100)
    before = bad.read_bytes()
    for command in (["query", "SELECT 1"], ["exec", "CREATE TABLE t (a)"], ["status"]):
        done = rh.run(*command, "--db", bad, code=1)
        assert "notes.txt" in done.stderr and "NOT_A_DATABASE" in done.stderr
    assert bad.read_bytes() == before


def test_a_folder_is_no_database(rh):
    done = rh.run("query", "SELECT 1", "--db", "/", code=1)
    assert "it is a folder" in done.stderr and "CANT_OPEN" in done.stderr


def test_a_folder_that_cannot_be_written(rh):
    # procfs refuses new files to root too
    done = rh.run("exec", "CREATE TABLE t (a)", "--db", "/proc/rhei.db", code=1)
    assert "/proc/rhei.db" in done.stderr and "CANT_OPEN" in done.stderr


def test_a_read_only_folder(filled):
    if os.geteuid() == 0:
        pytest.skip("root may write into every folder; test_a_folder_that_cannot_be_written covers the message")
    os.chmod(filled.folder, 0o555)
    try:
        done = filled.run("exec", "INSERT INTO t VALUES (2, 'b')", code=1)
        assert "READ_ONLY" in done.stderr or "CANT_OPEN" in done.stderr
    finally:
        os.chmod(filled.folder, 0o755)


def test_constraints_keep_their_words(filled):
    done = filled.run("exec", "INSERT INTO t VALUES (1, 'again')", code=1)
    assert "UNIQUE constraint failed: t.id" in done.stderr and "CONSTRAINT" in done.stderr
    done = filled.run("exec", "INSERT INTO t VALUES (2, NULL)", code=1)
    assert "NOT NULL constraint failed: t.s" in done.stderr


def test_a_bad_config_file_names_line_and_key(filled, tmp_path):
    (tmp_path / "rhei.toml").write_text("[engine]\noltp_path = \"rhei.db\"\nread_pool_sice = 3\n")
    done = filled.run("query", "SELECT 1", "--config", "rhei.toml", code=1)
    assert "read_pool_sice" in done.stderr and "read_pool_size" in done.stderr and "CONFIG" in done.stderr
    done = filled.run("query", "SELECT 1", "--config", "absent.toml", code=1)
    assert "absent.toml" in done.stderr


def test_config_names_the_database(filled, tmp_path):
    (tmp_path / "rhei.db").rename(tmp_path / "other.db")
    (tmp_path / "rhei.toml").write_text("[engine]\noltp_path = \"other.db\"\n")
    assert filled.run("query", "SELECT s FROM t", "--config", "rhei.toml").stdout == "s\na\n"


def test_formats_that_are_not_offered_say_so(filled):
    for name in ("arrow", "parquet"):
        done = filled.run("exec", "INSERT INTO t VALUES (9, 'x') RETURNING s", "--format", name, code=1)
        assert "UNSUPPORTED" in done.stderr and "rh query" in done.stderr and done.stdout == ""
        done = filled.run("query", "SELECT 1; SELECT 2", "--format", name, code=2)
        assert "one statement" in done.stderr and done.stdout == ""
        done = filled.run("query", "SELECT 1", "--format", name, "--stats", code=2)
        assert "--stats" in done.stderr and done.stdout == ""


def test_arrow_goes_out_as_one_ipc_stream(filled):
    written = filled.run("query", "SELECT s FROM t", "--format", "arrow", text=False).stdout
    assert written.startswith(b"\xff\xff\xff\xff") and written.endswith(b"\xff\xff\xff\xff\0\0\0\0")
    assert b"rhei.route" in written and b"oltp" in written
    done = filled.run("query", "SELECT nothing FROM t", "--format", "arrow", code=1)
    assert "nothing" in done.stderr and done.stdout == ""


def test_a_lock_of_another_writer_is_waited_for_and_then_told(filled, sqlite3_shell):
    holder = sqlite3_shell.start("rhei.db", stdin=subprocess.PIPE)
    try:
        holder.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "locked\n"
        assert filled.run("query", "SELECT s FROM t").stdout == "s\na\n"  # readers don't wait
        started = time.monotonic()
        done = filled.run("exec", "INSERT INTO t VALUES (9, 'late')", code=1)
        assert "BUSY" in done.stderr and time.monotonic() - started < 30
    finally:
        holder.stdin.close()
        holder.wait(timeout=60)
        holder.stdout.close()
        holder.stderr.close()
    filled.run("exec", "INSERT INTO t VALUES (9, 'now')")


def test_q5_ctrl_c_cancels_the_query_and_keeps_the_database_whole(filled):
    sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    process = filled.start("query", sql)
    try:
        assert process.stdout.readline() == "n\n"  # it runs
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert "CANCELLED" in process.stderr.read()
        assert process.wait(timeout=60) == 1
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.stderr.close()
    assert filled.run("query", "SELECT s FROM t").stdout == "s\na\n"


def test_help_and_man_page_have_the_same_options(rh):
    man = (ROOT / "docs" / "man" / "rh.1").read_text().replace("\\-", "-")
    commands = ["exec", "query", "import", "export", "status", "sync", "verify", "repair", "info", "changes", "serve", "config", "repl", "mcp", "agent", "dashboard"]
    overview = rh.run("help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", overview))
    for command in commands:
        assert f"rh {command}" in overview
        text = rh.run("help", command).stdout
        assert text == rh.run(command, "--help").stdout
        options |= set(re.findall(r"(?<!\w)--[a-z][a-z-]+", text))
    for option in options:
        assert option in man, f"{option} is missing in the man page"
    for option in set(re.findall(r"--[a-z][a-z-]+", man)):
        assert option in options, f"{option} of the man page is missing in rh help"
    assert re.fullmatch(r"rh \d+\.\d+\.\d+\n", rh.run("--version").stdout)


def test_a_command_that_failed_leaves_no_new_database(rh):
    (rh.folder / "bad.csv").write_text("id,n\n1,2\n3\n")
    (rh.folder / "good.csv").write_text("id,n\n1,2\n")
    files = sorted(path.name for path in rh.folder.iterdir())
    for capture in ([], ["--capture"]):
        for command in (["import", "bad.csv", "t", "--create"], ["import", "good.csv", "absent"], ["import", "bad.csv", "t"],
                        ["import", "absent.csv", "t", "--create"], ["exec", "CREATE TABLE t (a); INSERT INTO nope VALUES (1)"],
                        ["exec", "CREATE TABL t (a)"], ["exec", "SELECT 1; SELECT * FROM nope"]):
            rh.run(*command, *capture, "--db", "new.db", code=1)
            assert sorted(path.name for path in rh.folder.iterdir()) == files, command
    # what was committed before the error is kept, and so is a file that was there
    rh.run("exec", "PRAGMA user_version = 3; SELECT * FROM nope", "--db", "new.db", code=1)
    assert rh.run("query", "PRAGMA user_version", "--db", "new.db").stdout.split() == ["user_version", "3"]
    (rh.folder / "empty.db").touch()
    rh.run("exec", "CREATE TABL t (a)", "--db", "empty.db", code=1)
    assert (rh.folder / "empty.db").exists()


def read_bytes(process):
    with open(f"/proc/{process.pid}/io") as io:
        return int(next(line for line in io if line.startswith("rchar:")).split()[1])


def test_a_cancelled_import_leaves_no_new_database(rh, outside):
    """The rows have no end, so the signal comes before it, whoever is slow; and not before it reads them."""
    for capture in ([], ["--capture"]):
        rows = outside(["sh", "-c", "echo id,n; exec yes 1,7"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process = rh.start("import", "-", "t", "--create", "--db", "new.db", *capture, stdin=rows.stdout)
        rows.stdout.close()
        limit = time.monotonic() + 60
        while read_bytes(process) < 4 << 20:
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 1 and "cancelled" in told, told
        assert list(rh.folder.iterdir()) == []


def test_an_empty_new_database_that_somebody_uses_stays(rh, sqlite3_shell):
    """Another process that has opened the file by then keeps it, with what it writes."""
    reader, writer = os.pipe()
    process = rh.start("import", "-", "t", "--db", "new.db", stdin=reader)
    os.close(reader)
    os.write(writer, b"id\n")
    limit = time.monotonic() + 60
    while not (rh.folder / "new.db").exists() and time.monotonic() < limit:
        time.sleep(0.001)
    shell = sqlite3_shell.start("new.db", stdin=subprocess.PIPE)
    shell.stdin.write("BEGIN; SELECT count(*) FROM sqlite_schema;\n")
    shell.stdin.flush()
    assert shell.stdout.readline() == "0\n"
    os.close(writer)
    process.communicate(timeout=60)
    assert process.returncode == 1 and (rh.folder / "new.db").exists()
    shell.communicate("COMMIT; CREATE TABLE kept (a);\n", timeout=60)
    assert rh.run("query", "SELECT name FROM sqlite_schema", "--db", "new.db").stdout == "name\nkept\n"


def test_sql_of_the_column_store_alone_is_told_how_to_be_asked(filled):
    own = () if os.environ.get("RHEI_BACKEND") == "datafusion" else ("SUMMARIZE t",)
    for sql in ("FROM t", *own, "SELECT * FROM t QUALIFY row_number() OVER () = 1"):
        done = filled.run("query", sql, code=1)
        assert "rh query --route olap builds the column store first" in done.stderr
        assert filled.run("query", sql, "--route", "olap").stdout
        done = filled.run("exec", sql, code=1)
        assert "rh query --route olap" in done.stderr
    assert "--route olap" in filled.run("query", "SELECT list_value(1)", code=1).stderr


def test_advice_is_in_the_words_of_the_command_line(filled):
    for command, word in ((["query", "BEGIN"], "rh exec"), (["query", "COMMIT"], "rh exec"),
                          (["query", "PRAGMA foreign_keys = ON"], "rh exec"), (["exec", "PRAGMA query_only = 1"], "--read-only"),
                          (["query", "PRAGMA busy_timeout"], "busy_timeout_ms")):
        told = filled.run(*command, code=1).stderr
        assert word in told and "rhei_" not in told and "session" not in told, told


def test_each_advice_that_is_reworded_is_one_that_the_engine_gives():
    lists = re.findall(r"(?:words|at_prompt|at_tools|at_door)\[\] = \{(.*?)\n\};", (ROOT / "tools" / "rh" / "rh_advice.c").read_text(), re.S)
    assert len(lists) == 4
    table = "".join(lists)
    table = re.sub(r'"\s*\n\s*"', "", table)
    first = [pair[0] for pair in re.findall(r'\{"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\}', table)]
    assert len(first) == table.count("{\"")
    sources = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.[ch]")))
    sources = re.sub(r'"\s*\n\s*"', "", sources)
    for text in first:
        assert text in sources, text


@pytest.mark.parametrize("arguments,words", [
    (["query", "SELECT 1", "--timeout", "99999999999999999999"], ["--timeout", "at least 1 and at most 9223372036854775807"]),
    (["query", "SELECT 1", "--timeout", "1e3"], ["\"1e3\""]),
    (["query", "SELECT 1", "--timeout", " 5"], ["\" 5\""]),
    (["query", "SELECT 1", "--width", ""], ["--width \"\""]),
    (["query", "SELECT 1", "--freshness", "bounded:-4"], ["bounded:MS"]),
    (["query", "SELECT 1", "--freshness", "bounded:1.5"], ["whole milliseconds"]),
    (["import", "a.csv", ""], ["table", "empty name"]),
    (["import", "", "t"], ["file", "empty name"]),
])
def test_d5_a_value_that_cannot_be_is_told_with_its_range(rh, arguments, words):
    done = rh.run(*arguments, code=2)
    assert all(word in done.stderr for word in words), done.stderr


def test_every_command_tells_what_the_file_is_instead(rh):
    rh.run("exec", "CREATE TABLE t (a); INSERT INTO t VALUES (1)", "--db", "whole.db")
    (rh.folder / "truncated.db").write_bytes((rh.folder / "whole.db").read_bytes()[:1000])
    (rh.folder / "other.db").write_bytes(b"SQLite format 3\0but no more of it")
    (rh.folder / "folder.db").mkdir()
    (rh.folder / "a.csv").write_text("a\n1\n")
    commands = (["query", "SELECT 1"], ["exec", "CREATE TABLE x (a)"], ["import", "a.csv", "t"], ["status"], ["info"], ["sync"],
                ["verify"], ["detach"])
    for name, word in (("truncated.db", "damaged"), ("other.db", "other kind of file"), ("folder.db", "it is a folder")):
        for command in commands:
            done = rh.run(*command, "--db", name, code=1)
            assert name in done.stderr and word in done.stderr and not done.stdout, (command, done.stderr)


def test_an_option_that_is_none_names_the_nearest_of_its_own_command_and_where_that_is_told(rh):
    for command, option, words in (("import", "--crate", "there is no option --crate; did you mean --create? (rh help import tells more)"),
                                   ("query", "--dbb", "there is no option --dbb; did you mean --db? (rh help query tells more)"),
                                   ("status", "--ratex", "there is no option --ratex (rh help status tells more)")):
        assert rh.run(command, option, "x", code=2).stderr == f"rh: {words}\n"
    assert rh.run("qurey", code=2).stderr == "rh: there is no command 'qurey'; did you mean rh query? (rh help tells more)\n"


def test_a_name_that_is_not_there_has_its_place_and_the_nearest_one(rh):
    rh.run("exec", 'CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, "odd name"); CREATE VIEW latest AS SELECT * FROM orders')
    for sql, words, column in (("SELECT * FROM ordrs", "no such table: ordrs, did you mean orders?", 15),
                               ("SELECT 'ordrs' FROM main.ordrs", "no such table: main.ordrs, did you mean orders?", 26),
                               ("SELECT * FROM lates", "no such table: lates, did you mean latest?", 15),
                               ("SELECT * FROM somewhere_else", "no such table: somewhere_else", 15),
                               ("SELECT customr FROM orders", "no such column: customr, did you mean customer?", 8),
                               ("SELECT o.\"odd nam\" FROM orders o", "no such column: o.odd nam, did you mean odd name?", 8),
                               ("SELECT 1 +", "incomplete input", 11)):
        told = rh.run("query", sql, code=1).stderr.split("\n")
        assert told[:2] == [f"rh: {words} [SQL 42000]", f"  line 1, column {column}:"] and told[3] == "  " + " " * (column - 1) + "^", told
    assert "no such table: ordrs, did you mean orders?" in rh.run("export", "a.csv", "ordrs", code=1).stderr


def test_a_place_is_shown_once_and_the_code_stands_behind_the_words(rh):
    rh.run("exec", "CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    told = rh.run("query", "--route", "olap", "q.help plot", code=1).stderr
    assert told.count("^") == 1 and "LINE" not in told and re.search(r'at or near "q" \[SQL 42000\]\n  line 1, column 1:\n  q\.help plot\n  \^\n$', told), told
    told = rh.run("export", "a.csv", "SELECT a b c", "--route", "olap", code=1).stderr
    assert told.count("^") <= 1 and re.search(r"\[[A-Z_]+ \w{5}\]\n", told), told
