"""Files of rows in and out: what the tool wrote it reads back, and what others wrote too."""

import datetime
import decimal
import gzip
import json
import os
import sqlite3
import struct
import zipfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rh_program import rh  # noqa: F401 (fixtures)

TEXTS = ["", "a", "NULL", "x'41'", "a,b;c\td|e", 'quo"te', "it's", "line\nend", "cr\rlf\r\n", "nul\0inside", "007", "1e5", " 7 ", "é東🙂", "\x1b[2J",
         "\ufeff", "{\"a\":1}", "-", "'", '"', "\\", "\\u0041", "18446744073709551616"]
REALS = [-0.0, 0.0, 0.5, -1.25, 1e300, -5e-324, 2.2250738585072014e-308, float("inf"), float("-inf"), 0.1, 1e22, 123456789012345678.0]
INTEGERS = [0, 1, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)]
COLUMNS = ("i INTEGER", "r REAL", "t TEXT", "b BLOB", "n NUMERIC", "x")


def a_value(rng, kinds):
    kind = rng.choice(kinds)
    if kind == "text":
        return rng.choice(TEXTS) if rng.random() < 0.7 else "".join(rng.choice("ab\"',;\n\r\t\0é🙂") for _ in range(rng.randrange(9)))
    if kind == "broken":
        return b"caf\xe9"
    if kind == "blob":
        return bytes(rng.randrange(256) for _ in range(rng.randrange(6)))
    if kind == "real":
        return rng.choice(REALS) if rng.random() < 0.6 else struct.unpack("d", struct.pack("d", rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300)))[0]
    return None if kind == "null" else rng.choice(INTEGERS) if rng.random() < 0.6 else rng.randrange(-2**63, 2**63)


def fill(path, rng, kinds_of, rows):
    """A table t whose columns have values of these kinds; the stock SQLite stores them as its affinities say."""
    db = sqlite3.connect(path)
    db.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
    for number in range(rows):
        cells = [(kind, a_value(rng, [kind])) for kind in (rng.choice(kinds) for kinds in kinds_of)]
        places = ", ".join("CAST(? AS TEXT)" if kind == "broken" else "?" for kind, _ in cells)
        db.execute(f"INSERT INTO t VALUES (?, {places})", [number, *(value for _, value in cells)])
    db.commit()
    db.close()


def cells(path, table):
    """Class and bits of every value."""
    db = sqlite3.connect(path)
    db.text_factory = bytes
    names = [row[1].decode() for row in db.execute(f"PRAGMA table_info({table})")]
    rows = db.execute("SELECT " + ", ".join(f"typeof({name}), {name}" for name in names) + f" FROM {table} ORDER BY id").fetchall()
    db.close()
    return [[(kind, struct.pack("d", value) if kind == b"real" else value) for kind, value in zip(row[::2], row[1::2])] for row in rows]


ANY = ["null", "integer", "real", "text", "blob"]


@pytest.mark.parametrize("ending", ["json", "ndjson", "parquet", "arrow", "arrows"])
def test_c3_any_value_comes_back_the_same(rh, rng, ending):  # noqa: F811
    fill(rh.folder / "rhei.db", rng, [ANY] * len(COLUMNS), 300)
    rh.run("export", f"t.{ending}", "t")
    rh.run("exec", f"CREATE TABLE u (id INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
    assert f"read as {'arrow' if ending == 'arrows' else ending}" in rh.run("import", f"t.{ending}", "u").stdout
    assert cells(rh.folder / "rhei.db", "u") == cells(rh.folder / "rhei.db", "t")
    rh.run("import", f"t.{ending}", "made", "--create", "--key", "id")  # and where the file alone says what there is
    assert cells(rh.folder / "rhei.db", "made") == cells(rh.folder / "rhei.db", "t")


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_c3_what_a_column_is_declared_for_comes_back_from_csv(rh, rng, ending):  # noqa: F811
    fill(rh.folder / "rhei.db", rng, [["null", "integer"], ["null", "real"], ["null", "text"], ["null", "text", "blob"], ["null", "integer"], ["null", "text"]], 300)
    rh.run("export", f"t.{ending}", "t")
    rh.run("exec", f"CREATE TABLE u (id INTEGER PRIMARY KEY, {', '.join(COLUMNS)})")
    rh.run("import", f"t.{ending}", "u")
    assert cells(rh.folder / "rhei.db", "u") == cells(rh.folder / "rhei.db", "t")


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "arrows"])
def test_c3_the_sign_of_a_zero_comes_back_into_a_table_that_is_made(rh, ending):  # noqa: F811
    db = sqlite3.connect(rh.folder / "rhei.db")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, z, r REAL)")
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(number, -0.0 if number in (2, 4000) else 0.5, number / 4) for number in range(1, 5001)])
    db.commit()
    db.close()
    rh.run("export", f"t.{ending}", "t")
    for number, option in enumerate(([], ["--batch", "1500"])):
        rh.run("import", f"t.{ending}", f"made{number}", "--create", "--key", "id", *option)
        assert cells(rh.folder / "rhei.db", f"made{number}") == cells(rh.folder / "rhei.db", "t")
        declared = rows(rh, f"SELECT name, type FROM pragma_table_info('made{number}')")
        assert [kind for _, kind in declared] == ["INTEGER", "", "REAL"]


