"""What can go wrong: PEP 249's classes, and below them one for each status of the library."""

from __future__ import annotations

import builtins
import re
from typing import Optional

__all__ = [
    "Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "OperationalError", "IntegrityError", "InternalError",
    "ProgrammingError", "NotSupportedError", "InvalidError", "NoMemoryError", "DefectError", "UnsupportedError", "ConfigError", "CantOpenError",
    "NotADatabaseError", "IOFailedError", "FullError", "ReadOnlyError", "TooNewError", "SQLError", "ConstraintError", "BusyError",
    "TransactionError", "NotFoundError", "ExistsError", "TooBigError", "ValueTypeError", "CancelledError", "TimeoutError",
    "MemoryLimitError", "OlapUnavailableError", "StaleError", "ClosedError", "ReplacedError", "BY_CODE",
]



class Warning(Exception):  # noqa: A001 (PEP 249 names it)
    """PEP 249's; Rhei raises none."""


class Error(Exception):
    """The base of all.

    code: the name of the status, "CONSTRAINT". where: the character of the SQL text at which the error is, from 0, or None.
    sqlstate: five characters. engine_code: SQLite's extended result code, or 0.
    """

    code: str = ""

    def __init__(self, message: str = "", *, code: Optional[str] = None, sqlstate: str = "HY000", where: Optional[int] = None,
                 engine_code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.sqlstate, self.where, self.engine_code = sqlstate, where, engine_code


class InterfaceError(Error):
    """The call itself is wrong."""


class DatabaseError(Error):
    """The database says so."""


class DataError(DatabaseError):
    """A value that can't be stored, or isn't of the class that was asked for."""


class OperationalError(DatabaseError):
    """Nothing that the program did wrong."""


class IntegrityError(DatabaseError):
    """A constraint refused the change."""


class InternalError(DatabaseError):
    """A defect of Rhei."""


class ProgrammingError(DatabaseError):
    """The statement is wrong, or can't be run now."""


class NotSupportedError(DatabaseError):
    """It isn't offered."""


class InvalidError(InterfaceError, ValueError):
    """An argument or option that cannot be right."""
    code = "INVALID"


class NoMemoryError(OperationalError, MemoryError):
    """The system, or the limit that was set, has no memory left."""
    code = "NO_MEMORY"


class DefectError(InternalError):
    """A defect of Rhei: please report it."""
    code = "INTERNAL"


class UnsupportedError(NotSupportedError):
    """Legal, but not offered here; the message says what is."""
    code = "UNSUPPORTED"


class ConfigError(InterfaceError, ValueError):
    """A setting is wrong; the message names the nearest one."""
    code = "CONFIG"


class CantOpenError(OperationalError):
    """The file or folder can't be opened or created."""
    code = "CANT_OPEN"


class NotADatabaseError(DatabaseError):
    """The file is something else, or damaged."""
    code = "NOT_A_DATABASE"


class IOFailedError(OperationalError):
    """The system reported an error of input or output."""
    code = "IO"


class FullError(OperationalError):
    """The disk, or the size that the file may have, is full."""
    code = "FULL"


class ReadOnlyError(OperationalError):
    """A write on something that may only be read."""
    code = "READ_ONLY"


class TooNewError(OperationalError):
    """Written by a newer version of Rhei."""
    code = "TOO_NEW"


class SQLError(ProgrammingError):
    """The statement is wrong: syntax, an unknown name, wrong use."""
    code = "SQL"


class ConstraintError(IntegrityError):
    """A constraint refused the change; nothing of it was kept."""
    code = "CONSTRAINT"


class BusyError(OperationalError):
    """Another writer held the lock for longer than the time-out."""
    code = "BUSY"


class TransactionError(ProgrammingError):
    """BEGIN, COMMIT or ROLLBACK where it cannot be."""
    code = "TRANSACTION"


class NotFoundError(ProgrammingError, LookupError):
    """No table, column or statement of that name."""
    code = "NOT_FOUND"


class ExistsError(ProgrammingError):
    """It is there already."""
    code = "EXISTS"


class TooBigError(DataError):
    """A text, BLOB, number or statement over the limit."""
    code = "TOO_BIG"


class ValueTypeError(DataError, TypeError):
    """A value of a class that can't be stored, or not the one that was asked for."""
    code = "TYPE"


class CancelledError(OperationalError):
    """Somebody ended it."""
    code = "CANCELLED"


class TimeoutError(OperationalError, builtins.TimeoutError):  # noqa: A001
    """The time limit ended it."""
    code = "TIMEOUT"


class MemoryLimitError(OperationalError):
    """The query's limit of memory ended it."""
    code = "MEMORY_LIMIT"


class OlapUnavailableError(OperationalError):
    """The column store was demanded and may not answer this now; the message says why."""
    code = "OLAP_UNAVAILABLE"


class StaleError(OperationalError):
    """The freshness that was asked for couldn't be reached in time, or a table differs from its mirror."""
    code = "STALE"


class ClosedError(InterfaceError):
    """It is closed."""
    code = "CLOSED"


class ReplacedError(OperationalError):
    """The database's file was moved, deleted or replaced: close the handle, open it again."""
    code = "REPLACED"


BY_CODE: dict[str, type[Error]] = {
    kind.code: kind for kind in (
        InvalidError, NoMemoryError, DefectError, UnsupportedError, ConfigError, CantOpenError, NotADatabaseError, IOFailedError, FullError,
        ReadOnlyError, TooNewError, SQLError, ConstraintError, BusyError, TransactionError, NotFoundError, ExistsError, TooBigError,
        ValueTypeError, CancelledError, TimeoutError, MemoryLimitError, OlapUnavailableError, StaleError, ClosedError, ReplacedError)
}


# The library names the calls of its C API in its advice; those that Python has under another name.
_CALLS = {"session_open": "session", "changes_next_arrow": "changes"}


def _in_python(message: str, calls: frozenset[str]) -> str:
    def named(call: re.Match[str]) -> str:
        name = _CALLS.get(call.group(1), call.group(1))
        return name + "()" if name in calls else call.group(0)

    return re.sub(r"(?<!: )(?<!['\".\[`])\brhei_(\w+)", named, message)  # but for names of the user's own


def make_error(number: int, code: str, sqlstate: str, where: int, engine_code: int, message: str) -> Error:
    """The exception of a status; one that a newer library has is an OperationalError."""
    from .database import Database  # which stands on this module
    kind = BY_CODE.get(code, OperationalError)
    return kind(_in_python(message, frozenset(dir(Database))), code=code, sqlstate=sqlstate, where=where if where >= 0 else None, engine_code=engine_code)
