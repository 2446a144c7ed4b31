"""The programs of examples/ do what they say, and a guide's page leads to each; the headers are C++."""

import os
import shutil
import subprocess
import sys

import pytest

import adbc_door
from conftest import ROOT
from flight_door import door, jar, needs_door, needs_java  # noqa: F401 (a fixture)
from rh_program import rh  # noqa: F401 (a fixture)
from test_go_clients import programs  # noqa: F401 (a fixture)

EXAMPLES = ROOT / "examples"
TOTALS = ["Ada 9.75", "Bob 20"]
COMPILERS = [("g++", "c++11"), ("g++", "c++20"), ("clang++-14", "c++11"), ("clang++-14", "c++20")]
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{ROOT / 'include'}"]


def prints_totals(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=100, **options)
    assert done.returncode == 0, done.stderr
    return [line.removesuffix(".0") for line in done.stdout.splitlines()] == TOTALS


def compiled(build, source, program, compiler, standard):
    if shutil.which(compiler) is None:
        pytest.fail(f"'{compiler}' is missing: ./dev setup installs it")
    sanitizers = ["-fsanitize=" + kind for kind in ("address,undefined", "thread") if f"-{'asan' if 'add' in kind else 'tsan'}" in build.name]
    subprocess.run([compiler, f"-std={standard}", *STRICT, *sanitizers, source, f"-L{build / 'src'}", "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-o", program],
                   check=True, timeout=100)
    return program


def test_c(build, tmp_path):
    program = compiled(build, EXAMPLES / "c" / "orders.c", tmp_path / "orders", "gcc", "c17")
    assert prints_totals([program, tmp_path / "shop.db"])


@pytest.mark.parametrize("compiler, standard", COMPILERS)
def test_cpp(build, tmp_path, compiler, standard):
    program = compiled(build, EXAMPLES / "cpp" / "orders.cpp", tmp_path / "orders", compiler, standard)
    assert prints_totals([program, tmp_path / "shop.db"])


@pytest.mark.parametrize("compiler, standard", COMPILERS)
def test_every_header_is_cpp_by_itself(tmp_path, compiler, standard):
    headers = sorted(path.name for path in (ROOT / "include" / "rhei").glob("*.h"))
    sources = []
    for header in headers:
        sources.append(tmp_path / f"{header}.cpp")
        sources[-1].write_text(f"#include <rhei/{header}>\n")
    assert len(headers) > 5
    subprocess.run([compiler, f"-std={standard}", *STRICT, "-fsyntax-only", *sources], check=True, timeout=100)


def test_python(build, tmp_path):
    package = build / "python"
    if not package.is_dir():
        pytest.skip("the Python package isn't built in this variant")
    assert prints_totals([sys.executable, EXAMPLES / "python" / "orders.py", tmp_path / "shop.db"], env=dict(os.environ, PYTHONPATH=str(package)))


def test_go(build, tmp_path, programs):  # noqa: F811
    assert prints_totals([f"{programs}/orders", tmp_path / "shop.db", adbc_door.library(build)])


@needs_door
@needs_java
def test_java(rh, jar):  # noqa: F811
    with door(rh, schema="CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)") as at:
        assert prints_totals(["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "-cp", jar, EXAMPLES / "java" / "Orders.java",
                              f"jdbc:arrow-flight-sql://127.0.0.1:{at.port}?useEncryption=false"])


def test_every_example_is_reached_from_the_guide():
    guide = "".join(page.read_text() for page in (ROOT / "docs" / "guide").glob("*.md"))
    found = [path.relative_to(ROOT).as_posix() for path in EXAMPLES.rglob("[oO]rders.*")]
    assert len(found) == 5
    for path in found:
        assert f"(../../{path})" in guide and f"({path.removeprefix('examples/')})" in (EXAMPLES / "README.md").read_text(), path
