"""SIGINT and SIGTERM end every command with "cancelled", exit 1, and nothing half done."""

import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from rh_program import rh  # noqa: F401 (fixture)
from rhei_engine import processor_seconds

COUNT = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 4000000000) "
SLOW = {
    "query": ["query", COUNT + "SELECT count(*) FROM c"],
    "query that writes": ["query", COUNT + "INSERT INTO t SELECT n, n FROM c RETURNING id"],
    "update by query": ["query", "UPDATE t SET v = (" + COUNT + "SELECT count(*) FROM c)"],
    "exec": ["exec", COUNT + "INSERT INTO t SELECT n + 100, n FROM c"],
    "exec of several": ["exec", "INSERT INTO t VALUES (50, 1); " + COUNT + "INSERT INTO t SELECT n + 100, n FROM c"],
    "exec waiting for a lock": ["exec", "INSERT INTO t VALUES (60, 1)", "--config", "patient.toml"],
    "exec reading a pipe": ["exec"],
    "import reading a pipe": ["import", "-", "t"],
}


def listens(process):
    """Whether it waits for SIGINT and SIGTERM by now: whoever sends one before that ends it as any program."""
    with open(f"/proc/{process.pid}/status") as status:
        blocked = int(next(line for line in status if line.startswith("SigBlk:")).split()[1], 16)
    return all(blocked >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGTERM))


def busy_since(process, seconds):
    """Waits until the process has used so much processor time: it is at work. False: it is done already."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if processor_seconds(process.pid) >= seconds and listens(process):
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    raise AssertionError("the command did not get to work")


def sleeping(process):
    """Waits until the main thread waits for something (a pipe, a lock), and was at work before that."""
    deadline = time.monotonic() + 120
    seen = 0
    while time.monotonic() < deadline and seen < 20:
        with open(f"/proc/{process.pid}/stat") as stat:
            seen = seen + 1 if stat.read().rsplit(")", 1)[1].split()[0] == "S" and listens(process) else 0
        time.sleep(0.01)
    assert seen == 20


@pytest.fixture
def table(rh):
    path = rh.folder / "rhei.db"
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
    connection.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two')")
    yield connection
    assert connection.execute("SELECT * FROM t").fetchall() == [(1, "one"), (2, "two")]
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def ends(process, number):
    started = time.monotonic()
    process.send_signal(number)
    process.wait(timeout=120)  # a pipe that it reads stays open
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "cancelled" in errors and "CANCELLED" in errors, (process.returncode, errors)
    return time.monotonic() - started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_q5_a_signal_ends_a_command(rh, table, name, number, mode):
    table.execute(f"PRAGMA journal_mode={mode}")
    if "lock" in name:
        (rh.folder / "patient.toml").write_text("[engine]\nbusy_timeout_ms = 600000\n")
        table.execute("BEGIN IMMEDIATE")
    process = rh.start(*SLOW[name], **({"stdin": subprocess.PIPE} if "pipe" in name else {}))
    if "lock" in name or "pipe" in name:
        sleeping(process)
    else:
        assert busy_since(process, 0.2), process.communicate()
    ends(process, number)
    if "lock" in name:
        table.execute("ROLLBACK")


@pytest.mark.parametrize("goes_on", [True, False])
def test_q5_a_signal_ends_an_import_in_batches_and_says_what_is_kept(rh, goes_on):
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None)
    connection.execute("CREATE TABLE many (id INTEGER PRIMARY KEY)")
    process = rh.start("import", "-", "many", "--batch", "700", stdin=subprocess.PIPE)
    process.stdin.write("id\n" + "".join(f"{n}\n" for n in range(600000)))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while connection.execute("SELECT count(*) FROM many").fetchone()[0] < 3000:  # it went on behind the first batches
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    sleeping(process)  # it reads the pipe
    process.send_signal(signal.SIGINT)
    if goes_on:  # the way out is the command's own then, else that of the thread that waits for signals
        process.stdin.close()
        process.stdin = None
    process.wait(timeout=30)
    errors = process.communicate(timeout=30)[1]
    kept = connection.execute("SELECT count(*) FROM many").fetchone()[0]
    assert process.returncode == 1 and kept > 0 and kept % 700 == 0
    told = re.search(r"cancelled; (?:([\d,]+) rows of the batches before are kept|"
                     r"batches are kept, up to row (\d+) of the file at least) \[CANCELLED 57014\]", errors)
    assert told, errors
    assert 0 < int((told[1] or told[2]).replace(",", "")) <= kept and (told[1] is None or told[1] == f"{kept:,}"), errors


def test_q5_what_is_left_of_a_backup_that_two_signals_ended_is_named(rh):
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None)
    connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v)")
    connection.execute(COUNT.replace("4000000000", "50") + "INSERT INTO big SELECT n, zeroblob(2000000) FROM c")
    connection.close()
    for turn in range(20):  # what the second signal meets, nobody knows
        process = rh.start("backup", f"copy{turn}")
        mark = rh.folder / f"copy{turn}" / "backup.json.part"
        while process.poll() is None and not mark.exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
        if mark.exists():
            assert process.returncode == 1
            assert f"copy{turn} holds what there is of it, and is no backup: remove it." in errors
            assert "what is left of one that never came to its end" in rh.run("backup", f"copy{turn}", code=1).stderr
            return
        left = os.listdir(mark.parent) if mark.parent.exists() else []  # nothing, or all of it
        assert not left or "backup.json" in left, (left, errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [["sync"], ["verify"], ["query", "SELECT sum(v) FROM big", "--route", "olap"]])
def test_q5_a_signal_ends_a_build(rh, number, command):
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None, timeout=60)
    connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, v, w)")
    connection.execute("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500000) "
                       "INSERT INTO big SELECT n, n, 'text ' || n FROM c")
    connection.close()
    for _ in range(20):  # where others have the processor, it may be done before the signal is sent
        process = rh.start(*command)
        if busy_since(process, 0.1):
            process.send_signal(number)
        errors = process.communicate(timeout=60)[1]
        if process.returncode != 0:
            break
    assert process.returncode == 1 and "cancelled" in errors and "CANCELLED" in errors, (process.returncode, errors)


def test_q5_a_signal_ends_a_query_whose_reader_stopped(rh, table):
    process = rh.start("query", COUNT + "SELECT n FROM c")
    process.stdout.readline()
    sleeping(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 1
    assert "cancelled" in process.stderr.read()
    process.stdout.close()


def test_q5_a_time_out_ends_writes(rh, table):
    for command in ("exec", "query"):
        done = rh.run(command, COUNT + "INSERT INTO t SELECT n + 100, n FROM c", "--timeout", "200", code=1)
        assert "TIMEOUT" in done.stderr
