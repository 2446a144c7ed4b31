"""Names that begin with _rhei_ may be taken by somebody else: such a file is read and written as any other, and capture is refused
with a sentence that helps, before anything was done."""

import sqlite3

import pytest

from rh_program import rh  # noqa: F401 (fixture)
from rhei_engine import RheiError

TAKEN = ["CREATE TABLE _rhei_cdc_log (a)", "CREATE VIEW _rhei_cdc_log AS SELECT 1 AS seq", "CREATE TABLE _rhei_tables (x)",
         "CREATE VIEW _rhei_engines AS SELECT 1 AS id", "CREATE TABLE _rhei_meta (a, b)"]


@pytest.mark.parametrize("taken", TAKEN)
def test_c7_a_name_of_ours_that_is_taken(rh, spawn, taken):
    path = rh.folder / "rhei.db"
    connection = sqlite3.connect(path, timeout=60)
    connection.executescript(f"CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 10); {taken}")
    connection.close()
    before = path.read_bytes()
    assert rh.run("query", "SELECT sum(a) AS s FROM t").stdout == "s\n10\n"
    assert rh.run("query", "SELECT sum(a) AS s FROM t", "--route", "olap").stdout == "s\n10\n"
    rh.run("status")
    rh.run("info")
    engine = spawn()
    with pytest.raises(RheiError) as caught:
        engine.open(path)
    assert "isn't Rhei's" in str(caught.value) and "_rhei_" in str(caught.value)
    assert path.read_bytes() == before
    rh.run("exec", "INSERT INTO t VALUES (2, 20)")
    assert rh.run("query", "SELECT sum(a) AS s FROM t").stdout == "s\n30\n"


def test_c7_detaching_leaves_what_others_named_so(rh):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "--capture")
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None, timeout=60)
    connection.executescript("CREATE TABLE _rhei_mine (a); INSERT INTO _rhei_mine VALUES (7)")
    connection.close()
    rh.run("detach")
    connection = sqlite3.connect(rh.folder / "rhei.db", timeout=60)
    assert sorted(name for name, in connection.execute("SELECT name FROM sqlite_schema")) == ["_rhei_mine", "t"]
    assert connection.execute("SELECT a FROM _rhei_mine").fetchall() == [(7,)]
    connection.close()


def test_c7_detaching_takes_no_log_from_triggers_of_another_maker(rh):
    """As Rhei 2.0 leaves them: a log of its own form, and triggers on the tables that write into it."""
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None, timeout=60)
    connection.executescript("""
        CREATE TABLE t (id INTEGER PRIMARY KEY, a);
        CREATE TABLE _rhei_cdc_log (id INTEGER PRIMARY KEY, table_name TEXT, operation TEXT);
        CREATE TRIGGER _rhei_cdc_t_insert AFTER INSERT ON t BEGIN INSERT INTO _rhei_cdc_log (table_name, operation) VALUES ('t', 'I'); END;
        INSERT INTO t VALUES (1, 1);""")
    connection.close()
    before = (rh.folder / "rhei.db").read_bytes()
    told = rh.run("detach", code=1).stderr
    assert "_rhei_cdc_log" in told and "isn't Rhei's" in told and "EXISTS" in told, told
    assert (rh.folder / "rhei.db").read_bytes() == before
    connection = sqlite3.connect(rh.folder / "rhei.db", isolation_level=None, timeout=60)
    connection.execute("INSERT INTO t VALUES (2, 2)")
    assert connection.execute("SELECT count(*) FROM _rhei_cdc_log").fetchone() == (2,)
    connection.close()


def test_d5_a_ddl_of_the_settings_is_all_or_nothing(rh):
    rh.run("exec", "CREATE TABLE zz (a); INSERT INTO zz VALUES (1)")
    for ddl in ("DROP TABLE zz", "CREATE TABLE other (a)", "CREATE TABLE x (a); nonsense"):
        (rh.folder / "e.toml").write_text(f'[[tables]]\nname = "x"\nddl = "{ddl}"\n')
        assert "x" in rh.run("exec", "SELECT 1", "--capture", "--config", "e.toml", "--db", "rhei.db", code=1).stderr
        connection = sqlite3.connect(rh.folder / "rhei.db", timeout=60)
        names = {name for name, in connection.execute("SELECT name FROM sqlite_schema WHERE name NOT LIKE '!_rhei%' ESCAPE '!'")}
        connection.close()
        assert names == {"zz"}
        rh.run("exec", "SELECT 1", "--capture", "--config", "e.toml", "--db", "new.db", code=1)
        assert not list(rh.folder.glob("new.db*"))  # a file that wasn't there isn't there
    for table in ('ddl = "CREATE TABLE x (rowid, oid, _rowid_)"', 'ddl = "CREATE VIEW x AS SELECT 1"'):
        (rh.folder / "e.toml").write_text(f'[[tables]]\nname = "x"\n{table}\n')
        assert "x" in rh.run("exec", "SELECT 1", "--capture", "--config", "e.toml", "--db", "new.db", code=1).stderr
        assert not list(rh.folder.glob("new.db*")), table
    (rh.folder / "e.toml").write_text('[[tables]]\nname = "x"\nddl = "CREATE TABLE IF NOT EXISTS x (a)"\n')
    rh.run("exec", "INSERT INTO x VALUES (1)", "--capture", "--config", "e.toml", "--db", "new.db")
    rh.run("exec", "INSERT INTO x VALUES (1)", "--capture", "--config", "e.toml", "--db", "rhei.db")


def test_a10_a_table_number_near_the_end_is_not_counted_from(spawn, path):
    engine = spawn()
    engine.open(path)
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    engine.execute("INSERT INTO t VALUES (1, 1)")
    engine.initial_sync()
    engine.close()
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("INSERT INTO _rhei_tables VALUES (9223372036854775807, 'zz', 'x', 1, 1, NULL)")
    connection.execute("CREATE TABLE q (a)")
    connection.close()
    engine.open(path)
    engine.execute("INSERT INTO q VALUES (1)")
    engine.initial_sync()
    engine.verify()
