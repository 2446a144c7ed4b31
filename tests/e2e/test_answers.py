"""All engines give one answer: random statements by seed, and those on which they once differed."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOUND = ROOT / "tests" / "answers" / "found.sql"
THREE = ("--engines", "duckdb,datafusion")  # and SQLite, which all are compared with


def fuzz(build, *arguments, limit):
    program = build / "tests" / "answers" / "answers_fuzz"
    assert program.exists(), f"{program} is missing: build first (./dev build), or name the build folder in RHEI_BUILD"
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, errors="replace", timeout=limit)
    print(done.stdout[-20000:], done.stderr[-4000:])
    assert done.returncode == 0, done.stdout.strip().splitlines()[-1:]
    return done.stdout


@pytest.fixture
def datafusion(monkeypatch):
    """The plug-in, where it is compiled: it is no part of every set-up."""
    named = os.environ.get("RHEI_DATAFUSION")
    path = named or subprocess.run([ROOT / "scripts" / "plugin.sh", "--path"], capture_output=True, text=True, check=True).stdout.strip()
    if not pathlib.Path(path).exists():
        pytest.skip("DataFusion's plug-in isn't compiled: ./dev setup --with datafusion")
    monkeypatch.setenv("RHEI_DATAFUSION", path)


def on_olap(line):
    return int(line.split(" on olap")[0].split()[-1])


def test_q2_random_statements_have_one_answer(build):
    last = fuzz(build, "--seed", "1", "--count", "2000", limit=120).splitlines()[-1]
    assert " 2000 statements," in last
    assert on_olap(last) >= 600, "the column store was hardly asked"


def test_q2_more_random_statements_have_one_answer(build, rng, long):
    """The fast tier says the same of the same tree each time; --long looks for what nobody has seen, by a printed seed."""
    seed, count = (str(rng.first_seed), "100000") if long else ("777", "2000")
    fuzz(build, "--seed", seed, "--count", count, limit=3600 if long else 120)


def test_q2_statements_that_once_differed_have_one_answer(build):
    found = fuzz(build, "--replay", str(FOUND), limit=120)
    assert " 0 differences" in found


def test_q2_random_statements_have_one_answer_by_three_engines(build, datafusion, rng, long):
    """One statement, asked of SQLite, DuckDB and DataFusion in one run."""
    seed, count = (str(rng.first_seed), "100000") if long else ("3", "1500")
    told = fuzz(build, *THREE, "--seed", seed, "--count", count, limit=7200 if long else 120).splitlines()
    lines = {line.split(",")[1].split(":")[0].strip(): line for line in told if line.startswith(f"seed {seed}, ")}
    assert set(lines) == {"duckdb", "datafusion"}
    assert all(on_olap(line) >= int(count) // 4 for line in lines.values()), "a column store was hardly asked"


def test_q2_statements_that_once_differed_have_one_answer_by_three_engines(build, datafusion):
    found = fuzz(build, *THREE, "--replay", str(FOUND), limit=120)
    assert found.count(" 0 differences") == 2
