"""What the end-to-end tests share: the build under test, a folder for each test, engines in processes of their own, and
writers that know nothing of Rhei.

RHEI_BUILD names the build folder. RHEI_SEED=N repeats a run; RHEI_LONG=1 or --long: many more kills and random statements.
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile

import pytest

import foreign
from rhei_engine import Engine

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class SeededRandom(random.Random):
    """Random numbers that say from which seed they come."""

    def __init__(self, seed):
        super().__init__(seed)
        self.first_seed = seed


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="many more kills, random statements and rounds")


@pytest.fixture(scope="session")
def build():
    return pathlib.Path(os.environ.get("RHEI_BUILD", ROOT / "build")).resolve()


@pytest.fixture(scope="session", autouse=True)
def stock_shell():
    if shutil.which("sqlite3") is None:
        pytest.fail("'sqlite3' is missing: apt-get install sqlite3")


@pytest.fixture
def long(request):
    return request.config.getoption("--long") or os.environ.get("RHEI_LONG", "0") not in ("", "0")


@pytest.fixture
def rng():
    seed = int(os.environ.get("RHEI_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"seed {seed} (RHEI_SEED={seed} repeats it)")
    return SeededRandom(seed)


@pytest.fixture
def folder():
    """Short, and open to other users: sockets and processes without privileges need that."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="rhei-e2e-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def path(folder):
    return folder / "shop.db"


@pytest.fixture
def spawn(build, folder):
    """Starts processes that hold no database yet; they end with the test, which fails when one ended in a bad way."""
    program = build / "tests" / "crash" / "rhei_driver"
    assert program.exists(), f"{program} is missing: build first (./dev build), or name the build folder in RHEI_BUILD"
    engines = []

    def start(**popen):
        engines.append(Engine(program, folder, **popen))
        return engines[-1]

    yield start
    endings = []
    for engine in engines:
        code = engine.process.poll()
        engine.kill()
        if code not in (None, 0, -signal.SIGKILL):
            endings.append(f"process {engine.pid} ended with {code}: {engine.errors()}")
    assert not endings, "\n".join(endings)


@pytest.fixture
def open_engine(spawn, path):
    """Opens a database (this test's, if none is named) in a process of its own; analytics go to the column store whenever
    they may. `hold` names a point at which the process waits.
    """

    def start(file=None, *, popen=None, **config):
        engine = spawn(**(popen or {}))
        config.setdefault("prefer_olap", True)
        config.setdefault("threads", 2)
        engine.open(path if file is None else file, **config)
        return engine

    return start


@pytest.fixture
def python_writer(path):
    """Connections of Python's sqlite3 module, closed with the test."""
    connections = []

    def connect(file=None, **options):
        connections.append(foreign.connect(path if file is None else file, **options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def adbc(build):
    """The module adbc_door, where this Python can load the driver."""
    if build.name.endswith(("-asan", "-tsan")):
        pytest.skip("the driver is loaded into Python, which has no sanitizer: its unit tests are built with them")
    pytest.importorskip("adbc_driver_manager", reason="adbc_driver_manager needs Python 3.11")
    import adbc_door

    return adbc_door


@pytest.fixture
def outside():
    """Starts other programs; they end with the test."""
    processes = []

    def start(arguments, **popen):
        processes.append(subprocess.Popen(arguments, **popen))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
