"""The guide's programs compile without a warning, run, and print what the guide says."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RECIPES = (ROOT / "docs" / "guide" / "recipes.md").read_text()


def programs():
    """(language, text, what it prints) of each program and the sentence below it."""
    for match in re.finditer(r"```(cpp|c)\n(.*?)```\n+prints ([^.\n]*(?:\.\d+`)?)", RECIPES, re.S):
        yield match.group(1), match.group(2), re.findall(r"`([^`]+)`", match.group(3))


def test_every_program_of_the_guide_is_run():
    assert len(list(programs())) == len(re.findall(r"```(?:cpp|c)\n", RECIPES)) == 4


@pytest.mark.parametrize("language, text, printed", programs())
def test_a_program_of_the_guide(build, tmp_path, language, text, printed):
    source = tmp_path / ("program." + {"c": "c", "cpp": "cc"}[language])
    source.write_text(text)
    compiler = ["cc", "-std=c17"] if language == "c" else ["c++", "-std=c++17"]
    sanitizers = ["-fsanitize=" + name for name in ("address,undefined", "thread") if f"-{'asan' if 'add' in name else 'tsan'}" in build.name]
    subprocess.run(
        [*compiler, "-Wall", "-Wextra", "-Wshadow", "-Werror", *sanitizers, f"-I{ROOT / 'include'}", source, f"-L{build / 'src'}",
         "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-pthread", "-o", tmp_path / "program"], check=True, timeout=60)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == printed
