"""rh dashboard on a terminal (tmux): keys are typed, screens are read at several sizes and while they change."""

import fcntl
import hashlib
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
import unicodedata

import pytest

from rh_program import BUILD, ROOT, rh  # noqa: F401
from tmux_terminal import terminal  # noqa: F401

RH = BUILD / "tools" / "rh" / "rh"
LIMIT = 60


def columns(text):
    """Of a row in a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def is_whole(screen, width, height):
    """Every panel's row ends where the screen does, so nothing is shifted."""
    rows = screen.rstrip("\n").split("\n")
    panels = [row for row in rows if row[:1] in "╭│╰"]
    return len(rows) == height and "q quit" in rows[-1] and len(panels) == height - 2 and all(columns(row) == width for row in panels)


def whole(width, height):
    """To wait for, with what a test says of that screen."""
    return lambda screen: is_whole(screen, width, height)


@pytest.fixture
def shop(rh, tmp_path):  # noqa: F811
    """shop.db with change capture, and what is in the file and beside it."""
    rh.run("exec", "--capture", "--db", "shop.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL); "
           "CREATE TABLE \"注文 🛒\" (id INTEGER PRIMARY KEY); CREATE TABLE \"👩‍💻 Zoë\" (id INTEGER PRIMARY KEY)")
    return tmp_path / "shop.db"


@pytest.fixture
def demo(terminal, tmp_path):  # noqa: F811
    """The demo, once it has counted; its folder is in the test's."""

    def begin(options="--refresh 200", **settings):
        one = terminal(f"{RH} dashboard --demo {options}", TMPDIR=str(tmp_path), **settings)
        one.wait((re.compile(r"Queries +[1-9][\d.]*/s"), re.compile(r"Writes +[1-9][\d.]*/s")), LIMIT)
        return one

    return begin


def demo_folders(folder):
    return list(folder.glob("rh-demo-*"))


def words_of(terminal, command, code, **settings):  # noqa: F811
    """What a command says that ends at once with that code."""
    script = f"{command}; echo ended with $?; cat"
    one = terminal(f"sh -c '{script}'", width=200, **settings)
    screen = one.wait(re.compile(r"ended with \d+\n"), LIMIT)
    assert f"ended with {code}\n" in screen
    return screen


def test_without_a_terminal_it_says_so_in_one_sentence(rh, shop, terminal):  # noqa: F811
    done = rh.run("dashboard", "--db", "shop.db", code=2)
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "rh status" in done.stderr
    for term in ("dumb", "nonsense"):
        assert f"TERM is {term}" in words_of(terminal, f"{RH} dashboard --db shop.db", 2, TERM=term)
    words = words_of(terminal, f"{RH} dashboard --db absent.db", 1)
    assert "absent.db" in words and "[CANT_OPEN" in words
    assert "rhei.db" in words_of(terminal, f"{RH} dashboard", 1)
    for wrong in (["--demo", "--db", "x.db"], ["--refresh", "5"], ["--refresh", "soon"], ["a.db", "b.db"], ["--demo", "--format", "csv"]):
        assert rh.run("dashboard", *wrong, code=2).stderr.count("\n") == 1


