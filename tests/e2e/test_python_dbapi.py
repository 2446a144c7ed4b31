"""PEP 249 by the ADBC driver, and SQLAlchemy over it: with SQLAlchemy's own suite for dialects."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from python_package import package_of, rhei  # noqa: F401 (fixture)

pytest.importorskip("adbc_driver_manager")
pytest.importorskip("pyarrow")
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def dbapi(rhei):
    import rhei.dbapi
    return rhei.dbapi


@pytest.fixture
def connection(dbapi, path):
    with dbapi.connect(path) as connection:
        connection.cursor().execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        connection.commit()
        yield connection


def test_pep_249_names(rhei, dbapi):
    assert (dbapi.apilevel, dbapi.paramstyle, dbapi.threadsafety) == ("2.0", "qmark", 1)
    for name in ("Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "OperationalError", "IntegrityError", "InternalError",
                 "ProgrammingError", "NotSupportedError"):
        assert getattr(dbapi, name) is getattr(rhei, name) is getattr(dbapi.Connection, name)
    assert "integer" == dbapi.NUMBER and "text" != dbapi.NUMBER and "text" == dbapi.STRING
    assert dbapi.sqlite_version_info >= (3, 54)


def test_rows_go_in_and_come_out(dbapi, connection):
    cursor = connection.cursor()
    assert cursor.execute("INSERT INTO t (v) VALUES (?)", ("x",)).rowcount == 1 and cursor.lastrowid == 1 and cursor.description is None
    cursor.executemany("INSERT INTO t (v) VALUES (?)", [(1,), ("a",), (None,), (b"z",), (2.5,), (True,)])
    assert cursor.rowcount == 6
    cursor.execute("SELECT id, v FROM t WHERE id > ? ORDER BY id", [1])
    assert [column[:2] for column in cursor.description] == [("id", "integer"), ("v", "mixed")]
    assert cursor.fetchone() == (2, 1) and cursor.fetchmany(2) == [(3, "a"), (4, None)] and list(cursor) == [(5, b"z"), (6, 2.5), (7, 1)]
    assert cursor.fetchone() is None and cursor.fetchall() == []
    assert cursor.execute("SELECT sum(id) FROM t").result.route == "oltp"
    assert cursor.execute("SELECT id FROM t").fetch_arrow_table().num_rows == 7
    assert cursor.execute("SELECT id FROM t").fetch_df().shape == (7, 1)


def test_transactions(dbapi, connection, path):
    cursor = connection.cursor()
    cursor.execute("INSERT INTO t VALUES (1, 1)")
    connection.rollback()
    cursor.execute("INSERT INTO t VALUES (2, 2)")
    with dbapi.connect(path) as other:  # shares the open database
        assert other.cursor().execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        connection.commit()
        assert other.cursor().execute("SELECT id FROM t").fetchall() == [(2,)]
    connection.autocommit = True
    cursor.execute("INSERT INTO t VALUES (3, 3)")
    connection.rollback()
    assert cursor.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_failures_are_the_packages_own(rhei, dbapi, connection):
    cursor = connection.cursor()
    with pytest.raises(rhei.SQLError) as told:
        cursor.execute("SELECT nope")
    assert (told.value.code, told.value.where, told.value.sqlstate, str(told.value)) == ("SQL", 7, "42000", "no such column: nope")
    cursor.execute("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(dbapi.IntegrityError) as told:
        cursor.execute("INSERT INTO t VALUES (1, 1)")
    assert isinstance(told.value, rhei.ConstraintError)
    for parameters, kind in (((2**63,), rhei.NumberTooBigError), (("\ud800",), rhei.SurrogateError), ((object(),), rhei.ValueTypeError),
                             ({"a": 1}, rhei.UnsupportedError), ((1, 2), rhei.Error)):
        with pytest.raises(kind):
            cursor.execute("SELECT ?", parameters)
    with pytest.raises(dbapi.ProgrammingError):
        connection.cursor().fetchone()
    with pytest.raises(rhei.UnsupportedError, match="config_file"):
        dbapi.connect("x.db", wal_limit="1MiB")
    connection.close()
    with pytest.raises(dbapi.InterfaceError):
        connection.cursor()
    with pytest.raises(dbapi.InterfaceError):
        cursor.execute("SELECT 1")


def test_pandas_and_polars_read_by_a_connection(connection):
    polars = pytest.importorskip("polars")
    connection.cursor().executemany("INSERT INTO t VALUES (?, ?)", [(1, "a"), (2, "b")])
    frame = polars.read_database("SELECT id, v FROM t ORDER BY id", connection)
    assert frame.rows() == [(1, "a"), (2, "b")]


def test_sqlalchemys_own_suite(build, folder):
    pytest.importorskip("sqlalchemy")
    suite = folder / "suite"
    shutil.copytree(ROOT / "tests" / "sqlalchemy", suite)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", ".", "-c", "setup.cfg", "-p", "no:cacheprovider", "-q", "-W", "ignore", "--tb=short",
         "--dburi", "rhei:///suite.db", "test_suite.py"],
        capture_output=True, text=True, timeout=280, cwd=suite, env=dict(os.environ, RHEI_PYTHON=str(package_of(build))))
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 700


def test_sqlalchemy_as_a_program_uses_it(rhei, folder, monkeypatch):
    sa = pytest.importorskip("sqlalchemy")
    from sqlalchemy.dialects import registry
    registry.register("rhei", "rhei.sqlalchemy", "RheiDialect")
    engine = sa.create_engine(f"rhei:///{folder}/sa.db?busy_timeout_ms=1000&must_exist=no")
    metadata = sa.MetaData()
    orders = sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.DateTime),
                      sa.Column("price", sa.Numeric(10, 2)), sa.Column("tags", sa.JSON))
    metadata.create_all(engine)
    import datetime
    import decimal
    row = {"at": datetime.datetime(2024, 2, 29, 12, 30), "price": decimal.Decimal("9.50"), "tags": ["a", {"b": None}]}
    with engine.begin() as connection:
        assert connection.execute(orders.insert(), row).inserted_primary_key == (1,)
        assert connection.execute(sa.select(orders)).mappings().one() == {"id": 1, **row}
    with pytest.raises(sa.exc.IntegrityError) as told:
        with engine.begin() as connection:
            connection.execute(orders.insert(), {"id": 1})
    assert isinstance(told.value.orig, rhei.ConstraintError)
    assert sa.inspect(engine).get_table_names() == ["orders"]
    with pytest.raises(sa.exc.ArgumentError):
        sa.create_engine("rhei://host/x.db").connect()
    memory = sa.create_engine("rhei://")
    with memory.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a)"))
    with memory.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM t")).scalar() == 0
    engine.dispose()
