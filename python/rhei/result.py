"""Answers: read once, as Arrow without a copy, or as tuples."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from . import _native
from .errors import InvalidError, UnsupportedError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

SHOWN_ROWS = 20  # of a result in a notebook
SHOWN_LETTERS = 200


class Column(NamedTuple):
    name: str
    type: str
    """integer, real, text, blob, or mixed: several of these."""


class Written(NamedTuple):
    """What a statement that writes did."""
    changes: int
    last_insert_rowid: int
    position: int
    """Of the change log; 0 if no captured table was changed."""


_TYPES = {"l": "integer", "g": "real", "u": "text", "vu": "text", "z": "blob", "vz": "blob"}


def _need(module: str, call: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise UnsupportedError(f"{call} needs {module}, which isn't installed: pip install {module}; fetchall() and "
                               "__arrow_c_stream__ need nothing") from None


class Result:
    """An answer. It is read once: by fetchone, fetchmany, fetchall and iteration, or handed on by reader(), pl() and everything that
    takes __arrow_c_stream__. arrow() and df() keep the table, and may be called again.

    It holds a snapshot until it is read to its end, closed or forgotten. One thread at a time.
    """

    def __init__(self, answer: _native.Answer) -> None:
        self._answer = answer
        self._table: Optional[pyarrow.Table] = None
        self._rest: Optional[Iterator[tuple[Any, ...]]] = None
        self._simple = all(kind in _TYPES or kind.startswith("+ud:") for _, kind in answer.columns)
        self._facts: dict[str, str] = answer.metadata
        self._columns = tuple(Column(name, _TYPES.get(kind, "mixed" if kind.startswith("+ud") else kind)) for name, kind in answer.columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._columns

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self._columns]

    @property
    def route(self) -> str:
        """ "oltp" or "olap": which engine answers."""
        return self._facts.get("rhei.route", "")

    @property
    def rule(self) -> str:
        """The rule that decided the route, for people."""
        return self._facts.get("rhei.rule", "")

    @property
    def position(self) -> int:
        """Of the change log, at which the rows are read."""
        return int(self._facts.get("rhei.position", "0"))

    @property
    def age_us(self) -> int:
        """How old that state was, in microseconds; 0: nothing newer was committed; -1: unknown."""
        return int(self._facts.get("rhei.age_us", "-1"))

    @property
    def closed(self) -> bool:
        return self._answer.state == "closed"

    # ---- tuples

    def _fetch(self, most: int) -> list[tuple[Any, ...]]:
        """Values of other Arrow types (the column store's own SQL has them) are as pyarrow makes them."""
        if self._simple:
            return self._answer.fetch(most)
        if self._rest is None:
            self._rest = iter(list(zip(*(column.to_pylist() for column in self.arrow().columns))))
        return list(itertools.islice(self._rest, None if most < 0 else most))

    def fetchone(self) -> Optional[tuple[Any, ...]]:
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        if size < 0:
            raise InvalidError(f"size is a number of rows, not {size}")
        return self._fetch(size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._fetch(-1)

    def rows(self, batch: int = 1024) -> Iterator[tuple[Any, ...]]:
        """One after another; `batch` of them are made at a time."""
        while some := self._fetch(max(1, batch)):
            yield from some

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.rows()

    def dicts(self) -> list[dict[str, Any]]:
        names = self.column_names
        return [dict(zip(names, row)) for row in self.rows()]

    def scalar(self) -> Any:
        """The first value of the first row, None without a row; the rest is let go of."""
        row = self.fetchone()
        self.close()
        return row[0] if row else None

    # ---- Arrow

    def __arrow_c_stream__(self, requested_schema: Optional[object] = None) -> object:
        if self._table is not None:
            return self._table.__arrow_c_stream__(requested_schema)
        return self._answer.stream()

    def __arrow_c_schema__(self) -> object:
        return self._table.schema.__arrow_c_schema__() if self._table is not None else self._answer.schema()

    def reader(self) -> pyarrow.RecordBatchReader:
        """Batch by batch, as they come: pyarrow reads them, so failures are OSErrors in the library's words, and Ctrl-C waits for a batch."""
        return _need("pyarrow", "reader()").RecordBatchReader.from_stream(self)

    def arrow(self) -> pyarrow.Table:
        if self._table is None:
            _need("pyarrow", "arrow()")
            self._answer.gather()
            reader = self.reader()
            try:
                self._table = reader.read_all()
            finally:
                reader.close()
        return self._table

    def df(self, **options: Any) -> pandas.DataFrame:
        """A pandas.DataFrame; options are those of pyarrow.Table.to_pandas."""
        _need("pandas", "df()")
        return self.arrow().to_pandas(**options)

    def pl(self) -> polars.DataFrame:
        """A polars.DataFrame."""
        module = _need("polars", "pl()")
        if self._table is None:
            self._answer.gather()
        frame: polars.DataFrame = module.DataFrame(self)
        return frame

    # ---- the end

    def cancel(self) -> None:
        """Ends the statement from another thread: whoever reads gets CancelledError."""
        self._answer.cancel()

    def close(self) -> None:
        self._answer.close()

    def __enter__(self) -> Result:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<rhei.Result of {', '.join(self.column_names) or 'no columns'}; {self._caption()}>"

    def _caption(self) -> str:
        age = self.age_us
        old = "age unknown" if age < 0 else "up to date" if age == 0 else f"{age / 1000:.3g} ms old"
        return f"answered by {self.route or 'nobody'}, position {self.position}, {old}"

    def _shown(self) -> Optional[list[tuple[Any, ...]]]:
        if not self._simple and self._answer.state == "open":
            self.arrow()
        if self._table is not None:
            columns = self._table.slice(0, SHOWN_ROWS + 1).to_pydict().values() if len(set(self.column_names)) == len(self._columns) else [
                column.slice(0, SHOWN_ROWS + 1).to_pylist() for column in self._table.columns]
            return list(zip(*columns))
        if self._answer.state != "open":
            return None
        return self._answer.peek(SHOWN_ROWS + 1)

    def _repr_html_(self) -> str:
        """What a notebook shows: the next rows, which stay unread."""
        try:
            rows = self._shown()
        except UnsupportedError:
            rows = None
        parts = ["<table><thead><tr>", *(f"<th>{html.escape(name)}</th>" for name in self.column_names), "</tr></thead><tbody>"]
        for row in (rows or [])[:SHOWN_ROWS]:
            parts += ["<tr>", *(f"<td>{_cell(value)}</td>" for value in row), "</tr>"]
        parts.append("</tbody></table>")
        words = self._caption()
        if rows is None:
            words = "read already; " + words
        elif len(rows) > SHOWN_ROWS:
            words = f"the first {SHOWN_ROWS} rows; " + words
        return "".join(parts) + f"<p><small>{html.escape(words)}</small></p>"


def _cell(value: object) -> str:
    if value is None:
        return "<i>NULL</i>"
    text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
    return html.escape(text if len(text) <= SHOWN_LETTERS else text[:SHOWN_LETTERS] + "...")


class Rows:
    """An answer row by row, as it comes: nothing is looked at before its turn. No Arrow; each value has its own class."""

    def __init__(self, rows: _native.Rows) -> None:
        self._rows = rows
        self.column_names, self.column_types, self.route, self.rule, _, _ = rows.facts()

    @property
    def position(self) -> int:
        """Known with the first row."""
        return self._rows.facts()[4]

    @property
    def age_us(self) -> int:
        return self._rows.facts()[5]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def __next__(self) -> tuple[Any, ...]:
        return next(self._rows)

    def cancel(self) -> None:
        self._rows.cancel()

    def close(self) -> None:
        self._rows.close()

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()
