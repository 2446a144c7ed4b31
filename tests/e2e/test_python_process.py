"""The Python package and its process: Ctrl-C, fork, ends without a close, asyncio, types."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from python_package import package_of, rhei, run_python  # noqa: F401 (fixture)

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

INTERRUPTED = f"""
import rhei, sys, time
db = rhei.connect("i.db")
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
db.execute("CREATE TABLE u (id INTEGER PRIMARY KEY) STRICT")
db.execute_batch("INSERT INTO u VALUES (?)", [(i,) for i in range(500)])
for call in (lambda: db.query("{ENDLESS}").fetchall(), lambda: db.query("SELECT a.id FROM u AS a, u AS b, u AS c, u AS d").arrow(), lambda: next(db.rows("{ENDLESS}")), lambda: db.watch().next(60),
             lambda: db.execute("INSERT INTO t {ENDLESS}")):
    print("asking", flush=True)
    try:
        call()
    except KeyboardInterrupt:
        print(f"interrupted {{time.time():.3f}}", flush=True)
    assert db.query("SELECT count(*) FROM t").scalar() == 0
db.close()
"""


def test_ctrl_c_ends_what_runs_and_the_handle_goes_on(build, folder):
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
                               env=dict(os.environ, PYTHONPATH=str(package_of(build))))
    times = []
    for _ in range(5):
        assert process.stdout.readline() == "asking\n", process.stderr.read()
        time.sleep(0.3)  # it is in the call
        pressed = time.time()
        process.send_signal(signal.SIGINT)
        line = process.stdout.readline()
        assert line.startswith("interrupted"), line + process.stderr.read()
        times.append(float(line.split()[1]) - pressed)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    assert sorted(times)[1] < 0.2 and max(times) < 5, times  # a busy machine may be late now and then


def test_a_handler_of_the_programs_own_is_not_cut_short(build, folder):
    assert run_python(build, f"""
import os, rhei, signal, threading
pressed = []
signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
with rhei.connect("h.db") as db:
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        db.query("{ENDLESS}", timeout=0.5).fetchall()
    except rhei.TimeoutError:
        print(pressed)
""", folder) == "[1]\n"


def test_a_forked_child_is_told_and_ends(build, folder):
    words = run_python(build, """
import gc, os, rhei, sys
db = rhei.connect("f.db")
db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
db.execute_batch("INSERT INTO t VALUES (?)", [(i,) for i in range(9000)])
db.initial_sync()
result, table, session = db.query("SELECT * FROM t"), db.query("SELECT * FROM t", route="olap").arrow(), db.session()
child = os.fork()
if child == 0:
    for call in (lambda: db.query("SELECT 1"), result.fetchall, lambda: session.execute("BEGIN"), db.session):
        try:
            call()
        except rhei.InvalidError as error:
            print("forked" in str(error), flush=True)
    del result, table, session
    gc.collect()
    own = rhei.connect("own.db")
    print(own.query("SELECT 7").scalar(), flush=True)
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(result.fetchall()), session.query("SELECT count(*) FROM t").scalar())
""", folder)
    assert words == "True\n" * 4 + "7\n3 9000 9000\n"


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "os._exit(0)", "del db", "globals().clear()"])
def test_a_program_that_closes_nothing_ends_well(build, folder, ending):
    words = run_python(build, f"""
import os, rhei, sys
db = rhei.connect("e.db")
db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
db.execute_batch("INSERT INTO t VALUES (?)", [(None,)] * 9000)
db.initial_sync()
kept = [db.session(), db.query("SELECT * FROM t"), db.query("SELECT * FROM t", route="olap").arrow(), db.watch(), db.changes("c"), db.prepare("SELECT 1")]
kept[0].begin()
kept[0].execute("INSERT INTO t VALUES (NULL)")
print("done", flush=True)
{ending}
""", folder)
    assert words == "done\n"
    assert run_python(build, 'import rhei; print(rhei.connect("e.db").query("SELECT count(*) FROM t").scalar())', folder) == "9000\n"


def test_nothing_but_python_is_needed_for_tuples(build, folder):
    words = run_python(build, """
import sys
sys.modules["pyarrow"] = sys.modules["pandas"] = sys.modules["polars"] = sys.modules["adbc_driver_manager"] = None
import rhei
with rhei.connect(":memory:") as db:
    print(db.query("SELECT 1, 'x'").fetchall())
    for name in ("arrow", "reader", "df", "pl"):
        try:
            getattr(db.query("SELECT 1"), name)()
        except rhei.UnsupportedError as error:
            print("pip install" in str(error))
    try:
        import rhei.dbapi
    except ImportError as error:
        print("pip install" in str(error))
