"""The same API for asyncio. Statements are tasks of the C API (rhei_async.h), told of by a descriptor: _Tasks. Everything else runs on a bounded pool of
threads: _Lanes. Nothing else here knows of either."""

from __future__ import annotations

import asyncio
import functools
import os
import weakref
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar, Union

from . import _native
from .changes import Change, Changes, Watch, WatchEvent
from .database import Cancel, Database, Parameters, Session, Statement, connect, query_options
from .errors import Error, InvalidError
from .result import Column, Result, Written
from .state import BackedUp, Ingested, Metric, Repaired, SyncReport, SyncStatus, TableStatus

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from typing_extensions import Self, Unpack

    from .settings import Settings

T = TypeVar("T")
WORKERS = 8


class _Lanes:
    """Where calls run. Whoever has a transaction open has threads of its own: others may wait for it on all of the rest."""

    def __init__(self, workers: int) -> None:
        self._calls = ThreadPoolExecutor(workers, thread_name_prefix="rhei")
        self._inside = ThreadPoolExecutor(workers, thread_name_prefix="rhei-transaction")

    async def run(self, call: Callable[..., T], *arguments: Any, cancel: Optional[Callable[[], None]] = None, inside: bool = False,
                  **options: Any) -> T:
        """What the call gives. A task that is cancelled ends the call by `cancel`, and waits for its end."""
        pool = self._inside if inside else self._calls
        future = asyncio.get_running_loop().run_in_executor(pool, functools.partial(call, *arguments, **options))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if cancel is not None:
                cancel()
            if not future.cancel():
                with suppress(Exception):
                    await _settled(future)
            raise

    def close(self) -> None:
        self._calls.shutdown(wait=False)
        self._inside.shutdown(wait=False)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def _settled(future: asyncio.Future[Any]) -> None:
    """Waits for the end, however often the task is cancelled meanwhile."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])


class _Tasks:
    """Statements on their way, each with the future that waits for it. It belongs to the loop in which it was first used."""

    def __init__(self, database: Database, threads: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks = database._native.loop(threads)
        self._waiting: dict[_native.Task, asyncio.Future[None]] = {}
        self._loop.add_reader(self._tasks.fileno(), self._told)

    def _told(self) -> None:
        while (task := self._tasks.take()) is not None:
            _wake(self._waiting.pop(task))

    async def _done(self, task: _native.Task) -> None:
        """Waits until it is told of; a task of asyncio that is cancelled ends it, and waits for its end."""
        future = self._waiting[task] = self._loop.create_future()
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            task.cancel()
            await _settled(future)
            raise

    def submit(self, sql: str, params: Parameters, options: Any, arrow: bool, session: Optional[_native.Session]) -> _native.Task:
        if asyncio.get_running_loop() is not self._loop:
            raise InvalidError("the database was opened in another event loop: open one in each")
        return self._tasks.submit(sql, params, options, arrow, session)

    async def finish(self, task: _native.Task) -> None:
        """Waits for a task that was submitted; it is freed with its failure."""
        try:
            await self._done(task)
            task.more()
        except BaseException:
            task.free()
            raise

    async def resume(self, task: _native.Task) -> None:
        task.resume()
        await self.finish(task)

    def close(self) -> None:
        if not self._tasks.closed:
            with suppress(Exception):  # a loop that is closed has no readers
                self._loop.remove_reader(self._tasks.fileno())
            self._tasks.close()
            for task, future in list(self._waiting.items()):
                task.free()
                with suppress(RuntimeError):  # the same
                    _wake(future)
            self._waiting.clear()


class _Feed:
    """Where the batches of an answer come from, one after another, as they are wanted."""

    def __init__(self, tasks: _Tasks, task: _native.Task) -> None:
        self._tasks, self._task = tasks, task
        self.answer = task.feed(None)
        self._over = False
        self._settle()

    def _settle(self) -> None:
        if not self._task.more():
            self.end()

    @property
    def over(self) -> bool:
        return self._over

    async def want(self, rows: int) -> None:
        """Until so many are in memory, or all; below 0: all."""
        while not self._over and (rows < 0 or self.answer.ready < rows):
            try:
                await self._tasks.resume(self._task)
            except BaseException:
                self._over = True
                raise
            self._task.feed(self.answer)
            self._settle()

    def end(self) -> None:
        self._over = True
        self._task.free()


class AsyncResult:
    """rhei.Result, whose reading is awaited."""

    def __init__(self, result: Result, lanes: _Lanes, inside: bool = False, feed: Optional[_Feed] = None) -> None:
        self.result, self._lanes, self._inside, self._feed = result, lanes, inside, feed

    async def _run(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Reads all that is still to come, and what is to be done with it on a thread."""
        if self._feed is not None:
            await self._feed.want(-1)
        return await self._lanes.run(call, *arguments, cancel=self.result.cancel, inside=self._inside, **options)

    async def read(self) -> Result:
        """All of it in memory, as a plain Result."""
        if self._feed is not None:
            await self._feed.want(-1)
        return self.result

    def _read(self) -> Result:
        if not self.over:
            raise InvalidError("the answer isn't read yet, which would hold up the event loop: await read(), arrow(), df() or pl() first")
        return self.result

    @property
    def over(self) -> bool:
        """Whether all of it is in memory."""
        return self._feed is None or self._feed.over

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.result.columns

    @property
    def column_names(self) -> list[str]:
        return self.result.column_names

    @property
    def route(self) -> str:
        return self.result.route

    @property
    def rule(self) -> str:
        return self.result.rule

    @property
    def position(self) -> int:
        return self.result.position

    @property
    def age_us(self) -> int:
        return self.result.age_us

    async def fetchone(self) -> Optional[tuple[Any, ...]]:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        if self._feed is None:
            return await self._run(self.result.fetchmany, size)
        await self._feed.want(max(0, size))
        return self.result.fetchmany(size)

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return await self._run(self.result.fetchall)

    async def dicts(self) -> list[dict[str, Any]]:
        return await self._run(self.result.dicts)

    async def scalar(self) -> Any:
        row = await self.fetchone()
        self.close()
        return row[0] if row else None

    async def rows(self, batch: int = 1024) -> AsyncIterator[tuple[Any, ...]]:
        while some := await self.fetchmany(max(1, batch)):
            for row in some:
                yield row

    def __aiter__(self) -> AsyncIterator[tuple[Any, ...]]:
        return self.rows()

    def __arrow_c_stream__(self, requested_schema: Optional[object] = None) -> object:
        return self._read().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self.result.__arrow_c_schema__()

    async def arrow(self) -> pyarrow.Table:
        return await self._run(self.result.arrow)

    def reader(self) -> pyarrow.RecordBatchReader:
        """Of an answer that was read."""
        return self._read().reader()

    async def df(self, **options: Any) -> pandas.DataFrame:
        return await self._run(self.result.df, **options)

    async def pl(self) -> polars.DataFrame:
        return await self._run(self.result.pl)

    def close(self) -> None:
        if self._feed is not None:
            self._feed.end()
        self.result.close()

    async def __aenter__(self) -> AsyncResult:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.result)

    def _repr_html_(self) -> str:
        return self.result._repr_html_()


