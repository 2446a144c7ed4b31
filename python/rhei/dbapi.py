"""PEP 249 by the ADBC driver: adbc_driver_manager.dbapi with the driver of this package, its values, answers and exceptions.

A transaction begins with the first statement that writes. Connections to one file in one process, with the same settings, share the open database
and so its column store.
"""

from __future__ import annotations

import os
import pathlib
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Union

from . import _native, errors
from .errors import (DatabaseError, DataError, Error, IntegrityError, InterfaceError, InternalError, NotSupportedError, OperationalError,
                     ProgrammingError, UnsupportedError, Warning)  # noqa: A004
from .result import Result
from .values import adapt

try:
    import pyarrow
    from adbc_driver_manager import _lib, dbapi
except ImportError as _missing:
    raise ImportError(f"rhei.dbapi needs pyarrow and adbc-driver-manager ({_missing}): pip install pyarrow adbc-driver-manager") from None

if TYPE_CHECKING:
    import pandas
    import polars

apilevel, threadsafety, paramstyle = "2.0", 1, "qmark"
Date, Time, Timestamp = dbapi.Date, dbapi.Time, dbapi.Timestamp
DateFromTicks, TimeFromTicks, TimestampFromTicks = dbapi.DateFromTicks, dbapi.TimeFromTicks, dbapi.TimestampFromTicks
Binary = bytes


class _TypeSet(frozenset[str]):
    """PEP 249's type objects: equal to each type code of its kind."""

    def __eq__(self, other: object) -> bool:
        return other in self if isinstance(other, str) else super().__eq__(other)

    __hash__ = frozenset.__hash__


STRING, BINARY = _TypeSet({"text", "mixed"}), _TypeSet({"blob", "mixed"})
NUMBER, DATETIME, ROWID = _TypeSet({"integer", "real", "mixed"}), _TypeSet({"text"}), _TypeSet({"integer"})

_OPTIONS = ("config_file", "olap_path", "sync_mode", "freshness", "read_only", "must_exist", "manual_sync", "prefer_olap", "capture_if_present",
            "threads", "read_pool_size", "busy_timeout_ms", "sync_interval_ms")


def driver_path() -> str:
    """The driver's library: of this package, of the build, of the installation, or by its manifest's name."""
    here = pathlib.Path(__file__).resolve().parent
    for place in (here / "librhei_adbc.so", here.parent.parent / "src" / "adbc" / "librhei_adbc.so",
                  here.parent.parent.parent / "librhei_adbc.so"):
        if place.exists():
            return str(place)
    return "rhei"


# ---- errors


_NAMES = ("Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "OperationalError", "IntegrityError", "InternalError",
          "ProgrammingError", "NotSupportedError")


def _text(part: Any) -> str:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)


def _translated(error: Any) -> Error:
    """A failure of the driver manager in this package's classes."""
    details = {_text(key): _text(value) for key, value in error.details}
    code = details.get("rhei.status", "")
    words = re.sub(r"^[A-Z_]+: |(\. Vendor code: \d+)?\. SQLSTATE: \w{5}$", "", str(error))  # what the driver manager puts around the driver's words
    kind = errors.BY_CODE.get(code) or getattr(errors, next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _NAMES), "Error"))
    where = details.get("rhei.sql_offset")
    made: Error = kind(words, code=code or None, sqlstate=error.sqlstate or "HY000", where=int(where) if where else None,
                       engine_code=int(details.get("rhei.engine_code", 0)))
    return made


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _lib.Error as error:
        raise _translated(error) from None


# ---- parameters


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str, bytes)) else adapt(value)


_ARROW: tuple[tuple[type, Any], ...] = ((int, pyarrow.int64()), (float, pyarrow.float64()), (str, pyarrow.string()), (bytes, pyarrow.binary()))


def _class_of(value: Any) -> int:
    return next(i for i, (kind, _) in enumerate(_ARROW) if isinstance(value, kind))


