"""The wheel as a machine without anything else gets it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from python_package import package_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, rhei
with rhei.connect("w.db") as db:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL)")
    db.execute_batch("INSERT INTO t VALUES (?, ?)", [(i, i / 2) for i in range(9000)])
    db.initial_sync()
    result = db.query("SELECT a.id % 2, count(*), sum(b.v) FROM t AS a JOIN t AS b ON a.id = b.id + 1 GROUP BY 1 ORDER BY 1", route="olap")
    print(result.route, result.fetchall())
    loaded = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
    folder = str(pathlib.Path(rhei.__file__).parent)
    for name in ("libduckdb.so", "librhei.so.0", "liblz4.so.1", "_native.abi3.so"):
        print(name, [path for path in loaded if path.endswith(name)] == [path for path in loaded if path.endswith(name) and path.startswith(folder)] != [])
    try:
        db.query("SELECT 1").arrow()
    except rhei.UnsupportedError as error:
        print("pip install pyarrow" in str(error))
"""


DRIVER = """
import pathlib, rhei.dbapi, sqlalchemy
assert pathlib.Path(rhei.dbapi.driver_path()).parent == pathlib.Path(rhei.__file__).parent
with rhei.dbapi.connect(":memory:") as connection:
    print(connection.cursor().execute("SELECT ?, ?", (1, "x")).fetchall())
with sqlalchemy.create_engine("rhei://").connect() as connection:
    print(connection.execute(sqlalchemy.text("SELECT 7")).scalar())
"""
SHORT = """
import asyncio, rhei
async def main():
    async with rhei.open(":memory:") as db:
        return await (await db.query("SELECT ?", ("x",))).fetchall()
with rhei.connect(":memory:") as db:
    print(asyncio.run(main()), db.query("SELECT 1, 2.5, x'00', NULL").fetchall())
"""


@pytest.fixture(scope="module")
def wheel(build, tmp_path_factory):
    package_of(build)
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([ROOT / "scripts" / "wheel.sh", folder], capture_output=True, text=True, timeout=250, env=dict(os.environ, RHEI_WHEEL_BUILD=str(build)))
    assert done.returncode == 0, done.stderr
    made, = folder.glob("*.whl")
    return made


def alone():
    """An environment that knows of nothing of the build's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("RHEI_", "PYTHON", "LD_"))}


def installed(wheel, folder, interpreter):
    """The Python of a new environment with nothing but the wheel."""
    subprocess.run([interpreter, "-m", "venv", folder / "clean"], check=True, timeout=120, capture_output=True, env=alone())
    python = folder / "clean" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "--no-index", "--disable-pip-version-check", wheel], capture_output=True, text=True, timeout=120,
                          env=alone())
    assert done.returncode == 0, done.stdout + done.stderr
    return python


def test_the_wheel_runs_where_nothing_else_is(wheel, folder):
    assert wheel.name.startswith("rhei-0.1.0-cp39-abi3-manylinux_2_")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("rhei/py.typed", "rhei/_native.pyi", "rhei/librhei_adbc.so", "rhei/rhei/libduckdb.so"):
        assert name in names
    assert len([name for name in names if "/licenses/" in name]) >= 4
    done = subprocess.run([installed(wheel, folder, sys.executable), "-c", PROGRAM], capture_output=True, text=True, timeout=60, cwd=folder, env=alone())
    assert done.stdout == "olap [(0, 4499, 10120500.5), (1, 4500, 10122750.0)]\n" + "".join(
        f"{name} True\n" for name in ("libduckdb.so", "librhei.so.0", "liblz4.so.1", "_native.abi3.so")) + "True\n", done.stdout + done.stderr


def test_the_wheel_has_the_driver_and_sqlalchemy_finds_it(wheel, folder):
    pytest.importorskip("adbc_driver_manager")
    pytest.importorskip("sqlalchemy")
    zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    done = subprocess.run([sys.executable, "-c", DRIVER], capture_output=True, text=True, timeout=60, cwd=folder,
                          env=dict(alone(), PYTHONPATH=str(folder / "unpacked")))
    assert done.stdout == "[(1, 'x')]\n7\n", done.stdout + done.stderr


@pytest.mark.parametrize("minor", range(9, 16))
def test_one_wheel_serves_every_python(wheel, folder, minor):
    interpreter = shutil.which(f"python3.{minor}")
    if interpreter is None or subprocess.run([interpreter, "-c", "import venv, ensurepip"], capture_output=True, timeout=60).returncode != 0:
        pytest.skip(f"there is no Python 3.{minor} on this machine")
    done = subprocess.run([installed(wheel, folder, interpreter), "-c", SHORT], capture_output=True, text=True, timeout=60, cwd=folder, env=alone())
    assert done.stdout == "[('x',)] [(1, 2.5, b'\\x00', None)]\n", done.stdout + done.stderr


def test_it_lists_what_it_bundles(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name, = [name for name in archive.namelist() if name.endswith(".dist-info/sboms/rhei.cdx.json")]
        listed = json.loads(archive.read(name))
        libraries = {pathlib.PurePath(name).name for name in archive.namelist() if ".so" in name}
    ours = {"_native.abi3.so", "librhei.so.0", "librhei_adbc.so"}
    names = {component["name"] for component in listed["components"]}
    assert {"sqlite", "duckdb", "nanoarrow"} <= names
    system = [component for component in listed["components"] if component["purl"].startswith("pkg:deb/")]
    assert len(system) == len(libraries - ours - {"libduckdb.so"}) > 0
    assert all(component["licenses"] and component["hashes"] for component in listed["components"])
