#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Breaks chosen lines, one at a time, and looks whether the tests notice.

    mutate.py CACHE          every mutant of tests/mutants/mutants.toml
    mutate.py CACHE NAME...  these
    mutate.py --check        only whether each text is still there once

The tree is copied to CACHE/mutate and built there, so the checkout stays as it is. Of each mutant only what it touches is compiled
and the named test programs are linked; the first test that fails, crashes or hangs has caught it. Exits with 1 if one survives.
"""
import os
import pathlib
import re
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "mutants" / "mutants.toml"
SECONDS = 120


def read_mutants():
    mutants = tomllib.loads(TABLE.read_text())["mutant"]
    names = [mutant["name"] for mutant in mutants]
    for name in names:
        if names.count(name) > 1:
            sys.exit(f"{TABLE.name}: two mutants are called {name}")
    return mutants


def broken(mutant):
    """The file's text with the mutant in it; a sentence instead if it doesn't apply."""
    path = ROOT / mutant["file"]
    if not path.is_file():
        return None, f"there is no {mutant['file']}"
    text = path.read_text()
    count = text.count(mutant["text"])
    if count != 1:
        return None, f"its text is in {mutant['file']} {count} times, not once: {mutant['text']!r}"
    return text.replace(mutant["text"], mutant["instead"]), None


def check(mutants):
    failed = False
    for mutant in mutants:
        why = broken(mutant)[1]
        for test in mutant["tests"]:
            if not list((ROOT / "tests" / "unit").glob(f"*/{test}.c")):
                why = why or f"there is no test {test}"
        if why:
            print(f"{mutant['name']}: {why}")
            failed = True
    print(f"{len(mutants)} mutants")
    return 1 if failed else 0


def copy_tree(source):
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True).stdout
    names = [name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        old, new = ROOT / name, source / name
        if not new.is_file() or new.read_bytes() != old.read_bytes():
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(old.read_bytes())
            new.chmod(old.stat().st_mode)


def make(build, targets):
    jobs = os.environ.get("RHEI_JOBS") or str(os.cpu_count())
    return subprocess.run(["ninja", "-C", str(build), "-j", jobs, *[f"tests/unit/{target}" for target in targets]],
                          capture_output=True, text=True)


def run_test(build, test):
    """What failed, or None."""
    try:
        done = subprocess.run([str(build / "tests" / "unit" / test)], env=dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP"),
                              capture_output=True, text=True, errors="replace", timeout=SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"{test} didn't end within {SECONDS} s"
    if done.returncode == 0:
        return None
    stopped = re.search(r"[\w.]+: ?[^\n]*Assertion `[^\n]*", done.stderr)
    failed = re.search(r"^not ok \d+ - (\w+)", done.stdout, re.M)
    return f"{test}: {failed.group(1) if failed else stopped.group() if stopped else f'exit {done.returncode}'}"


def try_mutant(source, build, mutant):
    text, why = broken(mutant)
    if why:
        return f"does not apply: {why}", False
    path = source / mutant["file"]
    whole = path.read_text()
    try:
        path.write_text(text)
        made = make(build, mutant["tests"])
        if made.returncode != 0:
            errors = [line for line in made.stdout.splitlines() if "error:" in line]
            return "does not compile: " + (errors[0] if errors else "see ninja"), False
        for test in mutant["tests"]:
            failed = run_test(build, test)
            if failed:
                return f"caught by {failed}", True
        return "SURVIVED " + ", ".join(mutant["tests"]), False
    finally:
        path.write_text(whole)


def main():
    mutants = read_mutants()
    if sys.argv[1:] == ["--check"]:
        return check(mutants)
    cache, chosen = pathlib.Path(sys.argv[1]), sys.argv[2:]
    unknown = set(chosen) - {mutant["name"] for mutant in mutants}
    if unknown:
        sys.exit(f"there is no mutant {', '.join(sorted(unknown))} in {TABLE.relative_to(ROOT)}")
    mutants = [mutant for mutant in mutants if not chosen or mutant["name"] in chosen]
    source, build = cache / "mutate" / "source", cache / "mutate" / "build"
    source.mkdir(parents=True, exist_ok=True)
    copy_tree(source)
    if not (build / "build.ninja").is_file():
        subprocess.run(["meson", "setup", str(build), str(source), "-Dbench=false"], check=True, stdout=subprocess.DEVNULL)
    tests = sorted({test for mutant in mutants for test in mutant["tests"]})
    made = make(build, tests)
    if made.returncode != 0:
        sys.exit(made.stdout + "the tree itself does not build")
    for test in tests:
        failed = run_test(build, test)
        if failed:
            sys.exit(f"without any mutant, {failed}")
    left = []
    for mutant in mutants:
        began = time.monotonic()
        words, caught = try_mutant(source, build, mutant)
        print(f"{mutant['name']:<28} {words}  ({time.monotonic() - began:.0f} s)", flush=True)
        left += [] if caught else [mutant["name"]]
    print(f"{len(mutants) - len(left)} of {len(mutants)} caught" + (f"; not: {', '.join(left)}" if left else ""))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