def _column(values: Sequence[Any]) -> Any:
    """An Arrow array in which each value keeps its class; several classes are a dense union."""
    for value in values:
        if isinstance(value, int) and not -2**63 <= value < 2**63:
            from .values import fail_overflow
            fail_overflow(value)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                from .values import fail_surrogates
                fail_surrogates(value)
    classes = [0 if value is None else _class_of(value) for value in values]
    used = {number for number, value in zip(classes, values) if value is not None}
    if len(used) <= 1:
        return pyarrow.array([int(value) if isinstance(value, bool) else value for value in values],
                             _ARROW[used.pop()][1] if used else pyarrow.int64(), from_pandas=True)
    members: list[list[Any]] = [[], [], [], []]
    places = []
    for number, value in zip(classes, values):
        places.append(len(members[number]))
        members[number].append(int(value) if isinstance(value, bool) else value)
    return pyarrow.UnionArray.from_dense(
        pyarrow.array(classes, pyarrow.int8()), pyarrow.array(places, pyarrow.int32()),
        [pyarrow.array(member, kind) for member, (_, kind) in zip(members, _ARROW)], ["integer", "real", "text", "blob"])


def _is_arrow(parameters: Any) -> bool:
    return hasattr(parameters, "__arrow_c_stream__") or hasattr(parameters, "__arrow_c_array__")


def _batch(rows: Sequence[Any]) -> Any:
    if isinstance(rows[0], Mapping):
        raise UnsupportedError("parameters are by position (paramstyle is qmark): give a tuple, or use rhei.connect()")
    if any(isinstance(row, (str, bytes)) or not hasattr(row, "__len__") for row in rows) or len({len(row) for row in rows}) != 1:
        raise ProgrammingError("parameters are rows of one length, each a tuple or a list")
    columns = [_column([_plain(value) for value in column]) for column in zip(*rows)]
    return pyarrow.record_batch(columns, names=[str(i) for i in range(len(columns))])


# ---- connections and cursors


class Cursor(dbapi.Cursor):  # type: ignore[misc]
    """PEP 249's, with ADBC's extensions; `result` is the rhei.Result that is read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.result: Optional[Result] = None
        with _told():
            super().__init__(*arguments, **options)

    def _check(self) -> None:
        if self._closed or self._conn._closed:
            raise InterfaceError("the cursor is closed", code="CLOSED")

    def _clear(self) -> None:
        if self.result is not None:
            self.result.close()
        self.result = None
        super()._clear()

    def execute(self, operation: str, parameters: Any = None) -> Cursor:
        self._check()
        with _told():
            super().execute(operation, parameters if _is_arrow(parameters) else _batch([parameters]) if parameters else None)
            self.result = Result(_native.answer(self._results.fetch_arrow()))
        if not self.result.columns:
            self.result.close()
        return self

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        self._check()
        rows = seq_of_parameters if _is_arrow(seq_of_parameters) else list(seq_of_parameters)
        if not _is_arrow(rows) and not rows:
            self._clear()
            self._rowcount = 0
            return
        if not _is_arrow(rows) and len(rows[0]) == 0:  # a batch without columns has no rows either
            for _ in rows:
                self.execute(operation)
            self._rowcount = len(rows)
            return
        with _told():
            super().executemany(operation, rows if _is_arrow(rows) else _batch(rows))

    @property
    def description(self) -> Optional[list[tuple[Any, ...]]]:
        if self.result is None or not self.result.columns:
            return None
        return [(name, kind, None, None, None, None, None) for name, kind in self.result.columns]

    @property
    def lastrowid(self) -> Optional[int]:
        """The rowid of the last row that this cursor inserted."""
        try:
            return int(self._stmt.get_option("rhei.last_insert_rowid")) or None
        except _lib.Error:
            return None

    def _read(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Reads the answer; Ctrl-C ends it."""
        with _told():
            return dbapi._blocking_call(call, arguments, {}, self._stmt.cancel)

    def _answer(self) -> Result:
        self._check()
        if self.result is None or not self.result.columns:
            raise ProgrammingError("there are no rows to fetch: no query was run")
        return self.result

    def fetchone(self) -> Optional[tuple[Any, ...]]:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: Optional[int] = None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._read(self._answer().fetchmany, self.arraysize if size is None else size)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._read(self._answer().fetchall)
        return rows

    def fetch_arrow_table(self) -> pyarrow.Table:
        return self._read(self._answer().arrow)

    fetchallarrow = fetch_arrow_table

    def fetch_df(self) -> pandas.DataFrame:
        return self._read(self._answer().df)

    def fetch_polars(self) -> polars.DataFrame:
        frame: polars.DataFrame = self._read(self._answer().pl)
        return frame

    def fetch_record_batch(self) -> pyarrow.RecordBatchReader:
        return self._answer().reader()

    def fetch_arrow(self) -> Result:
        return self._answer()

    def executescript(self, operation: str) -> None:
        for statement in _native.split(operation):
            self.execute(statement)

    def adbc_ingest(self, *arguments: Any, **options: Any) -> int:
        with _told():
            rows: int = super().adbc_ingest(*arguments, **options)
        return rows

    def __del__(self) -> None:
        if not self._closed:
            self.close()

    def close(self) -> None:
        if self.result is not None:
            self.result.close()
        with _told():
            super().close()


