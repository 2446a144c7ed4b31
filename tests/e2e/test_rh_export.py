"""rh export: formats, whole files or none, one moment of several tables."""

import os
import resource
import signal
import sqlite3
import threading
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

BINARY = ("parquet", "arrow", "arrows")


def read(path):
    """The rows of a file of any of the binary formats, as pyarrow has them."""
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.OSFile(str(path)) as file:
        return (pa.ipc.open_file if path.suffix == ".arrow" else pa.ipc.open_stream)(file).read_all()


def values(column):
    """What SQLite had: a union's member, or the one that isn't null of the struct that Parquet has instead."""
    return [next((member for member in value.values() if member is not None), None) if isinstance(value, dict) else value
            for value in column.to_pylist()]


@pytest.fixture
def filled(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (i INTEGER PRIMARY KEY, r REAL, s TEXT, x); INSERT INTO t VALUES "
           "(1, 1.5, 'a', 7), (2, 9e999, 'b' || char(0) || 'c', x'00ff'), (3, 5e-324, '', NULL), (4, NULL, NULL, 1.25), "
           "(9223372036854775807, -1e300, 'é', 'txt'); CREATE TABLE \"odd/na.me\" (a); INSERT INTO \"odd/na.me\" VALUES (1)")
    return rh


@pytest.mark.parametrize("ending", BINARY)
def test_c3_values_are_what_they_were(filled, ending):
    done = filled.run("export", f"t.{ending}", "t")
    assert done.stdout.startswith(f"5 rows into t.{ending} in ") and done.stderr == ""
    table = read(filled.folder / f"t.{ending}")
    assert [str(type) for type in table.schema.types[:3]] == ["int64", "double", "string"]
    assert [values(column) for column in table.columns] == [
        [1, 2, 3, 4, 9223372036854775807], [1.5, float("inf"), 5e-324, None, -1e300], ["a", "b\0c", "", None, "é"],
        [7, b"\x00\xff", None, 1.25, "txt"]]


def test_duckdb_reads_the_parquet(filled):
    filled.run("export", "t.parquet", "t")
    rows = duckdb.sql(f"SELECT i, s, x.integer, x.blob FROM '{filled.folder / 't.parquet'}' ORDER BY i").fetchall()
    assert rows[:2] == [(1, "a", 7, None), (2, "b\0c", None, b"\x00\xff")]


def test_text_formats_are_those_of_query(filled):
    for name in ("csv", "tsv", "json", "ndjson", "markdown", "table"):
        filled.run("export", f"file.{name}", "t", "--format", name)
        assert (filled.folder / f"file.{name}").read_text() == filled.run("query", "SELECT * FROM t", "--format", name).stdout


def test_a_question_with_parameters_onto_standard_output(filled):
    done = filled.run("export", "-", "SELECT s FROM t WHERE i = ?", "--param", "1")
    assert done.stdout == "s\na\n" and done.stderr == ""
    for form in ("parquet", "arrow"):
        packed = filled.run("export", "-", "SELECT s FROM t WHERE i = 1", "--format", form, text=False).stdout
        assert packed == filled.run("query", "SELECT s FROM t WHERE i = 1", "--format", form, text=False).stdout
        assert packed[:4] == {"parquet": b"PAR1", "arrow": b"\xff\xff\xff\xff"}[form]
    (filled.folder / "q.parquet").write_bytes(filled.run("query", "SELECT i FROM t", "--format", "parquet", text=False).stdout)
    assert read(filled.folder / "q.parquet").num_rows == 5


def test_no_rows_have_a_schema(filled):
    for ending in BINARY:
        filled.run("export", f"none.{ending}", "SELECT * FROM t WHERE i < 0")
        table = read(filled.folder / f"none.{ending}")
        assert table.num_rows == 0 and table.schema.names == ["i", "r", "s", "x"]


def test_d5_a_file_that_is_there_stays_unless_forced(filled):
    (filled.folder / "t.csv").write_text("mine")
    assert "--force" in filled.run("export", "t.csv", "t", code=1).stderr
    assert (filled.folder / "t.csv").read_text() == "mine"
    filled.run("export", "t.csv", "t", "--force")
    assert (filled.folder / "t.csv").read_text().startswith("i,r,s,x\n")


def test_d5_nothing_is_left_of_what_fails(filled):
    for arguments, words in ((("a.parquet", "SELECT nope FROM t"), "nope"), (("a.csv", "absent"), "absent"),
                             (("absent/a.csv", "t"), "absent/a.csv"), (("out", "t", "absent", "--format", "csv"), "absent"),
                             (("a.parquet", "SELECT abs(iif(i > 4, -9223372036854775807 - 1, i)) FROM t"), "overflow")):
        assert words in filled.run("export", *arguments, code=1).stderr
    assert os.listdir(filled.folder) == ["rhei.db"]