""", folder)
    assert words == "[(1, 'x')]\n" + "True\n" * 5


def test_memory_is_flat(build, folder):
    grown = run_python(build, """
import gc, os, resource, rhei
def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096
with rhei.connect(":memory:") as db:
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    db.execute_batch("INSERT INTO t VALUES (?, ?)", [(i, "x" * 100) for i in range(5000)])
    def once():
        db.query("SELECT * FROM t").fetchmany(10)
        db.query("SELECT * FROM t").arrow()
        db.query("SELECT ?, :b", ("x" * 1000, b"y")).fetchall()
        try:
            db.query("SELECT nope")
        except rhei.Error:
            pass
        with db.session() as session:
            session.query("SELECT 1")
    for _ in range(100):
        once()
    before = resident(), len(os.listdir("/proc/self/fd"))
    for _ in range(300):
        once()
    print(resident() - before[0], len(os.listdir("/proc/self/fd")) - before[1])
""", folder).split()
    assert int(grown[0]) < 16 << 20 and int(grown[1]) <= 2, grown


# ---- asyncio


async def numbers(db, count):
    await db.execute("CREATE TABLE n (i INTEGER PRIMARY KEY)")
    await db.execute_batch("INSERT INTO n VALUES (?)", [(i,) for i in range(count)])


def test_asyncio_asks_and_writes(rhei, folder):
    async def main():
        async with rhei.open(folder / "a.db") as db:
            await numbers(db, 3)
            result = await db.query("SELECT i FROM n ORDER BY i")
            assert [row async for row in result] == [(0,), (1,), (2,)]
            assert (await (await db.query("SELECT i FROM n")).arrow()).num_rows == 3
            async with db.transaction() as tx:
                await tx.execute("INSERT INTO n VALUES (?)", (3,))
                assert await (await tx.query("SELECT count(*) FROM n")).scalar() == 4
            with pytest.raises(rhei.ConstraintError):
                async with db.transaction() as tx:
                    await tx.execute("INSERT INTO n VALUES (4)")
                    await tx.execute("INSERT INTO n VALUES (0)")
            statement = await db.prepare("SELECT ? + 1")
            assert await (await statement.query((1,))).scalar() == 2
            await db.initial_sync()
            assert (await db.sync_status()).tables_ready == 1 and (await db.tables())[0].name == "n"
            return await (await db.query("SELECT count(*) FROM n")).scalar()

    assert asyncio.run(main()) == 4
    assert isinstance(asyncio.run(opened(rhei, folder)), rhei.AsyncDatabase)


async def opened(rhei, folder):
    db = await rhei.open(folder / "o.db", workers=1)
    await db.close()
    assert db.closed
    return db


def test_asyncio_cancels_a_call(rhei, folder):
    async def main():
        async with rhei.open(folder / "a.db") as db:
            await numbers(db, 1)
            for call in (db.query(ENDLESS), db.execute("INSERT INTO n " + ENDLESS)):
                started = time.monotonic()
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(reading(call), 0.2)
                assert time.monotonic() - started < 5
            assert await (await db.query("SELECT count(*) FROM n")).scalar() == 1

    async def reading(call):
        result = await call
        if hasattr(result, "fetchall"):
            await result.fetchall()

    asyncio.run(main())


def test_asyncio_writers_that_wait_leave_threads_to_the_transaction(rhei, folder):
    async def main():
        async with rhei.open(folder / "a.db", workers=2, busy_timeout_ms=20000) as db:
            await numbers(db, 0)
            started = time.monotonic()
            async with db.transaction(immediate=True) as tx:
                waiting = [asyncio.create_task(db.execute("INSERT INTO n VALUES (?)", (i,))) for i in range(10)]
                await asyncio.sleep(0.1)
                await tx.execute("INSERT INTO n VALUES (100)")
            await asyncio.gather(*waiting)
            assert time.monotonic() - started < 15
            assert await (await db.query("SELECT count(*) FROM n")).scalar() == 11

    asyncio.run(main())


def test_asyncio_reads_long_answers_as_they_are_wanted(rhei, folder):
    async def main():
        async with rhei.open(folder / "a.db") as db:
            await numbers(db, 200_000)
            result = await db.query("SELECT i FROM n ORDER BY i", route="oltp")
            assert not result.over and await result.fetchone() == (0,) and await result.fetchmany(2) == [(1,), (2,)]
            with pytest.raises(rhei.InvalidError, match="await"):
                result.reader()
            assert not result.over and len(await result.fetchall()) == 199_997 and result.over
            for reading in ("arrow", "df", "pl"):
                table = await getattr(await db.query("SELECT i FROM n"), reading)()
                assert len(table) == 200_000
            del table
            forgotten = await db.query("SELECT i FROM n ORDER BY i", route="oltp")
            assert await forgotten.scalar() == 0
            with pytest.raises(rhei.ClosedError):
                await forgotten.fetchone()
            del forgotten
            async with db.transaction() as tx:  # an answer that is open is read into memory
                first = await tx.query("SELECT i FROM n ORDER BY i")
                await tx.execute("DELETE FROM n")
                assert len(await first.fetchall()) == 200_000 and tx.in_transaction
            with pytest.raises(KeyError):
                async with db.transaction() as tx:
                    endless = await tx.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
                    assert await endless.fetchone() == (1,)
                    raise KeyError
            with pytest.raises(rhei.SQLError) as told:
                await db.query("SELECT i, nope FROM n")
            assert told.value.where == 10
            with pytest.raises(rhei.ConstraintError):
                await db.execute_batch("INSERT INTO n VALUES (?)", [(1,), (1,)])
            many = [db.query("SELECT ?", (i,)) for i in range(300)]
            assert [await result.scalar() for result in await asyncio.gather(*many)] == list(range(300))
            unread = await db.query("SELECT i FROM n")
        with pytest.raises(rhei.ClosedError):
            await unread.fetchone()
        with pytest.raises(rhei.ClosedError):
            await db.query("SELECT 1")

    asyncio.run(main())


def test_asyncio_in_another_loop_is_told(rhei, folder):
    db = asyncio.run(opened_and_asked(rhei, folder))
    with pytest.raises(rhei.InvalidError, match="another event loop"):
        asyncio.run(ask(db))
    asyncio.run(db.close())


async def opened_and_asked(rhei, folder):
    db = await rhei.open(folder / "l.db")
    await ask(db)
    return db


async def ask(db):
    await (await db.query("SELECT 1")).fetchall()


def test_asyncio_is_told_of_changes_without_a_thread(rhei, folder):
    async def main():
        async with rhei.open(folder / "a.db", workers=1) as db:
            await numbers(db, 1)
            await db.initial_sync()
            async with db.watch("n") as watch, await db.changes("c") as changes:
                waiting = asyncio.create_task(watch.next())
                await asyncio.sleep(0.05)
                await db.execute("INSERT INTO n VALUES (50)")
                event = await asyncio.wait_for(waiting, 30)
                assert event.tables == ("n",)
                async for change in changes:
                    if change.kind == "insert":
                        assert change.values == {"i": 50}
                        break

    asyncio.run(main())


# ---- types


def test_the_types_are_checked(build, folder):
    pytest.importorskip("mypy")
    package_of(build)
    program = folder / "typed.py"
    program.write_text("""
import rhei
with rhei.connect("x.db", freshness="latest", threads=2) as db:
    count: int = db.execute("DELETE FROM t").changes
    name: str = db.query("SELECT 1").column_names[0]
    with db.transaction() as tx:
        tx.execute("DELETE FROM t", (1,), timeout=0.5)
async def main() -> None:
    async with rhei.open("x.db") as other:
        rows: list[tuple[object, ...]] = await (await other.query("SELECT 1")).fetchall()
""")
    wrong = folder / "wrong.py"
    wrong.write_text('import rhei\nrhei.connect("x.db", threds=2)\nrhei.connect("x.db").execute(5)\n')

    def mypy(*arguments):
        return subprocess.run([sys.executable, "-m", "mypy", "--config-file", ROOT / "python" / "pyproject.toml", "--cache-dir", folder / "cache",
                               *arguments], capture_output=True, text=True, timeout=200, cwd=ROOT / "python", env=dict(os.environ, MYPYPATH=str(ROOT / "python")))

    done = mypy("rhei", str(program))
    assert done.returncode == 0, done.stdout + done.stderr
    done = mypy(str(wrong))
    assert "threds" in done.stdout and done.stdout.count("wrong.py") == 2, done.stdout
