"""rh import: values, columns, bad lines, all or nothing."""

import csv
import json
import os
import pty
import random
import select
import time

import pytest

from rh_program import rh  # noqa: F401 (fixtures)


def count(rh, table):
    return int(rh.run("query", f"SELECT count(*) AS n FROM {table}").stdout.split()[1])


def rows(rh, sql):
    return [tuple(row.values()) for row in json.loads(rh.run("query", sql, "--format", "json").stdout)]


@pytest.fixture
def file(tmp_path):
    def write(text, name="data.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name
    return write


def test_creates_a_table_with_types_of_the_whole_file(rh, file):
    file("id,name,score,zip,when\n1,Ada,1,00501,2013-01-01\n2,\"Bob, \"\"B\"\"\nII\",2.5,10001,\n3,,,,\n")
    done = rh.run("import", "data.csv", "people", "--create", "--key", "id")
    assert done.stdout.startswith("3 rows into people in ") and "rows/s" not in done.stdout and done.stderr == ""
    types = rows(rh, "SELECT name, type, pk FROM pragma_table_info('people')")
    assert types == [("id", "INTEGER", 1), ("name", "TEXT", 0), ("score", "REAL", 0), ("zip", "TEXT", 0), ("when", "TEXT", 0)]
    assert rows(rh, "SELECT * FROM people ORDER BY id") == [
        (1, "Ada", 1.0, "00501", "2013-01-01"), (2, "Bob, \"B\"\nII", 2.5, "10001", None), (3, None, None, None, None)]


def test_a_header_chooses_columns_of_a_table(rh, file):
    rh.run("exec", "CREATE TABLE t (a INTEGER DEFAULT 7, b TEXT, c REAL, d, e AS (a + 1))")
    file("C,b,D\n1,x,5\n,\"\",\n")
    rh.run("import", "data.csv", "t")
    assert rows(rh, "SELECT a, b, c, typeof(c), d, typeof(d), e FROM t ORDER BY rowid") == [
        (7, "x", 1.0, "real", "5", "text", 8), (7, "", None, "null", None, "null", 8)]


def test_no_header_delimiter_null_crlf_and_bom(rh, file):
    rh.run("exec", "CREATE TABLE t (a INTEGER, b TEXT)")
    file(b"\xef\xbb\xbf1;\"x;y\"\r\nNA;NA\r\n3;\"NA\"\r\n")
    rh.run("import", "data.csv", "t", "--no-header", "--delimiter", ";", "--null", "NA")
    assert rows(rh, "SELECT a, b FROM t ORDER BY rowid") == [(1, "x;y"), (None, None), (3, "NA")]


def test_standard_input_with_and_without_create(rh):
    rh.run("import", "-", "t", "--create", input="a,b\n1,x\n")
    rh.run("import", "-", "t", input="b,a\ny,2\n")
    rh.run("import", "-", "t", "--no-header", input="3,z\n")
    assert rows(rh, "SELECT a, b FROM t ORDER BY a") == [(1, "x"), (2, "y"), (3, "z")]


def test_what_query_writes_import_reads(rh):
    rh.run("exec", "CREATE TABLE t (i INTEGER, r REAL, s TEXT); INSERT INTO t VALUES "
           "(9223372036854775807, 0.1, 'a\"b'), (-1, 1e300, ''), (NULL, NULL, NULL), (3, -0.0, 'line\nend\r'), (4, 9e999, ',')")
    text = rh.run("query", "SELECT * FROM t", text=False).stdout
    rh.run("exec", "CREATE TABLE u (i INTEGER, r REAL, s TEXT)")
    rh.run("import", "-", "u", input=text, text=False)
    left = rh.run("query", "SELECT * FROM t ORDER BY rowid", "--format", "json").stdout
    assert left == rh.run("query", "SELECT * FROM u ORDER BY rowid", "--format", "json").stdout


BAD = [
    ("a,b\n1,x\n2\n", "line 3, column 1", "1 field"),
    ("a,b\n1,x\n2,y,z\n", "line 3, column 5", "3 fields"),
    ("a,b\n1,x\nseven,y\n", "line 3, column 1", "'seven' is no integer"),
    ("a,b\n1,x\n2,\"open\n3,z\n", "line 3, column 3", "never closed"),
    ("a,b\n1,x\n2,pa\"in\n", "line 3, column 5", "quote"),
    ("a,b\n1,\"two\nlines\"\n2,\"x\"y\n", "line 4, column 6", "closing quote"),
    (b"a,b\n1,x\n2,caf\xe9\n", "line 3, column 3", "UTF-8"),
    ("a,b\n1,x\n1,again\n", "line 3", "UNIQUE constraint failed"),
    ("a,b\n1,x\n2,\n", "line 3", "NOT NULL constraint failed"),
]


@pytest.mark.parametrize("text, place, why", BAD)
def test_a_bad_line_is_named_and_nothing_is_imported(rh, file, text, place, why):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
    file(text)
    done = rh.run("import", "data.csv", "t", code=1)
    assert f"data.csv, {place}" in done.stderr and why in done.stderr and "nothing was imported" in done.stderr
    assert "--reject FILE" in done.stderr and ("--on-conflict" in done.stderr) == ("UNIQUE" in why)
    assert done.stdout == "" and count(rh, "t") == 0


@pytest.mark.parametrize("text, place, why", BAD)
def test_a_bad_line_goes_to_the_reject_file(rh, file, tmp_path, text, place, why):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)")
    file(text)
    done = rh.run("import", "data.csv", "t", "--reject", "bad.csv")
    assert "is in bad.csv" in done.stdout
    with open(tmp_path / "bad.csv", newline="", encoding="utf-8", errors="surrogateescape") as opened:
        rejects = list(csv.DictReader(opened))
    assert len(rejects) == 1 and why in rejects[0]["reason"]
    assert rejects[0]["line"] == place.split(",")[0].split()[1]
    raw = text if isinstance(text, bytes) else text.encode()
    assert rejects[0]["record"].encode("utf-8", "surrogateescape") in raw
    good = 2 if "never closed" in why else 1
    assert count(rh, "t") == good