def test_wrong_uses_say_how_it_is_done(filled):
    for arguments, words in ((("a.xls", "t"), "--format"), (("a.csv",), "rh export FILE TABLE"), (("-", "t", "u"), "a folder"),
                             (("out", "t", "--all"), "'t'"), (("a.csv", "t", "--format", "box2"), "parquet")):
        assert words in filled.run("export", *arguments, code=2).stderr


def test_all_tables_into_a_folder(filled):
    filled.run("exec", "CREATE VIEW v AS SELECT 1; CREATE TABLE empty (a TEXT)")
    assert "3 tables, 6 rows into out" in filled.run("export", "out", "--all", "--format", "parquet").stdout
    assert sorted(os.listdir(filled.folder / "out")) == ["empty.parquet", "odd%2Fna.me.parquet", "t.parquet"]
    assert "is there already" in filled.run("export", "out", "--all", "--format", "parquet", code=1).stderr
    filled.run("export", "out", "--all", "--format", "parquet", "--force")
    assert len(os.listdir(filled.folder / "out")) == 3


def test_no_byte_of_the_database_changes(rh, sqlite3_shell):  # noqa: F811
    sqlite3_shell.run("rhei.db", "CREATE TABLE a (n); CREATE TABLE b (n); INSERT INTO a VALUES (1)")
    before = (rh.folder / "rhei.db").read_bytes()
    rh.run("export", "a.csv", "a")
    rh.run("export", "out", "--all")
    assert (rh.folder / "rhei.db").read_bytes() == before and sorted(os.listdir(rh.folder)) == ["a.csv", "out", "rhei.db"]


def test_arrow_is_a_file_unless_it_is_called_a_stream(filled):
    for name, start in (("a.arrow", b"ARROW1"), ("a.arrows", b"\xff\xff\xff\xff"), ("a.data", b"ARROW1"), ("a.csv", b"ARROW1")):
        filled.run("export", name, "t", "--format", "arrow")
        assert (filled.folder / name).read_bytes().startswith(start), name


