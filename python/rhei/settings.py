"""Settings as keywords: the names that a file of settings has, and the fields that only struct rhei_config has."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Optional, TypedDict, Union

from . import _native
from .errors import ConfigError, Error, UnsupportedError

Freshness = tuple[int, int]
_CHOICES: dict[str, dict[str, int]] = {
    "olap_backend": {"duckdb": 0, "datafusion": 1, "none": 2},
    "sync_mode": {"destructive": 0, "mirror": 0, "temporal": 1, "scd2": 1, "scd_type_2": 1},
    "synchronous": {"normal": 0, "full": 1, "off": 2},
    "log_level": {"error": 1, "warn": 2, "warning": 2, "info": 3, "debug": 4},
    "log_limit_policy": {"detach": 0, "grow": 1, "block": 2},
}
_NUMBERS = ("read_pool_size", "threads", "sync_interval_ms", "busy_timeout_ms", "scrub_interval", "checkpoint_interval_ms", "history_max_age",
            "history_max_versions", "log_limit_age", "sync_batch_size", "log_limit_rows", "scrub_rate")
_SIZES = ("olap_memory_limit", "log_limit_bytes", "wal_limit")
_PATHS = ("config_file", "olap_path", "rocksdb_cdc_path")
_WORDS = {"olap_format": ("arrow", "vortex")}
_FLAGS = ("read_only", "must_exist", "manual_sync", "prefer_olap", "capture_if_present")
# the settings' name, and the field that says the opposite
_INVERTED = {"auto_register": "no_auto_register", "prune_after_sync": "keep_changes", "olap_syntax": "no_olap_syntax"}
_SECTIONS = ("tables", "sidecar")
_OTHERS = ("oltp_path", "freshness", "table_modes", *_SECTIONS)
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
NAMES = (*_CHOICES, *_NUMBERS, *_SIZES, *_PATHS, *_WORDS, *_FLAGS, *_INVERTED, *_OTHERS)


def _wrong(name: str, value: object, what: str) -> ConfigError:
    return ConfigError(f"{name} is {what}, not {value!r}")


def freshness(value: Union[str, None, Freshness], name: str = "freshness") -> Freshness:
    """`latest`, `bounded:MS` or `eventual` as the C API has it; None is the database's own."""
    if value is None:
        return (0, 0)
    if isinstance(value, str):
        word = value.strip().lower()
        if word == "latest":
            return (1, 0)
        if word == "eventual":
            return (3, 0)
        bounded = re.fullmatch(r"bounded:\s*(\d+)(?:\s*ms)?", word)
        if bounded and int(bounded.group(1)) < 2**63:
            return (2, int(bounded.group(1)))
    raise _wrong(name, value, "latest, bounded:MS or eventual")


def _choice(name: str, value: Any) -> int:
    words = _CHOICES[name]
    if not isinstance(value, str) or value.lower() not in words:
        raise _wrong(name, value, "one of " + ", ".join(words))
    return words[str(value).lower()]


def _number(name: str, value: object) -> int:
    ranges = _ranges()
    least, most = ranges.get(name, (0, 2**64 - 1))
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, value, "a whole number")
    if not least <= value <= most:
        raise _wrong(name, value, f"from {least} to {most}")
    return value


def _size(name: str, value: Union[int, str, object]) -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if isinstance(value, str):
        word = value.strip().lower().replace(" ", "")
        part = re.fullmatch(r"(\d+)%", word)
        number = re.fullmatch(r"(\d+)([kmgt]?i?b?)", word)
        if word == "half":
            return machine // 2
        if part and 0 < int(part.group(1)) <= 100:
            return machine * int(part.group(1)) // 100
        if number and number.group(2) in _UNITS:
            return _size(name, int(number.group(1)) * _UNITS[number.group(2)])
        raise _wrong(name, value, "a number of bytes, or a text as 4GB, 512MiB, 50% or half")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**64:
        raise _wrong(name, value, "a number of bytes, or a text as 4GB, 512MiB, 50% or half")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True or False")
    return value


def _word(name: str, value: Any) -> str:
    if not isinstance(value, str) or value.lower() not in _WORDS[name]:
        raise _wrong(name, value, "one of " + ", ".join(_WORDS[name]))
    return value.lower()


def _path(name: str, value: Any) -> str:
    try:
        return os.fsdecode(value)
    except TypeError:
        raise _wrong(name, value, "a path") from None


_ranges_known: dict[str, tuple[int, int]] = {}


def _ranges() -> dict[str, tuple[int, int]]:
    """From the library: a number out of its range is an error that names the range."""
    if not _ranges_known:
        for _, name, kind, _, words, _, _ in _native.settings():
            found = re.fullmatch(r"(\d+) to (\d+)", words)
            if kind == "number" and found:
                _ranges_known[name] = (int(found.group(1)), int(found.group(2)))
    return _ranges_known


def _unknown(name: str) -> Exception:
    for _, known, _, _, _, effect, offered in _native.settings():
        if known == name and not offered:
            return UnsupportedError(f"the setting {name} isn't offered by this version")
        if known == name:
            return UnsupportedError(f"the setting {name} ({effect}) is one of a file: name it with config_file")
    near = difflib.get_close_matches(name, NAMES, 1, 0.5)
    return ConfigError(f"there is no setting {name}" + (f": did you mean {near[0]}?" if near else ""))


