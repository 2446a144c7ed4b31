"""rh query and rh exec: values, formats, where the SQL comes from, transactions."""

import base64
import csv
import io
import json
import subprocess

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

VALUES = [
    (1, 9223372036854775807, 0.1 + 0.2, "plain", b"\x00\xff"),
    (2, -9223372036854775808, -0.5, "Zürich, \"quoted\"\nline", b""),
    (3, 0, 1e300, "", None),
    (4, None, None, None, b"NUL\x00inside"),
    (5, 2**53 + 1, 5e-324, "'; DROP TABLE t; --", None),
]


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(value)


@pytest.fixture
def filled(rh):
    rows = ", ".join("(" + ", ".join(map(literal, row)) + ")" for row in VALUES)
    rh.run("exec", f"CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB); INSERT INTO t VALUES {rows}")
    return rh


def rows_of_json(text):
    return [tuple(row.values()) for row in json.loads(text)]


def expected_in_json():
    encode = lambda value: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
    return [tuple(map(encode, row)) for row in VALUES]


@pytest.mark.parametrize("route", ["auto", "oltp", "olap"])
def test_c3_json_is_exact_on_every_route(filled, route):
    # a column store that may not answer says so; what it answers must be exact
    done = filled.run("query", "SELECT * FROM t ORDER BY id", "--format", "json", "--route", route, code=None)
    if route == "olap" and done.returncode == 1:
        assert "OLAP_UNAVAILABLE" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    rows = rows_of_json(done.stdout)
    assert repr(rows) == repr(expected_in_json())


def test_c6_a_table_made_among_many_is_captured_when_the_program_ends(rh, sqlite3_shell):
    tables = "; ".join(f"CREATE TABLE t{i} (id INTEGER PRIMARY KEY, v)" for i in range(120))
    rh.run("exec", "--capture", tables)
    rh.run("exec", "CREATE TABLE n (id INTEGER PRIMARY KEY, v); INSERT INTO n (v) VALUES (1), (2); UPDATE n SET v = v * 10")
    triggers = "SELECT count(*) >= 3 FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'n'"
    assert sqlite3_shell.run("rhei.db", triggers + "; INSERT INTO n (v) VALUES (300)").stdout == "1\n"
    assert rh.run("query", "SELECT sum(v) FROM n", "--format", "csv").stdout.split() == ["sum(v)", "330"]


def test_c3_ndjson_and_csv_have_the_same_values(filled):
    sql = "SELECT * FROM t ORDER BY id"
    lines = filled.run("query", sql, "--format", "ndjson").stdout.splitlines()
    assert [tuple(json.loads(line).values()) for line in lines] == expected_in_json()
    text = filled.run("query", sql, "--format", "csv", text=False).stdout.decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["id", "i", "r", "s", "b"]
    for seen, wanted in zip(rows[1:], expected_in_json()):
        assert seen[0] == str(wanted[0]) and seen[3] == (wanted[3] or "")
        assert seen[1] == ("" if wanted[1] is None else str(wanted[1]))
        assert (float(seen[2]) if seen[2] else None) == wanted[2]
        blob = VALUES[wanted[0] - 1][4]
        assert seen[4] == ("" if blob is None else f"x'{blob.hex()}'")
    assert text.splitlines()[4].startswith("3,0,1e+300,\"\",")  # empty text is "", NULL is nothing


def test_sql_may_begin_with_a_comment(filled):
    assert filled.run("query", "-- which?\nSELECT 1 AS a").stdout == "a\n1\n"
    assert filled.run("query", "--which\nSELECT 1 AS a").stdout == "a\n1\n"
    assert "there is no option --wich" in filled.run("query", "--wich", "SELECT 1", code=2).stderr


@pytest.mark.parametrize("command", ["query", "exec"])
@pytest.mark.parametrize("text", ["", "  \n", "-- only a note", ";;", "/* this */ ; -- and that"])
def test_empty_text_is_told_alike(filled, command, text, tmp_path):
    (tmp_path / "empty.sql").write_text(text)
    for arguments, options in ((["--", text], {}), (["-f", "empty.sql"], {}), ([], {"input": text})):
        done = filled.run(command, *arguments, code=2, **options)
        assert (done.stdout, done.stderr) == ("", "rh: there is no SQL statement in the text\n")


def test_widths_are_the_characters_own(filled):
    sql = "SELECT '日本' AS a, 1 AS n UNION ALL SELECT 'ab', 22 UNION ALL SELECT 'e\u0301🙂', 3"
    for locale in ("C", "C.UTF-8"):
        lines = filled.run("query", sql, "--format", "table", env={"LC_ALL": locale}).stdout.splitlines()
        assert [line.split()[-1] for line in lines[2:]] == ["1", "22", "3"]
        assert lines[2].startswith(" 日本 ") and lines[3].startswith(" ab   ") and lines[4].startswith(" e\u0301🙂  ")


