"""Folders of sidecars are verified, mended by a load, and part of backups."""

import json
import sqlite3
import time

import pytest

from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError

LIMIT = 90
ROWS = 300000  # some segments of it are full, and lie in files of their own


@pytest.fixture
def source(tmp_path):
    made = sqlite3.connect(tmp_path / "app.db")
    made.execute("PRAGMA journal_mode = wal")
    made.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, k INTEGER)")
    made.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO big SELECT i, i % 1000 FROM n", (ROWS,))
    made.execute("CREATE TABLE small (id INTEGER PRIMARY KEY, a TEXT)")
    made.execute("INSERT INTO small VALUES (1, 'one'), (2, 'two')")
    made.commit()
    yield made
    made.close()


def settings(folder, olap, source='source_path = "{}/app.db"\nmode = "snapshot"', name="side.toml"):
    (folder / name).write_text(f'[engine]\nolap_path = "{olap}"\n[sidecar]\nname = "app"\n{source.format(folder)}\nenable_local_oltp = true\n')
    return folder / name


def until(condition):
    end = time.monotonic() + LIMIT
    while True:
        try:
            if condition():
                return
        except RheiError:
            pass
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.01)


def sums(engine, source):
    return all(engine.query(sql.format("app.")).rows == source.execute(sql.format("")).fetchall()
               for sql in ("SELECT count(*), sum(id), sum(k) FROM {}big", "SELECT id, a FROM {}small ORDER BY id"))


def disk(engine):
    return json.loads(engine.info())["sidecars"][0]["disk"]


def filled(spawn, folder, source):
    config = settings(folder, folder / "olap")
    engine = spawn()
    engine.open(folder / "own.db", config_file=config)
    engine.execute("CREATE TABLE mine (id INTEGER PRIMARY KEY, a TEXT)")
    engine.execute("INSERT INTO mine VALUES (1, 'own')")
    until(lambda: sums(engine, source))
    engine.ok("checkpoint")
    return engine, config


def damage(folder):
    largest = max((folder / "olap" / "sidecar-app").glob("b-s-*"), key=lambda path: path.stat().st_size)
    with open(largest, "r+b") as file:
        file.seek(largest.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 0xff]))
    return largest.name


def test_a11_verify_reads_the_files_of_sidecars_and_repair_loads_them_anew(spawn, rh, source, tmp_path):  # noqa: F811
    engine, config = filled(spawn, tmp_path, source)
    assert engine.verify("app.big") == ROWS
    assert engine.verify("app") == ROWS + 2
    assert engine.verify() == ROWS + 3
    with pytest.raises(RheiError, match="there is no table"):
        engine.verify("app.nobody")
    name = damage(tmp_path)
    for named in ("app.big", "app", None):
        with pytest.raises(RheiError, match=f'the file "{name}" of its folder is damaged'):
            engine.verify(named)
    assert engine.verify("app.small") == 2
    engine.repair()
    assert engine.verify() == ROWS + 3
    assert sums(engine, source)
    engine.repair("app.small")  # named: loaded anew, whatever its files are
    assert engine.verify() == ROWS + 3
    engine.close()
    done = rh.run("verify", "--db", tmp_path / "own.db", "--config", config)
    assert "whole      app," in done.stdout and "nothing was compared with the source" in done.stdout, done
    name = damage(tmp_path)
    done = rh.run("verify", "--db", tmp_path / "own.db", "--config", config, code=1)
    assert "DIFFERENT  app: app.big" in done.stdout and name in done.stdout and "rh repair loads it anew" in done.stdout, done
    rh.run("repair", "--db", tmp_path / "own.db", "--config", config)
    rh.run("verify", "--db", tmp_path / "own.db", "--config", config)