def _table_modes(value: Any) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise _wrong("table_modes", value, "a mapping of tables and their sync_mode")
    return {str(table): _choice("sync_mode", mode) for table, mode in value.items()}


def _toml(name: str, value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(name, str(key))} = {_toml(name, one)}" for key, one in value.items() if one is not None) + "}"
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return "[" + ", ".join(_toml(name, one) for one in value) + "]"
    raise _wrong(name, value, "a text, a number, True, False, or a list or mapping of them")


def _section(value: Any, place: str, header: str) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise _wrong(place, value, f"a mapping with the keys of {header}")
    lines = [(header, place)]
    for key, one in value.items():
        if one is not None:
            lines.append((f"{_toml(place, str(key))} = {_toml(f'{place}.{key}', one)}", f"{place}.{key}"))
    return lines


def _sections(settings: Mapping[str, Any]) -> tuple[str, list[str]]:
    """[[tables]] and [sidecar] as a file has them, and what each line is in the program's words."""
    lines: list[tuple[str, str]] = []
    for name in _SECTIONS:
        value = settings.get(name)
        if name == "sidecar" and isinstance(value, Mapping):
            lines += _section(value, name, "[sidecar]")
        elif value is not None and (isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)):
            raise _wrong(name, value, "a list of mappings, each with the keys of [[" + name + "]]")
        else:
            for i, one in enumerate(value or ()):
                lines += _section(one, f"{name}[{i}]", f"[[{name}]]")
    return "\n".join(line for line, _ in lines), [place for _, place in lines]


@contextlib.contextmanager
def told_by_place(places: list[str]) -> Iterator[None]:
    """The library names lines of a text that nobody has seen; the program knows its keywords."""
    try:
        yield
    except Error as error:
        error.message = re.sub(r"config_text:(\d+)", lambda line: places[int(line.group(1)) - 1], error.message)
        error.args = (error.message, *error.args[1:])
        raise


_READERS: dict[str, Callable[[str, Any], Any]] = {
    **{name: _choice for name in _CHOICES}, **{name: _number for name in _NUMBERS}, **{name: _size for name in _SIZES},
    **{name: _path for name in _PATHS}, **{name: _word for name in _WORDS}, **{name: _flag for name in _FLAGS},
}


def read(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Freshness, dict[str, int], Optional[str], list[str]]:
    """Fields of struct rhei_config, freshness, modes of tables, oltp_path, and what the lines of config_text are. None is the default of each."""
    fields: dict[str, Any] = {}
    modes: dict[str, int] = {}
    text, places = _sections(settings)
    if text and settings.get("config_file") is not None:
        raise ConfigError("tables and sidecar are sections of config_file, where there is one: put them there")
    if text:
        fields["config_text"] = text
    for name, value in settings.items():
        if name not in NAMES:
            raise _unknown(name)
        if value is None or name in ("oltp_path", "freshness", *_SECTIONS):
            continue
        if name == "table_modes":
            modes = _table_modes(value)
        elif name in _INVERTED:
            fields[_INVERTED[name]] = not _flag(name, value)
        else:
            fields[name] = _READERS[name](name, value)
    path = settings.get("oltp_path")
    return fields, freshness(settings.get("freshness")), modes, None if path is None else _path("oltp_path", path), places





class Settings(TypedDict, total=False):
    """Keywords of connect() and open(): the keys of a file's [engine], its sections [[tables]] and [sidecar], and what only programs may say. docs/guide/settings.md explains them."""
    oltp_path: Union[str, "os.PathLike[str]", None]
    config_file: Union[str, "os.PathLike[str]", None]
    olap_path: Union[str, "os.PathLike[str]", None]
    olap_format: Optional[str]
    rocksdb_cdc_path: Union[str, "os.PathLike[str]", None]
    olap_backend: Optional[str]
    olap_memory_limit: Union[int, str, None]
    olap_syntax: Optional[bool]
    sync_mode: Optional[str]
    sync_interval_ms: Optional[int]
    sync_batch_size: Optional[int]
    prune_after_sync: Optional[bool]
    read_pool_size: Optional[int]
    freshness: Optional[str]
    auto_register: Optional[bool]
    synchronous: Optional[str]
    threads: Optional[int]
    busy_timeout_ms: Optional[int]
    wal_limit: Union[int, str, None]
    scrub_interval: Optional[int]
    scrub_rate: Optional[int]
    checkpoint_interval_ms: Optional[int]
    history_max_age: Optional[int]
    history_max_versions: Optional[int]
    log_level: Optional[str]
    log_limit_rows: Optional[int]
    log_limit_bytes: Union[int, str, None]
    log_limit_age: Optional[int]
    log_limit_policy: Optional[str]
    read_only: Optional[bool]
    must_exist: Optional[bool]
    manual_sync: Optional[bool]
    prefer_olap: Optional[bool]
    capture_if_present: Optional[bool]
    table_modes: Optional[Mapping[str, str]]
    tables: Optional[Iterable[Mapping[str, Any]]]
    sidecar: Union[Mapping[str, Any], Iterable[Mapping[str, Any]], None]
