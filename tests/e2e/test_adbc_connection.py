"""The ADBC driver's databases and connections: the cases of the public validation suite for them, written anew, and our own options."""

import threading

import adbc_driver_manager
import pyarrow
import pytest

pytestmark = pytest.mark.usefixtures("adbc")

INFO = {0: "Rhei", 3: True, 4: False, 100: "ADBC Rhei Driver", 103: 1001000}


@pytest.fixture
def door(adbc, build):
    with adbc.opened(build) as connection:
        yield connection


def objects(adbc, door, **how):
    depth = how.pop("depth", adbc_driver_manager.GetObjectsDepth.ALL)
    return adbc.read(door.get_objects(depth, **how)).to_pylist()


def tables(adbc, door, **how):
    return {table["table_name"]: table for schema in objects(adbc, door, **how)[0]["catalog_db_schemas"] for table in schema["db_schema_tables"]}


# ---- Databases. ---------------------------------------------------------------------------------------------------------


def test_a_database_opens_and_closes(adbc, build, path):
    database = adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=str(path))
    database.close()
    assert path.exists()


@pytest.mark.parametrize("scheme", ["", "rhei:", "rhei://", "file:"])
def test_a_uri_is_a_path(adbc, build, path, scheme):
    with adbc.opened(build, f"{scheme}{path}") as door:
        adbc.update(door, "CREATE TABLE t (x)")
    assert path.exists()


def test_d5_what_cannot_be_opened_says_why(adbc, build, folder):
    def code(**options):
        return adbc.failure(adbc_driver_manager.AdbcDatabase, driver=str(adbc.library(build)), **options)

    assert code(uri=str(folder / "none" / "shop.db"))[0] == "IO"
    assert code(uri=str(folder / "shop.db"), **{"rhei.must_exist": "true"})[0] == "IO"
    (folder / "text.db").write_text("this is no database, and never was one, as long as it may be" * 20)
    assert code(uri=str(folder / "text.db"))[0] == "INVALID_DATA"
    assert code(uri=":memory:", **{"rhei.config_file": str(folder / "none.toml")})[0] in ("INVALID_ARGUMENT", "IO")
    name, _, words = code(uri=":memory:", nonsense="1")
    assert name == "NOT_IMPLEMENTED" and "rhei.olap_path" in words
    for wrong, words in [({"rhei.read_only": "maybe"}, 'the option "rhei.read_only" is true or false, not "maybe"'),
                         ({"rhei.threads": "-1"}, 'the option "rhei.threads" is a number from 0 to 4294967295, not "-1"')]:
        name, _, told = code(uri=":memory:", **wrong)
        assert name == "INVALID_ARGUMENT" and words in told, told


def test_options_of_a_database_are_settings(adbc, build, path, folder):
    config = folder / "shop.toml"
    config.write_text(f'[engine]\noltp_path = "{path}"\n')
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), **{"rhei.config_file": str(config)}) as database:
        with adbc_driver_manager.AdbcConnection(database) as door:
            adbc.update(door, "CREATE TABLE t (x)")
        assert database.get_option("rhei.config_file") == str(config)
        assert database.get_option("rhei.read_only") == "false"
        assert database.get_option_int("rhei.threads") == 0
        assert adbc.failure(database.set_options, uri="other.db")[0] == "INVALID_STATE"
        assert adbc.failure(database.get_option, "uri")[0] == "NOT_FOUND"
    assert path.exists()


def test_d2_a_read_only_database_is_never_written(adbc, build, path):
    with adbc.opened(build, path) as door:
        adbc.update(door, "CREATE TABLE t (x)")
    with adbc.opened(build, path, **{"rhei.read_only": "true"}) as door:
        for sql in ["INSERT INTO t VALUES (1)", "/* SELECT */ WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "DROP TABLE t"]:
            assert adbc.failure(adbc.update, door, sql)[0] == "UNAUTHORIZED"
        assert adbc.rows(door, "SELECT count(*) FROM t") == [(0,)]


# ---- Connections. -------------------------------------------------------------------------------------------------------


def test_connections_of_one_database_see_one_another(adbc, build):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=":memory:") as database:
        with adbc_driver_manager.AdbcConnection(database) as first, adbc_driver_manager.AdbcConnection(database) as second:
            adbc.update(first, "CREATE TABLE t (x)")
            adbc.update(second, "INSERT INTO t VALUES (1)")
            assert adbc.rows(first, "SELECT x FROM t") == [(1,)]


