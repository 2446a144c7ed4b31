"""Rhei: transactions and analytics on the same live data, in one process.

    import rhei
    with rhei.connect("shop.db") as db:
        db.execute("INSERT INTO orders (customer, amount) VALUES (?, ?)", ("Ada", 9.5))
        print(db.query("SELECT customer, sum(amount) FROM orders GROUP BY customer").fetchall())
"""

from __future__ import annotations

import os as _os
import sys as _sys

if _sys.version_info < (3, 9):  # before anything that an older one can't read
    raise ImportError("rhei needs Python 3.9 or later, and this is Python " + ".".join(str(part) for part in _sys.version_info[:3]))

import threading as _threading

from . import _native
from .aio import AsyncDatabase, AsyncResult, AsyncSession, open  # noqa: A004
from .changes import Change, Changes, Watch, WatchEvent
from .database import Cancel, Database, Session, Statement, connect, detach
from .errors import *  # noqa: F403
from .errors import __all__ as _error_names
from .result import Column, Result, Rows, Written
from .settings import Settings
from .state import BackedUp, Ingested, Metric, Repaired, SyncReport, SyncStatus, TableStatus
from .values import HOOKS as _HOOKS
from .values import NumberTooBigError, SurrogateError


def _set_main_thread() -> None:
    _native.set_main_thread(_threading.main_thread().ident or 0)


_native.set_hooks(_HOOKS)
_set_main_thread()
_os.register_at_fork(after_in_child=lambda: _native.set_main_thread(_threading.get_ident()))

__version__ = _native.version()

__all__ = [
    "AsyncDatabase", "AsyncResult", "AsyncSession", "BackedUp", "Cancel", "Change", "Changes", "Column", "Database", "Ingested", "Metric",
    "NumberTooBigError", "Repaired", "Result", "Rows", "Session", "Settings", "Statement", "SurrogateError", "SyncReport", "SyncStatus",
    "TableStatus", "Watch", "WatchEvent", "Written", "connect", "detach", "open", *_error_names,
]