def test_a_failed_create_leaves_no_table(rh, file):
    file("a,b\n1,x\n2\n")
    rh.run("import", "data.csv", "t", "--create", code=1)
    assert not (rh.folder / "rhei.db").exists()
    rh.run("exec", "CREATE TABLE other (a)")
    rh.run("import", "data.csv", "t", "--create", code=1)
    assert "t" not in rh.run("query", "SELECT name FROM sqlite_schema WHERE name = 't'").stdout.split()


def test_a_bad_line_far_inside_is_found_among_many(rh, file):
    lines = [f"{number},row {number}" for number in range(1, 20001)]
    lines[15000] = "3,twice"
    file("a,b\n" + "\n".join(lines) + "\n")
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    done = rh.run("import", "data.csv", "t", code=1)
    assert "line 15002" in done.stderr and count(rh, "t") == 0
    rh.run("import", "data.csv", "t", "--reject", "bad.csv")
    assert count(rh, "t") == 19999


def test_what_is_wrong_is_told_in_the_order_of_the_file(rh, file, tmp_path):
    """Lines that are no rows, and rows that the database refuses, between one another."""
    lines = [f"{number},row {number}" for number in range(1, 4001)]
    wrong = {5: "3,twice", 9: "x,no number", 10: "4", 700: "1,twice", 701: "\"open\"z,1", 1500: "9,9,9", 2999: "2,twice"}
    for at, line in wrong.items():
        lines[at] = line
    file("a,b\n" + "\n".join(lines) + "\n")
    for capture in ([], ["--capture"]):
        rh.run("exec", *capture, "DROP TABLE IF EXISTS t; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
        assert "data.csv, line 7: UNIQUE" in rh.run("import", "data.csv", "t", code=1).stderr
        rh.run("import", "data.csv", "t", "--reject", "bad.csv")
        with open(tmp_path / "bad.csv", newline="") as opened:
            assert [(int(row["line"]), row["record"]) for row in csv.DictReader(opened)] == [(at + 2, line) for at, line in wrong.items()]
        assert count(rh, "t") == 4000 - len(wrong)


def test_d5_the_reject_file_takes_nobody_elses_place(rh, file, tmp_path):
    file("a\nx\n1\n")
    rh.run("exec", "CREATE TABLE t (a INTEGER)")
    (tmp_path / "mine.txt").write_text("mine")
    for name, why in (("data.csv", "is the file to import"), ("rhei.db", "is the database itself"), ("mine.txt", "is no reject file")):
        before = (tmp_path / name).read_bytes()
        assert why in rh.run("import", "data.csv", "t", "--reject", name, code=1).stderr
        assert (tmp_path / name).read_bytes() == before
    rh.run("import", "data.csv", "t", "--reject", "bad.csv")
    rh.run("import", "data.csv", "t", "--reject", "bad.csv")
    assert (tmp_path / "bad.csv").read_text().splitlines()[0] == "line,column,reason,record" and count(rh, "t") == 2
    assert "--as-of" in rh.run("exec", "SELECT 1", "--as-of", "2001-01-01", code=2).stderr


def test_batches_are_kept_before_an_error(rh, file):
    file("a\n" + "\n".join(map(str, range(1000))) + "\nbad\n")
    rh.run("exec", "CREATE TABLE t (a INTEGER)")
    done = rh.run("import", "data.csv", "t", "--batch", "256", code=1)
    assert "batches before it are kept" in done.stderr
    assert 0 < count(rh, "t") <= 1000
    assert f"data.csv: {count(rh, 't'):,} rows of the batches before are kept." in done.stderr


def test_an_import_that_kept_nothing_says_so(rh, file):
    file("a\nbad\n" + "\n".join(map(str, range(1000))) + "\n")
    rh.run("exec", "CREATE TABLE t (a INTEGER)")
    assert "data.csv: nothing was imported." in rh.run("import", "data.csv", "t", "--batch", "256", code=1).stderr
    assert count(rh, "t") == 0


def test_tables_whose_conflicts_roll_back_import_nothing(rh, file):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)")
    file("a\n" + "\n".join(map(str, range(500))) + "\n7\n" + "\n".join(map(str, range(500, 900))) + "\n")
    for options in ([], ["--reject", "bad.csv"]):
        done = rh.run("import", "data.csv", "t", *options, code=1)
        assert "rolled back" in done.stderr and count(rh, "t") == 0


