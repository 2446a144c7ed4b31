"""The plain API: one handle for any number of threads, sessions and statements for one at a time."""

from __future__ import annotations

import atexit
import json
import os
import re
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native as native
from . import settings as _settings
from .changes import Changes, Watch
from .errors import Error, InvalidError
from .result import Result, Rows, Written
from .state import TABLE_STATES, BackedUp, Ingested, Metric, Repaired, SyncReport, SyncStatus, TableStatus

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

Parameters = Union[Sequence[Any], Mapping[str, Any], None]
Cancel = native.Cancel
_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()

ROUTES = {"auto": 0, "oltp": 1, "olap": 2}
INGEST_MODES = {"append": 0, "create": 1, "create_append": 2, "replace": 3, "upsert": 4}
CONFLICTS = {"abort": 0, "skip": 1, "replace": 2, "update": 3}
_DECLARED = (  # docs/guide/settings.md has the list
    (r"u?int(8|16|32|64)", "INTEGER"), (r"float32|float64|double|real|float", "REAL"), (r"boolean|bool", "BOOLEAN"),
    (r"text|utf8|string|varchar", "TEXT"), (r"binary|blob", "BLOB"), (r"json", "JSON TEXT"), (r"uuid", "UUID TEXT"),
    (r"date|time|timestamp|timestamptz|decimal(\(\d+(, *\d+)?\))?", None),
)


def milliseconds(timeout: Optional[float]) -> int:
    """Of seconds, None: no limit."""
    if timeout is None:
        return 0
    if not timeout > 0:
        raise InvalidError(f"timeout is a number of seconds above 0, or None, not {timeout!r}")
    return max(1, round(min(timeout, 2**50) * 1000))


def _choice(name: str, value: str, choices: Mapping[str, int]) -> int:
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise InvalidError(f"{name} is one of {', '.join(choices)}, not {value!r}") from None


def _as_of(moment: Any) -> Optional[str]:
    if moment is None or isinstance(moment, str):
        return moment
    if isinstance(moment, bool):
        raise InvalidError("as_of is a time, not a bool")
    if isinstance(moment, int):
        return str(moment)
    from .values import adapt
    text = adapt(moment)
    if not isinstance(text, str):
        raise InvalidError(f"as_of is a datetime, a text in ISO 8601, or seconds or microseconds since 1970, not {moment!r}")
    return text


def query_options(freshness: Optional[str] = None, route: str = "auto", as_of: Any = None, timeout: Optional[float] = None,
                  memory_limit: int = 0, settings: bool = False, views: bool = False) -> tuple[int, int, int, int, int, int, Optional[str], bool]:
    mode, age = _settings.freshness(freshness)
    return (mode, age, _choice("route", route, ROUTES), int(views), milliseconds(timeout), memory_limit, _as_of(as_of), settings)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int)):
        return str(int(value))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise InvalidError(f"a default is None, a number, a str or bytes, not {value!r}")


def declared(kind: str) -> str:
    """SQLite's declaration of a type of the guide's list."""
    for pattern, words in _DECLARED:
        if re.fullmatch(pattern, kind.strip().lower()):
            return words or kind.strip().upper()
    raise InvalidError(f"there is no type {kind!r}: docs/guide/settings.md has the list, int64, text, double and so on")