class Connection(dbapi.Connection):  # type: ignore[misc]
    """PEP 249's, with ADBC's extensions."""

    Warning, Error, InterfaceError, DatabaseError = Warning, Error, InterfaceError, DatabaseError
    DataError, OperationalError, IntegrityError = DataError, OperationalError, IntegrityError
    InternalError, ProgrammingError, NotSupportedError = InternalError, ProgrammingError, NotSupportedError

    def cursor(self, *, adbc_stmt_kwargs: Optional[Mapping[str, Any]] = None) -> Cursor:
        if self._closed:
            raise InterfaceError("the connection is closed", code="CLOSED")
        cursor = Cursor(self, adbc_stmt_kwargs, dbapi_backend=self._backend)
        self._cursors.add(cursor)
        return cursor

    def _do(self, call: Callable[[], None]) -> None:
        if self._closed:
            raise InterfaceError("the connection is closed", code="CLOSED")
        with _told():
            call()

    def commit(self) -> None:
        self._do(super().commit)

    def rollback(self) -> None:
        self._do(super().rollback)

    @property
    def autocommit(self) -> bool:
        return bool(self._autocommit)

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        """Switching it on commits what is open."""
        def switch() -> None:
            self._conn.set_autocommit(bool(value))
            self._autocommit, self._commit_supported = bool(value), not value
        self._do(switch)

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self.close()

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


_shared: dict[Any, Any] = {}
_shared_lock = threading.Lock()


def _database(key: Any, options: Mapping[str, str]) -> Any:
    """The open database of that file and settings; each connection counts as one user of it."""
    with _shared_lock:
        there = _shared.get(key)
        if there is not None:
            with there._lock:  # its last user may be closing it
                there._refcount += there._refcount > 0
                if there._refcount > 0:
                    return there
        made = dbapi._SharedDatabase(_lib.AdbcDatabase(driver=driver_path(), **options))
        if key is not None:
            _shared[key] = made
        return made


def connect(path: Union[str, os.PathLike[str], None] = None, *, autocommit: bool = False, **settings: Any) -> Connection:
    """Opens a connection. path: a file, or ":memory:", which is this connection's own; settings: those of rhei.connect() that the driver has, others by
    config_file."""
    for name in settings:
        if name not in _OPTIONS:
            raise UnsupportedError(f"the driver has no setting {name}, but {', '.join(_OPTIONS)}: name a file of settings with config_file")
    where = None if path is None else os.fsdecode(path)
    options = {f"rhei.{name}": str(value).lower() if isinstance(value, bool) else os.fsdecode(value) if hasattr(value, "__fspath__") else str(value)
               for name, value in settings.items() if value is not None}
    if where is not None:
        options["path"] = where
    memory = where is None or where == ":memory:"
    key = None if memory else (os.getpid(), os.path.realpath(where or ""), tuple(sorted(options.items())))
    with _told():
        database = _database(key, options)
        try:
            return Connection(database, _lib.AdbcConnection(database._db), autocommit=autocommit)
        finally:
            database.close()  # the connection counts for itself


__all__ = ["BINARY", "Binary", "Connection", "Cursor", "DATETIME", "Date", "DateFromTicks", "NUMBER", "ROWID", "STRING", "Time", "TimeFromTicks",
           "Timestamp", "TimestampFromTicks", "apilevel", "connect", "driver_path", "paramstyle", "threadsafety", *_NAMES]


def __getattr__(name: str) -> Any:
    """sqlite_version_info, for who has to know which SQL there is."""
    if name not in ("sqlite_version_info", "sqlite_version"):
        raise AttributeError(f"module 'rhei.dbapi' has no attribute {name!r}")
    from .database import connect as plain
    with plain(":memory:", olap_backend="none") as db:
        version: str = db.query("SELECT sqlite_version()").scalar()
    globals().update(sqlite_version=version, sqlite_version_info=tuple(map(int, version.split("."))))
    return globals()[name]