def test_tables_that_ignore_conflicts_say_how_many(rh, file):
    rh.run("exec", "CREATE TABLE t (a INTEGER UNIQUE ON CONFLICT IGNORE)")
    file("a\n1\n1\n2\n")
    done = rh.run("import", "data.csv", "t")
    assert done.stdout.startswith("2 rows into t") and "; 1 was ignored by" in done.stdout


def test_c3_numbers_keep_their_text_or_are_refused(rh, file):
    file("code,n\n1e5,1\n12e34567,2\n1e-400,3\n1E5,4\n18446744073709551615,5\n")
    rh.run("import", "data.csv", "t", "--create")
    assert rows(rh, "SELECT code FROM t") == [("1e5",), ("12e34567",), ("1e-400",), ("1E5",), ("18446744073709551615",)]
    rh.run("exec", "CREATE TABLE typed (code INTEGER, n INTEGER)")
    done = rh.run("import", "data.csv", "typed", "--reject", "bad.csv")
    assert "5 lines are in bad.csv" in done.stdout and count(rh, "typed") == 0
    done = rh.run("import", "data.csv", "typed", code=1)
    assert "line 2, column 1: '1e5' would not be kept as it is written" in done.stderr


def test_lines_that_end_in_carriage_returns_alone_are_refused(rh, file):
    file(b"id,v\r1,a\r2,b\r")
    done = rh.run("import", "data.csv", "t", "--create", code=1)
    assert "line 1, column 5: the lines of this file end in carriage returns alone" in done.stderr and "tr '\\r' '\\n'" in done.stderr
    assert not (rh.folder / "rhei.db").exists()
    rh.run("exec", "CREATE TABLE other (a)")
    rh.run("import", "data.csv", "t", "--create", code=1)
    assert "t" not in rh.run("query", "SELECT name FROM sqlite_schema").stdout.split()


