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


def commands(page, start):
    """The indented lines of a page that a shell is to run, from the line that begins with `start` on."""
    text = (ROOT / page).read_text()
    block = text[text.index("\n    " + start) + 1:]
    return [line[4:] for line in block[:block.index("\n\n")].splitlines()]


def test_the_first_steps_are_run_as_they_stand(build, tmp_path):
    lines = commands("docs/guide/first-steps.md", "build/tools/rh/rh exec")
    assert len(lines) == 6
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = "status,count(*),sum(amount)\nopen,1,20.0\npaid,2,9.75\n"
    assert done.stdout.startswith("3 rows into orders") and done.stdout.count(answer) == 2
    assert "route,oltp" in done.stdout or "oltp" in done.stdout.split(answer)[-1]


def test_the_folder_of_the_mirror_as_the_guide_shows_it(build, tmp_path):
    lines = commands("docs/guide/disk.md", "printf '[engine]")
    assert len(lines) == 6
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shop,sum(amount)\nnorth,20.0\nsouth,9.75\n" in done.stdout
    assert "Folder       shop.mirror\n" in done.stdout
    assert re.search(r"^Checkpoint   \d[^\n]*, position \d+, 0 changes behind, made [^\n]* ago$", done.stdout, re.M)
    program = build / "tools" / "rh" / "rh"
    subprocess.run([program, "detach", "--config", "rhei.toml"], check=True, capture_output=True, timeout=60, cwd=tmp_path)
    done = subprocess.run([program, "status", "--config", "rhei.toml"], check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "not installed" in done.stdout and "Folder" not in done.stdout and "Checkpoint" not in done.stdout


def test_the_program_of_the_readme_prints_what_it_says(build, tmp_path):
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "shop.c").write_text(re.search(r"```c\n(.*?)```", readme, re.S).group(1))
    sanitizers = ["-fsanitize=" + name for name in ("address,undefined", "thread") if f"-{'asan' if 'add' in name else 'tsan'}" in build.name]
    subprocess.run(["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", *sanitizers, f"-I{ROOT / 'include'}", "shop.c", f"-L{build / 'src'}",
                    "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-o", "shop"], check=True, timeout=60, cwd=tmp_path)
    done = subprocess.run(["./shop"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout == re.search(r"It prints `([^`]*)`", readme).group(1) + "\n" == "Ada 9.5 (answered by oltp)\n", done.stderr


def examples(text):
    """Commands of a man page or of the help, each begins with rh."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s*rh (import|query|exec) .*--db", line)]


@pytest.mark.parametrize("source", ["man", "help"])
def test_the_examples_of_man_page_and_help_are_run(build, tmp_path, source):
    program = build / "tools" / "rh" / "rh"
    text = (ROOT / "docs" / "man" / "rh.1").read_text().split(".SH EXAMPLES")[1].replace("\\-", "-")
    if source == "help":
        text = subprocess.run([program, "help"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "flights.csv").write_text("id,origin,carrier,delay\n7,JFK,UA,5.5\n8,LGA,DL,\n")
    lines = examples(text)
    assert len(lines) == {"man": 4, "help": 2}[source]
    for line in lines:
        done = subprocess.run(["sh", "-c", line.replace("rh ", f"{program} ", 1)], capture_output=True, text=True, timeout=60,
                              cwd=tmp_path)
        assert done.returncode == 0 and not done.stderr, (line, done.stderr)
