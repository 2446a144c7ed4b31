"""Writers that know nothing of Rhei: the stock sqlite3 shell and Python's sqlite3 module."""

import sqlite3
import subprocess

from rhei_engine import RheiError, exact_rows


# The log's newest row becomes another one that is valid in itself, and no trigger sees it: nothing but a comparison can find that.
FORGE = ("REPLACE INTO _rhei_cdc_log(seq, time, op, tab, c1, c2) SELECT seq, time, op, tab, c1, 'other' FROM _rhei_cdc_log "
         "WHERE seq = (SELECT max(seq) FROM _rhei_cdc_log)")


class ShellError(Exception):
    pass


def connect(path, **options):
    connection = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False, **options)
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    return connection


def shell(path, script, check=True, timeout=120):
    """What the sqlite3 shell prints; errors raise ShellError unless check is False (then they are part of the text)."""
    done = subprocess.run(
        ["sqlite3", "-batch", "-cmd", ".timeout 60000", str(path)], input=script.encode("utf-8", "surrogateescape"),
        capture_output=True, timeout=timeout)
    errors = done.stderr.decode("utf-8", "replace")
    if check and (done.returncode != 0 or errors):
        raise ShellError(f"{errors} (exit {done.returncode}) of: {script[:2000]}")
    return done.stdout.decode("utf-8", "surrogateescape") + ("" if check else errors)


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def tables(path):
    with connect(path) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' "
            "AND name NOT LIKE '!_rhei!_%' ESCAPE '!' ORDER BY name").fetchall()
    connection.close()
    return [name for name, in names]


def rows(path, sql, *params):
    connection = connect(path)
    try:
        return connection.execute(sql, params).fetchall()
    finally:
        connection.close()


def contents(path):
    """{table: sorted exact rows} of every user table, by plain SQLite."""
    connection = connect(path)
    try:
        connection.execute("BEGIN")
        return {name: sorted(exact_rows(connection.execute(f"SELECT * FROM {quote(name)}").fetchall()))
                for name in tables(path)}
    finally:
        connection.close()


def assert_whole(path):
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def mirror_rows(engine, name, truth):
    """All rows as the column store itself shows them; None where DuckDB has no one type for a column. verify compares those."""
    for column in zip(*truth):
        if {"i", "r"} <= {value[0] for value in column}:
            return None  # integers among reals are doubles there
    try:
        seen = engine.olap(f"FROM {quote(name)}")
    except RheiError as error:
        if "no one type" in error.message:
            return None
        raise
    assert seen.route == "olap"
    return sorted(exact_rows(seen.rows))


def difference(seen, truth):
    """Rows that only one of the two has."""
    return [row for row in seen if row not in truth][:5], [row for row in truth if row not in seen][:5]


def assert_mirror(engine, path):
    """The mirror holds exactly what SQLite reads from the file, for every table."""
    engine.initial_sync()
    for name, truth in contents(path).items():
        assert engine.verify(name) == len(truth), name
        seen = mirror_rows(engine, name, truth)
        assert seen is None or seen == truth, (name, difference(seen, truth))
