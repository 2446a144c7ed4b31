"""rh repl on a terminal (tmux): keys are typed, screens are read."""

import os
import pathlib
import re
import signal
import sqlite3
import stat
import subprocess
import time

import pytest

from rh_program import BUILD, ROOT, rh  # noqa: F401
from tmux_terminal import terminal  # noqa: F401

RH = BUILD / "tools" / "rh" / "rh"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;"


def shop(folder):
    db = sqlite3.connect(folder / "shop.db")
    db.executescript("""
        CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, "odd name" TEXT);
        INSERT INTO customers VALUES (1, 'Ada', '東京'), (2, 'Bob', NULL), (3, 'Zoë 🙂', 'Köln');
        INSERT INTO orders VALUES (1, 1, 9.5, 'x'), (2, 2, 1234567.25, NULL), (3, 1, -3, 'y');
    """)
    db.close()


@pytest.fixture
def repl(terminal, tmp_path):  # noqa: F811
    """A REPL on shop.db that has said its first prompt."""
    shop(tmp_path)

    def begin(options="", **settings):
        one = terminal(f"{RH} shop.db {options}", **settings)
        one.wait_for_prompt()
        return one

    return begin


def test_statements_of_several_lines_are_answered_with_their_facts(repl):
    one = repl()
    one.enter("SELECT name, city")
    one.wait("..>")
    one.enter("FROM customers ORDER BY id;")
    one.wait((" Ada    │ 東京\n Bob    │ NULL\n Zoë 🙂 │ Köln\n", re.compile(r"3 rows · oltp \([a-z-]+\) · [\d.]+ (us|ms) · position 0 · age")))
    one.enter("SELECT amount FROM orders ORDER BY id;")
    one.wait("        9.5\n 1234567.25\n       -3.0\n")


def test_errors_keep_the_session_and_name_the_place(repl):
    one = repl()
    one.enter("SELECT nope FROM customers;")
    one.wait(("no such column", "  SELECT nope FROM customers;\n         ^"))
    one.enter("SELECT 40 + 2;")
    one.wait(" 42\n")


def test_transactions_span_entries_and_the_prompt_shows_them(repl, tmp_path):
    one = repl()
    one.enter("BEGIN;")
    one.wait_for_prompt("rh*>")
    one.enter("INSERT INTO customers (name) VALUES ('inside');")
    one.wait("1 row changed")
    assert sqlite3.connect(tmp_path / "shop.db").execute("SELECT count(*) FROM customers").fetchone() == (3,)
    one.enter("INSERT INTO customers (id) VALUES (1);")
    one.wait("UNIQUE constraint failed")
    one.enter("COMMIT;")
    one.wait_for_prompt()
    assert sqlite3.connect(tmp_path / "shop.db").execute("SELECT count(*) FROM customers").fetchone() == (4,)
    one.enter("BEGIN;")
    one.wait_for_prompt("rh*>")
    one.enter("DELETE FROM customers;")
    one.wait("4 rows changed")
    one.keys("C-d")
    one.wait("rolled back")
    assert one.ended() == 1
    assert sqlite3.connect(tmp_path / "shop.db").execute("SELECT count(*) FROM customers").fetchone() == (4,)


def test_ctrl_c_cancels_the_query_and_nothing_else(repl):
    one = repl()
    for _ in range(2):
        one.enter(ENDLESS)
        one.wait("Ctrl-C cancels")
        one.keys("C-c")
        one.wait(lambda screen: "[CANCELLED 57014]" in screen)
        one.wait_for_prompt()
        one.keys("C-l")
        one.wait(lambda screen: screen.strip() == "rh>")
    one.type("half a statement")
    one.wait("half a statement")
    one.keys("C-c")
    one.wait_for_prompt()
    one.enter("SELECT 'still ' || 'here';")
    one.wait("still here")


def test_a_long_query_tells_rows_and_time_and_what_is_held_back_is_shown_no_more(repl):
    one = repl()
    one.enter("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x % 1000000 = 0;")
    screen = one.wait(re.compile(r"\d+\.\d s · [1-9]\d* rows? · Ctrl-C cancels"))
    assert "1000000" not in screen.split("= 0;")[1]
    one.keys("C-c")
    one.wait("[CANCELLED 57014]")
    one.wait_for_prompt()


