"""Completions and manual pages say what the program takes: its own table of options, as its refusals tell it, is the measure."""

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from rh_program import BUILD, ROOT, rh  # noqa: F401

MADE = BUILD.resolve() / "packaging"


@pytest.fixture(scope="module")
def table():
    """Of each option the commands that take it, out of "it belongs to rh query, rh repl"."""
    program = BUILD / "tools" / "rh" / "rh"
    words = set(re.findall(r'\{"([a-z-]+)", (?:required|no)_argument', (ROOT / "tools" / "rh" / "rh_args.c").read_text()))
    found = {}
    alone = {"help", "version", "agent"}  # each takes the place of a command
    for word in words - alone:
        # one of these doesn't take it, and says who does
        for command in ("detach", "settings", "info"):
            done = subprocess.run([program, command, f"--{word}", "1", "--help"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
            belongs = re.search(r"it belongs to ((?:rh [a-z]+(?:, )?)+)", done.stderr)
            if belongs:
                found[f"--{word}"] = set(re.findall(r"rh ([a-z]+)", belongs[1]))
                break
    assert len(found) == len(words - alone), set(words) - {name[2:] for name in found}
    return found


def commands(table):
    return sorted(set().union(*table.values()))


def takes(table, command):
    return {name for name, of in table.items() if command in of} | {"--help", "--version"}


def bash(line, folder):
    """What bash offers at the end of a line."""
    words = line.split(" ")
    script = f'. {MADE}/rh; COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; _rh; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, cwd=folder, check=True)
    return set(done.stdout.split())


def fish(line, folder):
    script = f"source {MADE}/rh.fish; complete -C '{line}'"
    env = dict(os.environ, HOME=str(folder / ".home"), PATH=f"{BUILD.resolve() / 'tools' / 'rh'}:{os.environ['PATH']}")
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, timeout=60, cwd=folder, check=True, env=env)
    return {offered.split("\t")[0] for offered in done.stdout.splitlines()}


def test_help_lists_the_options_that_a_command_takes(table):
    """Pages and completions are made of it."""
    for command in commands(table):
        page = (MADE / "man1" / f"rh-{command}.1").read_text().replace("\\-", "-")
        listed = set(re.findall(r"^\\fB(?:-\w, )?(--[a-z-]+)\\fR", page, re.M))
        assert listed == takes(table, command), command


@pytest.mark.parametrize("shell", [bash, fish])
def test_a_shell_offers_what_a_command_takes(table, shell, tmp_path):
    names = {"query", "import"} if shell is fish else commands(table)  # it takes half a second a line
    for command in names:
        assert {name for name in shell(f"rh {command} --", tmp_path) if name.startswith("--")} == takes(table, command), command
    assert shell("rh rep", tmp_path) == {"repair", "repl"}
    assert shell("rh query --route ", tmp_path) == {"auto", "oltp", "olap"}
    assert shell("rh changes --format ", tmp_path) == {"json", "debezium"}
    assert {"latest", "eventual", "bounded:"} <= shell("rh query --freshness ", tmp_path)
    assert shell("rh import --on-conflict ", tmp_path) == {"abort", "skip", "replace", "update"}
    assert {"query", "serve"} <= shell("rh help ", tmp_path)
    (tmp_path / "flights.csv").write_text("")
    (tmp_path / "folder").mkdir()
    assert "flights.csv" in shell("rh import fl", tmp_path)
    assert {name.rstrip("/") for name in shell("rh backup f", tmp_path)} == {"folder"}
    assert shell("rh query --timeout ", tmp_path) == set()


def test_bash_offers_databases_and_their_tables(rh, tmp_path):  # noqa: F811
    for name in ("messy.csv", "shop.toml", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    assert bash("rh query --config ", tmp_path) == {"shop.toml", "folder"}
    assert {"messy.csv", "notes.txt"} <= bash("rh query --db ", tmp_path)  # there is no database yet
    assert not {"messy.csv", "notes.txt"} & bash("rh ", tmp_path) and {"query", "folder"} <= bash("rh ", tmp_path)
    rh.run("exec", "--db", "shop.db", "--capture", 'CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE TABLE other (id); CREATE TABLE "odd name" (id)')
    before = (tmp_path / "shop.db").read_bytes()
    assert bash("rh query --db ", tmp_path) == bash("rh repl ", tmp_path) == {"shop.db", "folder"}
    assert bash("rh sh", tmp_path) == {"shop.db"}
    for line in ("import --db shop.db messy.csv ", "import messy.csv --create --db shop.db ", "export --db shop.db a.csv ", "verify --db shop.db "):
        assert bash(f"{rh.path} {line}", tmp_path) == {"orders", "other"}, line
    assert bash(f"{rh.path} import --db shop.db messy.csv orders ", tmp_path) == set()
    assert bash(f"{rh.path} import --db shop.db me", tmp_path) == {"messy.csv"}
    assert (tmp_path / "shop.db").read_bytes() == before


@pytest.mark.parametrize("shell, settings", [
    ("zsh", f"PS1='ready> '\nfpath=({MADE} $fpath)\nautoload -U compinit\ncompinit -u -D\n"),
    ("bash", f"PS1='ready> '\nbind 'set show-all-if-ambiguous on'\n. {MADE}/rh\n"),
])
def test_tab_completes(shell, settings, tmp_path):
    (tmp_path / ".zshrc").write_text(settings)
    arguments = {"zsh": ["zsh", "-i"], "bash": ["bash", "--noprofile", "--rcfile", str(tmp_path / ".zshrc"), "-i"]}[shell]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execvpe(shell, arguments, dict(os.environ, ZDOTDIR=str(tmp_path), HOME=str(tmp_path), TERM="dumb"))
    seen, deadline = "", time.monotonic() + 60

    def until(text):
        nonlocal seen
        while text not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([terminal], [], [], 1)[0]:
                seen += os.read(terminal, 4096).decode(errors="replace")

    try:
        until("ready> ")
        os.write(terminal, b"rh query --rou\t")
        until("--route")
        os.write(terminal, b"ola\t")
        until("olap")
        os.write(terminal, b"\x15rh rep\t")
        until("repair")
        until("repl")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def test_the_page_of_the_file_has_every_setting(rh):  # noqa: F811
    page = (MADE / "man5" / "rhei.toml.5").read_text()
    names = rh.run("settings", "--format", "csv", "--no-header").stdout
    settings = re.findall(r"^([a-z_0-9.]+),", names, re.M)
    assert len(settings) > 20
    assert re.findall(r"^\.TP\n\.B (\S+)$", page.replace("\\-", "-"), re.M) == settings


def test_man_reads_the_pages():
    """No warning of groff, which man shows pages with."""
    assert shutil.which("groff"), "groff is missing: apt-get install groff-base"
    pages = [*(MADE / "man1").iterdir(), *(MADE / "man5").iterdir(), ROOT / "docs" / "man" / "rh.1"]
    assert len(pages) > 10
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", "-K", "utf8", *pages], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""


def test_installed_where_shells_and_man_look(tmp_path):
    done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", tmp_path, "--tags", "runtime,man"], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    share = next(pathlib.Path(tmp_path).rglob("share"))
    for name in ("bash-completion/completions/rh", "zsh/site-functions/_rh", "fish/vendor_completions.d/rh.fish", "man/man1/rh.1", "man/man1/rh-query.1",
                 "man/man5/rhei.toml.5"):
        assert (share / name).is_file(), name