def test_autocommit_is_the_default_and_can_be_switched(adbc, build):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=":memory:") as database:
        with adbc_driver_manager.AdbcConnection(database) as door:
            assert door.get_option("adbc.connection.autocommit") == "true"
            assert adbc.failure(door.commit)[0] == "INVALID_STATE"
            assert adbc.failure(door.rollback)[0] == "INVALID_STATE"
            door.set_autocommit(False)
            assert door.get_option("adbc.connection.autocommit") == "false"
            door.commit()
            adbc.update(door, "CREATE TABLE t (x)")
            door.set_autocommit(True)  # which commits
            assert adbc.rows(door, "SELECT count(*) FROM t") == [(0,)]
            for on in [1, b"true", 1.0]:  # by whichever setter
                door.set_autocommit(False)
                adbc.update(door, "INSERT INTO t VALUES (1)")
                door.set_options(**{"adbc.connection.autocommit": on})
            with adbc_driver_manager.AdbcConnection(database) as other:
                assert adbc.rows(other, "SELECT count(*) FROM t") == [(3,)]
            assert adbc.failure(door.set_options, **{"adbc.connection.autocommit": "perhaps"})[0] == "INVALID_ARGUMENT"


def test_catalog_and_schema(adbc, door):
    assert door.get_option("adbc.connection.catalog") == ""
    assert door.get_option("adbc.connection.db_schema") == "main"
    door.set_options(**{"adbc.connection.db_schema": "main"})
    assert adbc.failure(door.set_options, **{"adbc.connection.catalog": "elsewhere"})[0] == "NOT_FOUND"
    assert adbc.failure(door.set_options, **{"adbc.connection.db_schema": "app"})[0] == "NOT_IMPLEMENTED"


def test_options_have_types(adbc, door):
    door.set_options(**{"rhei.timeout_ms": 1500, "rhei.freshness": "bounded:250", "rhei.route": "oltp"})
    assert door.get_option("rhei.timeout_ms") == "1500"
    assert door.get_option_int("rhei.timeout_ms") == 1500
    assert door.get_option_float("rhei.timeout_ms") == 1500.0
    assert door.get_option_bytes("rhei.timeout_ms") == b"1500"
    door.set_options(**{"rhei.timeout_ms": 2.0})
    assert door.get_option_int("rhei.timeout_ms") == 2
    door.set_options(**{"rhei.timeout_ms": b"3"})
    assert door.get_option_int("rhei.timeout_ms") == 3
    assert adbc.failure(door.get_option_int, "rhei.freshness")[0] == "NOT_FOUND"
    assert adbc.failure(door.get_option, "rhei.nonsense")[0] == "NOT_FOUND"
    for options in [{"rhei.timeout_ms": -1}, {"rhei.timeout_ms": 0.5}, {"rhei.freshness": "soon"}, {"rhei.freshness": "bounded:-1"},
                    {"rhei.route": "fast"}, {"adbc.connection.transaction.isolation_level": "none"}]:
        assert adbc.failure(door.set_options, **options)[0] == "INVALID_ARGUMENT"
    for options, words in [({"rhei.route": "olpa"}, 'the option "rhei.route" is auto, oltp or olap, not "olpa"'),
                           ({"rhei.strings": "text"}, 'the option "rhei.strings" is utf8 or view, not "text"'),
                           ({"adbc.connection.transaction.isolation_level": "none"}, "adbc.connection.transaction.isolation.snapshot, ")]:
        assert words in adbc.failure(door.set_options, **options)[2]
    with adbc_driver_manager.AdbcStatement(door) as statement:  # a statement begins with its connection's
        assert statement.get_option("rhei.freshness") == "bounded:250"
        statement.set_options(**{"rhei.freshness": "latest"})
        assert door.get_option("rhei.freshness") == "bounded:250"


def test_a_long_option_is_given_whole(adbc, door):
    time = "2024-02-29 12:30:00" + "0" * 2000
    door.set_options(**{"rhei.as_of": time})
    assert door.get_option("rhei.as_of") == time


def test_d2_a_read_only_connection_refuses_to_write(adbc, door):
    adbc.update(door, "CREATE TABLE t (x)")
    door.set_options(**{"adbc.connection.readonly": "true"})
    for call in [lambda: adbc.update(door, "INSERT INTO t VALUES (1)"), lambda: adbc.query(door, "INSERT INTO t VALUES (1) RETURNING x"),
                 lambda: adbc.query(door, "PRAGMA user_version = 7"), lambda: adbc.ingest(door, "u", pyarrow.table({"x": [1]}))]:
        assert adbc.failure(call)[0] == "UNAUTHORIZED"
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(0,)]
    assert adbc.rows(door, "PRAGMA user_version") == [(0,)]