def test_a1_tables_of_a_folder_are_of_one_moment(rh):  # noqa: F811
    """A writer moves ones from one table to the other, whole transactions: their sum never changes."""
    rh.run("exec", "CREATE TABLE a (n); CREATE TABLE b (n); INSERT INTO a VALUES (1000); INSERT INTO b VALUES (0); PRAGMA journal_mode = wal")
    stop = threading.Event()

    def move():
        writer = sqlite3.connect(rh.folder / "rhei.db", timeout=60, isolation_level=None)
        while not stop.is_set():
            writer.executescript("BEGIN IMMEDIATE; UPDATE a SET n = n - 1; UPDATE b SET n = n + 1; COMMIT")
        writer.close()

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(8):
            rh.run("export", "out", "b", "a", "--force")
            assert sum(int((rh.folder / "out" / name).read_text().split()[1]) for name in ("a.csv", "b.csv")) == 1000
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_cancelled_leaves_nothing(rh, ending):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (a)")
    process = rh.start("export", f"big.{ending}", "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT i, random() FROM c")
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 100000 for path in rh.folder.glob("big.*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1 and "cancelled" in told and os.listdir(rh.folder) == ["rhei.db"]


WRITES = ["DELETE FROM t", "INSERT INTO t (i) VALUES (77) RETURNING i", "UPDATE t SET s = 'z' RETURNING s", "DROP TABLE t", "VACUUM INTO 'copy.db'",
          "CREATE TABLE made (a)", "WITH n AS (SELECT 1) DELETE FROM t"]


@pytest.mark.parametrize("sql", WRITES)
def test_an_export_never_writes(filled, sql):
    before = filled.run("query", "SELECT * FROM t").stdout
    for target in ("out.csv", "out.parquet", "-"):
        done = filled.run("export", target, sql, code=1)
        assert "writes, and an export only reads" in done.stderr and done.stdout == "", done.stderr
    done = filled.run("repl", input=f".export out.csv {sql}\n", code=None)
    assert "writes, and an export only reads" in done.stderr, done.stderr
    assert not list(filled.folder.glob("out*")) and not (filled.folder / "copy.db").exists()
    assert filled.run("query", "SELECT * FROM t").stdout == before
    assert filled.run("query", "SELECT count(*) FROM sqlite_schema WHERE name = 'made'").stdout.split() == ["count(*)", "0"]


def test_an_export_never_takes_the_place_of_the_database(filled):
    folder = filled.folder
    (folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "mirror"\n')
    filled.run("exec", "--capture", "--config", "rhei.toml", "SELECT 1")
    filled.run("sync", "--config", "rhei.toml")
    (folder / "link.csv").symlink_to("rhei.db")
    os.link(folder / "rhei.db", folder / "hard.csv")
    kept = next(path for path in (folder / "mirror").rglob("*") if path.is_file())
    before = filled.run("query", "SELECT * FROM t").stdout
    content = kept.read_bytes()
    names = ("rhei.db", str(folder / "rhei.db"), "./rhei.db", "link.csv", "hard.csv", "rhei.db-wal", "rhei.db-shm", "rhei.db-journal", "rhei.toml", "rhei.db-serve",
             "rhei.db-serve.sock",
             kept.relative_to(folder), "mirror/new.csv")
    for name in names:
        done = filled.run("export", name, "t", "--format", "csv", "--force", "--config", "rhei.toml", code=1)
        assert "an export never writes there" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    done = filled.run("export", "mirror", "--all", "--force", "--config", "rhei.toml", code=1)
    assert "an export never writes there" in done.stderr
    done = filled.run("repl", "--config", "rhei.toml", input=".export mirror/new.csv t\n", code=None)
    assert "an export never writes there" in done.stderr
    (folder / "in.csv").write_text("a,b\n1,x\n")
    for name in names:
        done = filled.run("import", "in.csv", "t", "--reject", name, "--config", "rhei.toml", code=1)
        assert "an import never writes there" in done.stderr.splitlines()[-1], done.stderr
    assert not [path.name for path in folder.iterdir() if path.name.endswith(("-journal", "-serve", "-serve.sock"))]
    assert kept.read_bytes() == content and not list((folder / "mirror").rglob("*.csv"))
    assert filled.run("query", "SELECT * FROM t").stdout == before
    filled.run("export", "mine.csv", "t", "--force", "--config", "rhei.toml")
    filled.run("export", "mine.csv", "t", "--force", "--config", "rhei.toml")


def test_an_export_never_takes_the_place_of_what_the_settings_name(filled):
    folder = filled.folder
    source = sqlite3.connect(folder / "app.db")
    source.executescript("PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, updated_at INTEGER); INSERT INTO orders VALUES (1, 1)")
    (folder / "all.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "mirror"\nrocksdb_cdc_path = "changes"\n[sidecar]\nname = "app"\n'
                                     'source_path = "app.db"\nwatermark_path = "marks"\nenable_local_oltp = true\n')
    filled.run("exec", "--capture", "--config", "all.toml", "SELECT 1")
    filled.run("sync", "--capture", "--config", "all.toml")
    (folder / "link.db").symlink_to("app.db")
    (folder / "linked").symlink_to("changes")
    os.link(folder / "app.db", folder / "hard.db")
    names = {"app.db": "the database of a sidecar itself", "link.db": "the database of a sidecar itself", "hard.db": "the database of a sidecar itself",
             "app.db-wal": "the database of a sidecar's log", "app.db-shm": "the database of a sidecar's shared memory",
             "app.db-journal": "the database of a sidecar's journal", "linked/new.csv": "(rocksdb_cdc_path)"}
    for inner, called in (("changes", "(rocksdb_cdc_path)"), ("marks", "(watermark_path)"), ("mirror", "(olap_path)")):
        kept = next(path for path in sorted((folder / inner).rglob("*")) if path.is_file() and path.stat().st_size > 0)
        (folder / f"{inner}.link").symlink_to(kept)
        os.link(kept, folder / f"{inner}.hard")
        names |= {str(kept): called, f"{inner}/new.csv": called, f"{inner}.link": called, f"{inner}.hard": called}
    for name, called in names.items():
        done = filled.run("export", name, "t", "--format", "csv", "--force", "--config", "all.toml", code=1)
        assert called in done.stderr and "an export never writes there" in done.stderr, (name, done.stderr)
    assert source.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not list(folder.rglob("new.csv"))
    filled.run("export", "mine.csv", "t", "--force", "--config", "all.toml")


def little_room():
    """Files of 64 KiB at most: a disk that is full for the export."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))


def test_a_full_disk_is_told_in_its_own_words(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
           "INSERT INTO t SELECT hex(randomblob(16)) FROM n")
    for ending in ("csv", "tsv", "json", "ndjson", "md", "txt", *BINARY):
        done = rh.run("export", f"out.{ending}", "t", code=1, restore_signals=False, preexec_fn=little_room)
        assert "File too large" in done.stderr and "Input/output" not in done.stderr, f"{ending}: {done.stderr}"
    done = rh.run("export", "folder", "--all", code=1, restore_signals=False, preexec_fn=little_room)
    assert "File too large" in done.stderr, done.stderr
    assert not list(rh.folder.glob("out*")) and not (rh.folder / "folder").exists()