def test_wide_rows_leave_columns_out_or_stand_upright(filled):
    columns = ", ".join(f"{10**15 + n} AS number{n}" for n in range(8))
    table = filled.run("query", f"SELECT {columns}", "--format", "table", "--width", "60").stdout
    assert "1000000000000002" in table and "1000000000000003" not in table
    assert "Left out, for they don't fit: number3, number4, number5, number6, number7" in table
    upright = filled.run("query", f"SELECT {columns}", "--format", "vertical").stdout
    assert all(f"number{n} │ {10**15 + n}" in upright for n in range(8))


def test_names_that_begin_alike_are_told_apart_in_a_narrow_table(filled):
    long = "'" + "x" * 60 + "'"
    sql = f"SELECT 'tea' AS item, NULL AS _rhei_valid_from, NULL AS _rhei_valid_to, 'I' AS _rhei_operation, {long} AS note"
    lines = filled.run("query", sql, "--format", "table", "--width", "80").stdout.splitlines()
    assert [name.strip() for name in lines[0].split("│")] == ["item", "_rhei_valid_from", "_rhei_valid_to", "_rhei_operation", "note"]
    assert max(map(len, lines)) <= 80 and "…" in lines[2]  # values give way before names
    lines = filled.run("query", sql, "--format", "table", "--width", "44").stdout.splitlines()
    names = [name.strip() for name in lines[0].split("│")]
    assert len(set(names)) == 5 and "…_from" in names[1] and "id_to" in names[2] and "ration" in names[3], lines
    assert max(map(len, lines)) <= 44
    sql = "SELECT '" + "日" * 30 + "' AS " + "日本" * 5 + "一, '" + "日" * 30 + "' AS " + "日本" * 5 + "二"
    for width in range(5, 60):
        assert filled.run("query", sql, "--format", "table", "--width", width).stdout.count("\n") in (3, 4)


def test_output_goes_back_in(filled):
    for format, delimiter in (("csv", ","), ("tsv", "tab")):
        text = filled.run("query", "SELECT * FROM t ORDER BY id", "--format", format, "--null-text", "NA", text=False).stdout
        filled.run("exec", "DROP TABLE IF EXISTS u; CREATE TABLE u (id INTEGER PRIMARY KEY, i INTEGER, r REAL, s TEXT, b BLOB)")
        filled.run("import", "-", "u", "--null", "NA", "--delimiter", delimiter, input=text, text=False)
        different = "SELECT count(*) AS n FROM (SELECT id, i, r, s, b, typeof(b) FROM t EXCEPT SELECT id, i, r, s, b, typeof(b) FROM u)"
        assert filled.run("query", different).stdout == "n\n0\n"
    bare = filled.run("query", "SELECT 1 AS a, NULL AS b, 'NA' AS c", "--no-header", "--null-text", "NA").stdout
    assert bare == "1,NA,\"NA\"\n"


def test_a_blob_parameter_takes_what_is_printed(filled):
    for text in ("blob:x'00ff'", "blob:X'00FF'", "blob:00ff"):
        assert filled.run("query", "SELECT id FROM t WHERE b = ?", "--param", text).stdout == "id\n1\n"


def test_pipes_get_csv_unless_told_otherwise(filled):
    assert filled.run("query", "SELECT 1 AS a, NULL AS b").stdout == "a,b\n1,\n"
    assert filled.run("query", "SELECT 1 AS a", "--format", "markdown").stdout == "| a |\n| --- |\n| 1 |\n"
    table = filled.run("query", "SELECT 'x' AS name, 12 AS n", "--format", "table").stdout
    assert table.splitlines()[0].split() == ["name", "│", "n"]


def test_no_rows_is_an_empty_result_with_names(filled):
    assert filled.run("query", "SELECT id, s FROM t WHERE 0").stdout == "id,s\n"
    assert json.loads(filled.run("query", "SELECT id FROM t WHERE 0", "--format", "json").stdout) == []


def test_q4_parameters_of_every_class(filled):
    sql = "SELECT typeof(?) a, typeof(?) b, typeof(?) c, typeof(?) d, typeof(?) e, typeof(?) f, typeof(?) g"
    options = ["7", "1.5", "x", "null", "blob:00ff", "text:7", "007"]
    done = filled.run("query", sql, *[word for value in options for word in ("--param", value)], "--format", "json")
    assert rows_of_json(done.stdout) == [("integer", "real", "text", "null", "blob", "text", "text")]
    done = filled.run("query", "SELECT s FROM t WHERE id = ?", "--param", "1")
    assert done.stdout == "s\nplain\n"