# ---- Metadata. ----------------------------------------------------------------------------------------------------------


def test_info_by_code_and_in_whole(adbc, door):
    found = {row["info_name"]: row["info_value"] for row in adbc.read(door.get_info()).to_pylist()}
    assert {code: found[code] for code in INFO} == INFO
    some = adbc.read(door.get_info([0, 103, 54321])).to_pylist()
    assert [row["info_name"] for row in some] == [0, 103]


def test_types_of_tables(adbc, door):
    assert set(adbc.read(door.get_table_types()).column(0).to_pylist()) >= {"table", "view"}


SCHEMA = [
    "CREATE TABLE parent (a INTEGER, b TEXT, PRIMARY KEY (b, a))",
    "CREATE TABLE \"chi\"\"ld\" (id INTEGER PRIMARY KEY, b TEXT NOT NULL DEFAULT 'x', a INTEGER UNIQUE, g AS (a + 1), FOREIGN KEY (b, a) REFERENCES parent)",
    "CREATE TABLE other (id INTEGER REFERENCES parent (a) ON DELETE CASCADE, z BLOB, UNIQUE (z, id))",
    "CREATE VIEW shown AS SELECT a, b FROM parent",
    "CREATE UNIQUE INDEX by_z ON other (z)",
]


@pytest.fixture
def full(adbc, door):
    for sql in SCHEMA:
        adbc.update(door, sql)
    return door


def test_catalogs(adbc, full):
    depth = adbc_driver_manager.GetObjectsDepth.CATALOGS
    assert objects(adbc, full, depth=depth) == [{"catalog_name": "", "catalog_db_schemas": None}]
    assert objects(adbc, full, depth=depth, catalog="") != []
    assert objects(adbc, full, depth=depth, catalog="there is none") == []


def test_schemas(adbc, full):
    depth = adbc_driver_manager.GetObjectsDepth.DB_SCHEMAS
    assert objects(adbc, full, depth=depth) == [
        {"catalog_name": "", "catalog_db_schemas": [{"db_schema_name": "main", "db_schema_tables": None}]}]
    assert objects(adbc, full, depth=depth, db_schema="none")[0]["catalog_db_schemas"] == []
    assert objects(adbc, full, depth=depth, db_schema="ma%")[0]["catalog_db_schemas"] != []


def test_tables_by_pattern_and_type(adbc, full):
    depth = adbc_driver_manager.GetObjectsDepth.TABLES
    assert set(tables(adbc, full, depth=depth)) == {"parent", 'chi"ld', "other", "shown"}
    assert tables(adbc, full, depth=depth)["shown"] == {
        "table_name": "shown", "table_type": "view", "table_columns": None, "table_constraints": None}
    assert set(tables(adbc, full, depth=depth, table_name="%h%")) == {'chi"ld', "other", "shown"}
    assert set(tables(adbc, full, depth=depth, table_name="_arent")) == {"parent"}
    assert set(tables(adbc, full, depth=depth, table_name="")) == set()
    assert set(tables(adbc, full, depth=depth, table_types=["view"])) == {"shown"}
    assert set(tables(adbc, full, depth=depth, table_types=["view", "table"])) == {"parent", 'chi"ld', "other", "shown"}
    assert set(tables(adbc, full, depth=depth, table_types=["no such type"])) == set()


def test_columns(adbc, full):
    columns = tables(adbc, full)['chi"ld']["table_columns"]
    assert [(c["column_name"], c["ordinal_position"], c["xdbc_type_name"], c["xdbc_is_nullable"], c["xdbc_nullable"]) for c in columns] == [
        ("id", 1, "INTEGER", "YES", 1), ("b", 2, "TEXT", "NO", 0), ("a", 3, "INTEGER", "YES", 1), ("g", 4, "", "YES", 1)]
    assert columns[1]["xdbc_column_def"] == "'x'"
    assert [c["xdbc_is_generatedcolumn"] for c in columns] == [False, False, False, True]
    assert [c["xdbc_data_type"] for c in columns][:3] == [-5, 12, -5] == [c["xdbc_sql_data_type"] for c in columns][:3]
    some = tables(adbc, full, table_name="parent", column_name="b")["parent"]["table_columns"]
    assert [(c["column_name"], c["ordinal_position"]) for c in some] == [("b", 2)]


