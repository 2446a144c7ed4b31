"""A terminal for tests: tmux with a server of its own, in which a program runs; keys in, the screen's rows out. No sleeps: wait() looks until
what it waits for is there, with a limit. A program draws in pieces, and a screen may be captured between two of them: so a test waits for
all that it says of a screen at once, and doesn't ask a screen on which it saw one thing for another.
"""

import os
import pathlib
import re
import shutil
import subprocess
import time
import uuid

import pytest

LIMIT = 30


def is_on(screen, what):
    if isinstance(what, re.Pattern):
        return what.search(screen) is not None
    return what(screen) if callable(what) else what in screen


class Terminal:
    def __init__(self, folder, command, width=80, height=24, **environment):
        self.socket = f"rhei-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.folder = folder
        env = dict(LC_ALL="C.UTF-8", XDG_STATE_HOME=str(folder / "state"), HOME=str(folder), PAGER="less -SRX", PATH=os.environ["PATH"],
                   SHELL="/bin/sh", TERM="screen-256color")
        env.update(environment)
        settings = folder / "tmux.conf"
        settings.write_text("set -g escape-time 0\nset -g remain-on-exit on\nset -g status off\n")
        self.code = folder / f"{self.socket}.exit"
        # tmux itself loses a status now and then, where the terminal's end comes before the signal of the process's
        command = " ".join(["trap : INT; env -i", *(f"'{name}={value}'" for name, value in env.items() if value is not None), command,
                            f"; echo $? >'{self.code}'"])
        self.tmux("-f", settings, "new-session", "-d", "-x", width, "-y", height, "-c", folder, command, env={**os.environ, **{n: v for n, v in env.items() if v}})

    def tmux(self, *arguments, **options):
        options.setdefault("env", dict(os.environ, LC_ALL="C.UTF-8"))
        options["env"].pop("TMUX", None)
        done = subprocess.run(["tmux", "-L", self.socket, *map(str, arguments)], capture_output=True, timeout=LIMIT, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace")

    def type(self, text):
        """Characters as they are."""
        for at in range(0, len(text), 500):
            part = text[at:at + 500]
            self.tmux("send-keys", "-l", "--", part[:-1] + "\\;" if part.endswith(";") else part)

    def keys(self, *names):
        """Keys by tmux's names: Enter, C-r, M-b, Up, Tab, BTab ..."""
        self.tmux("send-keys", *names)

    def enter(self, text):
        """A text and Enter, once it is shown: a prompt that is seen behind it is another than before."""
        self.type(text)
        self.wait(lambda screen: not re.fullmatch(r"rh\S*>", screen.rstrip().split("\n")[-1].rstrip()))
        self.keys("Enter")

    def paste(self, text):
        """As a terminal pastes: bracketed, where the program wants that."""
        buffer = self.folder / "paste"
        buffer.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.tmux("load-buffer", buffer)
        self.tmux("paste-buffer", "-p", "-r")

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def rows(self):
        return [row.rstrip() for row in self.screen().rstrip("\n").split("\n")]

    def cursor(self):
        return tuple(map(int, self.tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split()))

    def wait(self, what, limit=LIMIT):
        """Until what is told is there, all of it on one screen: a text, a pattern (re.compile), what a function of the screen says, or a tuple of
        those. Gives the screen."""
        parts = what if isinstance(what, tuple) else (what,)
        until = time.monotonic() + limit
        while True:
            screen = self.screen()
            if all(is_on(screen, part) for part in parts):
                return screen
            assert time.monotonic() < until, f"waited for {what!r} in vain:\n{screen}"
            time.sleep(0.02)

    def wait_for_prompt(self, prompt="rh> "):
        """Until the last row that isn't empty is a prompt, drawn whole (the cursor is shown again) with the cursor behind it."""
        prompt = prompt.rstrip()

        def is_there(screen):
            if screen.rstrip().split("\n")[-1].rstrip() != prompt:
                return False
            return self.tmux("display-message", "-p", "#{cursor_flag} #{cursor_x}").split() == ["1", str(len(prompt) + 1)]

        return self.wait(is_there)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", width, "-y", height)

    def ended(self):
        """The exit code of the program, once it has ended."""
        until = time.monotonic() + LIMIT
        while not self.code.exists() or not self.code.read_text().endswith("\n"):
            assert time.monotonic() < until, f"it goes on:\n{self.screen()}"
            time.sleep(0.02)
        return int(self.code.read_text())

    def close(self):
        path = self.tmux("display-message", "-p", "#{socket_path}").strip()
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, timeout=LIMIT, check=False)
        pathlib.Path(path).unlink(missing_ok=True)  # tmux leaves it


@pytest.fixture
def terminal(tmp_path):
    """terminal(COMMAND, width=, height=, NAME=VALUE of the environment) opens one; all are closed behind the test."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is missing: ./dev setup installs it")
    opened = []

    def open_terminal(command, **options):
        opened.append(Terminal(tmp_path, command, **options))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()
