"""rh on a terminal that waits for over a second: a line with the time and the way out, gone before anything else is written."""

import fcntl
import os
import pty
import re
import select
import signal
import sqlite3
import struct
import subprocess
import termios
import time

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 30000000) SELECT max(x) AS most FROM c"
FOR_EVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
LINE = re.compile(r"\r. asking · \d+\.\d s · Ctrl-C cancels\x1b\[K")


@pytest.fixture
def terminal():
    ours, theirs = pty.openpty()
    yield ours, theirs
    for end in (ours, theirs):
        try:
            os.close(end)
        except OSError:
            pass


def start(rh, theirs, *arguments, **streams):
    for name in ("stdin", "stdout", "stderr"):
        streams.setdefault(name, theirs)
    return subprocess.Popen([rh.path, *arguments], cwd=rh.folder, env=dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm", NO_COLOR="1"),
                            **streams)


def read_until(ours, pattern, text=""):
    """What comes on the terminal, until the pattern was there; fails after a minute."""
    deadline = time.monotonic() + 60
    while not re.search(pattern, text):
        assert time.monotonic() < deadline, text
        if select.select([ours], [], [], 0.1)[0]:
            text += os.read(ours, 65536).decode()
    return text


def seen(text):
    """What is on the screen at the end: a line that was taken away isn't."""
    return re.sub(r"[^\n\r]*\r\x1b\[K", "", LINE.sub("", text))


def test_a_slow_query_shows_a_line_that_is_gone_before_the_rows(rh, terminal):
    rh.run("exec", "CREATE TABLE t (a)")
    ours, theirs = terminal
    process = start(rh, theirs, "query", SLOW)
    text = read_until(ours, r"1 row ")
    assert process.wait(60) == 0
    shown = LINE.findall(text)
    assert shown, text
    first_row = text.index("most")
    assert text.rindex("Ctrl-C cancels") < text.rindex("\r\x1b[K", 0, first_row) < first_row
    assert "Ctrl-C" not in seen(text)


def test_a_cancelled_query_takes_its_line_away(rh, terminal):
    rh.run("exec", "CREATE TABLE t (a)")
    ours, theirs = terminal
    process = start(rh, theirs, "query", FOR_EVER)
    text = read_until(ours, "Ctrl-C cancels")
    process.send_signal(signal.SIGINT)
    text = read_until(ours, r"CANCELLED 57014\]", text)
    assert process.wait(60) == 1
    assert re.search(r"\r\x1b\[Krh: .*cancelled", text), text


def test_a_pipe_never_sees_it(rh, terminal):
    rh.run("exec", "CREATE TABLE t (a)")
    done = rh.run("query", SLOW)
    assert (done.stdout, done.stderr) == ("most\n30000000\n", "")
    ours, theirs = terminal  # nor a terminal that a pager writes to
    process = start(rh, theirs, "query", SLOW, stdout=subprocess.PIPE)
    assert process.communicate(timeout=60)[0] == b"most\n30000000\n"
    assert not select.select([ours], [], [], 0)[0]


def test_rows_on_their_way_into_a_file_are_counted(rh, terminal):
    rh.run("exec", "CREATE TABLE t (a)")
    ours, theirs = terminal
    with open(rh.folder / "out.csv", "wb") as out:
        process = start(rh, theirs, "query", SLOW.replace("max(x) AS most", "x"), stdout=out)
        read_until(ours, r"[\d,]+ rows · Ctrl-C cancels")
        process.send_signal(signal.SIGINT)
        read_until(ours, r"cancelled")
        assert process.wait(60) == 1


@pytest.mark.parametrize("arguments", [("exec", "INSERT INTO t VALUES (1)"), ("exec", "INSERT INTO t VALUES (1); SELECT 2"), ("import", "in.csv", "t")])
def test_every_command_tells_what_it_waits_for(rh, terminal, arguments):
    rh.run("exec", "CREATE TABLE t (a)")
    (rh.folder / "in.csv").write_text("a\n1\n")
    (rh.folder / "patient.toml").write_text("[engine]\nbusy_timeout_ms = 600000\n")
    ours, theirs = terminal
    other = sqlite3.connect(rh.folder / "rhei.db", timeout=60)
    other.execute("BEGIN IMMEDIATE")
    process = start(rh, theirs, *arguments, "--config", "patient.toml")
    text = read_until(ours, r"\r. waiting for another process's lock · \d+\.\d s · Ctrl-C cancels\x1b\[K")
    other.rollback()
    other.close()
    assert process.wait(60) == 0
    text = read_until(ours, r"row", text)
    assert text.rindex("\r\x1b[K") > text.rindex("Ctrl-C cancels")
    assert rh.run("query", "SELECT count(*) AS n FROM t").stdout == "n\n1\n"


@pytest.mark.parametrize("width", [40, 72, 100])
def test_an_error_on_a_terminal_is_broken_between_words(rh, terminal, width):
    ours, theirs = terminal
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    rh.run("exec", "CREATE TABLE t (a)")
    name = "a_folder_with_a_rather_long_name/" * 3 + "file.csv"
    for arguments in (["import", name, "t"], ["export", "rhei.db", "t", "--format", "csv", "--force"], ["query", "SELECT * FROM a_table_that_is_not_there_at_all, t WHERE a = 1"]):
        piped = rh.run(*arguments, code=1).stderr
        process = start(rh, theirs, *arguments)
        assert process.wait(60) == 1
        shown = read_until(ours, re.escape(piped.split()[-1]) + r"\s*$").replace("\r\n", "\n")
        shown = re.sub(r"\r?\x1b\[K", "", shown)
        first = piped.splitlines()[0].split(" ")
        assert [word for word in re.split(r"[ \n]", shown) if word][:len(first)] == first, shown
        assert all(len(line) <= width or " " not in line.removeprefix("rh: ") for line in shown.splitlines() if line[:1] != " "), shown
