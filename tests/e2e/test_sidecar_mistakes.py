"""Sidecars whose settings are wrong, or whose source isn't there: who is told, when, and by which exit."""

import json
import re
import shutil
import subprocess
import time

import pytest

import foreign
from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from rhei_engine import RheiError


def make(path):
    made = foreign.connect(path)
    made.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer, updated_at INTEGER)")
    made.execute("INSERT INTO orders VALUES (1, 'Ada', 1), (2, 'Bob', 2)")
    made.close()


def write(folder, *sidecars, engine=""):
    (folder / "side.toml").write_text(f"[engine]\n{engine}\n" + "".join(f"[[sidecar]]\n{sidecar}\n" for sidecar in sidecars))


@pytest.mark.parametrize("local", [False, True])
def test_sync_ends_with_1_where_a_source_cant_be_had_and_brings_the_others_up_to_date(rh, local):  # noqa: F811
    make(rh.folder / "app.db")
    write(rh.folder, 'name = "shop"\nsource_path = "missing.db"' + ("\nenable_local_oltp = true" if local else ""), 'name = "app"\nsource_path = "app.db"',
          engine='oltp_path = "own.db"' if local else "")
    if local:
        rh.run("exec", "CREATE TABLE own (id INTEGER PRIMARY KEY)", "--config", "side.toml", "--capture")
    done = rh.run("sync", "--config", "side.toml", code=1)
    assert "Sidecar shop: away for" in done.stdout and "Sidecar app: in step with its database" in done.stdout and "1 of 1 tables loaded" in done.stdout
    assert "rh: not in step, because the source can't be had: shop" in done.stderr
    said = rh.run("sync", "--json", "--config", "side.toml", code=1)
    assert [(side["name"], side["away"], side["tables_ready"]) for side in json.loads(said.stdout)["sidecars"]] == [("shop", True, 0), ("app", False, 1)]
    assert "shop" in said.stderr
    make(rh.folder / "missing.db")
    assert rh.run("sync", "--config", "side.toml").stderr == ""


@pytest.mark.parametrize("times", [1, 100])  # shorter than the header of a database, and longer
def test_a_source_that_is_a_text_is_told_of_as_what_it_is(rh, times):  # noqa: F811
    (rh.folder / "app.db").write_text("no database\n" * times)
    write(rh.folder, 'name = "app"\nsource_path = "app.db"', engine="busy_timeout_ms = 100")
    told = rh.run("query", "SELECT * FROM app.orders", "--config", "side.toml", code=1).stderr
    assert "no SQLite database" in told and "is empty" not in told, told


POSTGRES = 'name = "shop"\nsource_type = "postgres"\n'


@pytest.mark.parametrize("lines, at, words", [
    ('source_path = "host=127.0.0.1 dbnam=shop"', 5, ['source_path of "shop"', 'can\'t be read at "dbnam"']),
    ('source_path = "host=127.0.0.1 dbname=shop nothing"', 5, ["source_path", '"nothing"']),
    ('source_path = "postgresql://127.0.0.1/shop?sslmod=require"', 5, ["source_path", '"sslmod"']),
    ('source_path = "postgresql://app@[127.0.0.1/shop"', 5, ["source_path", "can't be read"]),
    ('source_path = "host=127.0.0.1"\npassword_file = "none"', 6, ["password_file", "No such file"]),
    ('source_path = "host=127.0.0.1"\npassword_file = "open"', 6, ["password_file", "chmod 600"]),
    ('source_path = "host=127.0.0.1"\npassword_file = "empty"', 6, ["password_file", "is empty"]),
    ('source_path = "host=127.0.0.1"\npassword_env = "RHEI_TEST_UNSET"', 6, ["password_env", "RHEI_TEST_UNSET", "isn't set"]),
])
@pytest.mark.parametrize("mode", ["poll", "logical"])
def test_a_mistake_of_the_settings_is_told_at_the_opening_with_its_line(rh, mode, lines, at, words):  # noqa: F811
    (rh.folder / "open").write_text("secret-word\n")
    (rh.folder / "open").chmod(0o644)
    (rh.folder / "empty").touch(mode=0o600)
    write(rh.folder, f'{POSTGRES}{lines}\nmode = "{mode}"')
    for command in (["sync"], ["status"], ["query", "SELECT 1"]):
        told = rh.run(*command, "--config", "side.toml", code=1).stderr
        assert "[CONFIG " in told and f"side.toml:{at + 1}: " in told and "secret-word" not in told, told
        assert all(word in told for word in words), told


def kept(rh, more=""):
    """A folder with what there was, and the source gone."""
    make(rh.folder / "app.db")
    write(rh.folder, 'name = "app"\nsource_path = "app.db"', engine=f'olap_path = "olap"\nbusy_timeout_ms = 700\n{more}')
    rh.run("sync", "--config", "side.toml")
    return rh.folder / "app.db", rh.folder / "away.db"


@pytest.mark.parametrize("table", ["app.orders", "app.orders_history"])
@pytest.mark.parametrize("freshness", ["eventual", "bounded:100", "latest"])
def test_s5_of_a_source_that_is_away_since_the_opening_it_is_told_since_when_and_why(rh, table, freshness):  # noqa: F811
    here, there = kept(rh, 'sync_mode = "temporal"')
    here.rename(there)
    began = time.monotonic()
    told = rh.run("query", f"SELECT count(*) FROM {table}", "--freshness", freshness, "--config", "side.toml", code=1).stderr
    assert re.search(r'source "app" is away since 20\d\d-\S+Z: .*No such file.*\[STALE ', told) and "no such table" not in told, told
    assert (time.monotonic() - began > 0.7) == (freshness != "eventual")
    there.rename(here)
    assert rh.run("query", f"SELECT count(*) FROM {table}", "--freshness", freshness, "--format", "csv", "--config", "side.toml").stdout.split() == ["count(*)", "2"]