def test_text_that_is_not_utf8_is_what_the_guide_says(rh, rng):  # noqa: F811
    fill(rh.folder / "rhei.db", rng, [["null"], ["null"], ["broken"], ["null"], ["null"], ["null"]], 3)
    for ending, seen in (("parquet", (b"blob", b"caf\xe9")), ("arrow", (b"blob", b"caf\xe9")), ("json", (b"text", b"caf\xef\xbf\xbd"))):
        rh.run("export", f"t.{ending}", "t")
        rh.run("import", f"t.{ending}", f"from_{ending}", "--create", "--key", "id")
        assert [row[3] for row in cells(rh.folder / "rhei.db", f"from_{ending}")] == [seen] * 3
    rh.run("export", "t.csv", "SELECT id, t FROM t LIMIT 1")
    assert "not UTF-8 here" in rh.run("import", "t.csv", "from_csv", "--create", code=1).stderr


# ---- What others wrote.

def rows(rh, sql):  # noqa: F811
    return [tuple(row.values()) for row in json.loads(rh.run("query", sql, "--format", "json").stdout)]


def foreign_table():
    return pa.table({
        "id": pa.array([1, 2, 3], pa.int32()), "big": pa.array([0, 2**63, 2**64 - 1], pa.uint64()), "yes": [True, False, None],
        "half": pa.array([0.5, None, -2.0], pa.float32()), "nan": [float("nan"), float("inf"), -0.0],
        "money": pa.array([decimal.Decimal("12345678901234567890.12"), None, decimal.Decimal("-0.01")], pa.decimal128(38, 2)),
        "day": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1969, 12, 31)]),
        "at": pa.array([0, 1, -1], pa.timestamp("us")), "zoned": pa.array([0, 1709209800000, None], pa.timestamp("ms", "Europe/Berlin")),
        "time": pa.array([datetime.time(12, 30, 0, 500000), None, datetime.time(0)], pa.time64("us")),
        "list": [[1, 2], None, []], "struct": [{"a": 1, "b": "x"}, None, {"a": None, "b": ""}],
        "word": pa.array(["one", "two", "one"]).dictionary_encode(), "bytes": [b"\0\xff", b"", None], "text": ["007", "é\0", ""],
        "lasts": pa.array([0, -1, 10**12], pa.duration("us")), "laps": pa.array([[1, None], None, []], pa.list_(pa.duration("ms"))),
        "both": pa.array([{"n": 1, "lasts": 90}, None, {"n": 2, "lasts": None}], pa.struct([("n", pa.int64()), ("lasts", pa.duration("s"))]))})


