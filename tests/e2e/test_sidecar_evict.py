"""A sidecar that is bigger than the memory of the column store, with a folder (olap_path) or in RocksDB (watermark_path): its segments lie there, as those of tables of one's own."""

import json
import sqlite3
import time

import pytest

from rhei_engine import RheiError
from test_sidecar_restart import keeping

LIMIT = 64 << 20  # three fifths are the column store's
ROWS = 330000  # of about 250 bytes: 80 MB

FILL = (
    "WITH RECURSIVE n(i) AS (VALUES(?) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO big SELECT i, i % 1000, i / 7.0, "
    "printf('row %d of a table that is bigger than the memory it may have ', i) || substr(hex(i * 2654435761), 1, 8) || "
    "substr('abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz', 1, 60 + i % 40) FROM n")

QUESTIONS = (
    "SELECT count(*), sum(k), min(r), max(id) FROM {}",
    "SELECT k % 10, count(*), max(t), min(length(t)) FROM {} WHERE k >= 700 GROUP BY 1 ORDER BY 1",
    "SELECT count(*), sum(length(t)) FROM {} WHERE id BETWEEN 100000 AND 240000",
    "SELECT id, t FROM {} WHERE k = 77 ORDER BY id",
)


def make_source(path):
    source = sqlite3.connect(path)
    source.execute("PRAGMA journal_mode = wal")
    source.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT)")
    source.execute(FILL, (1, ROWS))
    source.commit()
    return source


def settings(folder, local, by="olap_path"):
    ours, its = keeping(folder, by)
    (folder / "side.toml").write_text(
        f'[engine]\n{ours}olap_memory_limit = {LIMIT}\ncheckpoint_interval_ms = 50\n'
        f'[sidecar]\nname = "app"\nsource_path = "{folder}/app.db"\nmode = "snapshot"\n{its}' + ("enable_local_oltp = true\n" if local else ""))
    return folder / "side.toml"


def segments(engine):
    return json.loads(engine.info())["disk"]["segments_in_files"]


def until(condition, engine):
    end = time.monotonic() + 110
    while True:
        try:
            if condition():
                return
            seen = None
        except RheiError as error:
            seen = error
        assert time.monotonic() < end, (seen, engine.info(), engine.log[-5:])


def same(engine, source):
    return all(engine.query(sql.format("app.big")).rows == source.execute(sql.format("big")).fetchall() for sql in QUESTIONS)


@pytest.mark.parametrize("local, by", [(False, "olap_path"), (True, "olap_path"), (False, "watermark_path")])
def test_a11_a_sidecar_bigger_than_memory_is_loaded_followed_and_taken_over(spawn, tmp_path, local, by):
    source = make_source(tmp_path / "app.db")
    config = settings(tmp_path, local, by)
    path = tmp_path / "own.db" if local else None
    engine = spawn()
    engine.open(path, config_file=config)
    until(lambda: same(engine, source), engine)
    if local:
        until(lambda: segments(engine) > 0, engine)
        engine.execute("CREATE TABLE mine (id INTEGER PRIMARY KEY, k INTEGER)")
        engine.execute("INSERT INTO mine SELECT id, k FROM app.big WHERE id <= 1000")
    for round_ in range(3):
        source.execute("UPDATE big SET t = t || ?, k = k + 1 WHERE id % 5 = ?", (f" edited {round_}", round_))
        source.execute("DELETE FROM big WHERE id % 50 = ?", (round_,))
        source.execute(FILL, (ROWS + 1 + 20000 * round_, ROWS + 20000 * (round_ + 1)))
        source.commit()
        until(lambda: same(engine, source), engine)
    if local:
        assert engine.query("SELECT count(*) FROM mine JOIN app.big USING (id)").rows == source.execute(
            "SELECT count(*) FROM big WHERE id <= 1000").fetchall()
    engine.ok("checkpoint")
    engine.close()
    engine = spawn()
    engine.open(path, config_file=config)
    until(lambda: same(engine, source), engine)
    assert json.loads(engine.info())["sidecars"][0]["disk"]["restored_tables"] == 1
