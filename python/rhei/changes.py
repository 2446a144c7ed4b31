"""Being told of changes: that there were some (Watch), or each of them (Changes)."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from . import _native

if TYPE_CHECKING:
    import pyarrow

_KINDS = {1: "table", 2: "gone", 3: "insert", 4: "update", 5: "delete", 6: "lost", 7: "commit", 8: "batch"}


class WatchEvent(NamedTuple):
    position: int
    """The column store shows all changes up to here."""
    tables: tuple[str, ...]
    all: bool
    """No names, because they were too many: any table may have changed."""


class Change(NamedTuple):
    """An event of the change feed; docs/guide/changes.md says what each kind means."""
    kind: str
    """table, gone, insert, update, delete, lost, commit; batch where rows come as Arrow."""
    position: int
    time_us: int
    table: Optional[str]
    table_number: int
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    values: Optional[dict[str, Any]]
    before: Optional[dict[str, Any]]
    reason: Optional[str]
    batch: Optional[pyarrow.RecordBatch] = None

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple((self.values or {})[name] for name in self.key_columns)


def milliseconds(timeout: Optional[float]) -> int:
    """Of seconds that a wait may take; None: for ever."""
    return -1 if timeout is None else max(0, round(timeout * 1000))


def event_of(told: tuple[int, tuple[str, ...], bool]) -> WatchEvent:
    return WatchEvent(*told)


class Watch:
    """Commits, whoever makes them, as an iterator without an end; db.watch() makes it. One thread at a time."""

    def __init__(self, watch: _native.Watch) -> None:
        self._watch = watch

    def next(self, timeout: Optional[float] = None) -> Optional[WatchEvent]:
        """Waits `timeout` seconds at most; None: nothing was changed."""
        told = self._watch.next(milliseconds(timeout))
        return None if told is None else event_of(told)

    def fileno(self) -> int:
        """For select and event loops: readable while next(0) has something."""
        return self._watch.fileno()

    def __iter__(self) -> Iterator[WatchEvent]:
        while (event := self.next()) is not None:
            yield event

    def cancel(self) -> None:
        """Ends a next() that waits, from another thread."""
        self._watch.cancel()

    def close(self) -> None:
        self._watch.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()


class Changes:
    """A reader of the change feed; db.changes() makes it. Iteration ends when everything that is committed was told. One thread at a time."""

    def __init__(self, changes: _native.Changes, arrow: bool) -> None:
        self._changes, self._arrow = changes, arrow

    def next(self) -> Optional[Change]:
        """The next event; None: everything was told, and wait() waits for more."""
        if self._arrow:
            return self._next_arrow()
        told = self._changes.next()
        return None if told is None else Change(_KINDS.get(told[0], "?"), *told[1:])

    def _next_arrow(self) -> Optional[Change]:
        told = self._changes.next_arrow()
        if told is None:
            return None
        head, schema, array = told
        change = Change(_KINDS.get(head[0], "?"), *head[1:])
        if array is None:
            return change
        import pyarrow

        class Batch:
            def __arrow_c_array__(self, requested_schema: Optional[object] = None) -> tuple[Optional[object], Optional[object]]:
                return schema, array

        return change._replace(batch=pyarrow.record_batch(Batch()))

    def __iter__(self) -> Iterator[Change]:
        while (change := self.next()) is not None:
            yield change

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Whether something was committed, within `timeout` seconds."""
        return self._changes.wait(milliseconds(timeout))

    def follow(self) -> Iterator[Change]:
        """Without an end: waits where everything was told."""
        while True:
            yield from self
            self.wait()

    def acknowledge(self, position: int) -> None:
        """Everything up to the position of a commit is done with."""
        self._changes.acknowledge(position)

    @property
    def position(self) -> int:
        return self._changes.position

    def cancel(self) -> None:
        self._changes.cancel()

    def close(self) -> None:
        self._changes.close()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()