def test_with_capture_the_column_store_answers_and_is_in_step(repl, tmp_path):
    one = repl("--capture")
    one.enter(".olap")
    one.wait_for_prompt("rh:olap>")
    for amount in (1, 2, 3):
        one.enter(f"INSERT INTO orders (customer, amount) VALUES (3, {amount});")
        one.wait_for_prompt("rh:olap>")
        one.enter(f"SELECT 'total', sum(amount), {amount} AS round FROM orders WHERE customer = 3;")
        one.wait(re.compile(rf"total +│ +{amount * (amount + 1) // 2}\.0 │ +{amount}\n[^│]*1 row · olap \("))
    one.enter(".status")
    one.wait("orders")


def test_a_time_is_refused_where_there_is_no_history_and_shown_where_there_is(repl, rh, tmp_path):  # noqa: F811
    one = repl()
    one.enter(".asof 2020-01-01")
    one.wait("this database keeps no history")
    one.enter("SELECT 40 + 2;")
    one.wait(" 42\n")
    assert "keeps no history" in rh.run("repl", "shop.db", "--as-of", "2020-01-01", input="SELECT 1;\n", code=1).stderr
    (tmp_path / "kept.toml").write_text('[engine]\noltp_path = "shop.db"\nolap_path = "kept"\nsync_mode = "temporal"\n')
    rh.run("sync", "--config", "kept.toml", "--capture")
    one = repl("--config kept.toml")
    one.enter(".asof yesterday")
    one.wait("is no point in time")
    one.enter(".asof 2100-01-01 10:00")
    one.wait_for_prompt("rh@2100-01-01T10:00>")
    one.enter("SELECT count(*) AS n FROM orders;")
    one.wait(" 3\n")
    one.resize(50, 24)
    one.enter(".olap")
    one.wait_for_prompt("rh:olap@past>")
    one.enter(".asof off")
    one.wait_for_prompt("rh:olap>")


def test_a_file_without_capture_is_told_with_the_command_that_installs_it(terminal, tmp_path):  # noqa: F811
    shop(tmp_path)
    name = "my 'shop' of a long name, which no line of this terminal has the room for beside the rest of the notice.db"
    (tmp_path / "shop.db").rename(tmp_path / name)
    (tmp_path / "file.db").symlink_to(tmp_path / name)
    (tmp_path / "any.toml").write_text('[engine]\noltp_path = "file.db"\n')
    quoted = "'" + name.replace("'", "'\\''") + "'"
    for words, command in ((f'"{name}"', f"repl --capture --db {quoted}"), ("--config any.toml", "repl --capture --config any.toml"),
                           ("new.db", "repl --capture --db new.db")):
        one = terminal(f"{RH} {words}", width=100)
        one.wait_for_prompt()
        told = one.screen().replace("\n", "")  # the terminal itself folds
        assert f"comes with   {RH} {command}" in re.sub(r"with +", "with   ", told), told
    one = terminal(f"{RH} {command}")
    one.wait_for_prompt()
    assert "No change capture" not in one.screen()


def test_an_import_that_is_cancelled_keeps_the_session(repl, tmp_path):
    with open(tmp_path / "big.csv", "w") as file:
        file.write("id,name\n")
        file.writelines(f"{n},name {n}\n" for n in range(10, 3000000))
    one = repl()
    one.enter(".import big.csv customers")
    one.wait("importing")
    one.keys("C-c")
    one.wait("cancelled; nothing was imported")
    one.enter("SELECT count(*) FROM customers;")
    one.wait(" 3\n")
    one.enter(".import big.csv nowhere")
    one.wait("nowhere")
    one.wait_for_prompt()


def test_the_history_is_kept_searched_and_shared(repl, tmp_path):
    first, second = repl(), repl()
    first.enter("SELECT 'from")
    first.enter("the first';")
    first.wait_for_prompt()
    second.enter("SELECT 'from the second';")
    second.wait_for_prompt()
    for one in (first, second):
        one.keys("C-d")
        assert one.ended() == 0
    path = tmp_path / "state" / "rh" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "SELECT 'from\\nthe first';\nSELECT 'from the second';\n"
    third = repl()
    third.keys("Up")
    third.wait("rh> SELECT 'from the second';")
    third.keys("Up")
    third.wait("..> the first';")
    third.keys("C-c")
    third.keys("C-r")
    third.type("SECOND")
    third.wait("(search) SECOND: SELECT 'from the second';")
    third.keys("Enter")
    third.wait(" from the second\n")