def test_on_conflict(rh, file):
    def fresh():
        rh.run("exec", "DROP TABLE IF EXISTS t; CREATE TABLE t (a INTEGER, b TEXT, c INTEGER DEFAULT 9, u INTEGER UNIQUE, "
               "PRIMARY KEY (a)); INSERT INTO t VALUES (1, 'old', 5, 100), (2, 'two', 6, 200)")
    file("a,b\n1,new\n3,three\n3,again\n")
    fresh()
    assert "UNIQUE" in rh.run("import", "data.csv", "t", "--on-conflict", "abort", code=1).stderr
    done = rh.run("import", "data.csv", "t", "--on-conflict", "skip")
    assert done.stdout.startswith("1 row into t")
    assert "; 2 were there already and skipped" in done.stdout
    file("a,b\n1,new\n", "one.csv")
    assert "; 1 was there already and skipped" in rh.run("import", "one.csv", "t", "--on-conflict", "skip").stdout
    assert rows(rh, "SELECT a, b, c FROM t ORDER BY a") == [(1, "old", 5), (2, "two", 6), (3, "three", 9)]
    fresh()
    rh.run("import", "data.csv", "t", "--on-conflict", "update")
    assert rows(rh, "SELECT a, b, c, u FROM t ORDER BY a") == [(1, "new", 5, 100), (2, "two", 6, 200), (3, "again", 9, None)]
    fresh()
    rh.run("import", "data.csv", "t", "--on-conflict", "replace")
    assert rows(rh, "SELECT a, b, c, u FROM t ORDER BY a") == [(1, "new", 9, None), (2, "two", 6, 200), (3, "again", 9, None)]
    file("a,u\n7,100\n", "other.csv")  # another unique column: not the key that update finds rows by
    fresh()
    assert "UNIQUE" in rh.run("import", "other.csv", "t", "--on-conflict", "update", code=1).stderr
    rh.run("exec", "CREATE TABLE keyless (a)")
    file("a\n1\n", "keyless.csv")
    assert "none" in rh.run("import", "keyless.csv", "keyless", "--on-conflict", "update", code=1).stderr
    file("k,v\n1,x\n1,y\n", "twice.csv")
    rh.run("import", "twice.csv", "made", "--create", "--key", "k", "--on-conflict", "update")
    assert rows(rh, "SELECT k, v FROM made") == [(1, "y")]
    assert "abort, skip" in rh.run("import", "data.csv", "t", "--on-conflict", "never", code=2).stderr


def test_rename_and_skip(rh, file):
    file("# made by hand\n\"# half a quote\nid,id,other\n1,2,3\n")
    done = rh.run("import", "data.csv", "t", "--create", "--skip", "2", code=1)
    assert "line 3: the column name 'id' comes twice, in fields 1 and 2" in done.stderr and "--rename '#2=NAME'" in done.stderr
    rh.run("import", "data.csv", "t", "--create", "--skip", "2", "--rename", "#2=second", "--rename", "OTHER=third")
    assert rows(rh, "SELECT id, second, third FROM t") == [(1, 2, 3)]
    rh.run("import", "-", "t", "--skip", "1", "--rename", "x=id", input="junk\nx,third\n5,6\n")
    assert rows(rh, "SELECT id, third FROM t WHERE id = 5") == [(5, 6)]
    assert "--rename absent=a" in rh.run("import", "data.csv", "t", "--skip", "2", "--rename", "#2=second", "--rename", "absent=a", code=1).stderr
    assert "OLD=NEW" in rh.run("import", "data.csv", "t", "--rename", "x", code=2).stderr