class Statement:
    """A statement that was checked once, to be run many times; db.prepare() makes it. One thread at a time."""

    def __init__(self, statement: native.Statement, sql: str) -> None:
        self._statement, self.sql = statement, sql
        names, columns, self.is_read_only = statement.facts()
        self.parameter_names = tuple(names)
        """With their signs; "" for a bare ?."""
        self.column_names = tuple(columns)

    def execute(self, params: Parameters = None, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> Written:
        return Written(*self._statement.execute(params, milliseconds(timeout), cancel))

    def query(self, params: Parameters = None, *, cancel: Optional[Cancel] = None, **options: Any) -> Result:
        """Options are those of Database.query()."""
        return Result(self._statement.query(params, query_options(**options), cancel))

    @property
    def closed(self) -> bool:
        return self._statement.closed

    def close(self) -> None:
        self._statement.close()

    def __enter__(self) -> Statement:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


class _Runs:
    """What a database and a session have in common. timeout: in seconds; cancel: a rhei.Cancel that any thread may raise."""

    _native: Union[native.Database, native.Session]
    _parts: weakref.WeakSet[Any]

    def _keep(self, part: Any) -> Any:
        self._parts.add(part)
        return part

    def execute(self, sql: str, params: Parameters = None, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> Written:
        """Runs one statement that changes data or schema; returns after the commit. Rows of RETURNING are for query()."""
        return Written(*self._native.execute(sql, params, milliseconds(timeout), cancel))

    def execute_batch(self, sql: str, rows: Iterable[Sequence[Any]], *, timeout: Optional[float] = None,
                      cancel: Optional[Cancel] = None) -> Written:
        """Runs one statement once per row of parameters, all or nothing."""
        return Written(*self._native.execute_batch(sql, rows, milliseconds(timeout), cancel))

    executemany = execute_batch

    def execute_script(self, sql: str, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> Written:
        """Runs statements separated by semicolons, all or nothing."""
        return Written(*self._native.execute_script(sql, milliseconds(timeout), cancel))

    def query(self, sql: str, params: Parameters = None, *, freshness: Optional[str] = None, route: str = "auto", as_of: Any = None,
              timeout: Optional[float] = None, memory_limit: int = 0, settings: bool = False, views: bool = False,
              cancel: Optional[Cancel] = None) -> Result:
        """Asks. freshness: latest, bounded:MS or eventual; route: auto, oltp or olap; as_of: a datetime; settings: allows a PRAGMA that sets
        something; views: texts as Arrow's utf8view, without a copy."""
        options = query_options(freshness, route, as_of, timeout, memory_limit, settings, views)
        result: Result = self._keep(Result(self._native.query(sql, params, options, cancel)))
        return result

    def ingest(self, table: str, data: Any, *, mode: str = "append", on_conflict: str = "abort", chunk_rows: int = 0, key: Sequence[str] = (),
               temporary: bool = False, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> Ingested:
        """Writes the rows of anything that has __arrow_c_stream__ (a table of pyarrow, polars, pandas or DuckDB, a Result) into a table.

        mode: append, create, create_append, replace, upsert; on_conflict: abort, skip, replace, update; key: the primary key of a table that is
        made; chunk_rows: rows of one transaction, 0: all.
        """
        if isinstance(data, Result) and data in self._parts and isinstance(self, Session):
            data = data.arrow()  # the session can't read and write at once
        elif not hasattr(data, "__arrow_c_stream__"):
            raise InvalidError(f"ingest takes what has __arrow_c_stream__, and a {type(data).__name__} hasn't: make a table of it, or use "
                               "execute_batch() for tuples")
        return Ingested(*self._native.ingest(table, data, _choice("mode", mode, INGEST_MODES), _choice("on_conflict", on_conflict, CONFLICTS),
                                             chunk_rows, list(key), temporary, milliseconds(timeout), cancel))

    def prepare(self, sql: str) -> Statement:
        statement: Statement = self._keep(Statement(self._native.prepare(sql), sql))
        return statement

    def _close_parts(self) -> None:
        for part in list(self._parts):
            if isinstance(part, Session):  # by itself it leaves its answers to who reads them
                part._close_parts()
            try:
                part.close()
            except Error:  # another thread reads it
                part.cancel()

    def add_column(self, table: str, column: str, type: str, *, default: Any = None, not_null: bool = False,  # noqa: A002
                   timeout: Optional[float] = None) -> Written:
        """Of the guide's types (int64, text, double ...); rows that are there have the default."""
        sql = f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(column)} {declared(type)}"
        if not_null:
            sql += " NOT NULL"
        if default is not None:
            sql += f" DEFAULT {literal(default)}"
        return self.execute(sql, timeout=timeout)

    def drop_column(self, table: str, column: str, *, timeout: Optional[float] = None) -> Written:
        return self.execute(f"ALTER TABLE {quoted(table)} DROP COLUMN {quoted(column)}", timeout=timeout)


class Session(_Runs):
    """A session may have a transaction that belongs to it alone; one thread at a time. db.session() and db.transaction() make it."""

    _native: native.Session

    def __init__(self, session: native.Session) -> None:
        self._native, self._parts = session, weakref.WeakSet()

    @property
    def in_transaction(self) -> bool:
        return self._native.in_transaction

    @property
    def closed(self) -> bool:
        return self._native.closed

    def begin(self, *, immediate: bool = False) -> None:
        self.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")

    def commit(self) -> int:
        """The change log's position that includes all of the transaction."""
        return self.execute("COMMIT").position

    def rollback(self) -> None:
        """Takes back what is open, if anything is."""
        if self.in_transaction:
            self.execute("ROLLBACK")

    @contextmanager
    def savepoint(self, name: str = "rhei_savepoint") -> Iterator[Self]:
        """With an exception the block's changes are taken back, and the transaction goes on."""
        self.execute(f"SAVEPOINT {quoted(name)}")
        try:
            yield self
        except BaseException:
            if self.in_transaction:
                self.execute(f"ROLLBACK TO {quoted(name)}")
                self.execute(f"RELEASE {quoted(name)}")
            raise
        self.execute(f"RELEASE {quoted(name)}")

    def close(self) -> None:
        """Rolls back what is open."""
        for part in list(self._parts):
            if isinstance(part, Statement):
                part.close()
        self._native.close()

    def cancel(self) -> None:
        for part in list(self._parts):
            if isinstance(part, Result):
                part.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


class Database(_Runs):
    """An open database; any number of threads may use one. connect() opens it, close() or a with statement ends it."""

    _native: native.Database

    def __init__(self, database: native.Database) -> None:
        self._native, self._parts = database, weakref.WeakSet()
        _open_databases.add(self)

    # ---- asking and writing beyond what sessions have, too

    def rows(self, sql: str, params: Parameters = None, *, cancel: Optional[Cancel] = None, **options: Any) -> Rows:
        """As query(), row by row: nothing is looked at before its turn. For long answers of SQLite."""
        rows: Rows = self._keep(Rows(self._native.rows(sql, params, query_options(**options), cancel)))
        return rows

    def olap_query(self, sql: str, *, cancel: Optional[Cancel] = None, **options: Any) -> Result:
        """Asks the analytical engine in its own dialect, over the mirrored tables."""
        result: Result = self._keep(Result(self._native.olap_query(sql, query_options(**options), cancel)))
        return result

    def explain_route(self, sql: str, params: Parameters = None, **options: Any) -> dict[str, Any]:
        """Which engine would answer, by which rule, and why: what EXPLAIN ROUTE tells."""
        rows = self.query("EXPLAIN ROUTE " + sql, params, **options).fetchall()
        return {row[0]: row[1] for row in rows}

    def session(self) -> Session:
        session: Session = self._keep(Session(self._native.session()))
        return session

    @contextmanager
    def transaction(self, *, immediate: bool = False) -> Iterator[Session]:
        """`with db.transaction() as tx:` commits at the end, and takes everything back with an exception."""
        with self.session() as session:
            session.begin(immediate=immediate)
            try:
                yield session
            except BaseException:
                with suppress(Error):
                    session.rollback()
                raise
            if session.in_transaction:
                session.commit()

    # ---- tables and sync

    def register_table(self, table: str, columns: Optional[Sequence[Any]] = None, *, timeout: Optional[float] = None,
                       cancel: Optional[Cancel] = None) -> None:
        """Mirrors a table; with columns it is made where it isn't there. A column is (name, type), or a mapping of name, type, nullable
        (default True) and primary_key, as in a file of settings."""
        self._native.register_table(table, None if columns is None else [_column(column) for column in columns], milliseconds(timeout), cancel)

    def unregister_table(self, table: str, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> None:
        """Stops mirroring; its rows stay in SQLite."""
        self._native.unregister_table(table, milliseconds(timeout), cancel)

    def sync_now(self, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> SyncReport:
        return SyncReport(*self._native.sync_now(milliseconds(timeout), cancel))

    def initial_sync(self, *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> None:
        """Waits until every table that can be mirrored is built."""
        self._native.initial_sync(milliseconds(timeout), cancel)

    def start_sync(self) -> None:
        self._native.start_sync()

    def stop_sync(self) -> None:
        self._native.stop_sync()

    def sync_status(self) -> SyncStatus:
        return SyncStatus(**self._native.sync_status())

    def tables(self) -> list[TableStatus]:
        return [TableStatus(table[0], TABLE_STATES.get(table[1], "?"), *table[2:]) for table in self._native.tables()]

    def metrics(self) -> list[Metric]:
        return [Metric(*metric) for metric in self._native.metrics()]

    def info(self) -> dict[str, Any]:
        """Paths, engines, versions, memory, settings in force."""
        info: dict[str, Any] = json.loads(self._native.info_json())
        return info

    # ---- care

    def rebuild(self, table: Optional[str] = None) -> None:
        self._native.rebuild(table)

    def verify(self, table: Optional[str] = None, *, rows_per_second: int = 0, timeout: Optional[float] = None,
               cancel: Optional[Cancel] = None) -> int:
        """Compares tables with their mirrors; the number of rows. StaleError: they differ."""
        return self._native.verify(table, rows_per_second, milliseconds(timeout), cancel)

    def repair(self, table: Optional[str] = None, *, rows_per_second: int = 0, timeout: Optional[float] = None,
               cancel: Optional[Cancel] = None) -> Repaired:
        return Repaired(*self._native.repair(table, rows_per_second, milliseconds(timeout), cancel))

    def checkpoint(self) -> None:
        self._native.checkpoint()

    def backup(self, folder: Union[str, os.PathLike[str]], *, timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> BackedUp:
        return BackedUp(*self._native.backup(os.fsdecode(folder), milliseconds(timeout), cancel))

    # ---- changes

    def watch(self, *tables: str) -> Watch:
        """Is told which of the tables (none: all) were changed, by whomever."""
        watch: Watch = self._keep(Watch(self._native.watch(list(tables))))
        return watch

    def changes(self, consumer: Optional[str] = None, *, start: str = "new", after: Optional[int] = None, keep: float = 0,
                arrow: bool = False) -> Changes:
        """Reads the change feed. start: new or oldest, for a consumer that isn't known, or None; after: a position, without a consumer; keep: seconds
        that the log waits for a consumer that is away; arrow: rows come as pyarrow.RecordBatch."""
        begin = 2 if after is not None else _choice("start", start, {"new": 0, "oldest": 1})
        options = (consumer, begin, after or 0, round(keep * 1000))
        changes: Changes = self._keep(Changes(self._native.changes(options), arrow))
        return changes

    def drop_consumer(self, consumer: str) -> None:
        self._native.changes_drop(consumer)

    # ---- the end

    @property
    def closed(self) -> bool:
        return self._native.closed

    def close(self) -> None:
        """Ends sessions, statements, answers, watches and feeds, whoever keeps them; the file closes with the last Arrow batch of it."""
        self._native.close()
        self._close_parts()

    shutdown = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


def _column(column: Any) -> tuple[str, str, bool, bool]:
    if isinstance(column, Mapping):
        unknown = set(column) - {"name", "type", "nullable", "primary_key"}
        if unknown or "name" not in column:
            raise InvalidError(f"a column has name, type, nullable and primary_key, not {', '.join(sorted(map(str, unknown))) or 'no name'}")
        return (column["name"], column.get("type", "text"), not column.get("nullable", True), bool(column.get("primary_key", False)))
    if isinstance(column, str):
        return (column, "text", False, False)
    name, kind = column
    return (name, kind, False, False)


def connect(path: Union[str, os.PathLike[str], None] = None, **settings: Unpack[_settings.Settings]) -> Database:
    """Opens or creates a database; path None: oltp_path, that of the config_file, or rhei.db. ":memory:" is one that goes with the handle."""
    fields, freshness, modes, oltp_path, places = _settings.read(settings)
    if path is not None and oltp_path is not None:
        raise InvalidError("path and oltp_path are the same: give one of them")
    where = oltp_path if path is None else os.fsdecode(path)
    with _settings.told_by_place(places):
        return Database(native.open(where, fields, freshness, modes))


def detach(path: Union[str, os.PathLike[str], None] = None, *, config_file: Union[str, os.PathLike[str], None] = None,
           timeout: Optional[float] = None, cancel: Optional[Cancel] = None) -> None:
    """Takes everything of Rhei's out of a database file, which nobody has open."""
    native.detach(None if path is None else os.fsdecode(path), None if config_file is None else os.fsdecode(config_file),
                   milliseconds(timeout), cancel)


@atexit.register
def _close_all() -> None:
    for database in list(_open_databases):
        with suppress(Error):
            database.close()