def test_a_broken_history_is_no_reason_to_stop(repl, tmp_path):
    path = tmp_path / "state" / "rh" / "history"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"SELECT 'good';\n\xff\xfe\x00broken\n\x1b[2Jalso\n" + b"x" * 300000)
    one = repl()
    one.keys("Up")
    one.wait("rh> SELECT 'good';")
    one.keys("C-c", "C-d")
    assert one.ended() == 0
    path.unlink()
    path.mkdir()
    one = repl()
    assert "the history" in one.screen() and "could not be read" in one.screen()
    one.enter("SELECT 7 * 6;")
    one.wait(" 42\n")


def test_tab_completes_from_the_schema(repl):
    one = repl(width=120)
    one.type("select * from cust")
    one.keys("Tab")
    one.wait("from customers")
    one.type("c join orders o on o.cu")
    one.keys("Tab")
    one.wait("o.customer")
    one.type("= c.")
    one.keys("Tab")
    one.wait(re.compile(r"\nid +name +city"))
    one.keys("Tab")
    one.wait("= c.id")
    one.type(" where o.odd")
    one.keys("Tab")
    one.wait('o."odd name"')
    one.type("is not nu")
    one.keys("Tab")
    one.wait(lambda screen: "null" in screen)
    one.keys("C-c")
    one.type(".sch")
    one.keys("Tab")
    one.type("ord")
    one.keys("Tab")
    one.wait("rh> .schema orders")
    one.keys("C-c")
    one.type("select coun")
    one.keys("Tab")
    one.wait("select count(")


def test_tab_offers_columns_before_from_and_a_blank_behind_a_word(repl):
    one = repl()
    one.type("sel")
    one.keys("Tab")
    one.type("na")
    one.keys("Tab")
    one.type(", am")
    one.keys("Tab")
    one.type("from customers natu")
    one.keys("Tab")
    one.wait("rh> select name, amount from customers natural")
    one.keys("C-c")
    one.type(".im")
    one.keys("Tab")
    one.type("shop.d")
    one.keys("Tab")
    one.wait("rh> .import shop.db")
    one.keys("C-c")


@pytest.mark.parametrize("words, shown", (("help", "Ctrl-R searches"), ("?", "Ctrl-R searches"), ("\\?", "Ctrl-R searches"), ("help;", "Ctrl-R searches"), ("\\d", "customers"), ("\\nosuch", "commands begin with a dot here")))
def test_words_of_other_prompts_are_understood(repl, words, shown):
    one = repl()
    one.enter(words)
    one.wait(shown)
    one.wait_for_prompt()


@pytest.mark.parametrize("word", ("exit", "QUIT;", "\\q"))
def test_ends_of_other_prompts_end_it(repl, word):
    one = repl()
    one.enter(word)
    assert one.ended() == 0


@pytest.mark.parametrize("environment", ({}, {"TERM": "dumb"}))
def test_a_command_in_the_middle_of_a_statement_is_told_what_it_is_there(repl, environment):
    one = repl(**environment)
    one.enter("SELECT 40 +")
    one.wait("..>")
    for line, command in ((".tables", ".tables"), ("exit", ".quit"), ("help", ".help")):
        one.enter(line)
        one.wait(f"{command} is a command where a statement has ended")
        one.wait(lambda screen: screen.rstrip().split("\n")[-1].strip() == "..>")
    one.keys("C-c")
    one.wait_for_prompt()
    one.keys("C-l" if not environment else "Enter")
    one.enter("SELECT 'a")
    one.enter(".tables")
    one.enter("b';")
    one.wait("1 row")
    assert one.screen().count("is a command") == (0 if not environment else 3)


def test_what_is_typed_has_colours_and_none_with_no_color(repl):
    one = repl()
    one.type("SELECT 'text', 12 -- note")
    one.wait("-- note")
    coloured = one.screen(colours=True)
    row = next(row for row in coloured.split("\n") if "SELECT" in row)
    assert re.search(r"\x1b\[[\d;]*36m[^S]*SELECT", row) and re.search(r"32m[^']*'text'", row) and re.search(r"35m[^1]*12", row)
    plain = repl(NO_COLOR="1")
    plain.type("SELECT 'text', 12 -- note")
    plain.wait("-- note")
    assert "\x1b" not in next(row for row in plain.screen(colours=True).split("\n") if "SELECT" in row)