WANTED = {
    "id": [1, 2, 3], "big": [0, "9223372036854775808", "18446744073709551615"], "yes": [1, 0, None], "half": [0.5, None, -2.0],
    "nan": [None, float("inf"), 0.0], "money": ["12345678901234567890.12", None, "-0.01"], "day": ["2024-02-29", None, "1969-12-31"],
    "at": ["1970-01-01 00:00:00", "1970-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999"],
    "zoned": ["1970-01-01 00:00:00+00:00", "2024-02-29 12:30:00+00:00", None], "time": ["12:30:00.5", None, "00:00:00"], "list": ["[1,2]", None, "[]"],
    "struct": ['{"a":1,"b":"x"}', None, '{"a":null,"b":""}'], "word": ["one", "two", "one"],
    "bytes": [{"base64": "AP8="}, {"base64": ""}, None], "text": ["007", "é\0", ""],
    "lasts": ["PT0S", "PT-0.000001S", "PT1000000S"], "laps": ['["PT0.001S",null]', None, "[]"],
    "both": ['{"n":1,"lasts":"PT90S"}', None, '{"n":2,"lasts":null}']}


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows", "lz4"])
def test_types_of_other_programs_become_what_the_guide_says(rh, kind):  # noqa: F811
    table = foreign_table()
    path = str(rh.folder / "foreign.data")  # what it is, its bytes say
    if kind == "parquet":
        pq.write_table(table, path, compression="zstd")
    else:
        options = pa.ipc.IpcWriteOptions(compression="lz4" if kind == "lz4" else None)
        table = table.set_column(12, "word", table["word"].cast(pa.string())) if kind == "lz4" else table
        with (pa.ipc.new_stream if kind == "arrows" else pa.ipc.new_file)(path, table.schema, options=options) as writer:
            writer.write_table(table)
    rh.run("import", "foreign.data", "t", "--create")
    for name, wanted in WANTED.items():
        assert [row[0] for row in rows(rh, f'SELECT "{name}" FROM t ORDER BY id')] == wanted, name
    with open(path, "rb") as file:
        rh.run("import", "-", "piped", "--create", stdin=file)
    assert rows(rh, "SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM piped)") == [(0,)]


def test_parquet_of_duckdb(rh):  # noqa: F811
    duckdb.sql("SELECT i AS id, i::HUGEINT * 10000000000 AS huge, uuid() AS u, 'r' || i AS name FROM range(200000) t(i)").write_parquet(str(rh.folder / "d.parquet"))
    rh.run("import", "d.parquet", "t", "--create", "--key", "id")
    assert rows(rh, "SELECT count(*), sum(id), max(length(u)), max(name) FROM t") == [(200000, 19999900000, 36, "r99999")]