def test_constraints(adbc, full):
    def constraints(table):
        return [(c["constraint_type"], c["constraint_column_names"], c["constraint_column_usage"]) for c in found[table]["table_constraints"]]

    def usage(*columns):
        return [{"fk_catalog": "", "fk_db_schema": "main", "fk_table": "parent", "fk_column_name": name} for name in columns]

    found = tables(adbc, full)
    assert constraints("parent") == [("PRIMARY KEY", ["b", "a"], None)]
    assert constraints('chi"ld') == [
        ("PRIMARY KEY", ["id"], None), ("UNIQUE", ["a"], None), ("FOREIGN KEY", ["b", "a"], usage("b", "a"))]
    assert constraints("other") == [("UNIQUE", ["z", "id"], None), ("FOREIGN KEY", ["id"], usage("a"))]
    assert constraints("shown") == []


def test_objects_of_nothing_are_not_a_failure(adbc, door):
    assert objects(adbc, door) == [{"catalog_name": "", "catalog_db_schemas": [{"db_schema_name": "main", "db_schema_tables": []}]}]


def test_the_schema_of_a_table(adbc, full):
    adbc.update(full, "CREATE TABLE typed (i INTEGER, r REAL, s TEXT, b BLOB)")

    def schema(table, catalog=None, db_schema=None):
        return adbc.schema(full.get_table_schema(catalog, db_schema, table))

    expected = [("i", pyarrow.int64()), ("r", pyarrow.float64()), ("s", pyarrow.string()), ("b", pyarrow.binary())]
    for how in [{}, {"db_schema": "main"}, {"catalog": "", "db_schema": ""}]:
        assert [(field.name, field.type) for field in schema("typed", **how)] == expected
    assert schema('chi"ld').names == ["id", "b", "a", "g"]
    for arguments in [("none",), ("'; DROP TABLE typed; --",), ("typed", None, "app"), ("typed", "catalog")]:
        assert adbc.failure(schema, *arguments)[0] == "NOT_FOUND"
    full.set_autocommit(False)
    adbc.update(full, "CREATE TABLE fresh (x INTEGER)")
    assert schema("fresh").names == ["x"]
    assert adbc.failure(schema, "none")[0] == "NOT_FOUND"
    full.rollback()
    assert adbc.failure(schema, "fresh")[0] == "NOT_FOUND"


def test_statistics(adbc, door):
    adbc.update(door, "CREATE TABLE t (x INTEGER, y TEXT)")
    adbc.update(door, "INSERT INTO t VALUES (1, 'a'), (1, NULL), (2, 'c')")

    def statistics(approximate, **how):
        schemas = adbc.read(door.get_statistics(approximate=approximate, **how)).to_pylist()[0]["catalog_db_schemas"]
        return {(s["table_name"], s["column_name"], s["statistic_key"]): (s["statistic_value"], s["statistic_is_approximate"])
                for schema in schemas for s in schema["db_schema_statistics"]}

    assert statistics(False) == {("t", None, 6): (3, False), ("t", "x", 5): (0, False), ("t", "x", 1): (2, False),
                                 ("t", "y", 5): (1, False), ("t", "y", 1): (2, False)}
    assert statistics(True)["t", None, 6][0] == 3
    assert statistics(False, table_name="none") == {} == statistics(False, db_schema="none")
    names = adbc.read(door.get_statistic_names())
    assert names.schema.names == ["statistic_name", "statistic_key"] and names.num_rows == 0


def test_partitions_are_not_there(adbc, door):
    assert adbc.failure(door.read_partition, b"x")[0] == "NOT_IMPLEMENTED"
    with adbc_driver_manager.AdbcStatement(door) as statement:
        statement.set_sql_query("SELECT 1")
        assert adbc.failure(statement.execute_partitions)[0] == "NOT_IMPLEMENTED"
        assert adbc.failure(statement.set_substrait_plan, b"x")[0] == "NOT_IMPLEMENTED"


# ---- Threads. -----------------------------------------------------------------------------------------------------------


def test_many_connections_work_at_once(adbc, build, path):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=str(path)) as database:
        with adbc_driver_manager.AdbcConnection(database) as door:
            adbc.update(door, "CREATE TABLE t (writer, x)")
        failures = []

        def work(writer):
            try:
                with adbc_driver_manager.AdbcConnection(database) as own:
                    own.set_autocommit(writer % 2 == 0)
                    for x in range(50):
                        adbc.update(own, f"INSERT INTO t VALUES ({writer}, {x})")
                        assert adbc.rows(own, f"SELECT count(*) FROM t WHERE writer = {writer}") == [(x + 1,)]
                        if writer % 2 == 1:
                            own.commit()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(writer,)) for writer in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert failures == []
        with adbc_driver_manager.AdbcConnection(database) as door:
            assert adbc.rows(door, "SELECT count(*) FROM t") == [(300,)]
