"""Runs the unit tests (cmocka programs that Meson built) and the end-to-end tests (pytest), counts every single
test of both, and closes with one line: N passed, N failed, N skipped. Exits with 1 when any failed.

A program that ends early, crashes, hangs or reports fewer tests than it planned counts what is missing as failed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A finding of a sanitizer ends the program with another code than a failed test.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:detect_stack_use_after_return=1",
    "LSAN_OPTIONS": f"print_suppressions=0:suppressions={ROOT}/tests/lsan.supp",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": f"halt_on_error=0:exitcode=99:second_deadlock_stack=1:suppressions={ROOT}/tests/tsan.supp",
}


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_tap(text, exit_code):
    """Counts of one cmocka program from what it printed and how it ended."""
    planned = 0
    count = Count()
    for line in text.splitlines():
        plan = re.match(r"1\.\.(\d+)", line)
        if plan:
            planned += int(plan.group(1))
        elif re.match(r"ok \d+.*# SKIP", line) or re.match(r"not ok \d+ # SKIP", line):
            count.skipped += 1
        elif re.match(r"ok \d+", line):
            count.passed += 1
        elif re.match(r"not ok \d+", line):
            count.failed += 1
    missing = planned - count.passed - count.failed - count.skipped
    if missing > 0:
        count.failed += missing
    if count.failed == 0 and (exit_code != 0 or planned == 0):
        count.failed += 1
    return count


def run_program(test, factor):
    env = dict(os.environ, **test["env"])
    for name, value in SANITIZERS.items():
        env.setdefault(name, value)
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            test["cmd"], env=env, cwd=test["workdir"], stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(timeout=test["timeout"] * factor)
            ending = "" if code == 0 else f"exit {code}" if code > 0 else f"signal {-code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            ending = f"no end within {test['timeout'] * factor} s"
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return test["name"], read_tap(text, code), text, ending, time.monotonic() - started


def unit_tests(build, arguments):
    listed = subprocess.run(
        ["meson", "introspect", "--tests", str(build)], check=True, capture_output=True, text=True)
    tests = [test for test in json.loads(listed.stdout) if arguments.k in test["name"]]
    total = Count()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for future in [pool.submit(run_program, test, arguments.timeout_factor) for test in tests]:
            name, count, text, ending, seconds = future.result()
            total.add(count)
            if count.failed or arguments.verbose:
                print(text.rstrip())
            print(f"{name:<32} {count}  {seconds:.1f} s" + (f"  ({ending})" if ending else ""), flush=True)
    print(f"unit tests: {total}", flush=True)
    return total


def end_to_end_tests(build, arguments):
    folder = ROOT / "tests" / "e2e"
    if not list(folder.glob("test_*.py")):
        return Count()
    with tempfile.TemporaryDirectory() as work:
        report = pathlib.Path(work) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(folder), "-p", "no:cacheprovider", f"--junitxml={report}",
                   "-q", "--timeout=300", "--durations=20", "-n", str(arguments.jobs if arguments.jobs > 1 else 0)]
        if arguments.k:
            command += ["-k", arguments.k]
        if arguments.verbose:
            command += ["-v"]
        env = dict(os.environ, RHEI_BUILD=str(build), PYTHONDONTWRITEBYTECODE="1")
        for name, value in SANITIZERS.items():
            env.setdefault(name, value)
        # pytest's own closing line would be taken for the whole run's
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            if not re.match(r"(=+ )?\d+ (passed|failed|skipped|error|deselected)|no tests ran", line):
                print(line, end="", flush=True)
        code = process.wait()
        count = Count()
        if report.exists():
            for suite in xml.etree.ElementTree.parse(report).iter("testsuite"):
                failed = int(suite.get("failures")) + int(suite.get("errors"))
                skipped = int(suite.get("skipped"))
                count.add(Count(int(suite.get("tests")) - failed - skipped, failed, skipped))
        nothing_chosen = code == 5 and arguments.k
        if code != 0 and count.failed == 0 and not nothing_chosen:
            print(f"pytest ended with {code}")
            count.failed += 1
    print(f"end-to-end tests: {count}", flush=True)
    return count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--e2e", action="store_true")
    parser.add_argument("--timeout-factor", type=int, default=1)
    parser.add_argument("-k", default="")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    total = Count()
    if not arguments.e2e:
        total.add(unit_tests(arguments.build, arguments))
    if not arguments.unit:
        total.add(end_to_end_tests(arguments.build, arguments))
    if total.passed + total.failed == 0:
        print("no test was run")
        total.failed += 1
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