def test_a_terminal_of_twenty_columns(repl):
    one = repl(width=20, height=10)
    one.keys("C-l")
    one.type("SELECT name, city FROM customers WHERE id = 1;")
    one.wait("id = 1;")
    assert one.rows()[:3] == ["rh> SELECT name, cit", "y FROM customers WHE", "RE id = 1;"]
    one.keys("Enter")
    one.wait(" Ada")
    one.wait_for_prompt()


def test_a_resize_in_the_middle_keeps_what_is_typed(repl):
    one = repl(width=60)
    one.keys("C-l")
    text = "rh> SELECT name, city, id, name, city, id, name FROM customers"
    one.type(text[4:])
    one.wait("custome\nrs")
    for width in (30, 45, 12, 80):
        one.resize(width, 24)
        rows = [text[at:at + width].rstrip() for at in range(0, len(text), width)]
        # what the terminal folded and scrolled away is in its scrollback; from the prompt on there is what is typed, and nothing else
        one.wait(lambda screen, rows=rows: [row.rstrip() for row in screen[screen.rfind("rh> "):].rstrip().split("\n")] == rows)
        for key, column in (("Left", len(text) - 1), ("Right", len(text))):
            one.keys(key)
            one.wait(lambda screen, column=column: one.cursor()[0] == column % width)
    one.type(" WHERE id = 2;")
    one.keys("Enter")
    one.wait(" Bob ")


def test_a_paste_of_a_megabyte_runs_only_when_it_is_told_to(repl, tmp_path):
    one = repl()
    rows = ",\n".join(f"({n}, 'pasted {n} 日本')" for n in range(100, 45100))
    text = f"INSERT INTO customers (id, name) VALUES\n{rows};\n"
    assert len(text.encode()) > 1 << 20
    one.paste(text)
    one.wait("pasted 45099", limit=60)
    assert sqlite3.connect(tmp_path / "shop.db").execute("SELECT count(*) FROM customers").fetchone() == (3,)
    one.keys("Enter")
    one.wait("45,000 rows changed", limit=60)
    one.enter("SELECT count(*) FROM customers;")
    one.wait(" 45003\n")


def test_invalid_utf8_is_no_reason_to_stop(repl):
    one = repl()
    one.paste(b"SELECT 'a\xff\xc3(b\xe2\x82';")
    one.keys("Enter")
    one.wait("1 row")
    one.enter("SELECT 1 + 1;")
    one.wait(" 2\n")


def test_long_results_go_through_a_pager(repl):
    one = repl()
    one.enter("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 500) SELECT x FROM c;")
    screen = one.wait(lambda screen: screen.rstrip().endswith(":"))
    assert " 500\n" not in screen
    one.keys("G")
    one.wait(" 500\n")
    one.keys("q")
    one.wait("500 rows")
    one.enter(".pager off")
    one.enter("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 500) SELECT x FROM c;")
    one.wait(lambda screen: " 500\n" in screen and screen.rstrip().endswith("rh>"))


def test_the_time_of_a_statement_is_not_that_of_its_reader(repl, tmp_path):
    """The pager of this test reads when it is told to: before its first line, as less with more rows than a pipe takes, and behind the last."""
    (tmp_path / "slow").write_text("#!/bin/sh\ntouch begun\nread answer <first\ntail -n 1\nread answer <last\n")
    (tmp_path / "slow").chmod(0o755)
    for count in (300, 30000):
        for name in ("first", "last"):
            os.mkfifo(tmp_path / name)
        one = repl(PAGER=str(tmp_path / "slow"))
        one.enter(f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {count}) SELECT x FROM c;")
        until = time.monotonic() + 30
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        began = time.monotonic()
        one.wait(lambda _, began=began: time.monotonic() - began > 2)  # somebody reads, which takes no condition but time
        for name in ("first", "last"):
            (tmp_path / name).write_text("on\n")
        screen = one.wait(re.compile(rf"{count:,} rows · oltp \([a-z-]+\) · ([\d.]+) (us|ms|s) ·"))
        number, unit = re.search(r"rows · oltp \([a-z-]+\) · ([\d.]+) (us|ms|s) ·", screen).groups()
        assert float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1}[unit] < 1.9, screen
        for name in ("first", "last", "begun"):
            (tmp_path / name).unlink()


def test_without_its_pager_nothing_is_lost(repl):
    for pager in ("nosuchpager -x", "/nowhere/less"):
        one = repl(PAGER=pager)
        one.enter("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 500) SELECT x FROM c;")
        one.wait(lambda screen: " 500\n" in screen and screen.rstrip().endswith("rh>"))
    one = repl(PAGER="LESS=-X less")
    one.enter("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 500) SELECT x FROM c;")
    one.wait(lambda screen: screen.rstrip().endswith(":"))
    one.keys("q")
    one.wait_for_prompt()


