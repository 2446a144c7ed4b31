"""What single commands of rh say to a person on a terminal (tmux)."""

import re

from rh_program import BUILD
from tmux_terminal import terminal  # noqa: F401

RH = BUILD / "tools" / "rh" / "rh"


def test_settings_are_explained_whole_on_a_terminal(terminal, tmp_path):  # noqa: F811
    (tmp_path / "full.toml").write_text('[engine]\noltp_path = "a.db"\n[[tables]]\nname = "orders"\ncolumns = ["id"]\n')
    meaning = "how long to wait for another process's lock"
    for words, last in (("config --explain --config full.toml", re.compile(r" setting . tables\.orders\n value .*\n origin .*\n meaning .\s")), ("settings", "sidecar.")):
        one = terminal(f"sh -c '{RH} {words}; cat'", width=100, height=900)  # cat: a terminal that is left loses what it hasn't drawn
        screen = one.wait((lambda screen: meaning in " ".join(screen.split()), last))
        assert "…" not in screen and "''" not in screen, screen


MANY = '"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 50000) SELECT x FROM c"'


def test_a_long_answer_goes_through_a_pager(terminal):  # noqa: F811
    one = terminal(f"{RH} query --db :memory: {MANY}")
    screen = one.wait(lambda screen: screen.rstrip().endswith(":"))
    assert " 50000\n" not in screen
    one.keys("G")
    one.wait(" 50000\n")
    one.keys("q")
    one.wait("50,000 rows · oltp")
    assert one.ended() == 0
    one = terminal(f"{RH} query --db :memory: {MANY}")
    one.wait(lambda screen: screen.rstrip().endswith(":"))
    one.keys("q")
    one.wait("there are more")
    assert one.ended() == 0
    one = terminal(f"{RH} settings")
    one.wait(lambda screen: screen.rstrip().endswith(":"))
    one.keys("q")
    assert one.ended() == 0


def test_a_short_answer_and_one_that_is_not_for_a_person_go_without(terminal, tmp_path):  # noqa: F811
    for words in ("query --db :memory: 'SELECT 42'", f"query --db :memory: {MANY} </dev/null", f"query --db :memory: {MANY} | tail -n 3"):
        one = terminal(f"{RH} {words}", PAGER="touch pager; cat")
        assert one.ended() == 0
        assert not (tmp_path / "pager").exists(), words


def test_ctrl_c_in_the_pager_ends_the_statement_and_leaves_the_terminal_to_the_pager(terminal):  # noqa: F811
    one = terminal(f"{RH} query --db :memory: {MANY.replace('LIMIT 50000', '')}")
    one.wait(lambda screen: screen.rstrip().endswith(":"))
    one.keys("C-c")
    one.wait(lambda screen: "(END)" in screen or one.keys("G"))  # an endless answer has one now; a signal that comes late may take less's G away
    one.keys("q")
    one.wait("[CANCELLED 57014]")
    assert one.ended() == 1