def test_it_looks_at_a_file_that_others_write(rh, shop, terminal):  # noqa: F811
    engine = subprocess.Popen([RH, "repl", "shop.db"], cwd=shop.parent, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        one = terminal(f"{RH} dashboard shop.db --refresh 200", width=120, height=40)
        one.wait((whole(120, 40), f"process {engine.pid}", "orders", "注文 🛒", "captured",
                  "known to its process alone"), LIMIT)  # no zero that nobody counted
        db = sqlite3.connect(shop, timeout=30)
        seen = set()

        def write(screen):
            db.execute("INSERT INTO orders (amount) VALUES (1)")
            db.commit()
            seen.update(re.findall(r"Writes +(\d[\d.]*)/s changes", screen))
            return any(float(rate) > 0 for rate in seen)

        one.wait(write, LIMIT)
        newest = db.execute("SELECT max(id) FROM orders").fetchone()[0]
        one.wait(lambda screen: re.search(rf"Position +\d+ of {newest}\b", screen), LIMIT)
        one.keys("s")
        one.wait("This only looks", LIMIT)
        engine.stdin.close()
        engine.wait(LIMIT)
        one.wait(f"the engine of process {engine.pid} is gone", LIMIT)
        one.keys("q")
        assert one.ended() == 0
    finally:
        engine.kill()
        engine.wait()


def test_a_look_names_sidecars_and_not_their_lag(shop, terminal, tmp_path):  # noqa: F811
    settings = ('[sidecar]\nsource_type = "sqlite"\nsource_path = "shop.db"\nmode = "snapshot"\n'
                '[[sidecar.tables]]\ntable_name = "orders"\nprimary_key = "id"\n')
    sqlite3.connect(tmp_path / "own.db").executescript("CREATE TABLE mine (id INTEGER PRIMARY KEY)")
    for local, path, seen in (("true", 'oltp_path = "own.db"', "own.db"), ("false", "", "the sources of sidecars")):
        (tmp_path / f"{local}.toml").write_text(f"[engine]\n{path}\n" + settings.replace("[sidecar]", f"[sidecar]\nenable_local_oltp = {local}"))
        one = terminal(f"{RH} dashboard --config {local}.toml --refresh 200", width=120, height=40)
        one.wait((f"Rhei  a look at {seen}", re.compile(r"│ source.orders .* followed"),
                  re.compile(r"│ source \(sqlite, snapshot\) +lag known to its process")), LIMIT)
        one.keys("q")
        assert one.ended() == 0


def test_a_file_that_is_replaced_or_gone_is_looked_at_anew(rh, shop, terminal):  # noqa: F811
    rh.run("exec", "--capture", "--db", "later.db", "CREATE TABLE invoices (id INTEGER PRIMARY KEY)")
    one = terminal(f"{RH} dashboard shop.db --refresh 200", width=120, height=40)
    one.wait((whole(120, 40), "│ orders "), LIMIT)
    os.replace(shop.parent / "later.db", shop)
    one.wait((whole(120, 40), "│ invoices ", "the file was replaced: this is the new one"), LIMIT)
    os.replace(shop, shop.parent / "elsewhere.db")
    one.wait("shop.db", LIMIT)
    one.wait(lambda screen: "q quit" not in screen and "shop.db" in screen.split("\n")[39], LIMIT)  # its trouble, in place of the keys
    os.replace(shop.parent / "elsewhere.db", shop)
    one.wait((whole(120, 40), "│ invoices "), LIMIT)
    one.keys("q")
    assert one.ended() == 0


def test_a_look_changes_nothing(rh, shop, terminal):  # noqa: F811
    def state():
        return sorted((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in shop.parent.glob("shop.db*"))

    before = state()
    one = terminal(f"{RH} dashboard shop.db --refresh 100")
    one.wait(lambda screen: re.search(r"Writes +0/s", screen), LIMIT)  # two looks
    one.keys("q")
    assert one.ended() == 0
    assert state() == before


def test_every_size_and_what_is_between(demo):
    one = demo(width=80, height=24)
    one.wait(whole(80, 24), LIMIT)
    one.resize(100, 24)  # the tables' memory too
    one.wait((whole(100, 24), re.compile(r"│ orders +[\d,]+ +\d[\d.]* [KM]iB +ready")), LIMIT)
    for width, height in ((120, 40), (200, 60), (80, 24)):
        one.resize(width, height)
        one.wait((whole(width, height), "注文"), LIMIT)
    one.resize(60, 20)
    one.wait(lambda screen: "This terminal has 60 x 20 cells, and the dashboard needs 80 x 24" in " ".join(screen.split()), LIMIT)
    for step in range(12):  # as a window that is dragged
        one.resize(81 + step * 9, 24 + step * 3)
    one.wait(whole(81 + 11 * 9, 24 + 11 * 3), LIMIT)
    one.keys("Escape")
    assert one.ended() == 0


def test_keys(demo, tmp_path):
    one = demo(width=120, height=40)
    one.keys("?")
    one.wait("pause: no new numbers", LIMIT)
    one.keys("q")  # leaves the help
    one.wait(lambda screen: "pause: no new numbers" not in screen, LIMIT)
    one.keys("s")
    one.wait(lambda screen: re.search(r"in step now: \d+ changes? in", screen), LIMIT)
    one.wait("Last queries 1-", LIMIT)  # more than there is room for
    one.keys("p")
    one.wait("PAUSED", LIMIT)
    one.keys("Tab", "Tab", "End")  # from the activity to the last queries
    bottom = one.wait(re.compile(r"Last queries (\d+)-(\d+) of \2\b"), LIMIT)
    of = re.search(r"Last queries (\d+)-(\d+) of", bottom)
    one.keys("Up")
    one.wait(f"Last queries {int(of[1]) - 1}-{int(of[2]) - 1} of", LIMIT)
    one.keys("Home")
    one.wait("Last queries 1-", LIMIT)
    writer = re.search(r"Writer +\S+ writes in \S+", bottom)[0]  # of the pause: its screen was drawn whole before the next key's
    assert writer in one.screen()  # no number has changed since
    one.keys("p")
    one.wait(lambda screen: "PAUSED" not in screen and writer not in screen, LIMIT)
    assert len(demo_folders(tmp_path)) == 1
    one.keys("q")
    assert one.ended() == 0
    assert demo_folders(tmp_path) == []


@pytest.mark.parametrize("how", ["key", "SIGINT", "SIGTERM"])
def test_the_terminal_is_given_back(terminal, tmp_path, how):  # noqa: F811
    script = tmp_path / "begin"
    script.write_text(f"before=$(stty -g)\nsh -c 'echo $$ >pid; exec {RH} dashboard --demo --refresh 200'\n"
                      "echo \"code $?\"\n[ \"$before\" = \"$(stty -g)\" ] && echo as it was\ncat\n")
    one = terminal(f"sh {script}", TMPDIR=str(tmp_path))
    one.wait(lambda screen: re.search(r"Queries +[\d.]+/s", screen), LIMIT)
    if how == "key":
        one.keys("C-c")
    else:
        os.kill(int((tmp_path / "pid").read_text()), getattr(signal, how))
    screen = one.wait("as it was", LIMIT)
    assert "code 0" in screen and "╭" not in screen
    assert demo_folders(tmp_path) == []


def test_ctrl_z_gives_the_terminal_to_the_shell(shop, terminal):  # noqa: F811
    one = terminal("sh", PS1="shell> ")
    one.type(f"{RH} dashboard shop.db --refresh 200\n")
    one.wait("q quit", LIMIT)
    one.keys("C-z")
    one.wait(lambda screen: "Stopped" in screen and "q quit" not in screen, LIMIT)
    one.type("fg\n")
    one.wait(whole(80, 24), LIMIT)
    one.keys("q")
    one.wait(lambda screen: screen.rstrip().endswith("shell>"), LIMIT)


@pytest.mark.parametrize("when", ["opening", "shown"])
def test_a_terminal_that_goes_away_leaves_nothing(tmp_path, when):
    one = Pty(tmp_path, "dashboard", "--demo", TMPDIR=str(tmp_path))
    if when == "shown":
        one.read_until(rb"q quit")
        os.close(one.fd)  # SIGHUP
    else:
        until = time.monotonic() + LIMIT
        while not demo_folders(tmp_path):
            assert time.monotonic() < until
        os.kill(one.pid, signal.SIGTERM)
    assert one.code() == (0 if when == "shown" else 1)
    assert demo_folders(tmp_path) == []


def test_the_guide_says_what_it_shows(demo):
    page = (ROOT / "docs" / "guide" / "dashboard.md").read_text()
    assert "    build/tools/rh/rh dashboard --demo\n" in page
    one = demo(width=80, height=24)

    def labels(screen):
        return set(re.findall(r"│ ([A-Zp][a-z0-9]+) +\S", screen.split("Tables ─")[0]))

    def keys(screen):
        return re.findall(r"│ (q|p|s|Tab|up|[?])[ ,].{50,70}│", screen)

    for label in labels(one.wait((whole(80, 24), lambda screen: len(labels(screen)) == 19), LIMIT)):
        assert f"`{label}`" in page, f"{label} is missing in the guide"
    one.keys("?")
    for key in keys(one.wait(("pause: no new numbers", lambda screen: len(keys(screen)) == 6), LIMIT)):
        assert f"`{key}`" in page, f"{key} is missing in the guide"


def test_colours_are_those_that_the_terminal_has(shop, terminal):  # noqa: F811
    def colours(**settings):
        one = terminal(f"{RH} dashboard shop.db", **settings)
        one.wait(whole(80, 24), LIMIT)
        codes = set(re.findall(r"\x1b\[([\d;]*)m", one.screen(colours=True)))
        one.keys("q")
        assert one.ended() == 0
        return codes

    many = colours(TERM="screen-256color")
    assert any("38;5;" in code for code in many)
    few = colours(TERM="screen")
    assert any(re.search(r"\b3[1-7]\b", code) for code in few) and not any("38;5;" in code for code in few)
    for settings in ({"NO_COLOR": "1"}, {"TERM": "vt100"}):
        none = colours(**settings)
        assert not any(re.search(r"\b[34][0-7]\b|[34]8;", code) for code in none), none
        assert any(re.search(r"\b7\b", code) for code in none)  # the first row is still seen as such


def test_in_another_locale_it_is_ascii(shop, terminal):  # noqa: F811
    one = terminal(f"{RH} dashboard shop.db", LC_ALL="C")
    assert one.wait(("+- OLTP --", "q quit"), LIMIT).isascii()


def test_a_thousand_tables_scroll(rh, terminal, tmp_path):  # noqa: F811
    db = sqlite3.connect(tmp_path / "many.db")
    db.execute("BEGIN")
    for number in range(999):
        db.execute(f"CREATE TABLE t{number:03} (id INTEGER PRIMARY KEY)")
    db.execute(f"CREATE TABLE \"u{'長い名前' * 50}\" (id INTEGER PRIMARY KEY)")
    db.commit()
    db.close()
    one = terminal(f"{RH} dashboard many.db --refresh 200", width=80, height=24)
    one.wait("of 1000", LIMIT)
    one.keys("Tab")
    one.keys("End")
    one.wait((whole(80, 24), "Tables 995-1000 of 1000", re.compile(r"│ u長い[^│]*… +- SQLite only")), LIMIT)


def test_it_costs_less_than_two_percent_of_a_core(shop, terminal):  # noqa: F811
    one = terminal(f"sh -c 'echo $$ >pid; exec {RH} dashboard shop.db'", width=120, height=40)
    one.wait("q quit", LIMIT)
    pid = int((shop.parent / "pid").read_text())

    def used():
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    clocks = []

    def five_looks(screen):
        clock = re.search(r"\d\d:\d\d:\d\d", screen.split("\n")[0])
        if clock and clock[0] not in clocks:
            clocks.append(clock[0])
            if len(clocks) == 1:
                clocks.extend([used(), time.monotonic()])
        return len(clocks) >= 8

    one.wait(five_looks, LIMIT)
    share = (used() - clocks[1]) / (time.monotonic() - clocks[2])
    assert share < 0.02, f"{share:.1%} of a core"


class Pty:
    """A program on a terminal whose bytes are counted."""

    def __init__(self, folder, *arguments, **environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(RH, [str(RH), *arguments], dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", **environment))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read_until(self, pattern):
        """Bytes up to the pattern and what came with them."""
        data, until = b"", time.monotonic() + LIMIT
        while not re.search(pattern, data):
            assert time.monotonic() < until, data[-2000:]
            if select.select([self.fd], [], [], 1)[0]:
                data += os.read(self.fd, 1 << 16)
        return data

    def end(self):
        os.write(self.fd, b"q")
        while True:
            try:
                if not os.read(self.fd, 1 << 16):
                    break
            except OSError:  # Linux's word for the end
                break
        return self.code()

    def code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_only_what_differs_is_written(shop):
    one = Pty(shop.parent, "dashboard", "shop.db")
    one.read_until(rb"q quit")
    later = one.read_until(rb"(?s)(\x1b\[1;6\dH.*){4}")  # to the clock in the first row, once for each look
    assert not re.search(rb"\x1b\[[0-3]?J", later), later  # nothing is cleared to be drawn again
    assert len(later) < 4000 and "╭".encode() not in later, later
    assert one.end() == 0