def test_any_type_lets_text_in(rh, file):
    rh.run("exec", "CREATE TABLE t (a INTEGER)")
    file("a\nseven\n7\n")
    rh.run("import", "data.csv", "t", "--any-type")
    assert rows(rh, "SELECT typeof(a) FROM t ORDER BY rowid") == [("text",), ("integer",)]


def test_wrong_files_and_tables_are_named(rh, file, tmp_path):
    rh.run("exec", "CREATE TABLE t (a INTEGER)")
    file("a\n1\n")
    assert "--create" in rh.run("import", "data.csv", "absent", code=1).stderr
    assert "already exists" in rh.run("import", "data.csv", "t", "--create", code=1).stderr
    assert "absent.csv" in rh.run("import", "absent.csv", "t", code=1).stderr
    assert "directory" in rh.run("import", ".", "t", code=1).stderr.lower()
    file("nope\n1\n", "other.csv")
    assert "no column 'nope'" in rh.run("import", "other.csv", "t", code=1).stderr
    file("", "empty.csv")
    assert "empty" in rh.run("import", "empty.csv", "t", code=1).stderr
    file(b"PK\x03\x04rest", "zip.csv")
    assert "compressed" in rh.run("import", "zip.csv", "t", code=1).stderr
    file("a\n1\n".encode("utf-16") + b"\0\xd8", "wide.csv")
    assert "UTF-16" in rh.run("import", "wide.csv", "t", code=1).stderr
    file("a,A\n1,2\n", "twice.csv")
    assert "twice" in rh.run("import", "twice.csv", "u", "--create", code=1).stderr
    assert "/absent/" in rh.run("import", "data.csv", "t", "--reject", "/absent/bad.csv", code=1).stderr
    assert count(rh, "t") == 0


def test_names_of_any_kind(rh, file):
    file("select,a\"\"b c,ä\n1,2,3\n".replace('a""b c', '"a""b c"'))
    rh.run("import", "data.csv", "my \"table\"", "--create")
    assert rows(rh, 'SELECT "select", "a""b c", "ä" FROM "my ""table"""') == [(1, 2, 3)]


def test_c3_random_values_arrive_bit_for_bit(rh, file):
    seed = int(time.time())
    print("seed", seed)
    generator = random.Random(seed)
    wanted = [(number, generator.randint(-2**63, 2**63 - 1), generator.uniform(-1, 1) * 10 ** generator.randint(-300, 300))
              for number in range(3000)]
    file("id,i,r\n" + "".join(f"{a},{b},{c!r}\n" for a, b, c in wanted))
    rh.run("import", "data.csv", "t", "--create", "--key", "id")
    assert rows(rh, "SELECT id, i, r FROM t ORDER BY id") == wanted
    verified = rh.run("verify", "t")
    assert "3,000 rows" in verified.stdout


def run_on_terminal(rh, *arguments, columns=100):
    """Runs the tool with a terminal as standard output and error; gives what the person would have seen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(rh.folder)
        os.environ.update(COLUMNS=str(columns), TERM="xterm", LC_ALL="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execv(rh.path, [str(rh.path), *arguments])
    seen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert time.monotonic() < deadline, "the tool did not end"
    return code, seen.decode()


def test_a_terminal_sees_progress_and_pipes_do_not(rh, file):
    file("a,b\n" + "".join(f"{number},some text {number}\n" for number in range(200000)))
    code, seen = run_on_terminal(rh, "import", "data.csv", "t", "--create")
    assert code == 0 and "rows/s" in seen and "%" in seen and "left" in seen and "200,000 rows into t" in seen
    done = rh.run("import", "data.csv", "t")
    assert done.stderr == "" and "%" not in done.stdout


def test_a_terminal_sees_a_table_with_a_footer(rh):
    rh.run("exec", "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, NULL), (22, 'ab' || char(27) || '[2J')")
    code, seen = run_on_terminal(rh, "query", "SELECT a, b FROM t ORDER BY a")
    assert code == 0
    assert "│" in seen and "\x1b[2mNULL\x1b[0m" in seen and "2 rows" in seen and "oltp" in seen
    assert "\x1b[2J" not in seen and "ab\\x1b[2J" in seen