def test_beside_a_program_that_has_the_folder(repl, tmp_path):
    (tmp_path / "settings.toml").write_text('[engine]\noltp_path = "shop.db"\nolap_path = "mirror"\n')
    first = repl("--config settings.toml --capture")
    first.enter(".olap")
    first.enter("SELECT sum(amount) FROM orders;")
    first.wait("1 row · olap")
    second = repl("--config settings.toml")
    assert "that of a program that runs" in second.screen()
    second.enter("INSERT INTO orders (amount) VALUES (1);")
    second.wait("1 row changed")
    for one in (second, first):
        one.enter("SELECT count(*) AS orders FROM orders;")
        one.wait(" 4\n")


def test_what_the_engine_says_meanwhile_stands_above_what_is_typed(repl, tmp_path):
    (tmp_path / "settings.toml").write_text('[engine]\noltp_path = "shop.db"\nlog_limit_rows = 100\nlog_limit_policy = "grow"\n')
    subprocess.run([RH, "changes", "--db", "shop.db", "--capture", "--consumer", "slow"], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    one = repl("--config settings.toml --capture")
    one.keys("C-l")
    one.type("SELECT 'half typed'")
    one.wait("half typed")
    db = sqlite3.connect(tmp_path / "shop.db", timeout=30)
    with db:
        db.executemany("INSERT INTO orders (amount) VALUES (?)", [(n,) for n in range(5000)])
    one.wait("warning")
    one.type(";")
    one.wait(lambda screen: re.search(r"(?s)warning.*\nrh> SELECT 'half typed';", screen) and screen.count("SELECT 'half") == 1)
    one.keys("Enter")
    one.wait("1 row")


def test_a_terminal_that_is_too_small_still_takes_statements(repl, tmp_path, terminal):  # noqa: F811
    one = terminal(f"{RH} shop.db", width=8, height=40)
    one.wait_for_prompt()
    one.enter("SELECT 5;")
    one.wait("\n 5\n")
    one.keys("C-d")
    assert one.ended() == 0
    one = terminal(f"{RH} shop.db", width=20, height=2)
    one.wait("rh>")
    one.enter("SELECT 4 +")
    one.enter("5 AS n;")
    one.wait_for_prompt()
    one.keys("C-d")
    assert one.ended() == 0


def test_watch_asks_again_until_ctrl_c(repl, tmp_path):
    one = repl()
    one.enter(".watch 0.2 SELECT count(*) AS customers FROM customers;")
    one.wait("every 0.2 s")
    one.wait(" 3\n")
    db = sqlite3.connect(tmp_path / "shop.db")
    db.execute("INSERT INTO customers (name) VALUES ('new')")
    db.commit()
    one.wait(" 4\n")
    one.keys("C-c")
    one.wait_for_prompt()


def test_a_dumb_terminal_has_prompts_and_nothing_else(repl, tmp_path):
    for term in ("dumb", ""):
        one = repl(TERM=term)
        one.enter("SELECT 'plain ' ||")
        one.wait_for_prompt("..>")  # such a terminal shows keys where they come in, so also in front of a prompt
        one.enter("'lines';")
        one.wait(" plain lines\n")
        one.wait_for_prompt()
        one.enter("SELECT 'dropped' ||")
        one.wait_for_prompt("..>")
        one.keys("C-c")
        one.wait_for_prompt()
        one.enter("SELECT 'after';")  # the first line behind it is whole
        one.wait(" after\n")
        one.wait_for_prompt()
        one.enter("BEGIN;")
        one.wait_for_prompt("rh*>")
        one.enter("CREATE TABLE kept (a);")
        one.wait_for_prompt("rh*>")
        one.keys("C-c")
        one.wait("rh*> ^C\nrh*>")
        one.enter("COMMIT;")
        one.wait_for_prompt()
        one.keys("S", "Enter", "\\;", "Enter", "C-d")  # also where it is there before it is waited for
        assert one.ended() == 0
        one = repl(TERM=term)
        one.keys("C-d")
        assert one.ended() == 0


def process_of(program, folder):
    """The one that runs in that folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "exe") == str(program.resolve()) and os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    assert len(found) == 1
    return found[0]


def test_sigterm_gives_the_terminal_back(terminal, tmp_path):  # noqa: F811
    shop(tmp_path)
    one = terminal(f"sh -c '{RH} shop.db; stty -a; echo over; sleep 60'")
    one.wait_for_prompt()
    os.kill(process_of(RH, tmp_path), signal.SIGTERM)
    screen = one.wait("over")
    assert " icanon " in screen.replace("\n", " ") and "-icanon" not in screen


def test_ctrl_z_stops_and_goes_on(terminal, tmp_path):  # noqa: F811
    shop(tmp_path)
    one = terminal("sh", PS1="shell$ ")
    one.wait("shell$")
    one.enter(f"{RH} shop.db")
    one.wait_for_prompt()
    one.type("SELECT 'kept")
    one.wait("SELECT 'kept")
    one.keys("C-z")
    one.wait("Stopped")
    one.enter("stty -a | grep -c ' icanon'; fg")
    one.wait(lambda screen: screen.count("SELECT 'kept") >= 2)
    one.enter("';")
    one.wait("1 row")


def test_plain_rh_with_a_database_opens_it_and_without_one_helps(terminal, tmp_path):  # noqa: F811
    one = terminal(f"sh -c '{RH}; echo exit $?; sleep 60'", height=50)
    assert "Every command takes" in one.wait("exit 2")
    sqlite3.connect(tmp_path / "rhei.db").execute("CREATE TABLE t (a)").connection.commit()
    one = terminal(f"{RH}")
    one.wait_for_prompt()
    one = terminal(f"{RH} --db rhei.db")
    one.wait_for_prompt()


def test_a_name_that_is_no_file_yet_is_said_and_leaves_none(terminal, tmp_path):  # noqa: F811
    one = terminal(f"{RH} {tmp_path}/shpo.db")
    one.wait("There was no such file")
    one.enter(".quit")
    one.wait(lambda screen: not (tmp_path / "shpo.db").exists())


def test_commands_and_a_slip(repl):
    one = repl()
    one.enter(".tabels")
    one.wait("did you mean .tables?")
    one.enter(".wacth 1")
    one.wait("did you mean .watch?")
    one.enter(".tables")
    one.wait("customers")
    one.enter(".mode box")
    one.enter("SELECT name FROM customers WHERE id = 2;")
    one.wait("┌──────┐\n│ name │\n├──────┤\n│ Bob  │\n└──────┘")
    one.enter(".explain")
    one.wait(("│ route ", re.compile(r"rows · \d")))
    one.enter(".olap")
    one.wait_for_prompt("rh:olap>")
    one.enter("SELECT sum(amount) FROM orders;")
    one.wait(re.compile(r"1 row · olap \("))
    one.enter(".auto")
    one.wait_for_prompt()


def test_the_guide_says_what_happens(terminal, tmp_path):  # noqa: F811
    page = (ROOT / "docs" / "guide" / "repl.md").read_text()
    blocks = [[line[4:] for line in block.split("\n")] for block in re.findall(r"(?:^    .*\n)+", page, re.M)]
    (tmp_path / "build").symlink_to(BUILD)
    for line in blocks[0][:-2]:
        subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    one = terminal(blocks[0][-2])
    one.wait_for_prompt()
    shown = [line for line in blocks[1] if line]
    for line in shown[:2]:
        one.enter(line[4:])
    screen = one.wait("2 rows")
    for line in shown[:-1]:
        assert line.rstrip() in screen, (line, screen)
    one.enter(blocks[2][0][4:])
    one.wait("paid")
    for command in re.findall(r"^\| `(\.[a-z]+)", page, re.M):
        one.keys("C-l")
        one.enter(f".help {command[1:]}")
        one.wait(f"\n{command}")
    one.keys("C-d")
    assert one.ended() == 0
    script = subprocess.run(["sh", "-c", blocks[3][0]], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert "| status | n |" in script.stdout
    told = set(re.findall(r"`(\.[a-z]+)[ `]", page))
    listed = set(re.findall(r"^(\.[a-z]+)", subprocess.run([str(RH), ":memory:"], input=".help", capture_output=True, text=True, check=True, timeout=60).stdout, re.M))
    assert listed - told == set(), "the guide lacks commands"


def test_ctrl_c_ends_what_a_file_runs(repl, tmp_path):
    (tmp_path / "long.sql").write_text("SELECT 'begun';\n" + "SELECT 1;\n" * 5 + ENDLESS + "\nSELECT 'never' || ' seen';\n")
    one = repl()
    one.enter(".read long.sql")
    one.wait("Ctrl-C cancels")
    one.keys("C-c")
    one.wait("[CANCELLED 57014]")
    screen = one.wait_for_prompt()
    assert "long.sql" in screen and "never seen" not in screen


# --- without a terminal ------------------------------------------------------------------------------------------------


def test_a_pipe_sees_no_prompt_and_gets_exit_codes(rh):  # noqa: F811
    shop(rh.folder)
    done = rh.run("repl", "shop.db", input="SELECT name FROM customers WHERE id = 1;\n.mode json\nSELECT 1 AS one;\n")
    assert (done.stdout, done.stderr) == ('name\nAda\n[{"one":1}]\n', "")
    assert not (rh.folder / "state").exists()
    done = rh.run("shop.db", input="SELECT 1;\n\nSELECT nope;\nSELECT 2;", code=1)
    assert done.stdout == "1\n1\n" and "line 3, column 8" in done.stderr
    done = rh.run("repl", "--db", "shop.db", input=".nonsense\nSELECT 1;", code=2)
    assert done.stdout == "" and "there is no command .nonsense" in done.stderr
    assert "given twice" in rh.run("repl", "a.db", "--db", "b.db", code=2).stderr
    done = rh.run("shop.db", input="BEGIN;\nDELETE FROM orders;\n", code=1)
    assert "rolled back" in done.stderr
    assert rh.run("query", "--db", "shop.db", "SELECT count(*) FROM orders").stdout.endswith("3\n")


def test_a_script_that_has_no_last_semicolon_is_run_whole(rh):  # noqa: F811
    assert rh.run("repl", "new.db", input="SELECT 1 +\n 1").stdout.endswith("2\n")
    assert not (rh.folder / "new.db").exists()  # nothing was put into it
    assert "unrecognized token" in rh.run("repl", "new.db", input="SELECT 'open", code=1).stderr


def test_read_import_and_export(rh):  # noqa: F811
    shop(rh.folder)
    (rh.folder / "more.csv").write_text("id,name\n10,Cy\n11,007\n")
    (rh.folder / "script.sql").write_text("-- a comment\n.mode csv\nSELECT count(*) AS n\nFROM customers;\nSELECT broken;\nSELECT 'never';\n")
    done = rh.run("shop.db", input=".import more.csv customers\n.import more.csv made --create --key id\nSELECT name FROM made;\n")
    assert "2 rows into customers" in done.stdout and "007" in done.stdout
    done = rh.run("shop.db", input=".read script.sql\n", code=1)
    assert done.stdout == "n\n5\n" and "script.sql" in done.stderr and "line 5, column 8" in done.stderr and "never" not in done.stdout
    done = rh.run("shop.db", input="SELECT name, city FROM customers WHERE id < 3 ORDER BY id;\n.export a.csv\n.export b.json orders\n"
                                   ".export c.md SELECT ';' AS x\n.export d.arrow customers\n.export a.csv\n", code=1)
    assert "is there already" in done.stderr
    assert (rh.folder / "a.csv").read_text() == "name,city\nAda,東京\nBob,\n"
    assert (rh.folder / "b.json").read_text().count("amount") == 3
    assert ";" in (rh.folder / "c.md").read_text()
    assert (rh.folder / "d.arrow").stat().st_size > 100
    rh.run("shop.db", input=".export e.csv SELECT nope\n", code=1)
    assert sorted(path.name for path in rh.folder.glob("e.csv*")) == []
    (rh.folder / "loop.sql").write_text(".read loop.sql\n")
    assert "reads itself" in rh.run("shop.db", input=".read loop.sql\n", code=1).stderr
    assert "could not be read" in rh.run("shop.db", input=".read nowhere.sql\n", code=1).stderr


def test_what_is_exported_is_whole(rh):  # noqa: F811
    long = "a value that is longer than those of the first rows"
    rows = f"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 2500) SELECT iif(x = 2500, '{long}', 's') AS s, NULL AS n FROM c;"
    rh.run(":memory:", input=f".null -\n.width 20\n{rows}\n.export a.txt\n.export a.csv\n")
    assert long in (rh.folder / "a.txt").read_text()
    assert (rh.folder / "a.csv").read_text().endswith(f"s,\n{long},\n")  # NULL as a CSV has it, whatever is shown
    assert long in rh.run(":memory:", input=f".mode table\n.width off\n{rows}\n").stdout


def test_the_schema_has_indexes_and_triggers_and_nothing_of_ours(rh):  # noqa: F811
    shop(rh.folder)
    rh.run("exec", "--db", "shop.db", "--capture", "CREATE INDEX by_city ON customers (city); CREATE TRIGGER noted AFTER INSERT ON orders BEGIN SELECT 1; END")
    out = rh.run("shop.db", input=".schema\n").stdout
    assert "CREATE INDEX by_city" in out and "CREATE TRIGGER noted" in out and "_rhei_" not in out
    assert "noted" not in rh.run("shop.db", input=".schema customers\n").stdout


def test_wrong_uses_say_how_it_is_done(rh):  # noqa: F811
    shop(rh.folder)
    for line, words in ((".mode xml", ".mode is auto, table, box, vertical, markdown, csv, tsv, json or ndjson; it is .mode [FORMAT]"), (".timer maybe", "on or off"), (".read", "it is .read FILE"),
                        (".width -3", "number of columns"), (".freshness soon", "bounded:100"), (".quit now", "fewer words"),
                        (".watch x", "seconds"), (".export a.xls", ".csv"), (".plot", "no statement yet"), (".null 'open", "quote"),
                        (".import", "it is .import"), (".import a.csv b --db c.db", "but --db")):
        done = rh.run("shop.db", input=line + "\n", code=2)
        assert words in done.stderr, (line, done.stderr)


def test_settings_are_shown_and_kept(rh):  # noqa: F811
    shop(rh.folder)
    lines = ".mode\n.null -\n.null\n.mode table\n.mode\n.freshness bounded:100\n.freshness\n.width 40\n.width\n.asof\n.timer\n.help mode\n"
    out = rh.run("shop.db", input=lines).stdout.split("\n")
    assert out[:7] == ["csv", "-", "table", "bounded:100", "40", "off", "off"] and ".mode [FORMAT]" in out[7]
    out = rh.run("shop.db", input=".mode table\n.freshness eventual\n.mode auto\n.freshness auto\n.mode\n.freshness\n").stdout.split("\n")
    assert out[0] == "csv" and out[1].startswith("the database's own")


def test_a_script_tells_the_facts_where_it_asks_for_them(rh):  # noqa: F811
    done = rh.run(":memory:", input="SELECT 1;\n.timer on\nSELECT 2;\n")
    assert done.stderr.count("1 row") == 1


def test_plots(rh):  # noqa: F811
    shop(rh.folder)
    done = rh.run("shop.db", input="SELECT name, id * 10 AS v FROM customers;\n.plot\n.plot line SELECT id, amount FROM orders;\n"
                                   ".plot SELECT 1 WHERE 0\n")
    assert "Ada    │████" in done.stdout and "1234567.25" not in done.stdout.split("v\n")[0] and "no rows" in done.stdout
    done = rh.run("shop.db", input=".plot SELECT name FROM customers\n", code=1)
    assert "no column of the result has a number" in done.stderr
    done = rh.run("shop.db", input=".plot SELECT 'a', NULL UNION ALL SELECT 'b', 3\n")
    assert "NULL" in done.stdout and "b │█" in done.stdout


def test_wide_results_say_what_was_left_out(rh):  # noqa: F811
    shop(rh.folder)
    columns = ", ".join(f"{n}.5 AS number_{n}" for n in range(20))
    done = rh.run("shop.db", input=f".mode table\n.width 60\nSELECT {columns};\n")
    assert all(len(row) <= 60 for row in done.stdout.split("\n")[:3]) and "(.mode vertical shows them)" in done.stdout


def test_a_closed_pipe_ends_it(rh):  # noqa: F811
    shop(rh.folder)
    (rh.folder / "many.sql").write_text("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300000) SELECT x FROM c;\n" * 3)
    done = subprocess.run(["sh", "-c", f"{RH} shop.db < many.sql | head -1"], cwd=rh.folder, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "x\n"


def test_a_read_only_repl_changes_nothing(rh):  # noqa: F811
    shop(rh.folder)
    before = (rh.folder / "shop.db").read_bytes()
    done = rh.run("repl", "shop.db", "--read-only", input="SELECT count(*) FROM orders;\n")
    assert done.stdout.endswith("3\n")
    assert "READ_ONLY" in rh.run("repl", "shop.db", "--read-only", input="DELETE FROM orders;\n", code=1).stderr
    assert (rh.folder / "shop.db").read_bytes() == before