def test_sql_from_standard_input_and_files(filled, tmp_path):
    assert filled.run("query", input="SELECT 1 AS one; SELECT 2 AS two;").stdout == "one\n1\ntwo\n2\n"
    assert filled.run("query", "-", input="SELECT 3 AS three").stdout == "three\n3\n"
    (tmp_path / "q.sql").write_text("-- a comment; with a semicolon\nSELECT ';' AS s;\n")
    assert filled.run("query", "-f", "q.sql").stdout == "s\n;\n"
    assert filled.run("query", "--file", "-", input="SELECT 4 AS four").stdout == "four\n4\n"


def test_q3_a_write_through_query_runs_once_as_a_write(filled):
    done = filled.run("query", "INSERT INTO t (id, s) VALUES (100, 'new') RETURNING id, s", "--format", "json")
    assert rows_of_json(done.stdout) == [(100, "new")]
    assert filled.run("query", "SELECT count(*) AS n FROM t WHERE id = 100").stdout == "n\n1\n"
    filled.run("query", "WITH x AS (SELECT 101 AS id) INSERT INTO t (id) SELECT id FROM x")
    assert filled.run("query", "SELECT count(*) AS n FROM t WHERE id = 101").stdout == "n\n1\n"


def test_exec_of_several_statements_is_all_or_nothing(filled):
    done = filled.run("exec", "INSERT INTO t (id) VALUES (200); INSERT INTO t (id) VALUES (201), (1)", code=1)
    assert "CONSTRAINT" in done.stderr and "statement 2 of 2" in done.stderr and "Nothing was changed" in done.stderr
    assert filled.run("query", "SELECT count(*) AS n FROM t WHERE id >= 200").stdout == "n\n0\n"


def test_exec_with_its_own_transactions(filled):
    filled.run("exec", "BEGIN; INSERT INTO t (id) VALUES (300); ROLLBACK; BEGIN; INSERT INTO t (id) VALUES (301); COMMIT")
    assert filled.run("query", "SELECT id FROM t WHERE id >= 300").stdout == "id\n301\n"
    done = filled.run("exec", "BEGIN; INSERT INTO t (id) VALUES (302)", code=1)
    assert "rolled back" in done.stderr
    assert filled.run("query", "SELECT id FROM t WHERE id >= 302").stdout == "id\n"


def test_exec_shows_what_a_pragma_tells(filled):
    done = filled.run("exec", "PRAGMA user_version = 7; PRAGMA user_version; PRAGMA foreign_keys = ON; PRAGMA foreign_keys")
    assert done.stdout == "user_version\n7\nforeign_keys\n1\n"
    assert filled.run("exec", "PRAGMA user_version").stdout == filled.run("query", "PRAGMA user_version").stdout
    assert filled.run("exec", "PRAGMA table_info(t)").stdout == filled.run("query", "PRAGMA table_info(t)").stdout
    done = filled.run("exec", "BEGIN; INSERT INTO t (id) VALUES (500); PRAGMA table_info(nope); PRAGMA user_version; COMMIT")
    assert "user_version\n7\n" in done.stdout and filled.run("query", "SELECT id FROM t WHERE id = 500").stdout == "id\n500\n"
    assert filled.run("exec", "PRAGMA journal_mode = WAL").stdout == "journal_mode\nwal\n"
    assert filled.run("exec", "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA secure_delete = ON").stdout == "busy,log,checkpointed\n0,0,0\nsecure_delete\n1\n"
    assert "UNSUPPORTED" in filled.run("exec", "PRAGMA journal_mode = DELETE", code=1).stderr
    for command in ("exec", "query"):  # refused alike
        assert "UNSUPPORTED" in filled.run(command, "PRAGMA busy_timeout", code=1).stderr


def test_a_database_in_memory_is_new_and_empty_for_every_command(rh):
    memory = ("--db", ":memory:")
    assert rh.run("query", "SELECT 1 + 1 AS two", *memory).stdout == "two\n2\n"
    assert rh.run("query", "CREATE TABLE t (a); INSERT INTO t VALUES (1); SELECT a FROM t", *memory).stdout == "a\n1\n"
    assert rh.run("query", "SELECT name FROM sqlite_schema", *memory).stdout == "name\n"
    for command in ("status", "info", "verify", "sync"):
        assert rh.run(command, *memory).stdout
    assert "READ_ONLY" in rh.run("query", "CREATE TABLE t (a)", "--read-only", *memory, code=1).stderr
    assert list(rh.folder.iterdir()) == []


