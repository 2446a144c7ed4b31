"""The command line tool (of the folder RHEI_BUILD, default build/) and the stock sqlite3 shell, run with a time limit in a
folder of their own. Test files import the fixtures they use.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("RHEI_BUILD", ROOT / "build"))
LIMIT = 120


class Program:
    """A built program. run() gives a CompletedProcess with text; a program that hangs fails the test."""

    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *arguments, code=0, text=True, **options):
        options.setdefault("timeout", LIMIT)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        env = dict(os.environ, LC_ALL="C.UTF-8")
        env.update(options.pop("env", {}))
        done = subprocess.run(
            [self.path, *map(str, arguments)], cwd=self.folder, env=env, capture_output=True, text=text, **options)
        if code is not None:
            assert done.returncode == code, f"exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(
            [self.path, *map(str, arguments)], cwd=self.folder, env=dict(os.environ, LC_ALL="C.UTF-8"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture
def rh(tmp_path):
    """The command line tool, in an empty folder (so its database is rhei.db there)."""
    path = BUILD / "tools" / "rh" / "rh"
    assert path.exists(), f"{path} is missing: build first, or name the build folder in RHEI_BUILD"
    return Program(path, tmp_path)


@pytest.fixture
def sqlite3_shell(tmp_path):
    """Debian's sqlite3 shell: a writer that knows nothing of Rhei."""
    path = shutil.which("sqlite3")
    assert path, "the sqlite3 shell is missing: ./dev setup installs it"
    return Program(path, tmp_path)
