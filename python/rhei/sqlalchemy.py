"""SQLAlchemy's dialect: create_engine("rhei:///shop.db"). It is SQLAlchemy's dialect of SQLite over rhei.dbapi.

Settings are given in the URL, rhei:///shop.db?freshness=latest, or by connect_args.
"""

from __future__ import annotations

from typing import Any, Optional, cast

from sqlalchemy import exc, pool
from sqlalchemy.dialects.sqlite.base import SQLiteDialect, SQLiteExecutionContext
from sqlalchemy.engine import reflection

_BOOLEANS = ("read_only", "must_exist", "manual_sync", "prefer_olap", "capture_if_present")


class RheiExecutionContext(SQLiteExecutionContext):  # type: ignore[misc]
    def get_lastrowid(self) -> Optional[int]:
        rowid: Optional[int] = self.cursor.lastrowid
        return rowid


class RheiDialect(SQLiteDialect):  # type: ignore[misc]
    name = "sqlite"  # DDL events, variants and inserts "on conflict" are SQLite's
    driver = "rhei"
    default_paramstyle = "qmark"
    supports_statement_cache = True
    execution_ctx_cls = RheiExecutionContext
    supports_sane_rowcount_returning = False
    returns_native_bytes = True

    @classmethod
    def import_dbapi(cls) -> Any:
        from . import dbapi
        return dbapi

    @classmethod
    def get_pool_class(cls, url: Any) -> type[pool.Pool]:
        """A database in memory is its connection's own, so there is one."""
        kind = pool.StaticPool if url.database in (None, "", ":memory:") else pool.QueuePool
        return cast("type[pool.Pool]", kind)

    def create_connect_args(self, url: Any) -> tuple[list[Any], dict[str, Any]]:
        if url.username or url.password or url.host or url.port:
            raise exc.ArgumentError("a rhei:// URL names a file: rhei:///relative.db, rhei:////absolute.db, or rhei:// for one in memory")
        options = dict(url.query)
        for name in _BOOLEANS:
            if name in options:
                options[name] = options[name].lower() in ("1", "true", "yes", "on")
        return [url.database or ":memory:"], options

    def _get_server_version_info(self, connection: Any) -> Any:
        return self.dbapi.sqlite_version_info

    # what is Rhei's own isn't the program's

    @reflection.cache  # type: ignore[untyped-decorator]
    def get_table_names(self, connection: Any, schema: Any = None, sqlite_include_internal: bool = False, **kw: Any) -> list[str]:
        names = super().get_table_names(connection, schema, sqlite_include_internal=sqlite_include_internal, **kw)
        return [name for name in names if sqlite_include_internal or not name.startswith("_rhei_")]

    @reflection.cache  # type: ignore[untyped-decorator]
    def get_view_names(self, connection: Any, schema: Any = None, sqlite_include_internal: bool = False, **kw: Any) -> list[str]:
        names = super().get_view_names(connection, schema, sqlite_include_internal=sqlite_include_internal, **kw)
        return [name for name in names if sqlite_include_internal or not name.startswith("_rhei_")]

    # isolation: a transaction is a session's, which SQLite serialises; AUTOCOMMIT has none

    def get_isolation_level_values(self, dbapi_connection: Any) -> list[str]:
        return ["SERIALIZABLE", "AUTOCOMMIT"]

    def get_default_isolation_level(self, dbapi_connection: Any) -> str:
        return "SERIALIZABLE"

    def get_isolation_level(self, dbapi_connection: Any) -> str:
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def detect_autocommit_setting(self, dbapi_connection: Any) -> bool:
        return bool(dbapi_connection.autocommit)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return getattr(e, "code", None) in ("CLOSED", "REPLACED")

    def on_connect(self) -> None:
        return None  # REGEXP is a function of pysqlite's connections


dialect = RheiDialect
