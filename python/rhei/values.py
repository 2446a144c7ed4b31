"""Which Python values are stored as what; and the other functions that the extension calls."""

from __future__ import annotations

import datetime
import decimal
import logging
import uuid
from typing import Callable, Union

from .errors import InvalidError, TooBigError, ValueTypeError, make_error

Stored = Union[None, int, float, str, bytes]

_log = logging.getLogger("rhei")
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


def _clock(moment: Union[datetime.datetime, datetime.time]) -> str:
    text = f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    return text + f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else text


def _of_time(value: object) -> Union[str, None]:
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc)
        return f"{value.date().isoformat()} {_clock(value)}" + ("+00:00" if value.tzinfo is not None else "")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        if value.tzinfo is not None:
            raise ValueTypeError("a time with a zone has no date by which it could be told in UTC: store a datetime")
        return _clock(value)
    return None


def adapt(value: object) -> Stored:
    """What a value of another class than SQLite's own is stored as, the same as Arrow's types are by an ingest."""
    moment = _of_time(value)
    if moment is not None:
        return moment
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise ValueTypeError(f"{value} is no number that can be stored")
        return format(value, "f")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    item = getattr(value, "item", None)  # a scalar of numpy
    if callable(item) and getattr(value, "shape", None) == ():
        plain = item()
        return plain if plain is None or isinstance(plain, (int, float, str, bytes)) else adapt(plain)
    if hasattr(value, "__index__"):
        return int(value.__index__())
    try:
        return bytes(memoryview(value))  # type: ignore[arg-type]
    except TypeError:
        pass
    raise ValueTypeError(
        f"a {type(value).__name__} can't be stored: give None, bool, int, float, str, bytes, date, datetime, time, Decimal or UUID")


def fail_overflow(value: int) -> None:
    raise NumberTooBigError(f"the integer {value if abs(value) < 10**40 else 'of ' + str(value.bit_length()) + ' bits'} is beyond 64 bits, "
                            "which is all that SQLite stores: give a str or a float")


class NumberTooBigError(TooBigError, OverflowError):
    """An int beyond 64 bits."""


def fail_surrogates(text: str) -> None:
    place = next(i for i, letter in enumerate(text) if "\ud800" <= letter <= "\udfff")
    raise SurrogateError(f"the text has half a character (a surrogate) at place {place}, which UTF-8 can't hold: give bytes instead")


class SurrogateError(ValueTypeError, ValueError):
    """A str that isn't Unicode text."""


def log(level: int, room: str, message: str) -> None:
    _log.log(_LEVELS.get(level, logging.INFO), "%s: %s", room, message)


HOOKS: dict[str, Callable[..., object]] = {"make_error": make_error, "adapt": adapt, "fail_overflow": fail_overflow, "fail_surrogates": fail_surrogates, "log": log}
__all__ = ["HOOKS", "InvalidError", "NumberTooBigError", "SurrogateError", "adapt"]