def test_s5_eventual_is_told_of_what_isnt_loaded_yet_and_loads_nothing(spawn, rh):  # noqa: F811
    make(rh.folder / "app.db")
    write(rh.folder, f'name = "app"\nsource_path = "{rh.folder / "app.db"}"')
    engine = spawn()
    engine.open(None, config_file=rh.folder / "side.toml", manual_sync=True)
    with pytest.raises(RheiError, match="its table orders isn't loaded yet, and eventual waits for nothing") as told:
        engine.query("SELECT * FROM app.orders", freshness="eventual")
    assert told.value.name == "STALE"
    # in one command nobody else ever would
    assert "Ada" in rh.run("query", "SELECT * FROM app.orders", "--freshness", "eventual", "--config", "side.toml").stdout


def test_s5_latest_waits_for_a_source_that_comes_within_the_busy_time_out(rh):  # noqa: F811
    make(rh.folder / "away.db")
    write(rh.folder, 'name = "app"\nsource_path = "app.db"', engine="busy_timeout_ms = 60000")
    asking = rh.start("query", "SELECT count(*) FROM app.orders", "--format", "csv", "--config", "side.toml")
    with pytest.raises(subprocess.TimeoutExpired):
        asking.wait(0.5)
    (rh.folder / "away.db").rename(rh.folder / "app.db")
    assert asking.communicate(timeout=60)[0].split() == ["count(*)", "2"] and asking.returncode == 0


def test_a11_verify_reads_the_files_of_a_sidecar_whose_source_is_away(rh):  # noqa: F811
    here, there = kept(rh)
    here.rename(there)
    for named in ([], ["app"], ["app.orders"]):
        done = rh.run("verify", *named, "--config", "side.toml")
        assert f"whole      {named[0] if named else 'app'}, 2 rows" in done.stdout, done.stdout
        assert "Of 1 sidecar the files are as they were written, with 2 rows, and nothing was compared with the source." in done.stdout
        assert "0 tables" not in done.stdout
    assert "there is no table" in rh.run("verify", "app.nobody", "--config", "side.toml", code=1).stderr
    shutil.rmtree(rh.folder / "olap")
    done = rh.run("verify", "--config", "side.toml", code=1)
    assert "NOT READ   app: " in done.stdout and "whole" not in done.stdout, done.stdout
    there.rename(here)
    write(rh.folder, 'name = "app"\nsource_path = "app.db"')
    done = rh.run("verify", "--config", "side.toml")
    assert "not kept   app: " in done.stdout and "no folder is named for it (olap_path)" in done.stdout, done.stdout


def test_repair_of_a_sidecars_table_speaks_of_no_comparison(rh):  # noqa: F811
    kept(rh)
    told = rh.run("repair", "app.orders", "--config", "side.toml").stdout
    assert told == "Built 1 table again: 1 table of sidecars is whole, with 2 rows.\n"


def test_sidecars_alone_have_nothing_to_follow_or_detach(rh):  # noqa: F811
    make(rh.folder / "app.db")
    write(rh.folder, 'name = "app"\nsource_path = "app.db"')
    for command in (["changes"], ["changes", "--capture"], ["changes", "--drop", "--consumer", "c"], ["detach"]):
        told = rh.run(*command, "--config", "side.toml", code=1).stderr
        assert "the settings name sidecars alone" in told and "[UNSUPPORTED" in told and "--capture" not in told, (command, told)


def test_detach_that_is_refused_ends_no_history(spawn, rh):  # noqa: F811
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nsync_mode = "temporal"\nolap_path = "folder"\n')
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "--capture", "--config", "rhei.toml")
    rh.run("sync", "--config", "rhei.toml")
    engine = spawn()
    engine.open(rh.folder / "rhei.db")
    engine.execute("INSERT INTO t VALUES (1)")
    engine.sync()
    told = rh.run("detach", "--config", "rhei.toml", code=1).stderr
    assert "[BUSY" in told and "history" not in told, told
    engine.close()
    assert "ended with this" in rh.run("detach", "--config", "rhei.toml").stderr


def test_tables_that_arent_followed_are_told_by_sync_and_status_and_not_by_every_command(rh):  # noqa: F811
    with PostgresServer(15) as server:
        server.sql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE nokey (a int); INSERT INTO t VALUES (1)")
        write(rh.folder, f'{POSTGRES}mode = "logical"\nsource_path = "{server.conninfo}"')
        done = rh.run("query", "SELECT * FROM shop.t", "--config", "side.toml")
        assert done.stderr == "" and "1" in done.stdout.split()
        for command in ("sync", "status"):
            done = rh.run(command, "--config", "side.toml")
            assert done.stdout.count("nokey") == 1 and done.stderr == "", done
        assert "nokey" in rh.run("query", "SELECT * FROM shop.nokey", "--config", "side.toml", code=1).stderr
        for wrong in (server.conninfo.replace("dbname=postgres", "dbname=nowhere"), server.conninfo.replace(f"port={server.port}", "port=1")):
            assert wrong != server.conninfo
            write(rh.folder, f'{POSTGRES}mode = "logical"\nsource_path = "{wrong}"')
            done = rh.run("sync", "--config", "side.toml", code=1)
            assert "Sidecar shop: away for" in done.stdout and "0 of 0 tables loaded" in done.stdout and "shop" in done.stderr
