"""The ADBC driver in this process, as Python's driver manager loads it."""

import contextlib

import adbc_driver_manager
import adbc_driver_manager.dbapi
import pyarrow


def library(build):
    return build / "src" / "adbc" / "librhei_adbc.so"


@contextlib.contextmanager
def opened(build, uri=":memory:", autocommit=True, **options):
    """A connection and the database under it, by the driver manager's own objects."""
    with adbc_driver_manager.AdbcDatabase(driver=str(library(build)), uri=str(uri), **options) as database:
        with adbc_driver_manager.AdbcConnection(database) as connection:
            connection.set_autocommit(autocommit)
            yield connection


@contextlib.contextmanager
def dbapi(build, uri=":memory:", db=None, **options):
    connection = adbc_driver_manager.dbapi.connect(
        driver=str(library(build)), db_kwargs={"uri": str(uri), **(db or {})}, **options)
    with connection:
        yield connection


def read(handle):
    return pyarrow.RecordBatchReader._import_from_c(handle.address).read_all()


def schema(handle):
    return pyarrow.Schema._import_from_c(handle.address)


def query(connection, sql, bound=None):
    """The rows of a statement as a table."""
    with adbc_driver_manager.AdbcStatement(connection) as statement:
        statement.set_sql_query(sql)
        if bound is not None:
            bind(statement, bound)
        return read(statement.execute_query()[0])


def rows(connection, sql, bound=None):
    return [tuple(row.values()) for row in query(connection, sql, bound).to_pylist()]


def update(connection, sql, bound=None):
    """How many rows it changed."""
    with adbc_driver_manager.AdbcStatement(connection) as statement:
        statement.set_sql_query(sql)
        if bound is not None:
            bind(statement, bound)
        return statement.execute_update()


def bind(statement, table):
    statement.bind_stream(table.to_reader() if isinstance(table, pyarrow.Table) else pyarrow.Table.from_batches([table]).to_reader())


def ingest(connection, name, table, mode="create", **options):
    with adbc_driver_manager.AdbcStatement(connection) as statement:
        statement.set_options(**{"adbc.ingest.target_table": name, "adbc.ingest.mode": f"adbc.ingest.mode.{mode}", **options})
        bind(statement, table)
        return statement.execute_update()


def failure(call, *arguments, **keywords):
    """What a call that has to fail says: ADBC's code by name, SQLSTATE, and the words."""
    try:
        call(*arguments, **keywords)
    except adbc_driver_manager.Error as error:
        return adbc_driver_manager.AdbcStatusCode(error.status_code).name, error.sqlstate, str(error)
    raise AssertionError(f"{call} didn't fail")
