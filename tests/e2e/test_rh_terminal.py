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
        one = terminal(f"{RH} {words}", **settings)
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