def test_columns_go_by_name_and_may_be_renamed(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (a INTEGER DEFAULT 7, b TEXT, c REAL)")
    pq.write_table(pa.table({"C": [1.5], "bee": ["x"]}), rh.folder / "t.parquet")
    (rh.folder / "t.ndjson").write_text('{"bee": "y", "c": 2}\n{"C": 2.5}\n')
    assert "no column 'bee'" in rh.run("import", "t.parquet", "t", code=1).stderr
    assert "no column 'bee'" in rh.run("import", "t.ndjson", "t", code=1).stderr
    rh.run("import", "t.parquet", "t", "--rename", "bee=b")
    rh.run("import", "t.ndjson", "t", "--rename", "bee=b")
    assert rows(rh, "SELECT * FROM t ORDER BY c") == [(7, "x", 1.5), (7, "y", 2.0), (7, None, 2.5)]
    assert "--rename d=b" in rh.run("import", "t.parquet", "t", "--rename", "d=b", code=1).stderr


def test_bad_rows_are_told_and_nothing_is_imported(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT NOT NULL)")
    pq.write_table(pa.table({"id": [1, 2, 2], "v": ["a", "b", "c"]}), rh.folder / "t.parquet")
    (rh.folder / "t.ndjson").write_text('{"id": 1, "v": "a"}\n{"id": 2, "v": "b",}\n{"id": 3, "v": "c"}\n{"id": 3, "v": "d"}\n')
    assert "t.parquet, row 3: UNIQUE" in rh.run("import", "t.parquet", "t", code=1).stderr
    done = rh.run("import", "t.ndjson", "t", code=1)
    assert "t.ndjson, line 2, column 20: a name in double quotes" in done.stderr and "nothing was imported" in done.stderr
    assert rows(rh, "SELECT count(*) FROM t") == [(0,)]
    assert "; 1 line is in bad.csv" in rh.run("import", "t.parquet", "t", "--reject", "bad.csv").stdout
    assert (rh.folder / "bad.csv").read_text().splitlines()[1].startswith("3,,")
    rh.run("exec", "DELETE FROM t")
    assert "; 2 lines are in bad.csv" in rh.run("import", "t.ndjson", "t", "--reject", "bad.csv").stdout
    assert rows(rh, "SELECT id, v FROM t") == [(1, "a"), (3, "c")]


def test_d5_damaged_files_are_refused_in_a_sentence(rh):  # noqa: F811
    pq.write_table(foreign_table(), rh.folder / "good.parquet")
    whole = (rh.folder / "good.parquet").read_bytes()
    (rh.folder / "cut.parquet").write_bytes(whole[:-40])
    (rh.folder / "empty.parquet").write_bytes(b"")
    (rh.folder / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n" + os.urandom(40000).hex().encode())[:-9000])
    (rh.folder / "cut.arrow").write_bytes(b"ARROW1\0\0" + b"\xff" * 30)
    (rh.folder / "array.json").write_text('[{"a": 1}, {"a": 2}')
    for name, words in (("cut.parquet", "Parquet"), ("empty.parquet", "empty.parquet"), ("cut.csv.gz", "gzip"), ("cut.arrow", "cut.arrow"),
                        ("array.json", "never closed"), ("rhei.db", "--db opens it")):
        rh.run("exec", "CREATE TABLE IF NOT EXISTS other (a)")
        done = rh.run("import", name, "t", "--create", code=1)
        assert words in done.stderr and "/proc/" not in done.stderr, done.stderr
        assert rows(rh, "SELECT count(*) FROM sqlite_schema WHERE name = 't'") == [(0,)]


def test_parquet_whose_values_would_change_is_refused_by_column(rh):  # noqa: F811
    amount, short = decimal.Decimal("12345678901234567890123456789012345.25"), decimal.Decimal("12345678901234567890123456789012345.2")
    for precision, scale in ((39, 2), (45, 2), (76, 1)):
        kind = pa.decimal256(precision, scale)
        for column in (pa.array([short], kind), pa.array([[short]], pa.list_(kind))):
            pq.write_table(pa.table({"id": [1], "amount": column, "note": ["x"]}), rh.folder / "wide.parquet")
            done = rh.run("import", "wide.parquet", "t", "--create", code=1)
            assert "wide.parquet" in done.stderr and f'the column "amount" is DECIMAL({precision}, {scale})' in done.stderr, done.stderr
            assert "[UNSUPPORTED" in done.stderr and done.stdout == ""
    pq.write_table(pa.table({"id": [1], "at": pa.array([1000001], pa.time64("ns"))}), rh.folder / "time.parquet")
    assert 'the column "at" is TIME with nanoseconds' in rh.run("import", "time.parquet", "t", "--create", code=1).stderr
    pq.write_table(pa.table({"at": pa.array([1000001], pa.timestamp("ns"))}), rh.folder / "old.parquet", use_deprecated_int96_timestamps=True)
    assert 'the column "at" is INT96' in rh.run("import", "old.parquet", "t", "--create", code=1).stderr
    wide = pa.table({"amount": pa.array([amount], pa.decimal256(39, 2))})
    with pa.OSFile(str(rh.folder / "wide.arrow"), "wb") as file, pa.ipc.new_file(file, wide.schema) as writer:
        writer.write_table(wide)
    rh.run("import", "wide.arrow", "a", "--create")
    assert rows(rh, "SELECT * FROM a") == [(str(amount),)]
    right = pa.table({"d": pa.array([short], pa.decimal128(38, 1)), "u": pa.array([1000001], pa.time64("us")),
                      "n": pa.array([1000001], pa.timestamp("ns"))})
    pq.write_table(right, rh.folder / "right.parquet")
    rh.run("import", "right.parquet", "p", "--create")
    assert rows(rh, "SELECT * FROM p") == [(str(short), "00:00:01.000001", "1970-01-01 00:00:00.001000001")]


@pytest.mark.parametrize("statistics", [True, False])
def test_a_parquet_value_out_of_range_is_told_with_its_column(rh, statistics):  # noqa: F811
    pq.write_table(pa.table({"id": [1, 2], "at": pa.array([0, 2**62], pa.timestamp("ms"))}), rh.folder / "far.parquet", write_statistics=statistics)
    done = rh.run("import", "far.parquet", "t", "--create", code=1)
    assert 'far.parquet: column "at": Parquet: ' in done.stderr and "Timestamp" in done.stderr, done.stderr
    assert "no reason" not in done.stderr and done.stdout == ""


def test_infinity_of_csv_comes_back_as_infinity(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (r REAL, n NUMERIC, i INTEGER); INSERT INTO t VALUES (9e999, -9e999, 9e999), (1.5, 2.5, 3)")
    rh.run("export", "t.csv", "t")
    rh.run("exec", "CREATE TABLE u (r REAL, n NUMERIC, i INTEGER)")
    rh.run("import", "t.csv", "u")
    rh.run("import", "t.csv", "v", "--create")
    infinity = float("inf")
    assert rows(rh, "SELECT * FROM u") == [(infinity, -infinity, infinity), (1.5, 2.5, 3)]
    assert rows(rh, "SELECT * FROM v") == [(infinity, -infinity, infinity), (1.5, 2.5, 3)]
    assert rows(rh, "SELECT type FROM pragma_table_info('v')") == [("REAL",)] * 3


# ---- What gzip packed.

FIRST, SECOND = gzip.compress(b"a,b\n1,x\n"), gzip.compress(b"2,y\n" + b"".join(b"%d,%s\n" % (at, os.urandom(40).hex().encode()) for at in range(3, 9003)))
PACKED_BADLY = [
    ("the deflated bytes of a second member", FIRST + SECOND[:10] + b"\x07" + SECOND[11:], "invalid block type (its member 2"),
    ("the head of a second member", FIRST + b"\x1f\x8b\x09" + SECOND[3:], f"which begins behind {len(FIRST)} bytes of the file"),
    ("the magic of a second member", FIRST + b"\x1f\x8c" + SECOND[2:], f"behind {len(FIRST)} bytes of the file ends what gzip packed"),
    ("a second member that was cut", FIRST + SECOND[:-3000], f"it ends, behind {len(FIRST + SECOND) - 3000} bytes, in the middle"),
    ("a second member cut in its head", FIRST + SECOND[:5], f"member 2, which begins behind {len(FIRST)} bytes"),
    ("a second member cut in its check sum", FIRST + SECOND[:-6], "in the middle of what gzip packed"),
    ("half a magic", FIRST + SECOND[:1], "is something else"),
    ("an only member cut in its length", FIRST[:-1], "in the middle of what gzip packed"),
    ("an only member cut in its head", FIRST[:2], "in the middle of what gzip packed"),
    ("a check sum", FIRST[:-8] + b"\0\0\0\0" + FIRST[-4:], "incorrect data check"),
    ("a length", FIRST[:-4] + b"\1\0\0\0", "incorrect length check"),
    ("the check sum of the second", FIRST + SECOND[:-8] + b"\0\0\0\0" + SECOND[-4:], "incorrect data check (its member 2"),
    ("text behind", FIRST + b"3,z\n", f"behind {len(FIRST)} bytes of the file ends what gzip packed, and behind {len(FIRST)} is"),
    ("text behind zeros", FIRST + bytes(700) + b"3,z\n", f"and behind {len(FIRST) + 700} is something else"),
    ("a member behind zeros", FIRST + bytes(700) + SECOND, f"and behind {len(FIRST) + 700} is something else"),
]


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("what, content, words", PACKED_BADLY, ids=[what for what, _, _ in PACKED_BADLY])
def test_d5_gzip_that_is_damaged_anywhere_is_refused_with_its_place(rh, what, content, words, piped):  # noqa: F811
    (rh.folder / "data.csv.gz").write_bytes(content)
    rh.run("exec", "CREATE TABLE t (a, b)")
    done = rh.run("import", "-" if piped else "data.csv.gz", "t", code=1, input=content if piped else None, text=False)
    assert words in done.stderr.decode() and ("standard input" if piped else "data.csv.gz").encode() in done.stderr, done.stderr
    assert rows(rh, "SELECT count(*) FROM t") == [(0,)]


@pytest.mark.parametrize("behind, count", [(b"", 9002), (bytes(1), 9002), (bytes(600_000), 9002), (gzip.compress(b""), 9002), (gzip.compress(b"") * 3 + FIRST, 9004)],
                         ids=["nothing", "a zero", "zeros", "an empty member", "members"])
def test_gzip_of_several_members_and_with_zeros_behind_is_read_to_its_end(rh, behind, count):  # noqa: F811
    (rh.folder / "data.csv.gz").write_bytes(FIRST + SECOND + behind)
    assert "packed by gzip" in rh.run("import", "data.csv.gz", "t", "--create").stdout
    assert rows(rh, "SELECT count(*) FROM t") == [(count,)]
    (rh.folder / "empty.gz").write_bytes(gzip.compress(b""))
    (rh.folder / "empty").write_bytes(b"")
    for name in ("empty.gz", "empty"):
        assert "is empty" in rh.run("import", name, "e", "--create", code=1).stderr


def test_parquet_that_gzip_packed_is_read_whole_or_not_at_all(rh):  # noqa: F811
    pq.write_table(pa.table({"a": list(range(5000))}), rh.folder / "t.parquet")
    whole = (rh.folder / "t.parquet").read_bytes()
    (rh.folder / "good").write_bytes(gzip.compress(whole[:1000]) + gzip.compress(whole[1000:]))
    (rh.folder / "bad").write_bytes(gzip.compress(whole[:1000]) + gzip.compress(whole[1000:])[:-9])
    rh.run("import", "good", "t", "--create")
    assert rows(rh, "SELECT count(*), sum(a) FROM t") == [(5000, sum(range(5000)))]
    assert "its member 2" in rh.run("import", "bad", "u", "--create", code=1).stderr


# ---- What is decided of text.

SNIFFED = [
    ("a;b\n1,5;x\n2,5;y\n".encode(), "delimiter ';'", [("1,5", "x"), ("2,5", "y")]),
    ("a\tb\n1\tx, y\n".encode(), "delimiter tab", [(1, "x, y")]),
    ("a|b\n1|x\n".encode(), "delimiter '|'", [(1, "x")]),
    ("a,b\n1,'x, y'\n2,'it''s'\n".encode(), "quote \"'\"", [(1, "x, y"), (2, "it's")]),
    ("1,x\n2,y\n".encode(), "no header", [(1, "x"), (2, "y")]),
    ("a,b\n1,x\n".encode("utf-8-sig"), "in UTF-8", [(1, "x")]),
    ("a,b\n1,é東\n".encode("utf-16"), "in UTF-16LE", [(1, "é東")]),
    ("a,b\n1,é東\n".encode("utf-16-be"), "in UTF-16BE", [(1, "é東")]),
    ("a,b\n1,é\n2,ü\n".encode("latin-1"), "in windows-1252", [(1, "é"), (2, "ü")]),
    (gzip.compress("a,b\n1,x\n".encode()), "packed by gzip", [(1, "x")]),
    ("a\n007\n1e5\n".encode(), "names in the first line", [("007",), ("1e5",)]),
    ('\n {"a": 1, "b": true}\n'.encode(), "read as ndjson", [(1, 1)]),
    ('[{"a": 1, "b": [1, {"c": 2}]}, {"a": 9007199254740993, "b": 18446744073709551616}]'.encode(), "read as json",
     [(1, '[1, {"c": 2}]'), (9007199254740993, "18446744073709551616")]),
]


@pytest.mark.parametrize("content, words, wanted", SNIFFED, ids=[words for _, words, _ in SNIFFED])
@pytest.mark.parametrize("piped", [False, True])
def test_what_is_decided_is_told(rh, content, words, wanted, piped):  # noqa: F811
    (rh.folder / "data").write_bytes(content)
    done = rh.run("import", "-", "t", "--create", input=content, text=False) if piped else rh.run("import", "data", "t", "--create", text=False)
    assert words in done.stdout.decode()
    assert rows(rh, "SELECT * FROM t ORDER BY rowid") == wanted


def test_what_is_said_is_not_guessed(rh):  # noqa: F811
    def made(content, *options):
        (rh.folder / "data.csv").write_bytes(content)
        rh.run("import", "data.csv", "t", "--replace", *options)
        return rows(rh, "SELECT * FROM t ORDER BY rowid")
    assert made(b"a;b\n1;2\n", "--delimiter", ",") == [("1;2",)]
    assert made(b"2019,2020\n1,2\n", "--header") == [(1, 2)] and made(b"a,b\n1,2\n", "--no-header") == [("a", "b"), ("1", "2")]
    assert made(b"a,b\n\"x,2\ny\",3\n", "--quote", "none") == [('"x', 2), ('y"', 3)]
    assert made(b"a\ncaf\xe9\n", "--encoding", "latin1") == [("café",)] and made(b"a\n\x82\xa0\n", "--encoding", "SHIFT_JIS") == [("あ",)]
    assert made(b'{"a"\n1\n', "--format", "csv", "--quote", "none") == [(1,)]
    for options, words, code in ((("--encoding", "nonsense"), "no encoding", 1), (("--quote", "xx"), "--quote xx", 2), (("--format", "box"), "csv, tsv, json", 2),
                                 (("--format", "ndjson", "--delimiter", ";"), "of CSV", 2), (("--format", "parquet"), "data.csv", 1)):
        assert words in rh.run("import", "data.csv", "t", *options, code=code).stderr


def test_types_that_are_found_are_told_and_may_be_said(rh):  # noqa: F811
    (rh.folder / "data.csv").write_text("zip,n,amount\n10115,1,2\n20095,2,3\n")
    assert "columns zip INTEGER, n INTEGER, amount INTEGER\n" in rh.run("import", "data.csv", "t", "--create").stdout
    done = rh.run("import", "data.csv", "t", "--replace", "--type", "ZIP=text", "--type", "amount=REAL")
    assert "columns zip TEXT, n INTEGER, amount REAL\n" in done.stdout
    assert rows(rh, "SELECT * FROM t ORDER BY n") == [("10115", 1, 2.0), ("20095", 2, 3.0)]
    (rh.folder / "words.csv").write_text("a\nx\n")
    assert "line 2, column 1: 'x' is no integer" in rh.run("import", "words.csv", "w", "--create", "--type", "a=INTEGER", code=1).stderr
    for options, words, code in ((("--create", "--type", "b=TEXT"), "no column for --type b=TEXT", 1), (("--type", "a=TEXT"), "--create", 2),
                                 (("--create", "--type", "a=DATE"), "COLUMN=TEXT", 2)):
        assert words in rh.run("import", "words.csv", "w", *options, code=code).stderr


def test_types_of_a_table_that_is_made_are_told_of_every_format(rh):  # noqa: F811
    pq.write_table(pa.table({"id": [1], "price": pa.array([decimal.Decimal("1.25")], pa.decimal128(9, 2))}), rh.folder / "p.parquet")
    (rh.folder / "n.ndjson").write_text('{"a": 1, "b": 1.5, "c": 1}\n{"c": "x"}\n')
    assert "\n  columns id INTEGER, price TEXT\n" in rh.run("import", "p.parquet", "p", "--create").stdout
    assert "\n  columns a INTEGER, b REAL, c BLOB\n" in rh.run("import", "n.ndjson", "n", "--create").stdout
    assert "columns" not in rh.run("import", "n.ndjson", "n").stdout


def test_a_decimal_comma_is_told_and_read_where_it_is_said(rh):  # noqa: F811
    (rh.folder / "preise.csv").write_text("name;preis;menge;text\nBrot;1,25;1;1,5\nEi;-0,5;;x\nOel;12;3;\n")
    told = rh.run("import", "preise.csv", "--create").stdout
    assert "3 rows into preise in" in told and "columns name TEXT, preis TEXT, menge INTEGER, text TEXT" in told
    assert "the numbers of preis have a decimal comma, and are kept as text: --decimal , makes them REAL" in told
    told = rh.run("import", "preise.csv", "--replace", "--decimal", ",").stdout
    assert "preis REAL, menge INTEGER, text TEXT" in told and "comma" not in told
    assert rows(rh, "SELECT preis, text FROM preise") == [(1.25, "1,5"), (-0.5, "x"), (12.0, None)]
    rh.run("exec", "CREATE TABLE there (preis REAL, any NUMERIC)")
    (rh.folder / "there.csv").write_text("preis;any\n1,5;1.234,5\n")
    assert "'1,5' is no number (--decimal , reads its comma as the point)" in rh.run("import", "there.csv", code=1).stderr
    rh.run("import", "there.csv", "--decimal", ",")
    assert rows(rh, "SELECT preis, any FROM there") == [(1.5, "1.234,5")]
    (rh.folder / "there.json").write_text('{"preis": "1,5"}')
    assert "no delimiter, quote, decimal sign" in rh.run("import", "there.json", "--decimal", ",", code=1).stderr


@pytest.mark.parametrize("name, member", (("a.xlsx", "xl/workbook.xml"), ("b.xlsx", "xl/worksheets/sheet1.xml"), ("c.ods", "mimetype"), ("d.xls", None)))
def test_a_workbook_is_called_by_its_name(rh, name, member):  # noqa: F811
    if member is None:
        (rh.folder / name).write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    else:
        with zipfile.ZipFile(rh.folder / name, "w") as file:
            file.writestr(member, "application/vnd.oasis.opendocument.spreadsheet")
    assert f"{name} is a workbook of a spreadsheet program" in rh.run("import", name, "--create", code=1).stderr


def test_numbers_that_columns_are_called_are_names(rh):  # noqa: F811
    rh.run("exec", 'CREATE TABLE t (country TEXT, "2019", "2020"); INSERT INTO t VALUES (\'DK\', 1.5, NULL)')
    rh.run("export", "t.csv", "t")
    assert "names in the first line" in rh.run("import", "t.csv", "t").stdout
    assert "no header" in rh.run("import", "-", "t", input="SE,2,3\n").stdout
    assert rows(rh, "SELECT * FROM t ORDER BY rowid") == [("DK", 1.5, None), ("DK", "1.5", None), ("SE", "2", "3")]


def test_one_bad_line_is_no_other_encoding(rh):  # noqa: F811
    (rh.folder / "data.csv").write_bytes("a\nfine\nété\n".encode() + b"caf\xe9\n" + b"\xe9t\xe9\n")
    done = rh.run("import", "data.csv", "t", "--create", code=1)
    assert "data.csv, line 4, column 1: the byte e9 is not UTF-8" in done.stderr and "read as csv in UTF-8" in done.stderr


def test_replace_takes_the_place_of_a_table_or_nothing_happens(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (old TEXT); INSERT INTO t VALUES ('x')")
    (rh.folder / "data.csv").write_text("new\n1\n")
    assert "--replace" in rh.run("import", "data.csv", "t", "--create", code=1).stderr
    (rh.folder / "bad.csv").write_text("new\n1\n\"2\n")
    rh.run("import", "bad.csv", "t", "--replace", code=1)
    assert rows(rh, "SELECT old FROM t") == [("x",)]
    rh.run("import", "data.csv", "t", "--replace")
    assert rows(rh, "SELECT new FROM t") == [(1,)]


def test_the_repl_takes_the_same(rh):  # noqa: F811
    pq.write_table(pa.table({"a": [1, 2]}), rh.folder / "t.parquet")
    done = rh.run("shop.db", input=".import t.parquet t --create\n.export u.parquet t\n.export v.arrow SELECT sum(a) AS s FROM t\n.export w.xls t\n", code=2)
    assert "2 rows into t" in done.stdout and "2 rows into u.parquet" in done.stdout and ".parquet" in done.stderr
    assert pq.read_table(rh.folder / "u.parquet").to_pydict() == {"a": [1, 2]}
    with pa.OSFile(str(rh.folder / "v.arrow")) as file:
        assert pa.ipc.open_file(file).read_all().to_pydict() == {"s": [3]}