class AsyncStatement:
    def __init__(self, statement: Statement, owner: _AsyncRuns[Any]) -> None:
        self.statement, self._owner = statement, owner

    async def execute(self, params: Parameters = None, *, timeout: Optional[float] = None) -> Written:
        return await self._owner._cancellable(self.statement.execute, params, timeout=timeout)

    async def query(self, params: Parameters = None, **options: Any) -> AsyncResult:
        return self._owner._result(await self._owner._cancellable(self.statement.query, params, **options))

    async def close(self) -> None:
        await self._owner._run(self.statement.close)


P = TypeVar("P", Database, Session)


class _AsyncRuns(Generic[P]):
    _plain: P
    _lanes: _Lanes
    _session: Optional[_native.Session] = None

    def _tasks(self) -> _Tasks:
        raise NotImplementedError

    def _inside(self) -> bool:
        return False

    async def _ready(self) -> None:
        """Before the session is used again: what it still reads is read."""

    async def _statement(self, sql: str, params: Parameters, options: Any, arrow: bool) -> _native.Task:
        await self._ready()
        tasks = self._tasks()
        task = tasks.submit(sql, params, options, arrow, self._session)
        await tasks.finish(task)
        return task

    async def _run(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        await self._ready()
        return await self._lanes.run(call, *arguments, inside=self._inside(), **options)

    async def _cancellable(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        await self._ready()
        flag = Cancel()
        return await self._lanes.run(functools.partial(call, cancel=flag), *arguments, cancel=flag.cancel, inside=self._inside(), **options)

    def _result(self, result: Result) -> AsyncResult:
        return AsyncResult(result, self._lanes, self._inside())

    async def execute(self, sql: str, params: Parameters = None, *, timeout: Optional[float] = None) -> Written:
        task = await self._statement(sql, params, query_options(timeout=timeout), False)
        try:
            return Written(*task.result())
        finally:
            task.free()

    async def execute_batch(self, sql: str, rows: Iterable[Sequence[Any]], *, timeout: Optional[float] = None) -> Written:
        return await self._cancellable(self._plain.execute_batch, sql, rows, timeout=timeout)

    executemany = execute_batch

    async def execute_script(self, sql: str, *, timeout: Optional[float] = None) -> Written:
        return await self._cancellable(self._plain.execute_script, sql, timeout=timeout)

    async def query(self, sql: str, params: Parameters = None, **options: Any) -> AsyncResult:
        """Options are those of Database.query()."""
        feed = _Feed(self._tasks(), await self._statement(sql, params, query_options(**options), True))
        return AsyncResult(self._plain._keep(Result(feed.answer)), self._lanes, feed=feed)

    async def ingest(self, table: str, data: Any, **options: Any) -> Ingested:
        return await self._cancellable(self._plain.ingest, table, await data.read() if isinstance(data, AsyncResult) else data, **options)

    async def prepare(self, sql: str) -> AsyncStatement:
        return AsyncStatement(await self._run(self._plain.prepare, sql), self)

    async def add_column(self, table: str, column: str, type: str, **options: Any) -> Written:  # noqa: A002
        return await self._run(self._plain.add_column, table, column, type, **options)

    async def drop_column(self, table: str, column: str, **options: Any) -> Written:
        return await self._run(self._plain.drop_column, table, column, **options)


class AsyncSession(_AsyncRuns[Session]):
    """For one task at a time."""

    def __init__(self, session: Session, database: AsyncDatabase) -> None:
        self._plain, self._lanes, self._database = session, database._lanes, database
        self._session = session._native
        self._open: Optional[weakref.ref[AsyncResult]] = None

    def _tasks(self) -> _Tasks:
        return self._database._tasks()

    def _inside(self) -> bool:
        return self.in_transaction

    async def _ready(self) -> None:
        result = self._open() if self._open is not None else None
        self._open = None
        if result is not None:
            await result.read()

    async def query(self, sql: str, params: Parameters = None, **options: Any) -> AsyncResult:
        result = await super().query(sql, params, **options)
        self._open = weakref.ref(result)
        return result

    @property
    def in_transaction(self) -> bool:
        return self._plain.in_transaction

    async def begin(self, *, immediate: bool = False) -> None:
        await self.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")

    async def commit(self) -> int:
        return (await self.execute("COMMIT")).position

    async def rollback(self) -> None:
        self._forget()
        if self.in_transaction:
            await self._run(self._plain.rollback)

    async def close(self) -> None:
        self._forget()
        await self._run(self._plain.close)

    def _forget(self) -> None:
        """An answer that isn't read yet ends."""
        result = self._open() if self._open is not None else None
        self._open = None
        if result is not None and not result.over:
            result.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.close()


class AsyncWatch:
    """An asynchronous iterator of WatchEvent; no thread waits for it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def next(self) -> WatchEvent:
        loop = asyncio.get_running_loop()
        while True:
            event = self._watch.next(0)
            if event is not None:
                return event
            readable = loop.create_future()
            loop.add_reader(self._watch.fileno(), _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(self._watch.fileno())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        return await self.next()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._watch.close()


class AsyncChanges:
    """An asynchronous iterator of Change, which waits where everything was told."""

    def __init__(self, changes: Changes, lanes: _Lanes) -> None:
        self._changes, self._lanes = changes, lanes

    async def next(self) -> Optional[Change]:
        return await self._lanes.run(self._changes.next)

    async def wait(self, timeout: Optional[float] = None) -> bool:
        return await self._lanes.run(self._changes.wait, timeout, cancel=self._changes.cancel)

    async def acknowledge(self, position: int) -> None:
        await self._lanes.run(self._changes.acknowledge, position)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        while (change := await self.next()) is None:
            await self.wait()
        return change

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self._changes.close()


class AsyncDatabase(_AsyncRuns[Database]):
    """Database for asyncio: `async with rhei.open("shop.db") as db`. Any number of tasks may use one."""

    def __init__(self, database: Database, lanes: _Lanes, workers: int) -> None:
        self._plain, self._lanes, self._workers = database, lanes, workers
        self._on_their_way: Optional[_Tasks] = None
        weakref.finalize(self, lanes.close)

    def _tasks(self) -> _Tasks:
        if self._on_their_way is None:
            self._on_their_way = self._plain._keep(_Tasks(self._plain, max(2, self._workers)))
        return self._on_their_way

    async def explain_route(self, sql: str, params: Parameters = None, **options: Any) -> dict[str, Any]:
        return await self._run(self._plain.explain_route, sql, params, **options)

    async def session(self) -> AsyncSession:
        return AsyncSession(await self._run(self._plain.session), self)

    @asynccontextmanager
    async def transaction(self, *, immediate: bool = False) -> AsyncIterator[AsyncSession]:
        """`async with db.transaction() as tx:` commits at the end, and takes everything back with an exception."""
        async with await self.session() as session:
            await session.begin(immediate=immediate)
            try:
                yield session
            except BaseException:
                with suppress(Error):
                    await session.rollback()
                raise
            await session._ready()
            if session.in_transaction:
                await session.commit()

    async def register_table(self, table: str, columns: Optional[Sequence[Any]] = None, *, timeout: Optional[float] = None) -> None:
        await self._cancellable(self._plain.register_table, table, columns, timeout=timeout)

    async def unregister_table(self, table: str, *, timeout: Optional[float] = None) -> None:
        await self._cancellable(self._plain.unregister_table, table, timeout=timeout)

    async def sync_now(self, *, timeout: Optional[float] = None) -> SyncReport:
        return await self._cancellable(self._plain.sync_now, timeout=timeout)

    async def initial_sync(self, *, timeout: Optional[float] = None) -> None:
        await self._cancellable(self._plain.initial_sync, timeout=timeout)

    async def start_sync(self) -> None:
        await self._run(self._plain.start_sync)

    async def stop_sync(self) -> None:
        await self._run(self._plain.stop_sync)

    async def sync_status(self) -> SyncStatus:
        return await self._run(self._plain.sync_status)

    async def tables(self) -> list[TableStatus]:
        return await self._run(self._plain.tables)

    async def metrics(self) -> list[Metric]:
        return await self._run(self._plain.metrics)

    async def info(self) -> dict[str, Any]:
        return await self._run(self._plain.info)

    async def rebuild(self, table: Optional[str] = None) -> None:
        await self._run(self._plain.rebuild, table)

    async def verify(self, table: Optional[str] = None, **options: Any) -> int:
        return await self._cancellable(self._plain.verify, table, **options)

    async def repair(self, table: Optional[str] = None, **options: Any) -> Repaired:
        return await self._cancellable(self._plain.repair, table, **options)

    async def checkpoint(self) -> None:
        await self._run(self._plain.checkpoint)

    async def backup(self, folder: Union[str, os.PathLike[str]], *, timeout: Optional[float] = None) -> BackedUp:
        return await self._cancellable(self._plain.backup, folder, timeout=timeout)

    def watch(self, *tables: str) -> AsyncWatch:
        return AsyncWatch(self._plain.watch(*tables))

    async def changes(self, consumer: Optional[str] = None, **options: Any) -> AsyncChanges:
        return AsyncChanges(await self._run(self._plain.changes, consumer, **options), self._lanes)

    async def drop_consumer(self, consumer: str) -> None:
        await self._run(self._plain.drop_consumer, consumer)

    @property
    def closed(self) -> bool:
        return self._plain.closed

    async def close(self) -> None:
        if self._on_their_way is not None:
            self._on_their_way.close()
        if not self._plain.closed:
            await self._run(self._plain.close)
        self._lanes.close()

    shutdown = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        await self.close()


class _Opening:
    """What open() gives: it is awaited, or entered by async with."""

    def __init__(self, path: Any, workers: int, settings: Any) -> None:
        self._arguments, self._workers, self._settings = path, workers, settings
        self._database: Optional[AsyncDatabase] = None

    async def _open(self) -> AsyncDatabase:
        lanes = _Lanes(self._workers)
        try:
            return AsyncDatabase(await lanes.run(connect, self._arguments, **self._settings), lanes, self._workers)
        except BaseException:
            lanes.close()
            raise

    def __await__(self) -> Generator[Any, None, AsyncDatabase]:
        return self._open().__await__()

    async def __aenter__(self) -> AsyncDatabase:
        self._database = await self._open()
        return self._database

    async def __aexit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if self._database is not None:
            await self._database.close()


def open(path: Union[str, os.PathLike[str], None] = None, *, workers: int = WORKERS,  # noqa: A001
         **settings: Unpack[Settings]) -> _Opening:
    """As connect(), for asyncio: `db = await rhei.open("shop.db")`, or `async with rhei.open("shop.db") as db`. workers: threads that
    calls run on at most."""
    if workers < 1:
        raise InvalidError(f"workers is a number of threads, not {workers!r}")
    return _Opening(path, workers, settings)
