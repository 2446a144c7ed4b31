"""A look changes nothing: reading commands leave a file, what lies beside it and its schema as they were; exec and import
install change capture only when they are told to."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from rh_program import rh  # noqa: F401 (fixture)
from test_bad_input import unprivileged  # noqa: F401 (fixture)

GROUPED = "SELECT g, count(*), sum(v) FROM t GROUP BY g ORDER BY g"
LOOKS = (
    ["query", GROUPED],
    ["query", GROUPED, "--route", "olap"],
    ["query", GROUPED, "--explain"],
    ["query", "EXPLAIN QUERY PLAN SELECT * FROM t"],
    ["query", "PRAGMA table_info(t)"],
    ["verify"],
    ["info"],
    ["status"],
)


def make(path, mode, rows=5000):
    connection = sqlite3.connect(path, timeout=60)
    connection.execute(f"PRAGMA journal_mode={mode}")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, g INTEGER, v REAL)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, i % 7, i * 0.5) for i in range(rows)])
    connection.commit()
    connection.close()


def state(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("mode", ["delete", "wal", "truncate"])
def test_d5_a_look_leaves_every_byte(rh, mode):
    make(rh.folder / "rhei.db", mode)
    before = state(rh.folder)
    for command in LOOKS:
        rh.run(*command)
        assert state(rh.folder) == before, command
    assert rh.run("query", GROUPED, "--route", "olap").stdout == rh.run("query", GROUPED, "--route", "oltp").stdout


@pytest.mark.parametrize("command", LOOKS)
def test_d5_a_look_leaves_captured_files_too(rh, command):
    make(rh.folder / "rhei.db", "wal")
    rh.run("exec", "UPDATE t SET v = v + 1 WHERE id < 10", "--capture")
    before = state(rh.folder)
    rh.run(*command)
    assert state(rh.folder) == before


def test_d5_a_look_leaves_a_log_that_a_killed_program_left(rh):
    path = rh.folder / "rhei.db"
    make(path, "wal")
    writer = subprocess.Popen(
        [sys.executable, "-c", "import sqlite3, sys\n"
         "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\nc.execute('UPDATE t SET v = v + 1 WHERE id < 100')\n"
         "print('done', flush=True)\nsys.stdin.read()", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"done\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    contents = lambda: {name: digest for name, digest in state(rh.folder).items() if not name.endswith("-shm")}
    before = contents()
    assert "rhei.db-wal" in before
    for command in LOOKS:
        rh.run(*command)
        assert contents() == before, command
    assert rh.run("query", "SELECT sum(v) FROM t WHERE id < 100").stdout == "sum(v)\n2575.0\n"


def test_d5_a_look_beside_an_open_writer(rh):
    path = rh.folder / "rhei.db"
    make(path, "wal")
    writer = sqlite3.connect(path, isolation_level=None, timeout=60)
    for round in range(3):
        writer.execute("UPDATE t SET v = v + 1 WHERE id = 1")
        expected = f"v\n{0.5 + round + 1}\n"
        assert rh.run("query", "SELECT v FROM t WHERE id = 1").stdout == expected
        assert rh.run("query", "SELECT sum(v) AS v FROM t WHERE id = 1", "--route", "olap").stdout == expected
    writer.close()
    assert sqlite3.connect(path, timeout=60).execute("SELECT count(*) FROM sqlite_master").fetchall() == [(1,)]


def schema(path):
    connection = sqlite3.connect(path, timeout=60)
    names = [name for name, in connection.execute("SELECT name FROM sqlite_master")]
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return names, mode


def test_d5_writes_install_capture_only_when_told(rh):
    path = rh.folder / "rhei.db"
    make(path, "delete")
    (rh.folder / "more.csv").write_text("id,g,v\n90001,1,2.5\n")
    rh.run("exec", "UPDATE t SET v = 0 WHERE id = 1; CREATE TABLE other (a)")
    rh.run("import", "more.csv", "t")
    rh.run("query", "INSERT INTO other VALUES (1) RETURNING a")
    assert schema(path) == (["t", "other"], "delete")
    rh.run("exec", "UPDATE t SET v = 1 WHERE id = 1", "--capture")
    names, mode = schema(path)
    assert "_rhei_cdc_log" in names and mode == "wal"
    rh.run("exec", "ALTER TABLE other ADD COLUMN b; INSERT INTO other VALUES (2, 3)")  # what is there is kept up
    logged = sqlite3.connect(path, timeout=60).execute("SELECT count(*) FROM _rhei_cdc_log WHERE op = 'I'").fetchone()
    assert logged == (1,)


def test_q3_a_query_that_writes_runs_once_after_a_look(rh):
    make(rh.folder / "rhei.db", "wal")
    done = rh.run("query", "SELECT count(*) AS n FROM t; DELETE FROM t WHERE id < 10 RETURNING id; SELECT count(*) AS n FROM t")
    assert done.stdout == "n\n5000\nid\n" + "".join(f"{i}\n" for i in range(10)) + "n\n4990\n"
    refused = rh.run("query", "DELETE FROM t", "--read-only", code=1)
    assert "READ_ONLY" in refused.stderr
    assert rh.run("query", "SELECT count(*) AS n FROM t").stdout == "n\n4990\n"


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_d5_a_look_in_a_folder_that_cannot_be_written(build, folder, unprivileged, mode):
    inside = folder / "locked"
    inside.mkdir()
    make(inside / "rhei.db", mode)
    for entry in (inside / "rhei.db", inside):
        if unprivileged:
            os.chown(entry, 0, 0)
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    before = state(inside)
    for command in (["query", GROUPED], ["status"], ["verify"]):
        done = subprocess.run([build / "tools" / "rh" / "rh", *command, "--read-only" if command[0] == "query" else "--json"],
                              cwd=inside, capture_output=True, text=True, timeout=60, **unprivileged)
        assert done.returncode == 0, done.stderr
        assert state(inside) == before
    wal = [["exec", "SELECT 1"], ["import", "-", "t"]] if mode == "wal" else []  # which needs files beside it, to be written at all
    for command in (["exec", "SELECT 1", "--capture"], ["sync", "--capture"], *wal):
        done = subprocess.run([build / "tools" / "rh" / "rh", *command], cwd=inside, capture_output=True, text=True, timeout=60,
                              input="id\n", **unprivileged)
        assert done.returncode == 1 and "READ_ONLY" in done.stderr, done.stderr
        assert "make both writable, or only read it (rh query, status, info, verify)" in done.stderr
        assert state(inside) == before
    inside.chmod(0o755)
