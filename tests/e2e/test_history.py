"""The guide's program about the past prints what the guide says, and rh asks as of a time."""

import pathlib
import re
import subprocess

from rh_program import rh  # noqa: F401 (fixture)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "guide" / "history.md").read_text()


def test_a9_the_program_of_the_guide(build, tmp_path):
    text, printed = re.search(r"```c\n(.*?)```\n+prints ([^\n]*)", GUIDE, re.S).groups()
    (tmp_path / "program.c").write_text(text)
    sanitizers = ["-fsanitize=" + name for name in ("address,undefined", "thread") if f"-{'asan' if 'add' in name else 'tsan'}" in build.name]
    subprocess.run(
        ["cc", "-std=c17", "-Wall", "-Wextra", "-Wshadow", "-Werror", *sanitizers, f"-I{ROOT / 'include'}", tmp_path / "program.c",
         f"-L{build / 'src'}", "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-pthread", "-o", tmp_path / "program"], check=True, timeout=60)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == re.findall(r"`([^`]+)`", printed)


def test_as_of_is_refused_in_clear_words(rh):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY)", "--capture")
    done = rh.run("query", "SELECT * FROM t", "--as-of", "2020-01-01", code=1)
    assert "keeps no history" in done.stderr and "temporal" in done.stderr
    (rh.folder / "rhei.toml").write_text("[engine]\nsync_mode = \"temporal\"\n")
    done = rh.run("query", "SELECT * FROM t", "--as-of", "yesterday", "--config", "rhei.toml", code=1)
    assert "\"yesterday\" is no point in time" in done.stderr