def test_a11_a_damaged_list_of_files_is_told_as_one(spawn, rh, source, tmp_path):  # noqa: F811
    engine, config = filled(spawn, tmp_path, source)
    engine.close()
    manifest = tmp_path / "olap" / "sidecar-app" / "manifest"
    text = bytearray(manifest.read_bytes())
    text[len(text) // 2] ^= 0xff
    manifest.write_bytes(text)
    done = rh.run("verify", "--db", tmp_path / "own.db", "--config", config, code=1)
    assert done.stderr.count("damaged") == 1 and "app: the newest checkpoint in its folder: it is damaged" in done.stderr and "repair mends it" in done.stderr, done
    rh.run("repair", "--db", tmp_path / "own.db", "--config", config)
    rh.run("verify", "--db", tmp_path / "own.db", "--config", config)


@pytest.mark.parametrize("closed", [False, True])
def test_a11_a_backup_has_the_sidecars(spawn, rh, source, tmp_path, closed):  # noqa: F811
    engine, config = filled(spawn, tmp_path, source)
    if closed:
        engine.close()
        rh.run("backup", tmp_path / "copy", "--db", tmp_path / "own.db", "--config", config)
    else:
        engine.backup(tmp_path / "copy")
    listed = {file["name"]: file["bytes"] for file in json.loads((tmp_path / "copy" / "backup.json").read_text())["files"]}
    there = {str(path.relative_to(tmp_path / "copy")): path.stat().st_size for path in (tmp_path / "copy").rglob("*")
             if path.is_file() and path.name not in ("lock", "backup.json")}
    assert listed == there
    assert any(name.startswith("rhei.mirror/sidecar-app/b-") for name in listed)
    source.execute("UPDATE small SET a = 'later'")
    source.execute("DELETE FROM big WHERE id > 1000")
    source.commit()
    copy = spawn()
    copy.open(tmp_path / "copy" / "rhei.db", config_file=settings(tmp_path, tmp_path / "copy" / "rhei.mirror", name="copy.toml"))
    until(lambda: sums(copy, source))
    assert disk(copy)["restored_tables"] == 2
    assert copy.query("SELECT * FROM mine").rows == [(1, "own")]


def test_s2_a_backup_opened_beside_its_original_takes_nothing_from_it(spawn, tmp_path):
    with PostgresServer(15, {"log_statement": "all"}) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'x')")
        source = f'source_type = "postgres"\nmode = "logical"\nslot = "rhei_app"\nsource_path = "{server.conninfo}"'
        loads = lambda: (server.folder / "log").read_text().count("COPY (SELECT")

        def same(engine):
            return sorted(map(tuple, engine.query("SELECT CAST(id AS TEXT), a FROM app.t", timeout_ms=5000).rows)) == sorted(
                tuple(line.split("\t")) for line in server.sql("SELECT id, a FROM t").splitlines())

        engine = spawn()
        engine.open(tmp_path / "own.db", config_file=settings(tmp_path, tmp_path / "olap", source))
        until(lambda: same(engine))
        engine.backup(tmp_path / "copy")
        loaded = loads()
        copy = spawn()
        copy.open(tmp_path / "copy" / "rhei.db", config_file=settings(tmp_path, tmp_path / "copy" / "rhei.mirror", source, "copy.toml"))
        with pytest.raises(RheiError, match="rhei_app"):
            copy.query("SELECT * FROM app.t", timeout=2000)
        server.sql("INSERT INTO t VALUES (2, 'y')")
        until(lambda: same(engine))
        assert loads() == loaded, engine.log
        engine.close()  # the slot is confirmed beyond the copy
        until(lambda: same(copy))
        assert loads() > loaded
        assert any("somebody else read on from the slot" in str(line) for line in copy.log), copy.log


@pytest.mark.parametrize("olap", ["olap", None])
def test_a4_sidecars_alone_have_no_backup_but_their_folder(rh, source, tmp_path, olap):
    kept = f'[engine]\nolap_path = "{olap}"\n' if olap else ""
    (tmp_path / "alone.toml").write_text(f'{kept}[sidecar]\nname = "app"\nsource_path = "{tmp_path}/app.db"\nmode = "snapshot"\n')
    done = rh.run("backup", "copy", "--config", "alone.toml", code=1)
    assert "UNSUPPORTED" in done.stderr and "sidecars alone" in done.stderr and ('the folder "olap"' in done.stderr) == bool(olap), done.stderr
    assert not (tmp_path / "copy").exists()
