"""Both engines give one answer: random statements by seed, and those on which they once differed."""

import pathlib
import subprocess

FOUND = pathlib.Path(__file__).resolve().parent.parent / "answers" / "found.sql"


def fuzz(build, *arguments, limit):
    program = build / "tests" / "answers" / "answers_fuzz"
    assert program.exists(), f"{program} is missing: build first (./dev build), or name the build folder in RHEI_BUILD"
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, errors="replace", timeout=limit)
    print(done.stdout[-20000:], done.stderr[-4000:])
    assert done.returncode == 0, done.stdout.strip().splitlines()[-1:]
    return done.stdout


def test_q2_random_statements_have_one_answer(build):
    last = fuzz(build, "--seed", "1", "--count", "2000", limit=120).splitlines()[-1]
    assert " 2000 statements," in last
    on_olap = int(last.split(" on olap")[0].split()[-1])
    assert on_olap >= 600, "the column store was hardly asked"


def test_q2_more_random_statements_have_one_answer(build, rng, long):
    """The fast tier says the same of the same tree each time; --long looks for what nobody has seen, by a printed seed."""
    seed, count = (str(rng.first_seed), "100000") if long else ("777", "2000")
    fuzz(build, "--seed", seed, "--count", count, limit=3600 if long else 120)


def test_q2_statements_that_once_differed_have_one_answer(build):
    found = fuzz(build, "--replay", str(FOUND), limit=120)
    assert " 0 differences" in found