def test_exec_of_a_trigger_keeps_it_whole(filled):
    filled.run("exec", "CREATE TABLE audit (n); CREATE TRIGGER tr AFTER INSERT ON t BEGIN "
               "INSERT INTO audit VALUES (new.id); INSERT INTO audit VALUES (-new.id); END; INSERT INTO t (id) VALUES (400)")
    assert filled.run("query", "SELECT n FROM audit ORDER BY n").stdout == "n\n-400\n400\n"


def test_stats_tell_route_rule_position_and_age(filled):
    done = filled.run("query", "SELECT s FROM t WHERE id = 1", "--stats")
    assert done.stdout == "s\nplain\n"
    assert "1 row" in done.stderr and "oltp (" in done.stderr and "position" in done.stderr and "age" in done.stderr
    done = filled.run("exec", "UPDATE t SET s = 'x' WHERE id <= 3", "--stats")
    assert "3 rows changed" in done.stderr


def test_explain_tells_the_rule_without_running(filled):
    done = filled.run("query", "--explain", "DELETE FROM t")
    assert "route" in done.stdout and "rule" in done.stdout
    assert filled.run("query", "SELECT count(*) AS n FROM t").stdout == "n\n5\n"


def test_olap_route_builds_the_column_store_and_answers(filled):
    sql = "SELECT count(*) AS n, sum(id) AS s FROM t"
    done = filled.run("query", sql, "--route", "olap", "--stats")
    assert done.stdout == "n,s\n5,15\n" and "olap (" in done.stderr
    # without being told, a one-shot leaves it to SQLite: its mirror could never pay back
    done = filled.run("query", sql, "--stats")
    assert done.stdout == "n,s\n5,15\n" and "oltp (" in done.stderr


@pytest.mark.parametrize("freshness", ["latest", "bounded:50", "eventual"])
def test_freshness_is_accepted_on_every_route(filled, freshness):
    for route in ("auto", "oltp"):
        done = filled.run("query", "SELECT count(*) AS n FROM t", "--freshness", freshness, "--route", route)
        assert done.stdout == "n\n5\n"


def test_duplicate_names_stay_apart_in_json(filled):
    done = filled.run("query", "SELECT 1 AS a, 2 AS a", "--format", "json")
    assert json.loads(done.stdout) == [{"a": 1, "a_2": 2}]


def test_q5_timeout_ends_a_long_statement(filled):
    sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
    done = filled.run("query", sql, "--timeout", "200", code=1)
    assert "TIMEOUT" in done.stderr and done.stdout == ""


def test_a_pipe_that_closes_early_ends_the_query(filled):
    sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    process = filled.start("query", sql)
    assert process.stdout.readline() == "n\n"
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=60) != 0


def test_a_full_disk_for_the_output_is_an_error(filled):
    with open("/dev/full", "w") as full:
        done = subprocess.run([filled.path, "query", "SELECT 1"], cwd=filled.folder, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)
    assert done.returncode == 1 and "output" in done.stderr


def test_c2_a_foreign_writer_is_seen_at_once(filled, sqlite3_shell):
    for number in range(1000, 1003):
        sqlite3_shell.run("rhei.db", f"INSERT INTO t (id, s) VALUES ({number}, 'foreign')")
        for route in ("auto", "olap"):
            done = filled.run("query", "SELECT count(*) AS n, max(id) AS m FROM t WHERE id >= 1000", "--route", route)
            assert done.stdout == f"n,m\n{number - 999},{number}\n"


def test_a_foreign_reader_sees_what_exec_wrote(filled, sqlite3_shell):
    filled.run("exec", "UPDATE t SET s = 'seen' WHERE id = 1")
    assert sqlite3_shell.run("rhei.db", "SELECT s FROM t WHERE id = 1").stdout == "seen\n"


def test_parameters_go_by_name(rh):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    for sign in ":@$":
        told = rh.run("query", f"SELECT {sign}id", "--param", "id=7", code=2).stderr
        assert f"the statement has {sign}id: write --param '{sign}id=7', or text:id=7" in told
    assert rh.run("query", "SELECT :id AS v", "--param", ":id=7", "--no-header").stdout == "7\n"
    assert rh.run("query", "SELECT ? AS v, ':id' AS w", "--param", "id=7", "--no-header").stdout == "id=7,:id\n"
    rh.run("exec", "INSERT INTO t VALUES ($id, :v)", "--param", ":v=text:1", "--param", "$id=3")
    assert rh.run("query", "SELECT id, typeof(v) FROM t WHERE id = @id", "--param", "@id=3", "--no-header").stdout == "3,text\n"
    rh.run("export", "a.csv", "SELECT v FROM t WHERE id = :id", "--param", ":id=3")
    assert "1" in (rh.folder / "a.csv").read_text()
