"""What single commands of rh say to a person on a terminal (tmux)."""

import re

import pytest

from rh_program import BUILD, rh  # noqa: F401
from tmux_terminal import terminal  # noqa: F401

RH = BUILD / "tools" / "rh" / "rh"


@pytest.fixture
def screen_of(terminal):  # noqa: F811
    """The rows of a command that has ended, without blanks at their ends."""

    def run(words, code=0, **settings):
        one = terminal(f"{RH} {words}", PAGER="cat", **settings)
        assert one.ended() == code, one.screen()
        return one.wait(lambda screen: screen.strip() != "")

    return run


def test_settings_are_explained_whole_on_a_terminal(screen_of, tmp_path):
    (tmp_path / "full.toml").write_text('[engine]\noltp_path = "a.db"\n[[tables]]\nname = "orders"\ncolumns = ["id"]\n')
    for words in ("config --explain --config full.toml", "settings"):
        screen = screen_of(words, width=100, height=900)
        assert "…" not in screen and "how long to wait for another process's lock" in " ".join(screen.split()), screen
    screen = screen_of("config --explain --config full.toml", width=100, height=900)
    assert "''" not in screen and re.search(r"setting . tables\.orders\n", screen)


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
    one.keys("G")
    one.wait(lambda screen: "(END)" in screen or screen.rstrip().endswith(":"))
    one.keys("q")
    one.wait("[CANCELLED 57014]")
    assert one.ended() == 1
